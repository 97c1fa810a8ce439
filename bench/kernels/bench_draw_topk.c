/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_topk of the cpu backend beside plain score_topk on Gaussian vectors whose scores have
 * standard deviation 1, one lane. Customers/s are by processor seconds, so that a busy machine
 * spoils little. "by quotas": at most two of each of 200 groups. "first" is the share of rows whose
 * list was certain with the first shortlist, of the draws without quotas.
 *
 *   bench_draw_topk [rows per shape, default 384 [items, default 100,000 [width, default 64]]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "kernels/ops.h"

typedef struct subject {
    int64_t    B, N, D;
    br_dev    *dev;
    br_items  *items;
    br_quotas *quotas;
    br_mat     query_BD, item_ND, customer_B, temperature_B;
} subject;

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

static double uniform(uint64_t at)
{
    return ((double)(mix(at * 0x9E3779B97F4A7C15u + 20261128u) >> 11) + 0.5) * 0x1p-53;
}

static br_status place(br_dev *dev, int64_t n_rows, int64_t n_cols, uint64_t stream, double scale,
                       br_mat *out)
{
    br_status st   = BR_OK;
    float    *host = NULL;

    BR_ALLOC(st, host, n_rows * n_cols, "bench data");
    for (int64_t i = 0; i < n_rows * n_cols; i++) {
        uint64_t at = (stream << 40) + 2 * (uint64_t)i;

        host[i] = (float)(scale * sqrt(-2.0 * log(uniform(at))) *
                          cos(6.283185307179586 * uniform(at + 1)));
    }
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n_rows, n_cols, out));
    BR_TRY(st, br_upload(dev, *out, host));
done:
    br_free(&host);
    return st;
}

static br_status set_temperature(subject *s, double temperature)
{
    br_status st   = BR_OK;
    float    *host = NULL;

    BR_ALLOC(st, host, s->B, "temperatures");
    for (int64_t b = 0; b < s->B; b++)
        host[b] = (float)temperature;
    BR_TRY(st, br_upload(s->dev, s->temperature_B, host));
done:
    br_free(&host);
    return st;
}

static br_status prepare_quotas(subject *s)
{
    br_status st      = BR_OK;
    int32_t  *group_N = NULL;

    BR_ALLOC(st, group_N, s->N, "groups");
    for (int64_t i = 0; i < s->N; i++)
        group_N[i] = (int32_t)(mix((uint64_t)i) % 200);
    BR_TRY(st, br_quotas_prepare(s->dev, &(br_quota_column){group_N, 200, 2}, 1, s->N, &s->quotas));
done:
    br_free(&group_N);
    return st;
}

static br_status subject_open(subject *s)
{
    br_status     st   = BR_OK;
    uint64_t     *host = NULL;
    br_items_args args = {.k = 100};

    BR_TRY(st,
           br_dev_open(BR_BACKEND_CPU, br_draw_topk_scratch_bytes(s->N, s->D, 100, 1), &s->dev));
    BR_TRY(st, place(s->dev, s->B, s->D, 1, 1.0 / sqrt((double)s->D), &s->query_BD));
    BR_TRY(st, place(s->dev, s->N, s->D, 2, 1.0, &s->item_ND));
    args.item_ND = s->item_ND;
    BR_TRY(st, br_items_prepare(s->dev, &args, &s->items));
    BR_TRY(st, prepare_quotas(s));
    BR_ALLOC(st, host, s->B, "customers");
    for (int64_t b = 0; b < s->B; b++)
        host[b] = (uint64_t)b;
    BR_TRY(st, br_dev_alloc(s->dev, BR_U64, s->B, 1, &s->customer_B));
    BR_TRY(st, br_upload(s->dev, s->customer_B, host));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, s->B, 1, &s->temperature_B));
done:
    br_free(&host);
    return st;
}

