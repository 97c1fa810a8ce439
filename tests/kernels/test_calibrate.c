/* SPDX-License-Identifier: Apache-2.0
 *
 * calibrate against the C library in long double, and the error that exp.h promises; ref and the
 * backend under test give the same bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/exp.h"
#include "kernels/ops.h"
#include "tests/kernels/op_case.h"

#define N_VALUES 401

static void test_exp(void **state)
{
    double worst = 0.0;

    (void)state;
    for (double x = -707.9; x < 708.9; x += 0.00731) {
        long double want  = expl((long double)x);
        double      error = (double)(fabsl((long double)br_exp(x) - want) / want);

        worst = error > worst ? error : worst;
    }
    if (!(worst < 4e-16))
        fail_msg("relative error %g, expected below 4e-16", worst);
    assert_true(br_exp(0.0) == 1.0);
    assert_true(br_exp(-0.0) == 1.0);
    assert_true(br_exp(-709.0) == 0.0);
    assert_true(br_exp(-INFINITY) == 0.0);
    assert_true(isinf(br_exp(710.0)));
    assert_true(isinf(br_exp(INFINITY)));
    assert_true(isnan(br_exp(NAN)));
}

/* Runs ref, and the tested backend with threads in each order, on the same logits; the results must
 * be the same bits. */
static void calibrate(br_calibrate_args args, const float *knots, const float *logit, float *out)
{
    float got[N_VALUES];

    for (int i = 0; i < 4; i++) {
        br_dev *dev;

        op_turn_thread_order();
        assert_int_equal(br_dev_open(op_backend(i), 0, &dev), BR_OK);
        assert_int_equal(br_dev_alloc(dev, BR_F32, 1, N_VALUES, &args.logit_BK), BR_OK);
        assert_int_equal(br_upload(dev, args.logit_BK, logit), BR_OK);
        args.knot_P2 = (br_mat){0};
        if (knots != NULL) {
            assert_int_equal(br_dev_alloc(dev, BR_F32, args.n_points, 2, &args.knot_P2), BR_OK);
            assert_int_equal(br_upload(dev, args.knot_P2, knots), BR_OK);
        }
        assert_int_equal(br_op_calibrate(dev, &args), BR_OK);
        assert_int_equal(br_download(dev, args.logit_BK, got), BR_OK);
        if (i > 0)
            assert_memory_equal(out, got, sizeof got);
        memcpy(out, got, sizeof got);
        br_dev_free(&args.logit_BK);
        br_dev_free(&args.knot_P2);
        br_dev_close(&dev);
    }
}

static void fill_logits(float *logit)
{
    for (int i = 0; i < N_VALUES; i++)
        logit[i] = (float)(i - 200) * 0.1f;
    logit[7]   = NAN;
    logit[100] = 120.0f;
    logit[101] = -120.0f;
}

/* The nearest float of a long double, or its neighbour. */
static void check_close(float got, long double want, int at)
{
    if (!(fabsl((long double)got - want) <= 1e-7L * fabsl(want) + 1e-44L))
        fail_msg("value %d: found %.9g, expected %.9Lg", at, (double)got, want);
}

static void test_links(void **state)
{
    float logit[N_VALUES], out[N_VALUES];

    (void)state;
    fill_logits(logit);
    for (int way = 0; way < 4; way++) {
        br_calibrate_args args = {.offset = 0.3125,
                                  .link   = way & 1 ? BR_LINK_LOGISTIC : BR_LINK_IDENTITY,
                                  .calibration =
                                      way & 2 ? BR_CALIBRATION_PLATT : BR_CALIBRATION_NONE,
                                  .platt_a = 1.75,
                                  .platt_b = -0.5};

        calibrate(args, NULL, logit, out);
        for (int i = 0; i < N_VALUES; i++) {
            long double y = (long double)logit[i] + 0.3125L;

            y = way & 2 ? 1.75L * y - 0.5L : y;
            y = way & 1 ? 1.0L / (1.0L + expl(-y)) : y;
            if (i == 7)
                assert_true(isnan(out[i]));
            else
                check_close(out[i], y, i);
            if (way & 1 && i != 7)
                assert_true(out[i] >= 0.0f && out[i] <= 1.0f);
        }
    }
}

static long double on_table(const float *knots, int n, long double y)
{
    if (y <= (long double)knots[0])
        return (long double)knots[1];
    for (int i = 1; i < n; i++)
        if (y < (long double)knots[2 * i]) {
            long double x0 = (long double)knots[2 * i - 2], x1 = (long double)knots[2 * i];
            long double y0 = (long double)knots[2 * i - 1], y1 = (long double)knots[2 * i + 1];

            return y0 + (y1 - y0) * ((y - x0) / (x1 - x0));
        }
    return (long double)knots[2 * n - 1];
}

static void test_isotonic(void **state)
{
    /* a step (two knots at one input), a slope, a flat piece */
    static const float knots[] = {0.1f, 0.02f, 0.3f, 0.05f, 0.3f, 0.2f,
                                  0.6f, 0.4f,  0.7f, 0.4f,  0.9f, 0.95f};
    float              logit[N_VALUES], out[N_VALUES];

    (void)state;
    fill_logits(logit);
    for (int n = 1; n <= 6; n++) {
        br_calibrate_args args = {
            .link = BR_LINK_LOGISTIC, .calibration = BR_CALIBRATION_ISOTONIC, .n_points = n};

        calibrate(args, knots, logit, out);
        for (int i = 0; i < N_VALUES; i++)
            if (i == 7)
                assert_true(isnan(out[i]));
            else
                check_close(out[i],
                            on_table(knots, n, 1.0L / (1.0L + expl(-(long double)logit[i]))), i);
    }
}

static void test_missing_table(void **state)
{
    br_dev           *dev;
    br_calibrate_args args = {.calibration = BR_CALIBRATION_ISOTONIC};

    (void)state;
    assert_int_equal(br_dev_open(op_tested(), 0, &dev), BR_OK);
    assert_int_equal(br_dev_alloc(dev, BR_F32, 2, 3, &args.logit_BK), BR_OK);
    assert_int_equal(br_op_calibrate(dev, &args), BR_E_SELFCHECK);
    args.n_points = 4;
    assert_int_equal(br_op_calibrate(dev, &args), BR_E_SELFCHECK);
    assert_non_null(strstr(br_error_last()->text, "knot_P2"));
    br_dev_free(&args.logit_BK);
    br_dev_close(&dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_isotonic),
        cmocka_unit_test(test_missing_table),
    };
    (void)op_dev(op_tested()); /* none here: skipped */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
