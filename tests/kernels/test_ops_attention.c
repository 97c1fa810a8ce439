/* SPDX-License-Identifier: Apache-2.0
 *
 * attention and attention_last: cpu against ref, any batching, and ref against what the cards
 * promise: the pad's virtual key stands for real left padding, and absorption changes nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

#define TOLERANCE 2e-6 /* fp32 softmax and sums against fp64; values are within 1 */

static const op_shape shapes[] = {
    {.name = "one event", .n_seqs = 1, .length = {1}, .max_length = 1, .width = 4, .n_heads = 1},
    {.name = "empty", .n_seqs = 2, .length = {0, 0}, .max_length = 3, .width = 8, .n_heads = 2},
    {.name       = "primes",
     .n_seqs     = 6,
     .length     = {7, 0, 13, 1, 5, 17},
     .max_length = 17,
     .width      = 33,
     .n_heads    = 3,
     .has_weight = true},
    {.name       = "pads",
     .n_seqs     = 6,
     .length     = {31, 1, 0, 50, 49, 16},
     .max_length = 50,
     .width      = 64,
     .n_heads    = 2,
     .has_pad    = true,
     .has_weight = true},
    {.name       = "strided",
     .n_seqs     = 5,
     .length     = {3, 0, 20, 12, 6},
     .max_length = 20,
     .width      = 50,
     .n_heads    = 1,
     .has_pad    = true,
     .is_strided = true},
    {.name       = "long",
     .n_seqs     = 3,
     .length     = {200, 113, 67},
     .max_length = 200,
     .width      = 128,
     .n_heads    = 2},
    {.name       = "granules",
     .n_seqs     = 8,
     .length     = {16, 17, 0, 32, 33, 15, 100, 1},
     .max_length = 100,
     .width      = 72,
     .n_heads    = 3,
     .has_pad    = true,
     .has_weight = true},
    {.name       = "many heads",
     .n_seqs     = 3,
     .length     = {34, 2, 65},
     .max_length = 65,
     .width      = 128,
     .n_heads    = 16,
     .has_weight = true},
    {.name       = "wide",
     .n_seqs     = 3,
     .length     = {35, 18, 0},
     .max_length = 40,
     .width      = 100,
     .n_heads    = 1,
     .has_pad    = true},
    {.name       = "wider",
     .n_seqs     = 3,
     .length     = {6, 40, 17},
     .max_length = 40,
     .width      = 145,
     .n_heads    = 1,
     .has_pad    = true,
     .has_weight = true},
    {.name       = "widest",
     .n_seqs     = 3,
     .length     = {5, 0, 11},
     .max_length = 11,
     .width      = 530,
     .n_heads    = 2,
     .has_pad    = true,
     .has_weight = true},
    {.name       = "longest",
     .n_seqs     = 2,
     .length     = {530, 70},
     .max_length = 600,
     .width      = 8,
     .n_heads    = 1,
     .has_pad    = true},
    {.name       = "integers",
     .n_seqs     = 4,
     .length     = {9, 2, 24, 6},
     .max_length = 24,
     .width      = 16,
     .n_heads    = 2,
     .has_pad    = true,
     .is_small   = true},
};

static int64_t run_attention(op_run *run, float *by_id)
{
    int64_t           width = run->shape->width;
    br_attention_args args  = {.seqs       = &run->seqs,
                               .qkv_E3D    = op_event_mat(run, 1, 3 * width),
                               .n_heads    = run->shape->n_heads,
                               .max_length = run->shape->max_length,
                               .out_ED     = op_out(run, run->seqs.n_events, width),
                               .precision  = op_precision(run)};

    if (run->shape->has_pad) {
        args.pad_key_1D   = op_table(run, 2, 1, width, 1.0f);
        args.pad_value_1D = op_table(run, 3, 1, width, 1.0f);
    }
    assert_int_equal(br_op_attention(run->dev, &args), BR_OK);
    return op_read_events(run, args.out_ED, by_id);
}

static br_attention_last_args last_args(op_run *run)
{
    int64_t                width = run->shape->width;
    float                  scale = 0.3f;
    br_attention_last_args args  = {.seqs            = &run->seqs,
                                    .query_BD        = op_seq_mat(run, 11, width),
                                    .x_ED            = op_event_mat(run, 12, width),
                                    .key_weight_DD   = op_table(run, 13, width, width, scale),
                                    .key_bias_1D     = op_table(run, 14, 1, width, 1.0f),
                                    .value_weight_DD = op_table(run, 15, width, width, scale),
                                    .value_bias_1D   = op_table(run, 16, 1, width, 1.0f),
                                    .n_heads         = run->shape->n_heads,
                                    .max_length      = run->shape->max_length,
                                    .out_BD          = op_out(run, run->n_seqs, width)};

    if (run->shape->has_pad)
        args.pad_x_1D = op_table(run, 17, 1, width, 1.0f);
    args.key_prepared   = op_prepare(run, args.key_weight_DD, args.n_heads, true);
    args.value_prepared = op_prepare(run, args.value_weight_DD, args.n_heads, false);
    return args;
}

