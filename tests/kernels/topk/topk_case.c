/* SPDX-License-Identifier: Apache-2.0
 *
 * Problems, oracle and runner: topk_case.h. */
#include "tests/kernels/topk/topk_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "kernels/cpu/topk/items.h"
#include "kernels/cuda/topk/order.h"
#include "tests/kernels/op_case.h"

#define EMULATED_PRODUCTS ((int64_t)1 << 22)
#define ALL_ORDERS        ((int64_t)1 << 17)

static const char *const kind_name[] = {"random",    "tied",     "duplicate", "ascending", "zero",
                                        "huge-norm", "denormal", "skewed",    "outlier"};

/* Numbers that depend on the seed and the place only. */
uint64_t draw(uint64_t stream, uint64_t at)
{
    uint64_t h = TOPK_SEED + stream * 0x9E3779B97F4A7C15u + at * 0xD1B54A32D192ED03u;

    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

float uniform(uint64_t stream, uint64_t at)
{
    return (float)((double)(draw(stream, at) >> 11) * 0x1p-52 - 1.0);
}

static float value_of(const problem *p, uint64_t stream, int64_t row, int64_t d)
{
    uint64_t at = (uint64_t)(row * 1024 + d);

    switch (p->kind) {
    case TIED:
        return (float)((int)(draw(stream, at) % 3) - 1);
    case DUPLICATE:
        return uniform(stream, (uint64_t)((stream == 2 ? row % 7 : row) * 1024 + d));
    case ASCENDING: /* scores rise with the item row */
        return stream == 1 ? 1.0f : (float)row * 0.001f + 1e-7f * uniform(stream, at);
    case ZERO:
        return stream == 2 && row % 3 == 0 ? 0.0f : row % 5 == 0 ? -0.0f : uniform(stream, at);
    case HUGE_NORM:
        return uniform(stream, at) * (stream == 2 && row % 97 == 0 ? 1e17f : 1.0f);
    case SKEWED: /* norms fall like a power of the row's rank */
        return uniform(stream, at) *
               (stream == 2 ? 10.0f / (1.0f + (float)(row * 7919 % p->N)) : 1.0f);
    case OUTLIER: /* two dimensions hold nearly everything */
        return uniform(stream, at) * (d == p->D / 2 ? 100.0f : d == 3 ? 20.0f : 1.0f);
    case DENORMAL:
        return uniform(stream, at) * (row % 2 ? 1e-20f : 1e-24f);
    default:
        return uniform(stream, at);
    }
}

static void fill_rules(problem *p)
{
    int64_t n = 0;

    for (int64_t b = 0; b < p->B; b++) {
        p->wanted_B[b]  = !p->has_unwanted || draw(9, (uint64_t)b) % 4 > 0;
        p->have_B[b]    = draw(4, (uint64_t)b) % 8;
        p->offset_B1[b] = n;
        for (int64_t i = (int64_t)(draw(5, (uint64_t)b) % 5); i < p->N && n < TOPK_NEVER * (b + 1);
             i += 1 + (int64_t)(draw(6, (uint64_t)(b * 977 + i)) % 9))
            p->never_S[n++] = (int32_t)i;
    }
    p->offset_B1[p->B] = n;
    for (int64_t i = 0; i < p->N; i++)
        p->require_N[i] = draw(7, (uint64_t)i) % 4 == 0 ? 1u << draw(8, (uint64_t)i) % 3 : 0;
}

void make_problem(problem *p)
{
    assert_int_equal(br_alloc(p->B * p->D, 4, "q", (void **)&p->query_BD), BR_OK);
    assert_int_equal(br_alloc(p->N * p->D, 4, "z", (void **)&p->item_ND), BR_OK);
    assert_int_equal(br_alloc(p->N, 4, "b", (void **)&p->bias_N), BR_OK);
    assert_int_equal(br_alloc(p->B, 8, "h", (void **)&p->have_B), BR_OK);
    assert_int_equal(br_alloc(p->B, 1, "w", (void **)&p->wanted_B), BR_OK);
    assert_int_equal(br_alloc(p->N, 8, "r", (void **)&p->require_N), BR_OK);
    assert_int_equal(br_alloc(p->B + 1, 8, "o", (void **)&p->offset_B1), BR_OK);
    assert_int_equal(br_alloc(TOPK_NEVER * p->B, 4, "n", (void **)&p->never_S), BR_OK);
    assert_int_equal(br_alloc(p->B * p->k, 4, "i", (void **)&p->item_BK), BR_OK);
    assert_int_equal(br_alloc(p->B * p->k, 4, "s", (void **)&p->score_BK), BR_OK);
    assert_int_equal(br_alloc(p->B, 4, "l", (void **)&p->logsumexp_B), BR_OK);
    for (int64_t b = 0; b < p->B; b++)
        for (int64_t d = 0; d < p->D; d++)
            p->query_BD[b * p->D + d] = value_of(p, 1, b, d);
    for (int64_t i = 0; i < p->N; i++) {
        for (int64_t d = 0; d < p->D; d++)
            p->item_ND[i * p->D + d] = value_of(p, 2, i, d);
        p->bias_N[i] = p->kind == TIED ? (float)(draw(3, (uint64_t)i) % 2)
                                       : uniform(3, (uint64_t)(p->kind == DUPLICATE ? i % 7 : i));
    }
    fill_rules(p);
}

void free_problem(problem *p)
{
    br_free(&p->query_BD);
    br_free(&p->item_ND);
    br_free(&p->bias_N);
    br_free(&p->have_B);
    br_free(&p->wanted_B);
    br_free(&p->require_N);
    br_free(&p->offset_B1);
    br_free(&p->never_S);
    br_free(&p->item_BK);
    br_free(&p->score_BK);
    br_free(&p->logsumexp_B);
}

/* ---- the oracle ---- */

float oracle_penalised(const problem *p, int64_t b, int64_t i, float penalty)
{
    double chain[8] = {0};
    float  score;

    for (int64_t d = 0; d < p->D; d++)
        chain[d % 8] += (double)p->query_BD[b * p->D + d] * (double)p->item_ND[i * p->D + d];
    for (int step = 4; step > 0; step /= 2)
        for (int l = 0; l < step; l++)
            chain[l] = chain[l] + chain[l + step];
    score = (float)(chain[0] + (p->has_bias ? (double)p->bias_N[i] : 0.0) - (double)penalty);
    return score == 0.0f ? 0.0f : score;
}

float oracle_score(const problem *p, int64_t b, int64_t i)
{
    return oracle_penalised(p, b, i, 0.0f);
}

typedef struct scored {
    float   score;
    int32_t item;
} scored;

static int compare_scored(const void *a, const void *b)
{
    const scored *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

bool oracle_allows(const problem *p, int64_t b, int32_t item)
{
    if (!p->wanted_B[b])
        return false;
    if (!p->has_rules)
        return true;
    if ((p->have_B[b] & p->require_N[item]) != p->require_N[item])
        return false;
    for (int64_t s = p->offset_B1[b]; s < p->offset_B1[b + 1]; s++)
        if (p->never_S[s] == item)
            return false;
    return true;
}

static void check_row(const problem *p, const char *backend, int64_t b, scored *all)
{
    int64_t n = 0;

    for (int32_t i = 0; i < p->N; i++)
        if (oracle_allows(p, b, i))
            all[n++] = (scored){oracle_score(p, b, i), i};
    qsort(all, (size_t)n, sizeof *all, compare_scored);
    for (int32_t j = 0; j < p->k; j++) {
        int32_t item  = p->item_BK[b * p->k + j];
        float   score = p->score_BK[b * p->k + j];
        bool    is_ok = j < n ? item == all[j].item && memcmp(&score, &all[j].score, 4) == 0
                              : item == -1 && isnan(score);
        if (!is_ok)
            fail_msg("%s %s B=%lld N=%lld D=%lld k=%d bias=%d rules=%d: row %lld place %d: found "
                     "item %d score %.9g, expected item %d score %.9g",
                     backend, kind_name[p->kind], (long long)p->B, (long long)p->N, (long long)p->D,
                     p->k, p->has_bias, p->has_rules, (long long)b, j, item, (double)score,
                     j < n ? all[j].item : -1, j < n ? (double)all[j].score : NAN);
    }
}

/* ---- running a backend ---- */

typedef struct running {
    problem  *p;
    br_dev   *lane[7];
    br_items *items;
    br_mat  query_BD, have_B, wanted_B, floor_B, offset_B1, never_S, item_BK, score_BK, logsumexp_B;
    int64_t batch;
    int64_t n_slow, n_second;
} running;

static br_status run_batch(void *context, int lane, int64_t task)
{
    running           *r    = context;
    int64_t            row  = task * r->batch;
    int64_t            n    = r->p->B - row < r->batch ? r->p->B - row : r->batch;
    br_score_topk_args args = {.items    = r->items,
                               .query_BD = br_mat_rows(r->query_BD, row, n),
                               .k        = r->p->k,
                               .item_BK  = br_mat_rows(r->item_BK, row, n),
                               .score_BK = br_mat_rows(r->score_BK, row, n)};
    br_status          st;

    if (r->p->has_rules) {
        args.have_B          = br_mat_rows(r->have_B, row, n);
        args.never_offset_B1 = br_mat_rows(r->offset_B1, row, n + 1);
        args.never_item_S    = r->never_S;
    }
    if (r->p->floor_B != NULL)
        args.floor_B = br_mat_rows(r->floor_B, row, n);
    if (r->p->has_unwanted)
        args.wanted_B = br_mat_rows(r->wanted_B, row, n);
    if (r->p->logsumexp != BR_LSE_NONE) {
        args.temperature = r->p->temperature;
        args.logsumexp_B = br_mat_rows(r->logsumexp_B, row, n);
    }
    st = br_op_score_topk(r->lane[lane], &args);
    __atomic_fetch_add(&r->n_slow, args.n_slow, __ATOMIC_RELAXED);
    __atomic_fetch_add(&r->n_second, args.n_second, __ATOMIC_RELAXED);
    assert_true(st != BR_OK || args.witness.n_wrong == 0); /* no false alarm of finite inputs */
    return st;
}

static br_mat place(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, const void *from)
{
    br_mat mat;

    assert_int_equal(br_dev_alloc(dev, dtype, n_rows, n_cols, &mat), BR_OK);
    if (from != NULL)
        assert_int_equal(br_upload(dev, mat, from), BR_OK);
    return mat;
}

/* Runs the problem; leaves the lists in p. Returns the status, counts slow rows. */
/* A lane whose scratch has been used: huge numbers wherever an op reads before it writes. */
static void open_lane(const problem *p, br_dev *dev, br_dev **lane)
{
    size_t         bytes = br_score_topk_scratch_bytes(p->N, p->D, p->k);
    unsigned char *huge  = NULL;
    br_mat         used;

    assert_int_equal(br_dev_open_lane(dev, bytes, lane), BR_OK);
    assert_int_equal(br_alloc((int64_t)bytes, 1, "scratch", (void **)&huge), BR_OK);
    memset(huge, 0x7f, bytes);
    assert_int_equal(br_dev_scratch(*lane, BR_U8, 1, (int64_t)bytes, &used), BR_OK);
    assert_int_equal(br_upload(*lane, used, huge), BR_OK);
    assert_int_equal(br_dev_sync(*lane), BR_OK);
    br_dev_rewind(*lane, 0);
    br_free(&huge);
}

br_status run(problem *p, br_backend backend, int n_lanes, int64_t batch, int64_t *n_slow)
{
    running       r  = {.p = p, .batch = batch};
    br_status     st = BR_OK;
    br_mat        item_ND, bias_N = {0}, require_N = {0};
    br_dev       *dev = NULL;
    br_items_args args;

#ifdef __SANITIZE_THREAD__ /* lanes run by OpenMP, whose own order it does not see */
    n_lanes = 1;
#endif
    assert_int_equal(br_dev_open(backend, 0, &dev), BR_OK);
    for (int i = 0; i < n_lanes; i++)
        open_lane(p, dev, &r.lane[i]);
    item_ND = place(dev, BR_F32, p->N, p->D, p->item_ND);
    if (p->has_bias)
        bias_N = place(dev, BR_F32, p->N, 1, p->bias_N);
    if (p->has_rules)
        require_N = place(dev, BR_U64, p->N, 1, p->require_N);
    args = (br_items_args){.item_ND      = item_ND,
                           .bias_N       = bias_N,
                           .require_N    = require_N,
                           .screen       = p->screen,
                           .k            = p->k,
                           .logsumexp    = p->logsumexp,
                           .is_witnessed = true};
    assert_int_equal(br_items_prepare(dev, &args, &r.items), BR_OK);
    r.query_BD    = place(dev, BR_F32, p->B, p->D, p->query_BD);
    r.have_B      = place(dev, BR_U64, p->B, 1, p->have_B);
    r.wanted_B    = place(dev, BR_U8, p->B, 1, p->wanted_B);
    r.floor_B     = place(dev, BR_F32, p->B, 1, p->floor_B);
    r.offset_B1   = place(dev, BR_I64, p->B + 1, 1, p->offset_B1);
    r.never_S     = place(dev, BR_I32, TOPK_NEVER * p->B, 1, p->never_S);
    r.item_BK     = place(dev, BR_I32, p->B, p->k, NULL);
    r.score_BK    = place(dev, BR_F32, p->B, p->k, NULL);
    r.logsumexp_B = place(dev, BR_F32, p->B, 1, NULL);
    st            = br_parallel_for(n_lanes, (p->B + batch - 1) / batch, run_batch, &r, NULL);
    assert_int_equal(br_download(dev, r.item_BK, p->item_BK), BR_OK);
    assert_int_equal(br_download(dev, r.score_BK, p->score_BK), BR_OK);
    assert_int_equal(br_download(dev, r.logsumexp_B, p->logsumexp_B), BR_OK);
    p->n_second = r.n_second;
    if (n_slow != NULL)
        *n_slow = r.n_slow;
    br_items_free(&r.items);
    br_mat all[] = {item_ND,   bias_N,      require_N, r.query_BD, r.have_B,   r.wanted_B,
                    r.floor_B, r.offset_B1, r.never_S, r.item_BK,  r.score_BK, r.logsumexp_B};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        br_dev_free(&all[i]);
    for (int i = 0; i < n_lanes; i++)
        br_dev_close(&r.lane[i]);
    br_dev_close(&dev);
    return st;
}

void check_lists(const problem *p, const char *backend)
{
    scored *all = NULL;

    assert_int_equal(br_alloc(p->N, sizeof *all, "oracle", (void **)&all), BR_OK);
    for (int64_t b = 0; b < p->B; b++)
        check_row(p, backend, b, all);
    br_free(&all);
}

void fit_problem(problem *p)
{
    int64_t rows = (p->B + 31) / 32 * 32, width = (p->D + 31) / 32 * 32;
    int64_t most = EMULATED_PRODUCTS / (rows * width);

    if (op_is_emulated() && p->N > most)
        p->N = most;
}

static void find_first_of_cpu(const problem *p, int32_t *row_K)
{
    br_dev             *dev   = NULL;
    br_items           *items = NULL;
    const br_cpu_items *prepared;
    br_mat              item_ND, bias_N;

    assert_int_equal(br_dev_open(BR_BACKEND_CPU, 0, &dev), BR_OK);
    item_ND = place(dev, BR_F32, p->N, p->D, p->item_ND);
    bias_N  = place(dev, BR_F32, p->N, 1, p->bias_N);
    assert_int_equal(
        br_items_prepare(dev, &(br_items_args){.item_ND = item_ND, .bias_N = bias_N}, &items),
        BR_OK);
    prepared = items->prepared;
    memcpy(row_K, prepared->row_N, (size_t)p->k * sizeof *row_K);
    br_items_free(&items);
    br_dev_free(&item_ND);
    br_dev_free(&bias_N);
    br_dev_close(&dev);
}

void mislead_sample(problem *p)
{
    int32_t *row_K = NULL;

    assert_int_equal(br_alloc(p->k, sizeof *row_K, "first", (void **)&row_K), BR_OK);
    if (op_tested() == BR_BACKEND_CPU)
        find_first_of_cpu(p, row_K);
    for (int32_t i = 0; i < p->k && op_tested() != BR_BACKEND_CPU; i++)
        row_K[i] = br_scatter_row(i, br_scatter_step(p->N), p->N);
    for (int32_t i = 0; i < p->k; i++)
        p->bias_N[row_K[i]] = 100.0f + (float)i;
    br_free(&row_K);
}

void check_made(problem *p, br_backend backend, const char *name)
{
    static int turn;
    bool       is_emulated = backend == BR_BACKEND_CUDA && op_is_emulated();
    int        n_orders    = is_emulated && p->B * p->N * p->D <= ALL_ORDERS ? 3 : 1;

    for (int i = 0; i < n_orders; i++) {
        if (is_emulated) {
            op_set_thread_order(turn % 3);
            op_cut_sums(turn++ % 2);
        }
        memset(p->item_BK, 0, (size_t)(p->B * p->k) * 4);
        assert_int_equal(run(p, backend, 1, p->B, NULL), BR_OK);
        check_lists(p, name);
    }
}

void check_problem(problem *p, br_backend backend, const char *name)
{
    fit_problem(p);
    make_problem(p);
    check_made(p, backend, name);
    free_problem(p);
}
