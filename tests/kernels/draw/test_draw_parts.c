/* SPDX-License-Identifier: Apache-2.0
 *
 * draw_topk on catalogues in 2, 3 and 7 parts (draw/part.h), merged on the host, on ref and a
 * backend (op_case.h): the bytes of draw_topk on the whole, for both laws, from all items and from
 * shortlists, with rules and extras, at high and low temperatures. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "tests/kernels/draw/draw_result.h"
#include "tests/kernels/op_case.h"

#define MOST_PARTS 7
#define TAKE(pointer, n)                                                                           \
    assert_int_equal(br_alloc((n), sizeof *(pointer), #pointer, (void **)&(pointer)), BR_OK)

/* What one part is asked, and says; the arrays of all parts stand one behind the other. */
typedef struct parts {
    draw_case *c;
    int32_t    n;        /* W */
    int32_t    m;        /* of a part's list */
    int32_t   *item_WBM; /* of the whole */
    float     *score_WBM;
    double    *key_WBM;
    float     *best_WB;
    int64_t   *n_WB;
    uint64_t  *left_WB2;
    float     *best_B; /* of the whole */
} parts;

static int64_t first_of(const parts *s, int32_t part)
{
    return s->c->p.N * part / s->n;
}

/* One list of items per row, of a never-list or of extras. */
typedef struct row_lists {
    int64_t *offset_B1;
    int32_t *item_X;
    float   *score_X; /* NULL: none belong to it */
} row_lists;

/* The rows' own items of a part, by its item rows. */
static void cut(const parts *s, int32_t part, const row_lists *all, const row_lists *to)
{
    int64_t first = first_of(s, part), end = first_of(s, part + 1), n = 0;

    for (int64_t b = 0; b < s->c->p.B; b++) {
        to->offset_B1[b] = n;
        for (int64_t i = all->offset_B1[b]; i < all->offset_B1[b + 1]; i++) {
            if (all->item_X[i] < first || all->item_X[i] >= end)
                continue;
            if (all->score_X != NULL)
                to->score_X[n] = all->score_X[i];
            to->item_X[n++] = all->item_X[i] - (int32_t)first;
        }
    }
    to->offset_B1[s->c->p.B] = n;
}

static br_mat place(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, const void *from)
{
    br_mat mat;

    assert_int_equal(br_dev_alloc(dev, dtype, n_rows, n_cols, &mat), BR_OK);
    if (from != NULL && n_rows > 0)
        assert_int_equal(br_upload(dev, mat, from), BR_OK);
    return mat;
}

static void place_rules(br_dev *dev, const parts *s, int32_t part, br_draw_topk_args *args)
{
    const draw_case *c   = s->c;
    const problem   *p   = &c->p;
    row_lists        own = {0};

    TAKE(own.offset_B1, p->B + 1);
    TAKE(own.item_X, TOPK_NEVER * p->B);
    TAKE(own.score_X, TOPK_NEVER * p->B);
    if (p->has_rules) {
        cut(s, part, &(row_lists){p->offset_B1, p->never_S, NULL}, &own);
        args->have_B          = place(dev, BR_U64, p->B, 1, p->have_B);
        args->never_offset_B1 = place(dev, BR_I64, p->B + 1, 1, own.offset_B1);
        args->never_item_S    = place(dev, BR_I32, TOPK_NEVER * p->B, 1, own.item_X);
    }
    if (c->has_extras) {
        cut(s, part, &(row_lists){c->extra_offset_B1, c->extra_item_X, c->extra_score_X}, &own);
        args->extra_offset_B1 = place(dev, BR_I64, p->B + 1, 1, own.offset_B1);
        args->extra_item_X    = place(dev, BR_I32, TOPK_NEVER * p->B, 1, own.item_X);
        args->extra_score_X   = place(dev, BR_F32, TOPK_NEVER * p->B, 1, own.score_X);
    }
    br_free(&own.offset_B1);
    br_free(&own.item_X);
    br_free(&own.score_X);
}

/* Shows a part the merged lists' items by its own rows, and says the scores or what is left; or the
 * other way round. */