static int64_t run_attention_last(op_run *run, float *by_id)
{
    br_attention_last_args args = last_args(run);

    assert_int_equal(br_op_attention_last(run->dev, &args), BR_OK);
    return op_read_seqs(run, args.out_BD, by_id);
}

static void test_attention(void **state)
{
    (void)state;
    op_check_all(&(op_check){.name           = "attention",
                             .fn             = run_attention,
                             .shapes         = shapes,
                             .n_shapes       = sizeof shapes / sizeof *shapes,
                             .tolerance      = TOLERANCE,
                             .bf16_tolerance = 8e-3,
                             .has_no_weight  = true});
}

static void test_attention_last(void **state)
{
    (void)state;
    /* two more projections than attention: logits of 64 terms, outputs up to about 5 */
    op_check_all(&(op_check){.name           = "attention_last",
                             .fn             = run_attention_last,
                             .shapes         = shapes,
                             .n_shapes       = sizeof shapes / sizeof *shapes,
                             .tolerance      = 5 * TOLERANCE,
                             .bf16_tolerance = 8e-3});
}

/* n events after m real pad events give what n events and the virtual key give. */
static void test_virtual_key_is_left_padding(void **state)
{
    enum { N = 5, M = 4, D = 6, ROW = 3 * D };
    const op_shape with_key = {.name       = "key",
                               .n_seqs     = 1,
                               .length     = {N},
                               .max_length = N + M,
                               .width      = D,
                               .n_heads    = 2,
                               .has_pad    = true};
    op_shape       padded   = {.name       = "pads",
                               .n_seqs     = 1,
                               .length     = {N + M},
                               .max_length = N + M,
                               .width      = D,
                               .n_heads    = 2};
    const int32_t  id       = 0;
    float          want[(N + M) * D], got[(N + M) * D], qkv[(N + M) * ROW], event[N * ROW];
    op_run         run;

    (void)state;
    for (int b = 0; b < OP_N_BACKENDS; b++) {
        op_begin(&run, op_dev(op_backend(b)), &with_key, &id, 1);
        run_attention(&run, got);
        assert_int_equal(br_download(run.dev, op_event_mat(&run, 1, ROW), event), BR_OK);
        memset(qkv, 0, sizeof qkv); /* the pads' queries do not matter */
        for (int m = 0; m < M; m++) {
            br_mat key   = op_table(&run, 2, 1, D, 1.0f);
            br_mat value = op_table(&run, 3, 1, D, 1.0f);
            assert_int_equal(br_download(run.dev, key, qkv + m * ROW + D), BR_OK);
            assert_int_equal(br_download(run.dev, value, qkv + m * ROW + 2 * D), BR_OK);
        }
        op_end(&run);
        memcpy(qkv + M * ROW, event, sizeof event);
        op_begin(&run, op_dev(op_backend(b)), &padded, &id, 1);
        {
            br_attention_args args = {.seqs       = &run.seqs,
                                      .qkv_E3D    = op_put(&run, BR_F32, N + M, ROW, qkv),
                                      .n_heads    = 2,
                                      .max_length = N + M,
                                      .out_ED     = op_out(&run, N + M, D)};
            assert_int_equal(br_op_attention(run.dev, &args), BR_OK);
            op_read_events(&run, args.out_ED, want);
        }
        op_end(&run);
        op_compare("virtual key", got, want + M * D, N * D, 1e-6);
    }
}

