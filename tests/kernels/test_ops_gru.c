/* SPDX-License-Identifier: Apache-2.0
 *
 * gru: cpu against ref, any batching, and a stored state continued against a full replay. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

static const op_shape shapes[] = {
    {.name = "one", .n_seqs = 1, .length = {1}, .width = 1},
    {.name = "empty", .n_seqs = 3, .length = {0, 2, 0}, .width = 3, .has_pad = true},
    {.name = "primes", .n_seqs = 5, .length = {7, 1, 0, 13, 5}, .width = 13, .has_weight = true},
    {.name       = "strided",
     .n_seqs     = 4,
     .length     = {9, 30, 2, 30},
     .width      = 64,
     .has_pad    = true,
     .has_weight = true,
     .is_strided = true},
    {.name = "long", .n_seqs = 3, .length = {100, 40, 3}, .width = 50, .has_pad = true},
    {.name   = "many",
     .n_seqs = 28,
     .length = {1, 3, 0, 2, 2, 1, 4, 0, 1, 2, 3, 1, 1, 0, 2, 5, 1, 1, 2, 0, 1, 3, 2, 1, 1, 2, 1, 6},
     .width  = 13,
     .has_weight = true},
    {.name    = "many of 40",
     .n_seqs  = 26,
     .length  = {1, 2, 0, 2, 1, 1, 3, 0, 1, 2, 1, 1, 1, 0, 2, 1, 1, 1, 2, 0, 1, 3, 2, 1, 1, 2},
     .width   = 40,
     .has_pad = true},
    {.name       = "many of 56",
     .n_seqs     = 25,
     .length     = {1, 2, 0, 2, 1, 1, 3, 0, 1, 2, 1, 1, 1, 0, 2, 1, 1, 1, 2, 0, 1, 3, 2, 1, 1},
     .width      = 56,
     .has_weight = true},
    {.name    = "many of 80",
     .n_seqs  = 25,
     .length  = {1, 1, 0, 2, 1, 1, 2, 0, 1, 2, 1, 1, 1, 0, 1, 1, 1, 1, 2, 0, 1, 1, 2, 1, 1},
     .width   = 80,
     .has_pad = true},
    {.name = "wide", .n_seqs = 2, .length = {2, 1}, .width = 361, .has_pad = true},
};

/* has_pad here: a start state and biases */
static br_gru_args gru_args(op_run *run)
{
    int64_t     n    = run->shape->width;
    br_gru_args args = {.seqs          = &run->seqs,
                        .gate_E3H      = op_event_mat(run, 1, 3 * n),
                        .weight_hh_3HH = op_table(run, 2, 3 * n, n, (float)(1.0 / sqrt((double)n))),
                        .state_EH      = op_out(run, run->seqs.n_events, n),
                        .last_BH       = op_out(run, run->n_seqs, n)};

    args.prepared = op_prepare(run, args.weight_hh_3HH, 1, false);
    if (run->shape->has_pad) {
        args.bias_hh_13H = op_table(run, 3, 1, 3 * n, 1.0f);
        args.start_BH    = op_seq_mat(run, 4, n);
    }
    return args;
}

static int64_t run_gru(op_run *run, float *by_id)
{
    br_gru_args args = gru_args(run);
    int64_t     n;

    assert_int_equal(br_op_gru(run->dev, &args), BR_OK);
    n = op_read_events(run, args.state_EH, by_id);
    return n + op_read_seqs(run, args.last_BH, by_id + n);
}

static void test_gru(void **state)
{
    (void)state;
    op_check_all(&(op_check){.name           = "gru",
                             .fn             = run_gru,
                             .shapes         = shapes,
                             .n_shapes       = sizeof shapes / sizeof *shapes,
                             .tolerance      = 4e-6,
                             .bf16_tolerance = 1e-2});
}

/* An item that the table of gates lacks is named. */
static void check_item_outside(op_run *run, br_gru_args args)
{
    const int32_t bad = 7;

    args.gate_E3H = (br_mat){0};
    args.gate_V3H = op_table(run, 9, bad, 3 * args.weight_hh_3HH.n_cols, 1.0f);
    assert_int_equal(br_upload(run->dev, br_mat_rows(run->seqs.item_E, 4, 1), &bad), BR_OK);
    for (int32_t e = 0; e < run->seqs.n_events; e++)
        if (e != 4)
            assert_int_equal(
                br_upload(run->dev, br_mat_rows(run->seqs.item_E, e, 1), &(int32_t){e % bad}),
                BR_OK);
    assert_int_equal(op_finish(run->dev, br_op_gru(run->dev, &args)), BR_E_SELFCHECK);
    assert_non_null(
        strstr(br_error_last()->text, "gru: item_E: index 4 names row 7 of a table of 7"));
}

