/* SPDX-License-Identifier: Apache-2.0
 *
 * Problems and runner: draw_case.h. */
#include "tests/kernels/draw/draw_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "tests/kernels/op_case.h"

#define TAKE(pointer, n)                                                                           \
    assert_int_equal(br_alloc((n), sizeof *(pointer), #pointer, (void **)&(pointer)), BR_OK)

/* Every other item of a never-list comes back with a score of its own. */
static void fill_extras(draw_case *c)
{
    problem *p = &c->p;
    int64_t  n = 0;

    for (int64_t b = 0; b < p->B; b++) {
        c->extra_offset_B1[b] = n;
        for (int64_t s = p->offset_B1[b]; s < p->offset_B1[b + 1]; s += 2) {
            c->extra_item_X[n]    = p->never_S[s];
            c->extra_score_X[n++] = oracle_score(p, b, p->never_S[s]) - (float)(s % 3) * 0.25f;
        }
    }
    c->extra_offset_B1[p->B] = n;
}

void make_case(draw_case *c)
{
    problem *p = &c->p;

    make_problem(p);
    TAKE(c->temperature_B, p->B);
    TAKE(c->epsilon_B, p->B);
    TAKE(c->customer_B, p->B);
    TAKE(c->extra_offset_B1, p->B + 1);
    TAKE(c->extra_item_X, TOPK_NEVER * p->B);
    TAKE(c->extra_score_X, TOPK_NEVER * p->B);
    TAKE(c->log_BK, p->B * p->k);
    TAKE(c->normaliser_B, p->B);
    TAKE(c->remaining_B, p->B);
    for (int64_t b = 0; b < p->B; b++) {
        static const double times[] = {1.0, 0.5, 2.0};
        double              factor  = c->is_mixed ? times[draw(20, (uint64_t)b) % 3] : 1.0;

        c->temperature_B[b] = (float)(c->temperature * factor);
        c->epsilon_B[b]     = (float)fmin(1.0, c->epsilon * factor);
        c->customer_B[b]    = (uint64_t)b << 33 | (uint64_t)b;
        for (int64_t d = 0; d < p->D; d++) {
            float *x = &p->query_BD[b * p->D + d];

            *x = (c->is_same ? p->query_BD[d] : *x) *
                 (c->scale > 0.0f && (b == 0 || !c->is_same) ? c->scale : 1.0f);
        }
    }
    if (c->has_extras)
        fill_extras(c);
    for (int32_t q = 0; q < c->n_quotas; q++) {
        TAKE(c->group_QN[q], p->N);
        for (int64_t i = 0; i < p->N; i++)
            c->group_QN[q][i] =
                (int32_t)(draw(21 + (uint64_t)q, (uint64_t)i) % (uint64_t)(c->n_groups + 1)) - 1;
    }
}

void free_case(draw_case *c)
{
    free_problem(&c->p);
    br_free(&c->temperature_B);
    br_free(&c->epsilon_B);
    br_free(&c->customer_B);
    br_free(&c->extra_offset_B1);
    br_free(&c->extra_item_X);
    br_free(&c->extra_score_X);
    br_free(&c->log_BK);
    br_free(&c->normaliser_B);
    br_free(&c->remaining_B);
    for (int32_t q = 0; q < c->n_quotas; q++)
        br_free(&c->group_QN[q]);
}

float case_score(const draw_case *c, int64_t b, int32_t item)
{
    for (int64_t e = c->extra_offset_B1[b]; c->has_extras && e < c->extra_offset_B1[b + 1]; e++)
        if (c->extra_item_X[e] == item)
            return c->extra_score_X[e];
    return oracle_allows(&c->p, b, item) ? oracle_score(&c->p, b, item) : NAN;
}

bool case_has_room(const draw_case *c, const int32_t *item_K, int32_t n, int32_t item)
{
    for (int32_t q = 0; q < c->n_quotas; q++) {
        int32_t n_listed = 0;

        for (int32_t j = 0; j < n; j++)
            n_listed += c->group_QN[q][item_K[j]] == c->group_QN[q][item];
        if (c->group_QN[q][item] >= 0 && n_listed >= c->max_Q[q])
            return false;
    }
    return true;
}

/* ---- running a backend ---- */

typedef struct running {
    draw_case        *c;
    br_dev           *lane[4];
    br_draw_topk_args all;
    int64_t           batch;
} running;

static br_mat rows_of(br_mat mat, int64_t row, int64_t n)
{
    return mat.buf == NULL ? mat : br_mat_rows(mat, row, n);
}

static br_status run_batch(void *context, int lane, int64_t task)
{
    running          *r    = context;
    draw_case        *c    = r->c;
    int64_t           row  = task * r->batch;
    int64_t           n    = c->p.B - row < r->batch ? c->p.B - row : r->batch;
    br_draw_topk_args args = r->all;
    br_status         st;

    args.query_BD          = rows_of(args.query_BD, row, n);
    args.never_offset_B1   = rows_of(args.never_offset_B1, row, n + 1);
    args.have_B            = rows_of(args.have_B, row, n);
    args.temperature_B     = rows_of(args.temperature_B, row, n);
    args.epsilon_B         = rows_of(args.epsilon_B, row, n);
    args.customer_B        = rows_of(args.customer_B, row, n);
    args.extra_offset_B1   = rows_of(args.extra_offset_B1, row, n + 1);
    args.item_BK           = rows_of(args.item_BK, row, n);
    args.score_BK          = rows_of(args.score_BK, row, n);
    args.log_propensity_BK = rows_of(args.log_propensity_BK, row, n);
    args.log_normaliser_B  = rows_of(args.log_normaliser_B, row, n);
    args.log_remaining_B   = rows_of(args.log_remaining_B, row, n);
    st                     = br_op_draw_topk(r->lane[lane], &args);
    __atomic_fetch_add(&c->n_first, args.n_first, __ATOMIC_RELAXED);
    __atomic_fetch_add(&c->n_longer, args.n_longer, __ATOMIC_RELAXED);
    __atomic_fetch_add(&c->n_slow, args.n_slow, __ATOMIC_RELAXED);
    __atomic_fetch_add(&c->n_summed, args.n_summed, __ATOMIC_RELAXED);
    return st;
}

static br_mat place(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, const void *from)
{
    br_mat mat;

    assert_int_equal(br_dev_alloc(dev, dtype, n_rows, n_cols, &mat), BR_OK);
    if (from != NULL && n_rows > 0)
        assert_int_equal(br_upload(dev, mat, from), BR_OK);
    return mat;
}

static void place_inputs(br_dev *dev, const draw_case *c, br_draw_topk_args *all)
{
    const problem *p = &c->p;

    all->query_BD      = place(dev, BR_F32, p->B, p->D, p->query_BD);
    all->temperature_B = place(dev, BR_F32, p->B, 1, c->temperature_B);
    all->epsilon_B     = place(dev, BR_F32, p->B, 1, c->epsilon_B);
    all->customer_B    = place(dev, BR_U64, p->B, 1, c->customer_B);
    if (p->has_rules) {
        all->have_B          = place(dev, BR_U64, p->B, 1, p->have_B);
        all->never_offset_B1 = place(dev, BR_I64, p->B + 1, 1, p->offset_B1);
        all->never_item_S    = place(dev, BR_I32, TOPK_NEVER * p->B, 1, p->never_S);
    }
    if (c->has_extras) {
        all->extra_offset_B1 = place(dev, BR_I64, p->B + 1, 1, c->extra_offset_B1);
        all->extra_item_X    = place(dev, BR_I32, TOPK_NEVER * p->B, 1, c->extra_item_X);
        all->extra_score_X   = place(dev, BR_F32, TOPK_NEVER * p->B, 1, c->extra_score_X);
    }
    all->item_BK           = place(dev, BR_I32, p->B, p->k, NULL);
    all->score_BK          = place(dev, BR_F32, p->B, p->k, NULL);
    all->log_propensity_BK = place(dev, BR_F32, p->B, p->k, NULL);
    all->log_normaliser_B  = place(dev, BR_F32, p->B, 1, NULL);
    all->log_remaining_B   = place(dev, BR_F32, p->B, 1, NULL);
}

static void take_results(br_dev *dev, draw_case *c, br_draw_topk_args *all)
{
    br_mat *mats[] = {&all->query_BD,          &all->temperature_B,    &all->epsilon_B,
                      &all->customer_B,        &all->have_B,           &all->never_offset_B1,
                      &all->never_item_S,      &all->extra_offset_B1,  &all->extra_item_X,
                      &all->extra_score_X,     &all->item_BK,          &all->score_BK,
                      &all->log_propensity_BK, &all->log_normaliser_B, &all->log_remaining_B};

    assert_int_equal(br_download(dev, all->item_BK, c->p.item_BK), BR_OK);
    assert_int_equal(br_download(dev, all->score_BK, c->p.score_BK), BR_OK);
    assert_int_equal(br_download(dev, all->log_propensity_BK, c->log_BK), BR_OK);
    assert_int_equal(br_download(dev, all->log_normaliser_B, c->normaliser_B), BR_OK);
    assert_int_equal(br_download(dev, all->log_remaining_B, c->remaining_B), BR_OK);
    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++)
        br_dev_free(mats[i]);
}

static br_quotas *prepare_quotas(br_dev *dev, const draw_case *c)
{
    br_quota_column column_Q[CASE_QUOTAS];
    br_quotas      *quotas = NULL;

    for (int32_t q = 0; q < c->n_quotas; q++)
        column_Q[q] = (br_quota_column){c->group_QN[q], c->n_groups, c->max_Q[q]};
    if (c->n_quotas > 0)
        assert_int_equal(br_quotas_prepare(dev, column_Q, c->n_quotas, c->p.N, &quotas), BR_OK);
    return quotas;
}

br_status run_case(draw_case *c, br_backend backend, int n_lanes, int64_t batch)
{
    problem      *p   = &c->p;
    running       r   = {.c = c, .batch = batch};
    br_dev       *dev = NULL;
    br_items     *items;
    br_quotas    *quotas;
    br_items_args prepare = {.screen = p->screen, .k = p->k};
    br_status     st;

    c->n_first = c->n_longer = c->n_slow = c->n_summed = 0;
    op_turn_thread_order();
    assert_int_equal(br_dev_open(backend, 0, &dev), BR_OK);
    for (int i = 0; i < n_lanes; i++)
        assert_int_equal(br_dev_open_lane(dev,
                                          br_draw_topk_scratch_bytes(p->N, p->D, p->k, c->n_quotas),
                                          &r.lane[i]),
                         BR_OK);
    prepare.item_ND = place(dev, BR_F32, p->N, p->D, p->item_ND);
    if (p->has_bias)
        prepare.bias_N = place(dev, BR_F32, p->N, 1, p->bias_N);
    if (p->has_rules)
        prepare.require_N = place(dev, BR_U64, p->N, 1, p->require_N);
    assert_int_equal(br_items_prepare(dev, &prepare, &items), BR_OK);
    quotas = prepare_quotas(dev, c);
    r.all  = (br_draw_topk_args){.items       = items,
                                 .law         = c->law,
                                 .seed        = c->seed,
                                 .n_shortlist = c->n_shortlist,
                                 .quotas      = quotas,
                                 .k           = p->k};
    place_inputs(dev, c, &r.all);
    st = br_parallel_for(n_lanes, (p->B + batch - 1) / batch, run_batch, &r, NULL);
    take_results(dev, c, &r.all);
    br_quotas_free(&quotas);
    br_items_free(&items);
    br_dev_free(&prepare.item_ND);
    br_dev_free(&prepare.bias_N);
    br_dev_free(&prepare.require_N);
    for (int i = 0; i < n_lanes; i++)
        br_dev_close(&r.lane[i]);
    br_dev_close(&dev);
    return st;
}

double chi_square_z(const double *expected, const int64_t *found, int64_t n_cells)
{
    double sum = 0.0, rest_expected = 0.0, rest_found = 0.0, n = -1.0;

    for (int64_t i = 0; i < n_cells; i++) {
        if (expected[i] < 10.0) {
            rest_expected += expected[i];
            rest_found += (double)found[i];
            continue;
        }
        sum += pow((double)found[i] - expected[i], 2.0) / expected[i];
        n += 1.0;
    }
    if (rest_expected >= 10.0) {
        sum += pow(rest_found - rest_expected, 2.0) / rest_expected;
        n += 1.0;
    }
    assert_true(n >= 1.0);
    return (cbrt(sum / n) - (1.0 - 2.0 / (9.0 * n))) / sqrt(2.0 / (9.0 * n));
}
