/* SPDX-License-Identifier: Apache-2.0
 *
 * The cpu backend's bf16 product alone: a tile of 96 rows, operands already packed, as a share of
 * what registers give, measured right before. #wrong counts sums that are off fp64 by more than
 * 2e-5. Run by hand on a processor with AVX-512 BF16. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/kernels/peaks.h"
#include "host/base/clock.h"
#include "host/base/memory.h"
#include "kernels/bf16.h"
#include "kernels/cpu/encoder/gemm_bf16.h"

#define N_ROWS  96
#define N_OUT   512
#define N_TIMED 15
#define N_CALLS 40 /* in one timing */

static float value(int64_t i)
{
    return ((float)((uint32_t)(i * 2654435761u) >> 8) * 0x1p-23f - 1.0f) * 0.25f;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int64_t count_wrong(const float *x, const float *weight, int64_t n_in, const float *out)
{
    int64_t n = 0;

    for (int64_t r = 0; r < N_ROWS; r++)
        for (int64_t o = 0; o < N_OUT; o++) {
            double sum = 0.0;
            for (int64_t i = 0; i < n_in; i++)
                sum += (double)br_bf16(x[r * n_in + i]) * br_bf16(weight[o * n_in + i]);
            n += !(fabs(out[r * N_OUT + o] - sum) <= 2e-5);
        }
    return n;
}

static void time_calls(const br_cpu_dot_args *args, double flop, double *share)
{
    double peak  = br_peak_once(BR_PEAK_BF16);
    double start = br_clock_thread_cpu_s();

    for (int i = 0; i < N_CALLS; i++)
        br_cpu_gemm_dot(args);
    *share = 1e-7 * flop * N_CALLS / (br_clock_thread_cpu_s() - start) / peak;
}

static br_status bench(int64_t n_in)
{
    br_status       st   = BR_OK;
    double          flop = 2.0 * N_ROWS * N_OUT * (double)n_in, share[N_TIMED];
    float          *x = NULL, *weight = NULL, *out = NULL;
    uint16_t       *half   = NULL;
    uint32_t       *packed = NULL;
    br_cpu_weight   from;
    br_cpu_dot_args args;

    BR_ALLOC(st, x, N_ROWS * n_in, "bench rows");
    BR_ALLOC(st, half, N_ROWS * n_in, "bench rows");
    BR_ALLOC(st, weight, N_OUT * n_in, "bench weight");
    BR_ALLOC(st, packed, br_cpu_packed_pairs(n_in, N_OUT), "bench weight");
    BR_ALLOC(st, out, N_ROWS * N_OUT, "bench result");
    for (int64_t i = 0; i < N_ROWS * n_in; i++)
        x[i] = value(i);
    for (int64_t i = 0; i < N_OUT * n_in; i++)
        weight[i] = value(i + 77);
    from = (br_cpu_weight){weight, n_in, 1, n_in, N_OUT};
    br_cpu_pack_pairs(&from, packed);
    br_cpu_to_bf16(x, N_ROWS * n_in, half);
    args = (br_cpu_dot_args){.x           = half,
                             .ld_x        = n_in,
                             .n_rows      = N_ROWS,
                             .packed      = packed,
                             .panel_pairs = n_in / 2,
                             .n_pairs     = n_in / 2,
                             .n_out       = N_OUT,
                             .out         = out,
                             .ld_out      = N_OUT};
    for (int i = 0; i < N_TIMED; i++)
        time_calls(&args, flop, &share[i]);
    qsort(share, N_TIMED, sizeof *share, by_value);
    printf("%6lld  %6d %6d  %6.1f %6.1f %6.1f  %6lld\n", (long long)n_in, N_OUT, N_ROWS, share[0],
           share[N_TIMED / 2], share[N_TIMED - 1], (long long)count_wrong(x, weight, n_in, out));
done:
    br_free(&x);
    br_free(&half);
    br_free(&weight);
    br_free(&packed);
    br_free(&out);
    return st;
}

int main(void)
{
    br_status st = BR_OK;

    if (!br_cpu_has_dot()) {
        (void)fprintf(stderr, "no AVX-512 BF16 on this processor\n");
        return 77;
    }
    printf(
        "# batchrank %s, bf16 product of a tile, one thread, processor time; peak %.1f GFLOP/s in "
        "registers\n",
        BR_VERSION, br_peak_once(BR_PEAK_BF16));
    printf("# inputs    out   rows  %% of peak min  med  max  #wrong\n");
    for (int64_t n_in = 64; n_in <= 512; n_in *= 2)
        BR_TRY(st, bench(n_in));
done:
    if (st != BR_OK)
        (void)fprintf(stderr, "%s (%s)\n", br_error_last()->text, br_error_last()->trail);
    return br_status_exit_code(st);
}
