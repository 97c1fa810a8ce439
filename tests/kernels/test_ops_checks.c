/* SPDX-License-Identifier: Apache-2.0
 *
 * Wrong arguments are refused before a backend sees them, in a sentence that names the op, the
 * view, what was found and what was expected; lanes work side by side. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/parallel.h"
#include "op_case.h"

#define D 8

static const op_shape shape = {
    .name = "checks", .n_seqs = 2, .length = {3, 2}, .max_length = 3, .width = D, .n_heads = 2};

static void begin(op_run *run, br_backend backend)
{
    const int32_t id_B[2] = {0, 1};
    op_begin(run, op_dev(backend), &shape, id_B, 2);
}

static void expect(br_status st, const char *part)
{
    assert_int_equal(st, BR_E_SELFCHECK);
    if (strstr(br_error_last()->text, part) == NULL)
        fail_msg("the message is \"%s\", expected \"%s\" in it", br_error_last()->text, part);
}

static void test_linear_arguments(void **state)
{
    op_run         run;
    br_linear_args good, bad;

    (void)state;
    begin(&run, BR_BACKEND_CPU);
    good = (br_linear_args){.x_RI      = op_event_mat(&run, 1, D),
                            .weight_OI = op_table(&run, 2, 4, D, 1.0f),
                            .out_RO    = op_out(&run, 5, 4)};
    assert_int_equal(br_op_linear(run.dev, &good), BR_OK);
    expect(br_op_linear(run.dev, NULL), "linear: no arguments");
    bad        = good;
    bad.out_RO = (br_mat){0};
    expect(br_op_linear(run.dev, &bad), "linear: out_RO is absent, expected f32");
    bad        = good;
    bad.out_RO = op_out(&run, 5, 3);
    expect(br_op_linear(run.dev, &bad), "linear: out_RO is f32 [5, 3], expected f32 [5, 4]");
    bad         = good;
    bad.x_RI.ld = D + 1;
    expect(br_op_linear(run.dev, &bad), "reaches outside its buffer");
    bad         = good;
    bad.x_RI.ld = D - 1;
    expect(br_op_linear(run.dev, &bad), "ld 7");
    bad             = good;
    bad.x_RI.offset = INT64_MAX / 2;
    expect(br_op_linear(run.dev, &bad), "reaches outside its buffer");
    bad            = good;
    bad.x_RI.dtype = BR_I32;
    expect(br_op_linear(run.dev, &bad), "linear: x_RI is i32 [5, 8], expected f32 [5, 8]");
    bad            = good;
    bad.activation = (br_activation)99;
    expect(br_op_linear(run.dev, &bad), "linear: activation is 99, expected 0..5");
    bad           = good;
    bad.x_RI      = br_mat_cols(good.x_RI, 0, 4);
    bad.out_RO    = bad.x_RI;
    bad.weight_OI = br_mat_cols(good.weight_OI, 0, 4);
    expect(br_op_linear(run.dev, &bad), "linear: out_RO is x_RI");
    expect(br_op_linear(op_dev(BR_BACKEND_REF), &good), "memory of backend cpu, expected ref");
    op_end(&run);
}

static void test_feed_forward_arguments(void **state)
{
    op_run               run;
    br_feed_forward_args good, bad;

    (void)state;
    begin(&run, BR_BACKEND_CPU);
    good = (br_feed_forward_args){.x_RD            = op_event_mat(&run, 1, D),
                                  .inner_weight_ID = op_table(&run, 2, 4, D, 1.0f),
                                  .outer_weight_DI = op_table(&run, 3, D, 4, 1.0f),
                                  .inner_RI        = op_out(&run, 5, 4),
                                  .out_RD          = op_out(&run, 5, D)};
    assert_int_equal(br_op_feed_forward(run.dev, &good), BR_OK);
    expect(br_op_feed_forward(run.dev, NULL), "feed_forward: no arguments");
    bad                 = good;
    bad.before_gamma_1D = op_table(&run, 4, 1, D, 1.0f);
    expect(br_op_feed_forward(run.dev, &bad), "feed_forward: before_beta_1D is absent");
    bad        = good;
    bad.adds_x = true;
    expect(br_op_feed_forward(run.dev, &bad), "feed_forward: normed_RD is absent");
    bad                 = good;
    bad.outer_weight_DI = good.inner_weight_ID;
    expect(br_op_feed_forward(run.dev, &bad), "feed_forward: outer_weight_DI is f32 [4, 8]");
    bad     = good;
    bad.eps = -1.0;
    expect(br_op_feed_forward(run.dev, &bad), "feed_forward: eps");
    run.mode           = OP_PREPARED;
    bad                = good;
    bad.inner_prepared = op_prepare(&run, good.outer_weight_DI, 1, false);
    expect(br_op_feed_forward(run.dev, &bad), "feed_forward: a prepared weight is of another");
    run.mode           = OP_BF16;
    bad.inner_prepared = op_prepare(&run, good.inner_weight_ID, 1, false);
    expect(br_op_feed_forward(run.dev, &bad), "feed_forward: weights prepared in two precisions");
    op_end(&run);
}

static void test_self_attention_arguments(void **state)
{
    op_run                 run;
    br_self_attention_args good, bad;

    (void)state;
    begin(&run, BR_BACKEND_CPU);
    good = (br_self_attention_args){.seqs           = &run.seqs,
                                    .x_ED           = op_event_mat(&run, 1, D),
                                    .qkv_weight_3DD = op_table(&run, 2, 3 * D, D, 1.0f),
                                    .n_heads        = 2,
                                    .max_length     = 3,
                                    .out_weight_DD  = op_table(&run, 3, D, D, 1.0f),
                                    .qkv_E3D        = op_out(&run, 5, 3 * D),
                                    .mixed_ED       = op_out(&run, 5, D),
                                    .out_ED         = op_out(&run, 5, D)};
    assert_int_equal(br_op_self_attention(run.dev, &good), BR_OK);
    expect(br_op_self_attention(run.dev, NULL), "self_attention: no arguments");
    bad            = good;
    bad.max_length = 2;
    expect(br_op_self_attention(run.dev, &bad), "self_attention: ");
    bad         = good;
    bad.n_heads = 3;
    expect(br_op_self_attention(run.dev, &bad), "self_attention: 8 columns do not split into 3");
    bad            = good;
    bad.pad_key_1D = op_table(&run, 4, 1, D, 1.0f);
    expect(br_op_self_attention(run.dev, &bad), "self_attention: pad_value_1D is absent");
    bad                = good;
    bad.qkv_weight_3DD = good.out_weight_DD;
    expect(br_op_self_attention(run.dev, &bad), "self_attention: qkv_weight_3DD is f32 [8, 8]");
    run.mode         = OP_BF16;
    bad              = good;
    bad.qkv_prepared = op_prepare(&run, good.qkv_weight_3DD, 1, false);
    expect(br_op_self_attention(run.dev, &bad), "weights prepared in two precisions");
    op_end(&run);
}

static void test_sequence_arguments(void **state)
{
    op_run            run;
    br_attention_args good, bad;
    br_seqs           seqs;
    int32_t           offset[3] = {0, 3, 5};

    (void)state;
    begin(&run, BR_BACKEND_REF);
    good = (br_attention_args){.seqs       = &run.seqs,
                               .qkv_E3D    = op_event_mat(&run, 1, 3 * D),
                               .n_heads    = 2,
                               .max_length = 3,
                               .out_ED     = op_out(&run, 5, D)};
    assert_int_equal(br_op_attention(run.dev, &good), BR_OK);
    bad            = good;
    bad.max_length = 2;
    expect(br_op_attention(run.dev, &bad), "sequence 0 has 3 events, expected at most 2");
    bad         = good;
    bad.n_heads = 3;
    expect(br_op_attention(run.dev, &bad), "8 columns do not split into 3 heads");
    bad            = good;
    bad.pad_key_1D = op_out(&run, 1, D);
    expect(br_op_attention(run.dev, &bad), "pad_value_1D is absent");
    seqs                = run.seqs;
    seqs.host_offset_B1 = offset;
    bad                 = good;
    bad.seqs            = &seqs;
    offset[1]           = 6;
    expect(br_op_attention(run.dev, &bad), "expected at most 3");
    offset[1] = -1;
    expect(br_op_attention(run.dev, &bad), "host_offset_B1[1] is -1 after 0");
    offset[1] = 3;
    offset[2] = 6;
    expect(br_op_attention(run.dev, &bad), "own events 0..6, expected within 0..5");
    seqs.host_offset_B1 = NULL;
    expect(br_op_attention(run.dev, &bad), "host_offset_B1 is absent");
    bad.seqs = NULL;
    expect(br_op_attention(run.dev, &bad), "seqs is absent");
    op_end(&run);
}

static void test_index_outside_its_table(void **state)
{
    (void)state;
    for (int b = 0; b < OP_N_BACKENDS; b++) {
        op_run        run;
        br_embed_args args;
        int32_t       item_E[5] = {0, 1, 9, 1, 0};

        begin(&run, op_backend(b));
        assert_int_equal(br_upload(run.dev, run.seqs.item_E, item_E), BR_OK);
        args = (br_embed_args){.seqs       = &run.seqs,
                               .item_VD    = op_table(&run, 1, 9, D, 1.0f),
                               .scale      = 1.0f,
                               .max_length = 3,
                               .out_ED     = op_out(&run, 5, D)};
        expect(op_finish(run.dev, br_op_embed(run.dev, &args)),
               "index 2 names row 9 of a table of 9 rows");
        args.gamma_1D = op_table(&run, 4, 1, D, 1.0f);
        expect(br_op_embed(run.dev, &args), "embed: beta_1D is absent");
        args.beta_1D = args.gamma_1D;
        args.eps     = -1.0;
        expect(br_op_embed(run.dev, &args), "embed: eps is -1, expected a finite value >= 0");
        args.gamma_1D = args.beta_1D = (br_mat){0};
        args.position_PD             = op_table(&run, 2, 2, D, 1.0f);
        expect(br_op_embed(run.dev, &args), "rows of position_PD is 2, expected 3..");
        args.position_PD = (br_mat){0};
        args.gap_GD      = op_table(&run, 3, 4, D, 1.0f);
        run.seqs.time_E  = (br_mat){0};
        expect(br_op_embed(run.dev, &args), "embed: time_E is absent, expected i64");
        op_end(&run);
    }
}

typedef struct lanes {
    br_dev *dev[2];
    op_run  run[2];
    float   out[2][5 * D];
} lanes;

static br_status run_lane(void *context, int lane, int64_t task)
{
    lanes         *l    = context;
    op_run        *run  = &l->run[lane];
    br_linear_args args = {.x_RI      = run->mat[run->n_mats - 3],
                           .weight_OI = run->mat[run->n_mats - 2],
                           .out_RO    = run->mat[run->n_mats - 1]};
    br_status      st   = BR_OK;

    (void)task;
    BR_TRY(st, br_op_linear(l->dev[lane], &args));
    BR_TRY(st, br_download(l->dev[lane], args.out_RO, l->out[lane]));
done:
    return st;
}

/* Two lanes of one device compute at the same time and agree. */
static void test_lanes(void **state)
{
    static lanes l;

    (void)state;
    for (int i = 0; i < 2; i++) {
        const int32_t id_B[2] = {0, 1};
        assert_int_equal(br_dev_open_lane(op_dev(op_tested()), 0, &l.dev[i]), BR_OK);
        op_begin(&l.run[i], l.dev[i], &shape, id_B, 2);
        op_event_mat(&l.run[i], 1, D);
        op_table(&l.run[i], 2, D, D, 1.0f);
        op_out(&l.run[i], 5, D);
    }
    assert_int_equal(br_parallel_for(2, 200, run_lane, &l, NULL), BR_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(run_lane(&l, i, 0), BR_OK);
    op_compare("lanes", l.out[0], l.out[1], 5 * D, 0.0);
    for (int i = 0; i < 2; i++) {
        op_end(&l.run[i]);
        br_dev_close(&l.dev[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear_arguments),
        cmocka_unit_test(test_feed_forward_arguments),
        cmocka_unit_test(test_self_attention_arguments),
        cmocka_unit_test(test_sequence_arguments),
        cmocka_unit_test(test_index_outside_its_table),
        cmocka_unit_test(test_lanes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
