/* SPDX-License-Identifier: Apache-2.0
 *
 * pair_mlp of the cpu backend, one lane, in processor seconds: the share of half the fp32 peak in
 * registers (sums are fp64), measured right before, and the time of the ref backend on one customer
 * in its place. #wrong counts logits whose bits are not ref's.
 *
 *   bench_pair_mlp [customers per shape, default 32] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kernels/peaks.h"
#include "host/base/clock.h"
#include "host/base/memory.h"
#include "kernels/ops.h"

#define N_ITEMS 20000
#define N_TIMED 7

typedef struct shape {
    int32_t D, K, n_layers, width[BR_MAX_PAIR_LAYERS];
} shape;

static float value(uint64_t at)
{
    uint64_t h = at * 0x9E3779B97F4A7C15u;

    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    return (float)((h ^ (h >> 27)) >> 40) * 0x1p-23f - 1.0f;
}

static br_status place(br_dev *dev, uint64_t stream, int64_t n_rows, int64_t n_cols, br_mat *out)
{
    br_status st   = BR_OK;
    float    *host = NULL;

    BR_ALLOC(st, host, n_rows * n_cols, "bench data");
    for (int64_t i = 0; i < n_rows * n_cols; i++)
        host[i] = (stream < 2 ? 1.0f : 0.1f) * value((stream << 40) + (uint64_t)i);
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n_rows, n_cols, out));
    BR_TRY(st, br_upload(dev, *out, host));
done:
    br_free(&host);
    return st;
}

static br_status place_items(br_dev *dev, int64_t n_rows, int64_t K, br_mat *out)
{
    br_status st      = BR_OK;
    int32_t  *item_BK = NULL;

    BR_ALLOC(st, item_BK, n_rows * K, "bench items");
    for (int64_t i = 0; i < n_rows * K; i++)
        item_BK[i] = (int32_t)((uint64_t)i * 2654435761u % N_ITEMS);
    BR_TRY(st, br_dev_alloc(dev, BR_I32, n_rows, K, out));
    BR_TRY(st, br_upload(dev, *out, item_BK));
done:
    br_free(&item_BK);
    return st;
}

static br_status place_all(br_dev *dev, const shape *s, int64_t n_rows, br_pair_mlp_args *args)
{
    br_status st = BR_OK;

    *args = (br_pair_mlp_args){.n_layers = s->n_layers};
    BR_TRY(st, place(dev, 0, n_rows, s->D, &args->query_BD));
    BR_TRY(st, place(dev, 1, N_ITEMS, s->D, &args->item_ND));
    BR_TRY(st, place_items(dev, n_rows, s->K, &args->item_BK));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n_rows, s->K, &args->logit_BK));
    for (int32_t l = 0; l <= s->n_layers; l++) {
        int32_t n_in  = l == 0 ? 3 * s->D : s->width[l - 1];
        int32_t n_out = l < s->n_layers ? s->width[l] : 1;

        BR_TRY(st, place(dev, 2 + (uint64_t)l, n_out, n_in, &args->weight_OI[l]));
        BR_TRY(st, place(dev, 8 + (uint64_t)l, 1, n_out, &args->bias_1O[l]));
    }
done:
    return st;
}

static void free_all(br_pair_mlp_args *args)
{
    br_dev_free(&args->query_BD);
    br_dev_free(&args->item_ND);
    br_dev_free(&args->item_BK);
    br_dev_free(&args->logit_BK);
    for (int32_t l = 0; l <= BR_MAX_PAIR_LAYERS; l++) {
        br_dev_free(&args->weight_OI[l]);
        br_dev_free(&args->bias_1O[l]);
    }
}

static double flop_of(const shape *s)
{
    double per_pair = 2.0 * s->D * s->width[0] + 2.0 * s->width[s->n_layers - 1];

    for (int32_t l = 1; l < s->n_layers; l++)
        per_pair += 2.0 * s->width[l - 1] * s->width[l];
    return per_pair * s->K;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The first customer's logits of ref, and how many of them `logit_K` has otherwise. */