static void exchange(br_dev *dev, parts *s, int32_t part, br_draw_topk_args *args, bool is_after)
{
    int64_t  B = s->c->p.B, n = B * args->k, first = first_of(s, part);
    int32_t *item_BM = s->item_WBM + part * n;

    for (int64_t i = 0; i < n && !is_after; i++) {
        bool is_own = args->part.step == BR_DRAW_LEFT && s->c->p.item_BK[i] >= first &&
                      s->c->p.item_BK[i] < first_of(s, part + 1);

        item_BM[i] = is_own ? s->c->p.item_BK[i] - (int32_t)first : -1;
    }
    if (!is_after) {
        args->item_BK      = place(dev, BR_I32, B, args->k, item_BM);
        args->score_BK     = place(dev, BR_F32, B, args->k, NULL);
        args->part.key_BK  = place(dev, BR_F64, B, args->k, NULL);
        args->part.best_B  = place(dev, BR_F32, B, 1, s->best_B);
        args->part.n_B     = place(dev, BR_I64, B, 1, NULL);
        args->part.left_B2 = place(dev, BR_U64, B, 2, NULL);
        return;
    }
    assert_int_equal(br_download(dev, args->item_BK, item_BM), BR_OK);
    assert_int_equal(br_download(dev, args->score_BK, s->score_WBM + part * n), BR_OK);
    assert_int_equal(br_download(dev, args->part.key_BK, s->key_WBM + part * n), BR_OK);
    assert_int_equal(br_download(dev, args->part.best_B, s->best_WB + part * B), BR_OK);
    assert_int_equal(br_download(dev, args->part.n_B, s->n_WB + part * B), BR_OK);
    assert_int_equal(br_download(dev, args->part.left_B2, s->left_WB2 + part * B * 2), BR_OK);
    for (int64_t i = 0; i < n; i++)
        item_BM[i] += item_BM[i] < 0 ? 0 : (int32_t)first;
}

static void ask(parts *s, br_backend backend, int32_t part, br_draw_step step)
{
    draw_case        *c     = s->c;
    const problem    *p     = &c->p;
    int64_t           first = first_of(s, part), N = first_of(s, part + 1) - first;
    br_dev           *dev = NULL, *lane = NULL;
    br_items         *items   = NULL;
    br_items_args     prepare = {.screen = p->screen, .k = p->k};
    br_draw_topk_args args    = {
           .law         = c->law,
           .seed        = c->seed,
           .k           = step == BR_DRAW_LISTS ? s->m : p->k,
           .n_shortlist = step == BR_DRAW_LISTS ? c->n_shortlist : 0,
           .part        = {.step = step, .first_item = first, .n_items = p->N},
    };
    br_mat *mats[] = {
        &args.query_BD,     &args.temperature_B,   &args.epsilon_B,    &args.customer_B,
        &args.have_B,       &args.never_offset_B1, &args.never_item_S, &args.extra_offset_B1,
        &args.extra_item_X, &args.extra_score_X,   &args.item_BK,      &args.score_BK,
        &args.part.key_BK,  &args.part.best_B,     &args.part.n_B,     &args.part.left_B2,
        &prepare.item_ND,   &prepare.bias_N,       &prepare.require_N};

    assert_int_equal(br_dev_open(backend, 0, &dev), BR_OK);
    assert_int_equal(br_dev_open_lane(dev, br_draw_topk_scratch_bytes(N, p->D, args.k, 0), &lane),
                     BR_OK);
    prepare.item_ND = place(dev, BR_F32, N, p->D, p->item_ND + first * p->D);
    if (p->has_bias)
        prepare.bias_N = place(dev, BR_F32, N, 1, p->bias_N + first);
    if (p->has_rules)
        prepare.require_N = place(dev, BR_U64, N, 1, p->require_N + first);
    assert_int_equal(br_items_prepare(dev, &prepare, &items), BR_OK);
    args.items         = items;
    args.query_BD      = place(dev, BR_F32, p->B, p->D, p->query_BD);
    args.temperature_B = place(dev, BR_F32, p->B, 1, c->temperature_B);
    args.epsilon_B     = place(dev, BR_F32, p->B, 1, c->epsilon_B);
    args.customer_B    = place(dev, BR_U64, p->B, 1, c->customer_B);
    place_rules(dev, s, part, &args);
    exchange(dev, s, part, &args, false);
    assert_int_equal(br_op_draw_topk(lane, &args), BR_OK);
    exchange(dev, s, part, &args, true);
    br_items_free(&items);
    for (size_t i = 0; i < sizeof mats / sizeof *mats; i++)
        br_dev_free(mats[i]);
    br_dev_close(&lane);
    br_dev_close(&dev);
}

