/* SPDX-License-Identifier: Apache-2.0
 *
 * Launches that a device records and replays, beside the same one by one: the same bits, whatever
 * changes between two calls of a shape: what lies in the buffers, which rows, the catalogue, rows
 * that need a second look. On backends that record nothing both sides are the same. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

#define N        550 /* two stages of a screen */
#define D        20
#define K        10
#define MOST_B   40
#define N_CALLS  6
#define N_LANES  2
#define LIST     (MOST_B * K)
#define NEVER    3 /* of a customer */
#define MODES    2 /* recorded, one by one */
#define IN_WIDTH 24
#define WIDTH    16

static br_dev *open_lane(const char *mode)
{
    size_t  bytes = br_score_topk_scratch_bytes(N, D, K) + ((size_t)1 << 20);
    br_dev *lane  = NULL;

    assert_int_equal(setenv("BATCHRANK_CUDA_GRAPHS", mode, 1), 0);
    assert_int_equal(br_dev_open_lane(op_dev(op_tested()), bytes, &lane), BR_OK);
    assert_int_equal(unsetenv("BATCHRANK_CUDA_GRAPHS"), 0);
    return lane;
}

/* The first lane has replayed something, the other nothing. */
static void check_launches(br_dev *const lane[MODES])
{
    br_launches on = br_dev_launches(lane[0]), off = br_dev_launches(lane[1]);

    (void)printf("%lld kernels one by one and %lld replays of %lld recordings (%lld kernels), or "
                 "%lld one by one\n",
                 (long long)on.n_single, (long long)on.n_replays, (long long)on.n_recorded,
                 (long long)on.n_replayed, (long long)off.n_single);
    assert_int_equal(off.n_replays + off.n_recorded, 0);
    if (op_tested() != BR_BACKEND_CUDA)
        return;
    assert_true(on.n_replays > on.n_recorded && on.n_recorded > 0);
    assert_true(on.n_single + on.n_replays < off.n_single);
}

static float value_of(uint64_t at)
{
    at = (at + 0x9E3779B97F4A7C15u) * 0xBF58476D1CE4E5B9u;
    at = (at ^ at >> 31) * 0x94D049BB133111EBu;
    return (float)((double)(at >> 11) * 0x1p-52 - 1.0);
}

static br_mat place(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols, const void *from)
{
    br_mat mat;

    assert_int_equal(br_dev_alloc(dev, dtype, n_rows, n_cols, &mat), BR_OK);
    if (from != NULL)
        assert_int_equal(br_upload(dev, mat, from), BR_OK);
    assert_int_equal(br_dev_sync(dev), BR_OK);
    return mat;
}

/* n floats of the stream; nowhere near zero or large. */
static br_mat place_floats(br_dev *dev, int64_t n_rows, int64_t n_cols, uint64_t stream)
{
    float *host = malloc((size_t)(n_rows * n_cols) * sizeof *host);
    br_mat mat;

    assert_non_null(host);
    for (int64_t i = 0; i < n_rows * n_cols; i++)
        host[i] = value_of(stream << 40 | (uint64_t)i);
    mat = place(dev, BR_F32, n_rows, n_cols, host);
    free(host);
    return mat;
}

/* ---- score_topk ------------------------------------------------------------------------------ */

typedef struct scoring {
    br_dev   *lane;
    br_mat    item_ND, query_BD, offset_B1, never_S, item_BK, score_BK, logsumexp_B;
    br_items *items;
    int32_t   item[LIST];
    float     score[LIST], logsumexp[MOST_B];
    int64_t   n_slow;
} scoring;

static void prepare(scoring *s, uint64_t stream)
{
    br_items_free(&s->items);
    br_dev_free(&s->item_ND);
    s->item_ND = place_floats(s->lane, N, D, stream);
    assert_int_equal(
        br_items_prepare(s->lane,
                         &(br_items_args){.item_ND = s->item_ND, .k = K, .logsumexp = BR_LSE_FINE},
                         &s->items),
        BR_OK);
}