static br_status compare(const shape *s, const float *logit_K, double *ref_s, int64_t *n_wrong)
{
    br_status        st   = BR_OK;
    br_dev          *dev  = NULL;
    float           *want = NULL;
    br_pair_mlp_args args = {0};
    double           start;

    BR_ALLOC(st, want, s->K, "bench logits");
    BR_TRY(st, br_dev_open(BR_BACKEND_REF, 0, &dev));
    BR_TRY(st, place_all(dev, s, 1, &args));
    start = br_clock_thread_cpu_s();
    BR_TRY(st, br_op_pair_mlp(dev, &args));
    *ref_s = br_clock_thread_cpu_s() - start;
    BR_TRY(st, br_download(dev, args.logit_BK, want));
    for (int32_t j = 0; j < s->K; j++)
        *n_wrong += memcmp(&want[j], &logit_K[j], sizeof *want) != 0;
done:
    free_all(&args);
    br_dev_close(&dev);
    br_free(&want);
    return st;
}

static br_status bench(const shape *s, int64_t n_rows)
{
    br_status        st  = BR_OK;
    br_dev          *dev = NULL;
    br_pair_mlp_args args;
    double           share[N_TIMED], pass_s[N_TIMED], ref_s = 0.0;
    int64_t          n_wrong = 0;
    float           *logit   = NULL;

    args = (br_pair_mlp_args){0};
    BR_ALLOC(st, logit, n_rows * s->K, "bench logits");
    BR_TRY(st, br_dev_open(BR_BACKEND_CPU, 0, &dev));
    BR_TRY(st, place_all(dev, s, n_rows, &args));
    BR_TRY(st, br_op_pair_mlp(dev, &args)); /* not counted */
    for (int i = 0; i < N_TIMED; i++) {
        double peak = br_peak_once(BR_PEAK_FP32) / 2.0, start = br_clock_thread_cpu_s();

        BR_TRY(st, br_op_pair_mlp(dev, &args));
        pass_s[i] = br_clock_thread_cpu_s() - start;
        share[i]  = 1e-7 * flop_of(s) * (double)n_rows / pass_s[i] / peak;
    }
    BR_TRY(st, br_download(dev, args.logit_BK, logit));
    BR_TRY(st, compare(s, logit, &ref_s, &n_wrong));
    qsort(share, N_TIMED, sizeof *share, by_value);
    qsort(pass_s, N_TIMED, sizeof *pass_s, by_value);
    printf("%5d %5d %5d %5d  %9.1f %9.2f  %5.1f %5.1f %5.1f  %7.1f  %6lld\n", s->D, s->K,
           s->width[0], s->n_layers > 1 ? s->width[1] : 0,
           1e6 * pass_s[N_TIMED / 2] / (double)n_rows,
           1e-9 * flop_of(s) * (double)n_rows / pass_s[N_TIMED / 2], share[0], share[N_TIMED / 2],
           share[N_TIMED - 1], ref_s * (double)n_rows / pass_s[N_TIMED / 2], (long long)n_wrong);
done:
    free_all(&args);
    br_dev_close(&dev);
    br_free(&logit);
    return st;
}

int main(int argc, char **argv)
{
    static const shape shapes[] = {{64, 512, 1, {64}},
                                   {192, 20, 1, {64}},
                                   {192, 512, 1, {64}},
                                   {192, 512, 2, {128, 32}},
                                   {256, 1024, 1, {512}}};
    br_status          st       = BR_OK;
    int64_t            n_rows   = argc > 1 ? atoll(argv[1]) : 32;

    printf("# batchrank %s, pair_mlp on cpu, one lane, processor time\n", BR_VERSION);
    printf("#   D     K   H_1   H_2  us/customer   GFLOP/s  %% of fp64 peak min med max  x ref  "
           "#wrong\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0] && n_rows > 0; i++)
        BR_TRY(st, bench(&shapes[i], n_rows));
done:
    if (st != BR_OK)
        (void)fprintf(stderr, "%s (%s)\n", br_error_last()->text, br_error_last()->trail);
    return br_status_exit_code(st);
}
