/* SPDX-License-Identifier: Apache-2.0
 *
 * embed, decay_pool and last_rows: cpu against ref bit for bit, any batching, and values worked by
 * hand for positions, gaps and decay; a norm in embed gives the bits of a norm behind it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

#define N_ITEMS 53

static br_position_rule current_rule;

static const op_shape shapes[] = {
    {.name = "one", .n_seqs = 1, .length = {1}, .max_length = 1, .width = 1},
    {.name = "empty", .n_seqs = 2, .length = {0, 0}, .max_length = 4, .width = 3},
    {.name       = "full",
     .n_seqs     = 5,
     .length     = {11, 0, 3, 1, 10},
     .max_length = 11,
     .width      = 13,
     .has_weight = true,
     .has_pad    = true},
    {.name       = "strided",
     .n_seqs     = 3,
     .length     = {20, 7, 19},
     .max_length = 20,
     .width      = 64,
     .has_pad    = true,
     .is_strided = true},
    {.name       = "integers",
     .n_seqs     = 3,
     .length     = {5, 1, 2},
     .max_length = 6,
     .width      = 8,
     .has_pad    = true,
     .is_small   = true},
};

/* has_pad here: every table is there */
static br_embed_args embed_args(op_run *run)
{
    int64_t       width = run->shape->width;
    br_embed_args args  = {.seqs          = &run->seqs,
                           .item_VD       = op_table(run, 1, N_ITEMS, width, 1.0f),
                           .scale         = 1.5f,
                           .position_rule = current_rule,
                           .max_length    = run->shape->max_length,
                           .out_ED        = op_out(run, run->seqs.n_events, width)};

    if (run->shape->has_pad) {
        args.position_PD = op_table(run, 2, run->shape->max_length + 1, width, 1.0f);
        args.gap_GD      = op_table(run, 3, 12, width, 1.0f);
        args.type_AD     = op_table(run, 4, 3, width, 1.0f);
        args.constant_1D = op_table(run, 5, 1, width, 1.0f);
    }
    return args;
}

static int64_t run_embed(op_run *run, float *by_id)
{
    br_embed_args args = embed_args(run);

    assert_int_equal(br_op_embed(run->dev, &args), BR_OK);
    return op_read_events(run, args.out_ED, by_id);
}

static void test_embed(void **state)
{
    (void)state;
    for (int rule = BR_POS_FROM_START; rule <= BR_POS_FROM_END_1; rule++) {
        current_rule = (br_position_rule)rule;
        op_check_all(&(op_check){.name      = "embed",
                                 .fn        = run_embed,
                                 .shapes    = shapes,
                                 .n_shapes  = sizeof shapes / sizeof *shapes,
                                 .tolerance = 0.0});
    }
}

/* The op with its norm, beside the two ops. */
static int64_t run_embed_norm(op_run *run, float *by_id)
{
    br_embed_args      args  = embed_args(run);
    int64_t            width = run->shape->width;
    int64_t            n     = run->seqs.n_events * width;
    float             *two   = calloc((size_t)(2 * n) + 1, sizeof *two);
    br_layer_norm_args norm  = {.x_RD     = args.out_ED,
                                .gamma_1D = op_table(run, 6, 1, width, 1.0f),
                                .beta_1D  = op_table(run, 7, 1, width, 1.0f),
                                .eps      = 1e-8,
                                .out_RD   = args.out_ED};

    assert_non_null(two);
    assert_int_equal(br_op_embed(run->dev, &args), BR_OK);
    assert_int_equal(br_op_layer_norm(run->dev, &norm), BR_OK);
    assert_int_equal(br_download(run->dev, args.out_ED, two), BR_OK);
    args.gamma_1D = norm.gamma_1D;
    args.beta_1D  = norm.beta_1D;
    args.eps      = norm.eps;
    args.out_ED   = op_out(run, run->seqs.n_events, width);
    assert_int_equal(br_op_embed(run->dev, &args), BR_OK);
    assert_int_equal(br_download(run->dev, args.out_ED, two + n), BR_OK);
    op_compare("embed and layer_norm in one", two + n, two, n, 0.0);
    free(two);
    return op_read_events(run, args.out_ED, by_id);
}

static void test_embed_norm(void **state)
{
    static const op_shape wide[] = {
        {.name       = "wide",
         .n_seqs     = 3,
         .length     = {1, 0, 6},
         .max_length = 7,
         .width      = 130,
         .has_pad    = true,
         .is_strided = true},
        {.name       = "widest",
         .n_seqs     = 2,
         .length     = {2, 1},
         .max_length = 2,
         .width      = 523,
         .has_pad    = true},
    };
    op_check check = {.name = "embed and norm", .fn = run_embed_norm, .tolerance = 2e-6};

    (void)state;
    for (int rule = BR_POS_FROM_START; rule <= BR_POS_FROM_END_1; rule++) {
        current_rule   = (br_position_rule)rule;
        check.shapes   = shapes;
        check.n_shapes = sizeof shapes / sizeof *shapes;
        op_check_all(&check);
        check.shapes   = wide;
        check.n_shapes = sizeof wide / sizeof *wide;
        op_check_all(&check);
    }
}

