/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix products' forms for one processor: AVX2 and AVX-512 give the same bits in fp32; a
 * row's bits in bf16 do not depend on how many rows it is multiplied with; rounding to bf16 is the
 * processor's. Skipped where there is no AVX-512 (BF16). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/bf16.h"
#include "kernels/cpu/encoder/gemm_bf16.h"

#define MOST 70

static float value(int64_t i)
{
    return (float)((uint32_t)(i * 2654435761u) >> 8) * 0x1p-23f - 1.0f;
}

static float x_RI[MOST * MOST + 8], weight_OI[MOST * MOST + 8], first[MOST * MOST],
    second[MOST * MOST];

static void check_fp32(int64_t n_rows, int64_t n_in, int64_t n_out)
{
    br_cpu_weight    from   = {weight_OI, n_in, 1, n_in, n_out};
    float           *packed = calloc((size_t)br_cpu_packed_floats(n_in, n_out), sizeof *packed);
    br_cpu_gemm_args args   = {x_RI, n_in, n_rows, packed, n_in, n_in, n_out, first, n_out};

    br_cpu_pack(&from, packed);
    br_cpu_gemm_narrow(&args);
    args.out = second;
    br_cpu_gemm_wide(&args);
    assert_memory_equal(first, second, (size_t)(n_rows * n_out) * sizeof(float));
    free(packed);
}

static void check_bf16(int64_t n_rows, int64_t n_in, int64_t n_out)
{
    br_cpu_weight   from    = {weight_OI, n_in, 1, n_in, n_out};
    int64_t         n_pairs = br_cpu_pairs(n_in);
    uint32_t       *packed  = calloc((size_t)br_cpu_packed_pairs(n_in, n_out), sizeof *packed);
    uint16_t       *x       = calloc((size_t)(n_rows * 2 * n_pairs), sizeof *x);
    br_cpu_dot_args args    = {.x           = x,
                               .ld_x        = 2 * n_pairs,
                               .n_rows      = n_rows,
                               .packed      = packed,
                               .panel_pairs = n_pairs,
                               .n_pairs     = n_pairs,
                               .n_out       = n_out,
                               .out         = first,
                               .ld_out      = n_out,
                               .bias        = n_in % 3 == 0 ? NULL : weight_OI + 7,
                               .residual    = n_in % 2 == 0 ? NULL : x_RI + 5,
                               .ld_residual = n_out};

    br_cpu_pack_pairs(&from, packed);
    for (int64_t r = 0; r < n_rows; r++)
        br_cpu_to_bf16(x_RI + r * n_in, n_in, x + r * 2 * n_pairs);
    br_cpu_gemm_dot(&args);
    for (int64_t r = 0; r < n_rows; r++) {
        args.x      = x + r * 2 * n_pairs;
        args.n_rows = 1;
        args.out    = second + r * n_out;
        if (args.residual != NULL)
            args.residual = x_RI + 5 + r * n_out;
        br_cpu_gemm_dot(&args);
        for (int64_t o = 0; o < n_out; o++) {
            double sum = args.bias == NULL ? 0.0 : args.bias[o];
            sum += args.residual == NULL ? 0.0 : args.residual[o];
            for (int64_t i = 0; i < n_in; i++)
                sum += (double)br_bf16(x_RI[r * n_in + i]) * br_bf16(weight_OI[o * n_in + i]);
            assert_true(fabs(first[r * n_out + o] - sum) <=
                        2e-5); /* sums of up to 70 values within 1 */
        }
    }
    assert_memory_equal(first, second, (size_t)(n_rows * n_out) * sizeof(float));
    free(packed);
    free(x);
}

static void each_size(void (*check)(int64_t n_rows, int64_t n_in, int64_t n_out))
{
    const int64_t sizes[] = {1, 2, 11, 12, 13, 16, 17, 31, 32, 33, 49, 70};

    for (int64_t i = 0; i < MOST * MOST + 8; i++) {
        x_RI[i]      = value(i);
        weight_OI[i] = value(i + 12345);
    }
    for (size_t r = 0; r < 12; r++)
        for (size_t i = 0; i < 12; i++)
            for (size_t o = 0; o < 12; o++)
                check(sizes[r], sizes[i], sizes[o]);
}

static void test_fp32_forms(void **state)
{
    (void)state;
    if (!br_cpu_has_wide())
        skip();
    each_size(check_fp32);
}

static void test_bf16_rows(void **state)
{
    (void)state;
    if (!br_cpu_has_dot())
        skip();
    each_size(check_bf16);
}

static void test_rounding(void **state)
{
    const float special[] = {0.0f,       -0.0f,          1.0f,           0x1.01p0f, 0x1.03p0f,
                             -0x1.01p0f, 0x1.00ffp0f,    3e38f,          INFINITY,  -INFINITY,
                             65504.0f,   0x1.fffffep-2f, 0x1.fffffep127f};

    (void)state;
    if (!br_cpu_has_dot())
        skip();
    for (int64_t i = 0; i < 4000; i++) {
        float    x = i < 13 ? special[i] : value(i) * (float)exp2((double)(i % 60) - 30.0);
        uint16_t got[2];

        br_cpu_to_bf16(&x, 1, got);
        assert_int_equal(got[0], br_bf16_bits(x) >> 16);
        assert_int_equal(got[1], 0);
    }
}

static void test_nan(void **state)
{
    (void)state;
    assert_true(isnan(br_bf16(NAN)) && isnan(br_bf16(-NAN)));
    if (br_cpu_has_dot()) {
        const float x[2] = {NAN, 1.0f};
        uint16_t    got[2];

        br_cpu_to_bf16(x, 2, got);
        assert_true((got[0] & 0x7FFF) > 0x7F80);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fp32_forms),
        cmocka_unit_test(test_bf16_rows),
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
