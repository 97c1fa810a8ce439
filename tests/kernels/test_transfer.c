/* SPDX-License-Identifier: Apache-2.0
 *
 * Copies to a device and back: views of any form, sizes around and beyond what a backend stages at
 * a time, what lies around a view stays, and the source may change as soon as an upload returns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "op_case.h"

#define MARGIN 3 /* columns on either side of a strided view */

#define MOST (18 << 20)

static uint8_t bytes[MOST]; /* what is sent, from its beginning */

/* n_rows of n_cols bytes there and back, inside a wider matrix of sevens. */
static void check_view(br_dev *dev, int64_t n_rows, int64_t n_cols, int64_t margin)
{
    int64_t  width = n_cols + 2 * margin, n = n_rows * n_cols;
    uint8_t *host  = malloc((size_t)n + 1);
    uint8_t *whole = malloc((size_t)(n_rows * width) + 1);
    br_mat   mat, view;

    memset(whole, 7, (size_t)(n_rows * width));
    assert_int_equal(br_dev_alloc(dev, BR_U8, n_rows, width, &mat), BR_OK);
    view = br_mat_cols(mat, margin, n_cols);
    assert_int_equal(br_upload(dev, mat, whole), BR_OK);
    memcpy(host, bytes, (size_t)n);
    assert_int_equal(br_upload(dev, view, host), BR_OK);
    if (op_tested() == BR_BACKEND_CUDA)
        memset(host, 0, (size_t)n);
    assert_int_equal(br_download(dev, view, host), BR_OK);
    if (memcmp(host, bytes, (size_t)n) != 0)
        fail_msg("[%lld, %lld], margin %lld: not what was sent", (long long)n_rows,
                 (long long)n_cols, (long long)margin);
    assert_int_equal(br_download(dev, mat, whole), BR_OK);
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < margin; c++)
            if (whole[r * width + c] != 7 || whole[(r + 1) * width - 1 - c] != 7)
                fail_msg("[%lld, %lld]: the margin of row %lld was written", (long long)n_rows,
                         (long long)n_cols, (long long)r);
    br_dev_free(&mat);
    free(whole);
    free(host);
}

static void test_views(void **state)
{
    static const int64_t shape[][2] = {
        {0, 5},    {5, 0},       {1, 1},        {1, (4 << 20) - 1}, {1, 4 << 20},
        {3, 1000}, {4 << 20, 1}, {17, 1 << 20}, {1100, 4099},       {2, (4 << 20) - 6},
    };

    (void)state;
    for (int64_t i = 0; i < MOST; i++)
        bytes[i] = (uint8_t)((uint64_t)i * 2654435761u >> 13);
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        check_view(op_dev(op_tested()), shape[i][0], shape[i][1], 0);
        if (shape[i][1] < 4 << 20)
            check_view(op_dev(op_tested()), shape[i][0], shape[i][1], MARGIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_views)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
