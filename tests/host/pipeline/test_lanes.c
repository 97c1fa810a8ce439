/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks of a lane: cut as told; where memory is short both halves are tried, each row is done once,
 * scratch is given back, other failures are not tried again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "host/pipeline/lanes.h"

#define N_ROWS 100

typedef struct attempt {
    int64_t   most; /* rows that there is memory for */
    br_status other;
    int       n_calls;
    int       done_B[N_ROWS];
} attempt;

static br_status try_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status st = BR_OK;
    attempt  *a  = context;
    br_mat    mat;

    a->n_calls++;
    BR_TRY(st, br_dev_scratch(lane, BR_U8, rows.n, 64, &mat));
    if (a->other != BR_OK)
        BR_FAIL(st, a->other, "something else");
    if (rows.n > a->most)
        BR_FAIL(st, BR_E_MEMORY, "no memory for %lld rows", (long long)rows.n);
    for (int64_t b = rows.first; b < rows.first + rows.n; b++)
        a->done_B[b]++;
done:
    return st;
}

static void test_halves(void **state)
{
    static const int64_t most[] = {1, 2, 3, 49, 50, 99, 100};
    br_dev              *dev    = NULL;

    (void)state;
    /* the scratch itself may be what is short */
    for (int64_t n_scratch = 1; n_scratch <= N_ROWS; n_scratch += 33)
        for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
            attempt a = {.most = most[i]};

            assert_int_equal(br_dev_open(BR_BACKEND_REF, (size_t)n_scratch * 64, &dev), BR_OK);
            assert_int_equal(br_lane_run(dev, (br_rows){7, 83}, try_rows, &a), BR_OK);
            for (int b = 0; b < N_ROWS; b++)
                assert_int_equal(a.done_B[b], b >= 7 && b < 90);
            assert_int_equal(br_dev_mark(dev), 0);
            br_dev_close(&dev);
        }
}

static void test_failures(void **state)
{
    br_dev *dev  = NULL;
    attempt none = {.most = 0}, other = {.most = 100, .other = BR_E_INPUT};

    (void)state;
    assert_int_equal(br_dev_open(BR_BACKEND_REF, N_ROWS * 64, &dev), BR_OK);
    assert_int_equal(br_lane_run(dev, (br_rows){0, 8}, try_rows, &none), BR_E_MEMORY);
    assert_int_equal(none.n_calls, 4); /* 8, 4, 2, 1 rows */
    assert_int_equal(br_lane_run(dev, (br_rows){0, 8}, try_rows, &other), BR_E_INPUT);
    assert_int_equal(other.n_calls, 1);
    assert_int_equal(br_dev_mark(dev), 0);
    br_dev_close(&dev);
}

static void test_tasks(void **state)
{
    br_rows last = br_rows_of_task(100, 32, 3), whole = br_rows_of_task(20, 32, 0);

    (void)state;
    assert_int_equal(last.first, 96);
    assert_int_equal(last.n, 4);
    assert_int_equal(whole.first, 0);
    assert_int_equal(whole.n, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
