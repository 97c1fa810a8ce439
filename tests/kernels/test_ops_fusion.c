/* SPDX-License-Identifier: Apache-2.0
 *
 * fuse, gather_rows and norm_band: cpu against ref, any batching, and their promises worked by
 * hand: absent modalities, the default, bands. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

#define N_MODALITIES 3

/* One row per sequence; lengths only make the events that fusion never reads. */
static const op_shape shapes[] = {
    {.name = "one", .n_seqs = 1, .width = 1},
    {.name = "prime", .n_seqs = 7, .width = 13, .has_pad = true},
    {.name = "strided", .n_seqs = 12, .width = 64, .has_pad = true, .is_strided = true},
};

static int64_t run_fuse(op_run *run, float *by_id)
{
    int64_t      width = run->shape->width;
    uint8_t      present_BM[OP_MAX_SEQS * N_MODALITIES];
    float        confidence_BM[OP_MAX_SEQS * N_MODALITIES];
    br_fuse_args args;
    int64_t      n;

    for (int32_t b = 0; b < run->n_seqs; b++)
        for (int32_t m = 0; m < N_MODALITIES; m++) { /* every subset, the empty one too */
            present_BM[b * N_MODALITIES + m]    = (uint8_t)(run->id_B[b] >> m & 1);
            confidence_BM[b * N_MODALITIES + m] = 1.0f / (float)(1 + m + run->id_B[b]);
        }
    args = (br_fuse_args){.n_modalities = N_MODALITIES,
                          .g_BMD        = op_seq_mat(run, 1, N_MODALITIES * width),
                          .z_BMD        = op_seq_mat(run, 2, N_MODALITIES * width),
                          .attention_1D = op_table(run, 3, 1, width, 1.0f),
                          .default_1D   = op_table(run, 4, 1, width, 1.0f),
                          .present_BM   = op_put(run, BR_U8, run->n_seqs, N_MODALITIES, present_BM),
                          .confidence_BM =
                              op_put(run, BR_F32, run->n_seqs, N_MODALITIES, confidence_BM),
                          .out_BD   = op_out(run, run->n_seqs, width),
                          .alpha_BM = op_out(run, run->n_seqs, N_MODALITIES),
                          .gate_BM  = op_out(run, run->n_seqs, N_MODALITIES)};
    if (run->shape->has_pad)
        args.residual_BD = op_seq_mat(run, 5, width);
    assert_int_equal(br_op_fuse(run->dev, &args), BR_OK);
    n = op_read_seqs(run, args.out_BD, by_id);
    n += op_read_seqs(run, args.alpha_BM, by_id + n);
    return n + op_read_seqs(run, args.gate_BM, by_id + n);
}

static void test_fuse(void **state)
{
    (void)state;
    op_check_all(&(op_check){.name      = "fuse",
                             .fn        = run_fuse,
                             .shapes    = shapes,
                             .n_shapes  = sizeof shapes / sizeof *shapes,
                             .tolerance = 2e-6});
}

/* Equal logits, confidences 1/4 and 3/4: alpha is the confidence; absent: 0 and the default. */
static void test_fuse_by_hand(void **state)
{
    enum { B = 2, M = 3 };
    const op_shape shape             = {.name = "hand", .n_seqs = B, .width = 1};
    const int32_t  id_B[B]           = {0, 1};
    const float    g_BM[B * M]       = {2, 5, 2, 1, 1, 1};
    const float    z_BM[B * M]       = {0.5f, 0.5f, 1, 1, 1, 1};
    const uint8_t  present_BM[B * M] = {1, 0, 1, 0, 0, 0};
    const float    conf_BM[B * M]    = {0.25f, 1, 0.75f, 1, 1, 1};
    const float    one = 1.0f, def = -7.0f;

    (void)state;
    for (int k = 0; k < OP_N_BACKENDS; k++) {
        float        out[B], alpha[B * M], gate[B * M];
        op_run       run;
        br_fuse_args args;

        op_begin(&run, op_dev(op_backend(k)), &shape, id_B, B);
        args = (br_fuse_args){.n_modalities  = M,
                              .g_BMD         = op_put(&run, BR_F32, B, M, g_BM),
                              .z_BMD         = op_put(&run, BR_F32, B, M, z_BM),
                              .attention_1D  = op_put(&run, BR_F32, 1, 1, &one),
                              .default_1D    = op_put(&run, BR_F32, 1, 1, &def),
                              .present_BM    = op_put(&run, BR_U8, B, M, present_BM),
                              .confidence_BM = op_put(&run, BR_F32, B, M, conf_BM),
                              .out_BD        = op_out(&run, B, 1),
                              .alpha_BM      = op_out(&run, B, M),
                              .gate_BM       = op_out(&run, B, M)};
        assert_int_equal(br_op_fuse(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_BD, out), BR_OK);
        assert_int_equal(br_download(run.dev, args.alpha_BM, alpha), BR_OK);
        assert_int_equal(br_download(run.dev, args.gate_BM, gate), BR_OK);
        op_compare("alpha", alpha, (const float[]){0.25f, 0, 0.75f, 0, 0, 0}, B * M, 1e-6);
        op_compare("gate", gate, (const float[]){0.5f, 0, 1, 0, 0, 0}, B * M, 1e-6);
        op_compare("out", out, (const float[]){0.25f * 0.5f * 2 + 0.75f * 2, -7.0f}, B, 1e-6);
        op_end(&run);
    }
}