static void open_scoring(scoring *s, br_dev *lane)
{
    int64_t offset_B1[MOST_B + 1];
    int32_t never_S[MOST_B * NEVER];

    for (int b = 0; b <= MOST_B; b++)
        offset_B1[b] = b * NEVER;
    for (int i = 0; i < MOST_B * NEVER; i++)
        never_S[i] = i / NEVER * 7 % 450 + i % NEVER * 31;
    *s             = (scoring){.lane = lane};
    s->query_BD    = place(lane, BR_F32, MOST_B, D, NULL);
    s->offset_B1   = place(lane, BR_I64, MOST_B + 1, 1, offset_B1);
    s->never_S     = place(lane, BR_I32, MOST_B * NEVER, 1, never_S);
    s->item_BK     = place(lane, BR_I32, MOST_B, K, NULL);
    s->score_BK    = place(lane, BR_F32, MOST_B, K, NULL);
    s->logsumexp_B = place(lane, BR_F32, MOST_B, 1, NULL);
    prepare(s, 1);
}

static void close_scoring(scoring *s)
{
    br_items_free(&s->items);
    br_mat all[] = {s->item_ND, s->query_BD, s->offset_B1,  s->never_S,
                    s->item_BK, s->score_BK, s->logsumexp_B};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        br_dev_free(&all[i]);
    br_dev_close(&s->lane);
}

/* Rows [first, first + n) of queries that the turn decides, into rows of the same places. A shape
 * has 21 rows or 5, with never-lists or without; now and then a row is too long to be screened. */
static void score(scoring *s, int turn)
{
    int64_t            first = turn % 3 * 9, n = turn % 4 == 3 ? 5 : 21;
    float              query[MOST_B * D];
    br_score_topk_args args = {.items       = s->items,
                               .query_BD    = br_mat_rows(s->query_BD, first, n),
                               .k           = K,
                               .item_BK     = br_mat_rows(s->item_BK, first, n),
                               .score_BK    = br_mat_rows(s->score_BK, first, n),
                               .temperature = 0.5};

    for (int i = 0; i < MOST_B * D; i++)
        query[i] = value_of((uint64_t)(turn + 5) << 40 | (uint64_t)i) *
                   (turn % 4 == 2 && i / D == first + 4 ? 1e17f : 1.0f);
    assert_int_equal(br_upload(s->lane, s->query_BD, query), BR_OK);
    if (turn % 3 != 0) {
        args.never_offset_B1 = br_mat_rows(s->offset_B1, first, n + 1);
        args.never_item_S    = s->never_S;
    }
    if (turn % 2 != 0)
        args.logsumexp_B = br_mat_rows(s->logsumexp_B, first, n);
    assert_int_equal(br_op_score_topk(s->lane, &args), BR_OK);
    s->n_slow += args.n_slow;
    assert_int_equal(br_download(s->lane, s->item_BK, s->item), BR_OK);
    assert_int_equal(br_download(s->lane, s->score_BK, s->score), BR_OK);
    assert_int_equal(br_download(s->lane, s->logsumexp_B, s->logsumexp), BR_OK);
}

static void compare(const scoring *a, const scoring *b)
{
    assert_memory_equal(a->item, b->item, sizeof a->item);
    assert_memory_equal(a->score, b->score, sizeof a->score);
    assert_memory_equal(a->logsumexp, b->logsumexp, sizeof a->logsumexp);
    assert_true(a->n_slow == b->n_slow);
}

static void test_score_topk(void **state)
{
    static scoring s[MODES];

    (void)state;
    open_scoring(&s[0], open_lane("on"));
    open_scoring(&s[1], open_lane("off"));
    for (int turn = 0; turn < 2 * N_CALLS; turn++) {
        for (int mode = 0; mode < MODES; mode++) {
            if (turn == N_CALLS) /* another catalogue, perhaps where the first one was */
                prepare(&s[mode], 2);
            score(&s[mode], turn);
        }
        compare(&s[0], &s[1]);
    }
    if (op_tested() == BR_BACKEND_CUDA)
        assert_true(s[0].n_slow > 0);
    check_launches((br_dev *[]){s[0].lane, s[1].lane});
    close_scoring(&s[0]);
    close_scoring(&s[1]);
}

static void *score_all(void *context)
{
    for (int turn = 0; turn < N_CALLS; turn++)
        score(context, turn);
    return NULL;
}