typedef struct asked {
    const draw_case *c;
    int64_t          b;
} asked;

static bool takes_part(const void *context, int32_t item)
{
    const asked *a = context;

    return !isnan(case_score(a->c, a->b, item));
}

static br_draw_merged list_of(const parts *s, int64_t b)
{
    draw_case *c    = s->c;
    int64_t    at   = b * c->p.k;
    double     heat = (double)(c->law == BR_DRAW_EPSILON ? c->epsilon_B[b] : c->temperature_B[b]);

    return (br_draw_merged){.law              = c->law,
                            .heat             = heat,
                            .seed             = c->seed,
                            .customer         = c->customer_B[b],
                            .n_items          = c->p.N,
                            .k                = c->p.k,
                            .item_K           = c->p.item_BK + at,
                            .score_K          = c->p.score_BK + at,
                            .log_propensity_K = c->log_BK + at};
}

static void take_logs(draw_case *c, int64_t b, const br_draw_merged *list)
{
    c->normaliser_B[b] = list->log_normaliser;
    c->remaining_B[b]  = list->log_remaining;
}

/* Lists of the whole, but for what is left, or scores that only their parts know. */
static void merge_row(parts *s, int64_t b, int32_t *item_M, float *score_M)
{
    draw_case     *c        = s->c;
    bool           by_score = c->law == BR_DRAW_EPSILON || c->n_shortlist > 0;
    int32_t        taken_W[MOST_PARTS];
    br_draw_parts  lists = {s->n,
                            s->m,
                            c->p.B * s->m,
                            s->item_WBM + b * s->m,
                            s->score_WBM + b * s->m,
                            s->key_WBM + b * s->m,
                            c->p.B,
                            s->best_WB + b,
                            taken_W};
    br_draw_merged list  = list_of(s, b);
    asked          who   = {c, b};
    br_draw_from   from  = {.item_n = item_M, .score_n = score_M};

    lists.best_W = by_score ? NULL : lists.best_W;
    from.n       = br_draw_merge(&lists, item_M, score_M, &s->best_B[b]);
    if (!by_score) {
        memcpy(list.item_K, item_M, (size_t)c->p.k * 4);
        memcpy(list.score_K, score_M, (size_t)c->p.k * 4);
        return;
    }
    if (c->n_shortlist == 0) {
        from.takes_part = takes_part;
        from.context    = &who;
        for (int32_t w = 0; w < s->n; w++)
            from.n_all += s->n_WB[w * c->p.B + b];
    }
    br_draw_from_best(&list, &from);
    take_logs(c, b, &list);
}

/* The parts' words about the merged lists. */
static void finish_row(parts *s, int64_t b)
{
    draw_case     *c       = s->c;
    br_draw_merged list    = list_of(s, b);
    uint64_t       left[2] = {0, 0};

    for (int32_t w = 0; w < s->n; w++) {
        int64_t at = (w * c->p.B + b) * c->p.k;

        left[0] += s->left_WB2[2 * (w * c->p.B + b)];
        left[1] += s->left_WB2[2 * (w * c->p.B + b) + 1];
        for (int32_t j = 0; j < c->p.k && c->law == BR_DRAW_EPSILON; j++)
            if (s->item_WBM[at + j] >= 0)
                list.score_K[j] = s->score_WBM[at + j];
    }
    if (c->law == BR_DRAW_EPSILON)
        return;
    br_draw_tell(&list, s->best_B[b], left);
    take_logs(c, b, &list);
}

