/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix product's plain block, which processors without AVX2 run: compiled in here as on
 * such a processor, and compared with fp64 loops around every edge of a block. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#undef __x86_64__
#include "kernels/cpu/gemm.c"
#include "kernels/cpu/gemm_wide.c"

static void check(int64_t n_rows, int64_t n_in, int64_t n_out)
{
    br_cpu_weight from;
    float        *x      = calloc((size_t)(n_rows * n_in), sizeof *x);
    float        *weight = calloc((size_t)(n_out * n_in), sizeof *weight);
    float        *packed = calloc((size_t)br_cpu_packed_floats(n_in, n_out), sizeof *packed);
    float        *out    = calloc((size_t)(n_rows * n_out), sizeof *out);

    for (int64_t i = 0; i < n_rows * n_in; i++)
        x[i] = (float)(i % 7 - 3);
    for (int64_t i = 0; i < n_out * n_in; i++)
        weight[i] = (float)(i % 5 - 2);
    from = (br_cpu_weight){weight, n_in, 1, n_in, n_out};
    br_cpu_pack(&from, packed);
    br_cpu_gemm_narrow(&(br_cpu_gemm_args){x, n_in, n_rows, packed, n_in, n_in, n_out, out, n_out});
    for (int64_t r = 0; r < n_rows; r++) {
        for (int64_t o = 0; o < n_out; o++) {
            double sum = 0.0;
            for (int64_t i = 0; i < n_in; i++)
                sum += (double)x[r * n_in + i] * (double)weight[o * n_in + i];
            assert_true((double)out[r * n_out + o] == sum); /* integers: exact */
        }
    }
    free(x);
    free(weight);
    free(packed);
    free(out);
}

static void test_plain_block(void **state)
{
    const int64_t sizes[] = {1, 5, 6, 7, 15, 16, 17, 33};

    (void)state;
    for (size_t r = 0; r < 8; r++)
        for (size_t i = 0; i < 8; i++)
            for (size_t o = 0; o < 8; o++)
                check(sizes[r], sizes[i], sizes[o]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain_block)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