static void subject_close(subject *s)
{
    br_items_free(&s->items);
    br_quotas_free(&s->quotas);
    br_dev_free(&s->query_BD);
    br_dev_free(&s->item_ND);
    br_dev_free(&s->customer_B);
    br_dev_free(&s->temperature_B);
    br_dev_close(&s->dev);
}

static br_status bench_k(subject *s, int32_t k)
{
    static const double temperatures[] = {0.05, 0.3, 1.0, 10.0};
    br_status           st             = BR_OK;
    br_score_topk_args  topk           = {.items = s->items, .query_BD = s->query_BD, .k = k};
    double              start_s, plain_s;

    BR_TRY(st, br_dev_alloc(s->dev, BR_I32, s->B, k, &topk.item_BK));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, s->B, k, &topk.score_BK));
    BR_TRY(st, br_op_score_topk(s->dev, &topk));
    start_s = br_clock_thread_cpu_s();
    BR_TRY(st, br_op_score_topk(s->dev, &topk));
    plain_s = br_clock_thread_cpu_s() - start_s;
    for (int i = 0; i < 4; i++) {
        br_draw_topk_args args = {.items         = s->items,
                                  .query_BD      = s->query_BD,
                                  .temperature_B = s->temperature_B,
                                  .customer_B    = s->customer_B,
                                  .seed          = 1,
                                  .k             = k,
                                  .item_BK       = topk.item_BK,
                                  .score_BK      = topk.score_BK};
        br_draw_topk_args by_quotas;
        double            drawn_s, quotas_s;

        BR_TRY(st, br_dev_alloc(s->dev, BR_F32, s->B, k, &args.log_propensity_BK));
        BR_TRY(st, set_temperature(s, temperatures[i]));
        start_s = br_clock_thread_cpu_s();
        BR_TRY(st, br_op_draw_topk(s->dev, &args));
        drawn_s          = br_clock_thread_cpu_s() - start_s;
        by_quotas        = args;
        by_quotas.quotas = s->quotas;
        start_s          = br_clock_thread_cpu_s();
        BR_TRY(st, br_op_draw_topk(s->dev, &by_quotas));
        quotas_s = br_clock_thread_cpu_s() - start_s;
        br_dev_free(&args.log_propensity_BK);
        (void)printf("%7lld %4lld %5d %6.2f  %10.0f %10.0f %10.0f %7.2f  %7.3f %7.3f %7.3f %7.3f\n",
                     (long long)s->N, (long long)s->D, k, temperatures[i], (double)s->B / plain_s,
                     (double)s->B / drawn_s, (double)s->B / quotas_s, drawn_s / plain_s,
                     (double)args.n_first / (double)s->B, (double)args.n_longer / (double)s->B,
                     (double)args.n_slow / (double)s->B, (double)args.n_summed / (double)s->B);
        (void)fflush(stdout);
    }
done:
    br_dev_free(&topk.item_BK);
    br_dev_free(&topk.score_BK);
    return st;
}

int main(int argc, char **argv)
{
    br_status st = BR_OK;
    subject   s  = {.B = argc > 1 ? atoll(argv[1]) : 384,
                    .N = argc > 2 ? atoll(argv[2]) : 100000,
                    .D = argc > 3 ? atoll(argv[3]) : 64};

    BR_TRY(st, subject_open(&s));
    (void)printf("# batchrank %s, %s\n", BR_VERSION, br_dev_description(s.dev));
    (void)printf("      N    D     K      T    score_topk  draw_topk   by quotas   times    first  "
                 "longer    slow  summed\n");
    (void)printf(
        "                             customers/s customers/s customers/s          of the rows\n");
    BR_TRY(st, bench_k(&s, 10));
    BR_TRY(st, bench_k(&s, 100));
done:
    if (st != BR_OK)
        (void)fprintf(stderr, "error: %s\n", br_error_last()->text);
    subject_close(&s);
    return st == BR_OK ? 0 : 1;
}