/* Gates of items, read by item, give the bits of the same gates laid out by event. */
static void test_gates_by_item(void **state)
{
    enum { N = 23, H = 19, N_ITEMS = 53 };
    const op_shape shape = {.name = "items", .n_seqs = 1, .length = {N}, .width = H};
    const int32_t  id    = 0;

    (void)state;
    for (int b = 0; b < OP_N_BACKENDS; b++) {
        float               by_item[H], by_event[H];
        op_run              run;
        br_gru_args         args;
        br_gather_rows_args gather;

        op_begin(&run, op_dev(op_backend(b)), &shape, &id, 1);
        args          = gru_args(&run);
        args.gate_E3H = (br_mat){0};
        args.gate_V3H = op_table(&run, 9, N_ITEMS, 3 * H, 1.0f);
        assert_int_equal(br_op_gru(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.last_BH, by_item), BR_OK);
        gather = (br_gather_rows_args){
            .table_VD = args.gate_V3H, .row_B = run.seqs.item_E, .out_BD = op_out(&run, N, 3 * H)};
        assert_int_equal(br_op_gather_rows(run.dev, &gather), BR_OK);
        args.gate_E3H = gather.out_BD;
        assert_int_equal(br_op_gru(run.dev, &args), BR_E_SELFCHECK); /* both */
        args.gate_V3H = (br_mat){0};
        assert_int_equal(br_op_gru(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.last_BH, by_event), BR_OK);
        op_compare("gru: gates by item", by_item, by_event, H, 0.0);
        check_item_outside(&run, args);
        op_end(&run);
    }
}

/* The first 4 events, then the rest from the stored state: the bits of all at once. */
static void test_state_continues(void **state)
{
    enum { N = 11, CUT = 4, H = 20 };
    const op_shape shape = {.name = "whole", .n_seqs = 1, .length = {N}, .width = H};
    const int32_t  id    = 0;

    (void)state;
    for (int b = 0; b < OP_N_BACKENDS; b++) {
        float       whole[H], rest[H];
        int32_t     head_B1[2] = {0, CUT}, tail_B1[2] = {0, N - CUT};
        op_run      run;
        br_gru_args args, part;
        br_seqs     seqs;

        op_begin(&run, op_dev(op_backend(b)), &shape, &id, 1);
        args = gru_args(&run);
        assert_int_equal(br_op_gru(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.last_BH, whole), BR_OK);
        seqs          = (br_seqs){.n_seqs         = 1,
                                  .n_events       = CUT,
                                  .host_offset_B1 = head_B1,
                                  .offset_B1      = op_put(&run, BR_I32, 2, 1, head_B1)};
        part          = args;
        part.seqs     = &seqs;
        part.state_EH = (br_mat){0};
        part.gate_E3H = br_mat_rows(args.gate_E3H, 0, CUT);
        assert_int_equal(br_op_gru(run.dev, &part), BR_OK);
        seqs.n_events       = N - CUT;
        seqs.host_offset_B1 = tail_B1;
        seqs.offset_B1      = op_put(&run, BR_I32, 2, 1, tail_B1);
        part.gate_E3H       = br_mat_rows(args.gate_E3H, CUT, N - CUT);
        part.start_BH       = args.last_BH;
        part.last_BH        = op_out(&run, 1, H);
        assert_int_equal(br_op_gru(run.dev, &part), BR_OK);
        assert_int_equal(br_download(run.dev, part.last_BH, rest), BR_OK);
        op_compare("gru: continued state", rest, whole, H, 0.0);
        op_end(&run);
    }
}

/* One event, worked by hand: W = 0, so r = z = 1/2 and n = tanh(gate_n + b_hn / 2). */
static void test_gate_order(void **state)
{
    const op_shape shape   = {.name = "hand", .n_seqs = 1, .length = {1}, .width = 1};
    const int32_t  id      = 0;
    const float    gate[3] = {0.0f, 100.0f, 0.25f}, zero[3] = {0}, bias[3] = {0.0f, -100.0f, 0.5f};
    const float    start = 0.75f;
    double         want  = 0.5 * tanh(0.5) + 0.5 * 0.75;

    (void)state;
    for (int b = 0; b < OP_N_BACKENDS; b++) {
        float       got;
        op_run      run;
        br_gru_args args;

        op_begin(&run, op_dev(op_backend(b)), &shape, &id, 1);
        args = (br_gru_args){.seqs          = &run.seqs,
                             .gate_E3H      = op_put(&run, BR_F32, 1, 3, gate),
                             .weight_hh_3HH = op_put(&run, BR_F32, 3, 1, zero),
                             .bias_hh_13H   = op_put(&run, BR_F32, 1, 3, bias),
                             .start_BH      = op_put(&run, BR_F32, 1, 1, &start),
                             .last_BH       = op_out(&run, 1, 1)};
        assert_int_equal(br_op_gru(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.last_BH, &got), BR_OK);
        assert_true(fabs(got - want) < 3e-7);
        op_end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gru),
        cmocka_unit_test(test_gates_by_item),
        cmocka_unit_test(test_state_continues),
        cmocka_unit_test(test_gate_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