/* row_B is a column of a wider table, as a modality's static rows are. */
static void test_gather_rows(void **state)
{
    enum { B = 4, V = 5, D = 3 };
    const op_shape shape         = {.name = "gather", .n_seqs = 1, .width = D, .is_strided = true};
    const int32_t  id            = 0;
    const int32_t  row_B2[B * 2] = {9, 4, 9, -1, 9, 0, 9, 4};
    float          table[V * D], got[B * D], want[B * D] = {0};

    (void)state;
    for (int i = 0; i < V * D; i++)
        table[i] = (float)i + 0.5f;
    memcpy(want, table + 4 * D, D * sizeof(float));
    memcpy(want + 2 * D, table, D * sizeof(float));
    memcpy(want + 3 * D, table + 4 * D, D * sizeof(float));
    for (int k = 0; k < OP_N_BACKENDS; k++) {
        op_run              run;
        br_gather_rows_args args;

        op_begin(&run, op_dev(op_backend(k)), &shape, &id, 1);
        args = (br_gather_rows_args){.table_VD = op_put(&run, BR_F32, V, D, table),
                                     .row_B = br_mat_cols(op_put(&run, BR_I32, B, 2, row_B2), 1, 1),
                                     .out_BD = op_out(&run, B, D)};
        assert_int_equal(br_op_gather_rows(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_BD, got), BR_OK);
        op_compare("gather_rows", got, want, B * D, 0.0);
        args.row_B = br_mat_cols(args.row_B, -1, 1);
        /* row 9 of 5 */
        assert_int_equal(op_finish(run.dev, br_op_gather_rows(run.dev, &args)), BR_E_SELFCHECK);
        op_end(&run);
    }
}

static void test_norm_band(void **state)
{
    enum { B = 4, D = 2 };
    const op_shape shape         = {.name = "band", .n_seqs = 1, .width = D, .is_strided = true};
    const int32_t  id            = 0;
    const float    x[B * D]      = {3, 4, 0, 0, 0.3f, 0.4f, 0, 1.5f};
    const float    want[][B * D] = {{1.2f, 1.6f, 0, 0, 0.6f, 0.8f, 0, 1.5f},
                                    {3, 4, 0, 0, 0.6f, 0.8f, 0, 1.5f}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        float  got[B * D];
        op_run run;
        br_mat x_BD;

        op_begin(&run, op_dev(op_backend(i % 2)), &shape, &id, 1);
        x_BD = op_put(&run, BR_F32, B, D, x);
        assert_int_equal(br_op_norm_band(run.dev, x_BD, 1.0, i < 2 ? 2.0 : INFINITY), BR_OK);
        assert_int_equal(br_download(run.dev, x_BD, got), BR_OK);
        op_compare("norm_band", got, want[i / 2], B * D, 2e-7);
        assert_int_equal(br_op_norm_band(run.dev, x_BD, 2.0, 1.0), BR_E_SELFCHECK);
        op_end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fuse),
        cmocka_unit_test(test_fuse_by_hand),
        cmocka_unit_test(test_gather_rows),
        cmocka_unit_test(test_norm_band),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