/* linear to keys and values, then attention, then the last event's row */
static void project_and_attend(op_run *run, const br_attention_last_args *last, float *by_id)
{
    int64_t           width      = run->shape->width;
    br_mat            qkv        = op_out(run, run->seqs.n_events, 3 * width);
    float             zero[4096] = {0};
    br_linear_args    key        = {.x_RI      = last->x_ED,
                                    .weight_OI = last->key_weight_DD,
                                    .bias_1O   = last->key_bias_1D,
                                    .out_RO    = br_mat_cols(qkv, width, width)};
    br_linear_args    value      = {.x_RI      = last->x_ED,
                                    .weight_OI = last->value_weight_DD,
                                    .bias_1O   = last->value_bias_1D,
                                    .out_RO    = br_mat_cols(qkv, 2 * width, width)};
    br_attention_args all        = {.seqs       = &run->seqs,
                                    .qkv_E3D    = qkv,
                                    .n_heads    = run->shape->n_heads,
                                    .max_length = run->shape->max_length,
                                    .out_ED     = op_out(run, run->seqs.n_events, width)};
    br_last_rows_args rows       = {
              .seqs = &run->seqs, .x_ED = all.out_ED, .out_BD = op_out(run, run->n_seqs, width)};

    for (int32_t b = 0; b < run->n_seqs; b++) {
        for (int64_t e = run->offset_B1[b]; e < run->offset_B1[b + 1]; e++) {
            br_mat query = br_mat_rows(br_mat_cols(qkv, 0, width), e, 1);
            assert_int_equal(br_download(run->dev, br_mat_rows(last->query_BD, b, 1), zero), BR_OK);
            assert_int_equal(br_upload(run->dev, query, zero), BR_OK);
        }
    }
    assert_int_equal(br_op_linear(run->dev, &key), BR_OK);
    assert_int_equal(br_op_linear(run->dev, &value), BR_OK);
    if (run->shape->has_pad) {
        br_linear_args pad = key;
        pad.x_RI           = last->pad_x_1D;
        pad.out_RO = all.pad_key_1D = op_out(run, 1, width);
        assert_int_equal(br_op_linear(run->dev, &pad), BR_OK);
        pad.weight_OI = last->value_weight_DD;
        pad.bias_1O   = last->value_bias_1D;
        pad.out_RO = all.pad_value_1D = op_out(run, 1, width);
        assert_int_equal(br_op_linear(run->dev, &pad), BR_OK);
    }
    assert_int_equal(br_op_attention(run->dev, &all), BR_OK);
    assert_int_equal(br_op_last_rows(run->dev, &rows), BR_OK);
    op_read_seqs(run, rows.out_BD, by_id);
}

static void test_absorption_changes_nothing(void **state)
{
    enum { MOST = 128 };
    float   got[OP_MAX_SEQS * MOST], want[OP_MAX_SEQS * MOST];
    int32_t id_B[OP_MAX_SEQS];

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const op_shape *shape = &shapes[i];
        op_run          run;

        if (shape->is_small || shape->width > MOST)
            continue; /* integer weights give logits beyond any softmax */
        for (int32_t b = 0; b < shape->n_seqs; b++)
            id_B[b] = b;
        for (int b = 0; b < OP_N_BACKENDS; b++) {
            br_attention_last_args last;

            op_begin(&run, op_dev(op_backend(b)), shape, id_B, shape->n_seqs);
            last = last_args(&run);
            assert_int_equal(br_op_attention_last(run.dev, &last), BR_OK);
            op_read_seqs(&run, last.out_BD, got);
            project_and_attend(&run, &last, want);
            op_end(&run);
            op_compare(shape->name, got, want, (int64_t)shape->n_seqs * shape->width, 1e-5);
        }
    }
}

/* A NaN in one key reaches the events that see it and no other. */
static void test_nan_stays_nan(void **state)
{
    enum { N = 9, D = 4, BAD = 5 };
    const op_shape shape = {
        .name = "nan", .n_seqs = 1, .length = {N}, .max_length = N, .width = D, .n_heads = 1};
    const int32_t id = 0;
    float         out[N * D];
    float         bad[D];

    (void)state;
    for (int d = 0; d < D; d++)
        bad[d] = d % 2 == 0 ? NAN : -NAN;
    for (int b = 0; b < OP_N_BACKENDS; b++) {
        op_run            run;
        br_attention_args args;

        op_begin(&run, op_dev(op_backend(b)), &shape, &id, 1);
        args = (br_attention_args){.seqs       = &run.seqs,
                                   .qkv_E3D    = op_event_mat(&run, 1, 3 * D),
                                   .n_heads    = 1,
                                   .max_length = N,
                                   .out_ED     = op_out(&run, N, D)};
        assert_int_equal(
            br_upload(run.dev, br_mat_rows(br_mat_cols(args.qkv_E3D, D, D), BAD, 1), bad), BR_OK);
        assert_int_equal(br_op_attention(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_ED, out), BR_OK);
        for (int i = 0; i < N * D; i++)
            assert_int_equal(isnan(out[i]) != 0, i / D >= BAD);
        op_end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_last),
        cmocka_unit_test(test_virtual_key_is_left_padding),
        cmocka_unit_test(test_absorption_changes_nothing),
        cmocka_unit_test(test_nan_stays_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