static int64_t run_decay_pool(op_run *run, float *by_id)
{
    int64_t            width = run->shape->width;
    br_decay_pool_args args  = {.seqs         = &run->seqs,
                                .item_VD      = op_table(run, 1, N_ITEMS, width, 1.0f),
                                .n_half_lives = 3,
                                .half_life_s  = {3600.0, 86400.0, 2592000.0},
                                .out_BJ       = op_out(run, run->n_seqs, 3 * width)};

    assert_int_equal(br_op_decay_pool(run->dev, &args), BR_OK);
    return op_read_seqs(run, args.out_BJ, by_id);
}

static int64_t run_last_rows(op_run *run, float *by_id)
{
    br_last_rows_args args = {.seqs   = &run->seqs,
                              .x_ED   = op_event_mat(run, 1, run->shape->width),
                              .out_BD = op_out(run, run->n_seqs, run->shape->width)};

    assert_int_equal(br_op_last_rows(run->dev, &args), BR_OK);
    return op_read_seqs(run, args.out_BD, by_id);
}

static void test_decay_pool_and_last_rows(void **state)
{
    (void)state;
    op_check_all(&(op_check){.name      = "decay_pool",
                             .fn        = run_decay_pool,
                             .shapes    = shapes,
                             .n_shapes  = sizeof shapes / sizeof *shapes,
                             .tolerance = 0.0});
    op_check_all(&(op_check){.name      = "last_rows",
                             .fn        = run_last_rows,
                             .shapes    = shapes,
                             .n_shapes  = sizeof shapes / sizeof *shapes,
                             .tolerance = 0.0});
}

/* Two events of a window of 4, tables that count: out = 10 pos + gap row. */
static void test_positions_and_gaps(void **state)
{
    enum { N = 2, MAX = 4, G = 6 };
    const op_shape shape          = {.name = "hand", .n_seqs = 1, .length = {N}, .width = 1};
    const int32_t  id             = 0;
    const float    want[][3][N]   = {{{0, 12}, {20, 32}, {30, 42}}, {{0, 15}, {20, 35}, {30, 45}}};
    const int64_t  second_time[2] = {1000 + 5, 1000 + 1000000}; /* log2 of 6 and of 1e6 */
    const float    gap[G]         = {0, 1, 2, 3, 4, 5};
    const float    pos[MAX + 1]   = {0, 10, 20, 30, 40};
    const float    item[N_ITEMS]  = {0};

    (void)state;
    for (int i = 0; i < 2 * 2 * 3; i++) {
        int64_t       time[N] = {1000, second_time[i / 6]};
        float         got[N];
        op_run        run;
        br_embed_args args;

        op_begin(&run, op_dev(op_backend(i / 3 % 2)), &shape, &id, 1);
        assert_int_equal(br_upload(run.dev, run.seqs.time_E, time), BR_OK);
        args = (br_embed_args){.seqs          = &run.seqs,
                               .item_VD       = op_put(&run, BR_F32, N_ITEMS, 1, item),
                               .scale         = 1.0f,
                               .position_PD   = op_put(&run, BR_F32, MAX + 1, 1, pos),
                               .position_rule = (br_position_rule)(i % 3),
                               .max_length    = MAX,
                               .gap_GD        = op_put(&run, BR_F32, G, 1, gap),
                               .out_ED        = op_out(&run, N, 1)};
        assert_int_equal(br_op_embed(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_ED, got), BR_OK);
        op_compare("positions and gaps", got, want[i / 6][i % 3], N, 0.0);
        op_end(&run);
    }
}

/* Events one half-life apart: v = (e0/2 + e1) / (1/2 + 1 + 1e-6). */
static void test_decay_by_hand(void **state)
{
    const op_shape shape   = {.name = "hand", .n_seqs = 1, .length = {2}, .width = 1};
    const int32_t  id      = 0;
    const int64_t  time[2] = {0, 7200};
    const int32_t  row[2]  = {0, 1};
    const float    item[2] = {8.0f, 2.0f};

    (void)state;
    for (int b = 0; b < OP_N_BACKENDS; b++) {
        float              got;
        op_run             run;
        br_decay_pool_args args;

        op_begin(&run, op_dev(op_backend(b)), &shape, &id, 1);
        assert_int_equal(br_upload(run.dev, run.seqs.time_E, time), BR_OK);
        assert_int_equal(br_upload(run.dev, run.seqs.item_E, row), BR_OK);
        args = (br_decay_pool_args){.seqs         = &run.seqs,
                                    .item_VD      = op_put(&run, BR_F32, 2, 1, item),
                                    .n_half_lives = 1,
                                    .half_life_s  = {7200.0},
                                    .out_BJ       = op_out(&run, 1, 1)};
        assert_int_equal(br_op_decay_pool(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_BJ, &got), BR_OK);
        assert_true(fabs(got - 6.0 / 1.500001) < 1e-6);
        op_end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embed),
        cmocka_unit_test(test_embed_norm),
        cmocka_unit_test(test_decay_pool_and_last_rows),
        cmocka_unit_test(test_positions_and_gaps),
        cmocka_unit_test(test_decay_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
