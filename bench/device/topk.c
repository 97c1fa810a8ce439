/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk on vectors that lie on the device, nearly Gaussian ones (nothing to prune by), with a
 * bias, by the screen that the planner takes and by each kind. The first rows' lists are compared
 * with ref's, items and score bits, before a time is printed. Its share is of the bf16 product's
 * peak, for int8 too, whose own is twice as high. */
#include <math.h>
#include <string.h>

#include "bench/device/device_case.h"
#include "host/base/memory.h"

#define N_CHECKED 4

typedef struct topk_case {
    int64_t            B, N, D;
    int32_t            k;
    br_screen_kind     screen;
    br_dev            *lane;
    br_items          *items;
    br_mat             query_BD, item_ND, bias_N, item_BK, score_BK;
    br_score_topk_args args;
} topk_case;

static void case_close(topk_case *c)
{
    br_items_free(&c->items);
    br_dev_free(&c->query_BD);
    br_dev_free(&c->item_ND);
    br_dev_free(&c->bias_N);
    br_dev_free(&c->item_BK);
    br_dev_free(&c->score_BK);
    br_dev_close(&c->lane);
}

static br_status case_open(br_dev *dev, topk_case *c)
{
    br_status     st    = BR_OK;
    br_items_args items = {.k = c->k, .screen = c->screen};

    BR_TRY(st, br_dev_open_lane(dev, br_score_topk_scratch_bytes(c->N, c->D, c->k), &c->lane));
    BR_TRY(st, device_place(dev, &(device_data){c->B, c->D, 1, 1.0f}, &c->query_BD));
    BR_TRY(st, device_place(dev, &(device_data){c->N, c->D, 2, 1.0f}, &c->item_ND));
    BR_TRY(st, device_place(dev, &(device_data){c->N, 1, 3, 1.0f}, &c->bias_N));
    BR_TRY(st, br_dev_alloc(dev, BR_I32, c->B, c->k, &c->item_BK));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, c->B, c->k, &c->score_BK));
    items.item_ND = c->item_ND;
    items.bias_N  = c->bias_N;
    BR_TRY(st, br_items_prepare(dev, &items, &c->items));
    c->args = (br_score_topk_args){.items    = c->items,
                                   .query_BD = c->query_BD,
                                   .k        = c->k,
                                   .item_BK  = c->item_BK,
                                   .score_BK = c->score_BK};
done:
    return st;
}

static br_status score_once(void *context)
{
    topk_case *c = context;
    return br_op_score_topk(c->lane, &c->args);
}

static br_status count_wrong(topk_case *c, int64_t *n_wrong)
{
    br_status st    = BR_OK;
    topk_case small = {.B = c->B < N_CHECKED ? c->B : N_CHECKED, .N = c->N, .D = c->D, .k = c->k};
    int64_t   n     = small.B * c->k;
    br_dev   *ref   = NULL;
    int32_t  *item = NULL, *want_item = NULL;
    float    *score = NULL, *want_score = NULL;

    BR_TRY(st, br_dev_open(BR_BACKEND_REF, 0, &ref));
    BR_TRY(st, case_open(ref, &small));
    BR_TRY(st, score_once(&small));
    BR_ALLOC(st, item, n, "items");
    BR_ALLOC(st, want_item, n, "items of ref");
    BR_ALLOC(st, score, n, "scores");
    BR_ALLOC(st, want_score, n, "scores of ref");
    BR_TRY(st, br_download(c->lane, br_mat_rows(c->item_BK, 0, small.B), item));
    BR_TRY(st, br_download(c->lane, br_mat_rows(c->score_BK, 0, small.B), score));
    BR_TRY(st, br_download(ref, small.item_BK, want_item));
    BR_TRY(st, br_download(ref, small.score_BK, want_score));
    for (int64_t i = 0; i < n; i++)
        *n_wrong += item[i] != want_item[i] || memcmp(&score[i], &want_score[i], 4) != 0;
done:
    case_close(&small);
    br_dev_close(&ref);
    br_free(&item);
    br_free(&want_item);
    br_free(&score);
    br_free(&want_score);
    return st;
}

/* Behind the shape, which says nothing of AUTO. */
static const char *name_of(br_screen_kind screen)
{
    switch (screen) {
    case BR_SCREEN_FP16:
        return " fp16";
    case BR_SCREEN_BF16:
        return " bf16";
    case BR_SCREEN_INT8:
        return " int8";
    default:
        return "";
    }
}

static void bench_case(device_bench *bench, topk_case c)
{
    br_status  st  = BR_OK;
    device_row row = {.op = "score_topk", .peak = bench->peaks.gemm_gflops[BR_PRECISION_BF16]};

    (void)snprintf(row.shape, sizeof row.shape, "B %lld N %lld D %lld k %d%s", (long long)c.B,
                   (long long)c.N, (long long)c.D, c.k, name_of(c.screen));
    row.gflop = 2e-9 * (double)c.B * (double)c.N * (double)c.D;
    BR_TRY(st, case_open(bench->dev, &c));
    BR_TRY(st, score_once(&c));
    BR_TRY(st, br_dev_sync(c.lane));
    BR_TRY(st, count_wrong(&c, &row.n_wrong));
    BR_TRY(st, device_time(c.lane, score_once, &c, &row.times));
    row.per_s = (double)c.B / row.times.median;
done:
    device_print(bench, &row, st);
    case_close(&c);
}

void device_bench_topk(device_bench *bench)
{
    static const topk_case full[] = {
        {.B = 16384, .N = 1000000, .D = 128, .k = 100},
        {.B = 16384, .N = 1000000, .D = 128, .k = 100, .screen = BR_SCREEN_FP16},
        {.B = 16384, .N = 1000000, .D = 128, .k = 100, .screen = BR_SCREEN_BF16},
        {.B = 16384, .N = 1000000, .D = 128, .k = 100, .screen = BR_SCREEN_INT8},
        {.B = 16384, .N = 1000000, .D = 128, .k = 10},
        {.B = 262144, .N = 1000, .D = 128, .k = 10}};
    static const topk_case small[] = {
        {.B = 37, .N = 1500, .D = 128, .k = 100},
        {.B = 37, .N = 1500, .D = 48, .k = 10, .screen = BR_SCREEN_INT8},
        {.B = 130, .N = 100, .D = 128, .k = 10, .screen = BR_SCREEN_BF16}};
    int n =
        bench->is_small ? (int)(sizeof small / sizeof *small) : (int)(sizeof full / sizeof *full);

    for (int i = 0; i < n; i++)
        bench_case(bench, bench->is_small ? small[i] : full[i]);
}