/* Each lane has graphs of its own. */
static void test_lanes(void **state)
{
    static scoring s[N_LANES + 1];
    pthread_t      thread[N_LANES];

    (void)state;
    for (int i = 0; i <= N_LANES; i++)
        open_scoring(&s[i], open_lane(i < N_LANES ? "on" : "off"));
    for (int i = 0; i < N_LANES; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, score_all, &s[i]), 0);
    for (int i = 0; i < N_LANES; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    (void)score_all(&s[N_LANES]);
    for (int i = 0; i < N_LANES; i++)
        compare(&s[i], &s[N_LANES]);
    for (int i = 0; i <= N_LANES; i++)
        close_scoring(&s[i]);
}

/* ---- linear ---------------------------------------------------------------------------------- */

/* More than two groups of tiles, and a part of one. */
static int64_t many_rows(void)
{
    return op_is_emulated() ? 165 : op_tested() == BR_BACKEND_CUDA ? 2 * 65536 + 9001 : 70;
}

typedef struct projecting {
    br_dev            *lane;
    br_mat             x_RI, out_RO, weight_OI, bias_1O;
    const br_prepared *prepared;
    int64_t            n_rows;
} projecting;

/* x begins `skipped` rows in; out is f32 and its own residual, or bf16. */
static void project(const projecting *p, int64_t skipped, bool is_half, void *host)
{
    int64_t        n    = p->n_rows - skipped;
    br_mat         out  = p->out_RO;
    br_linear_args args = {.x_RI       = br_mat_rows(p->x_RI, skipped, n),
                           .weight_OI  = p->weight_OI,
                           .bias_1O    = p->bias_1O,
                           .activation = BR_ACT_GELU,
                           .prepared   = p->prepared};

    if (is_half) {
        out.dtype = BR_BF16;
        out.ld *= 2;
    }
    args.out_RO = br_mat_rows(out, skipped / 2, n);
    if (!is_half)
        args.residual_RO = args.out_RO;
    assert_int_equal(br_op_linear(p->lane, &args), BR_OK);
    assert_int_equal(br_download(p->lane, p->out_RO, host), BR_OK);
}

static void test_linear(void **state)
{
    size_t       bytes = (size_t)many_rows() * WIDTH * sizeof(float);
    projecting   p[MODES];
    br_prepared *prepared[MODES];
    br_dev      *lane[MODES];
    char        *host[MODES];

    (void)state;
    for (int m = 0; m < MODES; m++) {
        lane[m] = open_lane(m == 0 ? "on" : "off");
        host[m] = malloc(bytes);
        assert_non_null(host[m]);
        p[m] = (projecting){.lane      = lane[m],
                            .x_RI      = place_floats(lane[m], many_rows(), IN_WIDTH, 1),
                            .out_RO    = place_floats(lane[m], many_rows(), WIDTH, 2),
                            .weight_OI = place_floats(lane[m], WIDTH, IN_WIDTH, 3),
                            .bias_1O   = place_floats(lane[m], 1, WIDTH, 4),
                            .n_rows    = many_rows()};
        assert_int_equal(br_weight_prepare(lane[m],
                                           &(br_weight_args){.weight_OI = p[m].weight_OI,
                                                             .precision = BR_PRECISION_BF16,
                                                             .n_blocks  = 1},
                                           &prepared[m]),
                         BR_OK);
    }
    for (int turn = 0; turn < 6; turn++) { /* what is summed grows from turn to turn */
        for (int m = 0; m < MODES; m++) {
            p[m].prepared = turn % 2 == 0 ? NULL : prepared[m];
            project(&p[m], turn / 2, turn == 3, host[m]);
        }
        assert_memory_equal(host[0], host[1], bytes);
    }
    check_launches(lane);
    for (int m = 0; m < MODES; m++) {
        br_prepared_free(&prepared[m]);
        br_mat all[] = {p[m].x_RI, p[m].out_RO, p[m].weight_OI, p[m].bias_1O};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            br_dev_free(&all[i]);
        br_dev_close(&lane[m]);
        free(host[m]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_score_topk),
        cmocka_unit_test(test_lanes),
        cmocka_unit_test(test_linear),
    };
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
