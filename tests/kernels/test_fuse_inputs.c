/* SPDX-License-Identifier: Apache-2.0
 *
 * copy_rows and fuse_inputs worked by hand on both backends, with strided views, and what their
 * checks refuse. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

static const op_shape shape = {
    .name = "hand", .n_seqs = 3, .length = {2, 0, 1}, .max_length = 4, .width = 2};
static const op_shape strided = {.name       = "strided",
                                 .n_seqs     = 3,
                                 .length     = {2, 0, 1},
                                 .max_length = 4,
                                 .width      = 2,
                                 .is_strided = true};
static const int32_t  id_B[3] = {0, 1, 2};

static void test_copy_rows(void **state)
{
    const float x_BD[6]    = {1, 2, 3, 4, 5, 6};
    const float want_BD[6] = {1, 2, 0, 0, 5, 6};
    float       got_BD[6];

    (void)state;
    for (int k = 0; k < 12; k++) { /* two forms, three orders of threads */
        op_run            run;
        br_copy_rows_args args;

        op_set_thread_order(k / 4);
        op_begin(&run, op_dev(op_backend(k % 2)), k % 4 < 2 ? &shape : &strided, id_B, 3);
        args        = (br_copy_rows_args){.x_BD = op_put(&run, BR_F32, 3, 2, x_BD)};
        args.out_BD = op_out(&run, 3, 2);
        assert_int_equal(br_op_copy_rows(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_BD, got_BD), BR_OK);
        assert_memory_equal(got_BD, x_BD, sizeof x_BD);
        args.seqs   = &run.seqs;
        args.out_BD = args.x_BD; /* in place */
        assert_int_equal(br_op_copy_rows(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.out_BD, got_BD), BR_OK);
        assert_memory_equal(got_BD, want_BD, sizeof want_BD);
        args.out_BD = br_mat_rows(args.x_BD, 0, 2);
        assert_int_equal(br_op_copy_rows(run.dev, &args), BR_E_SELFCHECK);
        op_end(&run);
    }
}

/* Modalities of widths 1 and 2; the second customer lacks the second. */
static void test_fuse_inputs(void **state)
{
    const float   state_BS[6]   = {1, 2, 3, 4, NAN, 6}; /* what is absent is never read */
    const uint8_t present_BM[4] = {1, 1, 1, 0};
    const float   value_BA[4]   = {5, NAN, 16777217.0f, -1};
    const double  mean_A[2] = {3, 1}, std_A[2] = {0.5, 4};
    const float   gate_BI[10] = {1, 2, 3, 1, 1, 4, 0, 0, 1, 0};
    const float   flag_BF[8]  = {4, 0, 0, 1, (float)((16777217.0f - 3.0) / 0.5), -0.5f, 0, 0};
    float         got[10];

    (void)state;
    for (int k = 0; k < 12; k++) { /* two forms, three orders of threads */
        op_run              run;
        br_fuse_inputs_args args;

        op_set_thread_order(k / 4);
        op_begin(&run, op_dev(op_backend(k % 2)), k % 4 < 2 ? &shape : &strided, id_B, 3);
        args = (br_fuse_inputs_args){.n_modalities = 2,
                                     .width        = {1, 2},
                                     .state_BS     = op_put(&run, BR_F32, 2, 3, state_BS),
                                     .present_BM   = op_put(&run, BR_U8, 2, 2, present_BM),
                                     .aggregate_BA = op_put(&run, BR_F32, 2, 2, value_BA),
                                     .mean_A       = mean_A,
                                     .std_A        = std_A,
                                     .gate_BI      = op_out(&run, 2, 5),
                                     .flag_BF      = op_out(&run, 2, 4)};
        assert_int_equal(br_op_fuse_inputs(run.dev, &args), BR_OK);
        assert_int_equal(br_download(run.dev, args.gate_BI, got), BR_OK);
        assert_memory_equal(got, gate_BI, sizeof gate_BI);
        assert_int_equal(br_download(run.dev, args.flag_BF, got), BR_OK);
        assert_memory_equal(got, flag_BF, sizeof flag_BF);
        args.width[1] = 3;
        assert_int_equal(br_op_fuse_inputs(run.dev, &args), BR_E_SELFCHECK);
        op_end(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy_rows),
        cmocka_unit_test(test_fuse_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