static void run_parts(draw_case *c, br_backend backend, int32_t n_parts)
{
    parts    s       = {.c = c, .n = n_parts, .m = c->n_shortlist > 0 ? c->n_shortlist : c->p.k};
    int64_t  n       = n_parts * c->p.B;
    int32_t *item_M  = NULL;
    float   *score_M = NULL;

    TAKE(s.item_WBM, n * s.m);
    TAKE(s.score_WBM, n * s.m);
    TAKE(s.key_WBM, n * s.m);
    TAKE(s.best_WB, n);
    TAKE(s.n_WB, n);
    TAKE(s.left_WB2, n * 2);
    TAKE(s.best_B, c->p.B);
    TAKE(item_M, s.m);
    TAKE(score_M, s.m);
    for (int32_t w = 0; w < n_parts; w++)
        ask(&s, backend, w, BR_DRAW_LISTS);
    for (int64_t b = 0; b < c->p.B; b++)
        merge_row(&s, b, item_M, score_M);
    for (int32_t w = 0; w < n_parts && c->n_shortlist == 0; w++)
        ask(&s, backend, w, BR_DRAW_LEFT);
    for (int64_t b = 0; b < c->p.B && c->n_shortlist == 0; b++)
        finish_row(&s, b);
    br_free(&s.item_WBM);
    br_free(&s.score_WBM);
    br_free(&s.key_WBM);
    br_free(&s.best_WB);
    br_free(&s.n_WB);
    br_free(&s.left_WB2);
    br_free(&s.best_B);
    br_free(&item_M);
    br_free(&score_M);
}

static void check_parts(draw_case *c)
{
    static const int32_t parts_of[] = {2, 3, 7};
    result               whole;

    make_case(c);
    assert_int_equal(run_case(c, BR_BACKEND_REF, 1, c->p.B), BR_OK);
    whole = take_result(c);
    for (int i = op_is_emulated() ? 1 : 0; i < (op_is_emulated() ? 2 : 3); i++) {
        int32_t n_parts = parts_of[i];

        if (n_parts > c->p.N)
            continue;
        if (!op_is_emulated()) {
            run_parts(c, BR_BACKEND_REF, n_parts);
            check_equal(c, &whole);
        }
        run_parts(c, op_tested(), n_parts);
        check_same(c, &whole);
        check_equal(c, &whole);
    }
    free_result(&whole);
    free_case(c);
}

static void test_parts(void **state)
{
    static const data_kind kinds[]        = {RANDOM, TIED, DUPLICATE, SKEWED, ZERO, ASCENDING};
    static const int64_t   sizes[]        = {2, 7, 33, 300, 1025, 5000};
    static const int32_t   ks[]           = {1, 3, 10, 100};
    static const double    temperatures[] = {0.05, 1.0, 0.3, 10.0, 0.001};

    (void)state;
    for (int i = 0; i < 6 * 4 * 5; i += op_is_emulated() ? 29 : 7)
        for (int way = 0; way < 4; way++) {
            draw_case c = {.p           = {.kind      = kinds[i % 5 + i % 2],
                                           .B         = op_is_emulated() ? 3 : 7,
                                           .N         = sizes[i % 6],
                                           .D         = i % 5 == 0 ? 13 : 24,
                                           .k         = ks[i / 6 % 4],
                                           .has_bias  = i % 2,
                                           .has_rules = way > 0 && i % 4 > 0},
                           .temperature = temperatures[(i + way) % 5],
                           .epsilon     = 0.3,
                           .is_mixed    = i % 3 == 0,
                           .seed        = (uint64_t)i << 30,
                           .law         = way == 3 ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE};

            c.has_extras  = c.p.has_rules && way != 1;
            c.n_shortlist = way == 2 || (way == 3 && i % 2) ? c.p.k + i % 50 : 0;
            check_parts(&c);
        }
}

/* Lists as long as the longest shortlist, and a plateau that no shortlist of a part holds. */
static void test_long(void **state)
{
    (void)state;
    for (int i = 0; i < (op_is_emulated() ? 1 : 2); i++) {
        draw_case c = {.p           = {.kind = ASCENDING,
                                       .B    = op_is_emulated() ? 1 : 3,
                                       .N    = i ? 3000 : 1100,
                                       .D    = 4,
                                       .k    = i ? 100 : 1024},
                       .temperature = i ? 1.0 : 1e-6,
                       .is_same     = i,
                       .scale       = i ? 1e-4f : 0.0f,
                       .seed        = 3};

        check_parts(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
