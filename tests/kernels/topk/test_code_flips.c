/* SPDX-License-Identifier: Apache-2.0
 *
 * A bit of the prepared catalogue flips behind the back of the sums that were taken of it: digests
 * always differ, and where a panel is looked at in a score pass its checksums do, on any backend
 * (BR_TEST_BACKEND; the emulated device proves every other panel). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernels/op_case.h"
#include "tests/kernels/topk/topk_case.h"

#define MOST_CALLS 24
#define CODE_BYTE  1 /* of an item's first code: its high bits on every backend, or a code's own */

typedef struct flipped {
    br_dev  *dev;
    uint64_t digest;
    bool     is_flip;
} flipped;

static void must(br_status st)
{
    if (st != BR_OK)
        fail_msg("%s", br_error_last()->text);
}

static br_status visit(void *context, const char *what, br_mat piece)
{
    flipped *f = context;
    uint8_t  byte;

    if (f->is_flip && strcmp(what, "the items' codes") == 0)
        for (int64_t at = CODE_BYTE; at < piece.n_rows; at += piece.n_rows / 40 + 1) {
            must(br_download(f->dev, br_mat_rows(piece, at, 1), &byte));
            byte ^= 0x08;
            must(br_upload(f->dev, br_mat_rows(piece, at, 1), &byte));
        }
    return br_dev_digest(f->dev, piece, &f->digest);
}

static br_mat put(br_dev *dev, int64_t n_rows, int64_t n_cols, const float *from)
{
    br_mat mat;

    must(br_dev_alloc(dev, BR_F32, n_rows, n_cols, &mat));
    must(br_upload(dev, mat, from));
    return mat;
}

static void test_flips(void **state)
{
    br_backend backend = op_tested();
    problem    p = {.kind = RANDOM, .B = op_is_emulated() ? 24 : 192, .N = 700, .D = 32, .k = 5};
    br_dev    *dev;
    br_items  *items;
    flipped    f            = {0};
    br_score_topk_args args = {.k = p.k};
    br_mat             item_ND;
    uint64_t           before;
    int                n_calls = 0;

    (void)state;
    make_problem(&p);
    must(br_dev_open(backend, br_score_topk_scratch_bytes(p.N, p.D, p.k), &dev));
    f.dev         = dev;
    item_ND       = put(dev, p.N, p.D, p.item_ND);
    args.query_BD = put(dev, p.B, p.D, p.query_BD);
    must(br_dev_alloc(dev, BR_I32, p.B, p.k, &args.item_BK));
    must(br_dev_alloc(dev, BR_F32, p.B, p.k, &args.score_BK));
    must(br_items_prepare(
        dev,
        &(br_items_args){
            .item_ND = item_ND, .k = p.k, .screen = BR_SCREEN_INT8, .is_witnessed = true},
        &items));
    args.items = items;
    must(br_items_visit(items, visit, &f));
    before   = f.digest;
    f.digest = 0;
    must(br_items_visit(items, visit, &f));
    assert_true(f.digest == before);
    must(br_op_score_topk(dev, &args));
    assert_int_equal(args.witness.n_wrong, 0);
    f.digest  = 0;
    f.is_flip = true;
    must(br_items_visit(items, visit, &f));
    assert_true(f.digest != before);
    do
        must(br_op_score_topk(dev, &args));
    while (args.witness.n_wrong == 0 && ++n_calls < MOST_CALLS);
    (void)printf("# %lld of %lld tiles checked\n", (long long)args.witness.n_checked,
                 (long long)args.witness.n_tiles);
    (void)printf("# call %d: row %lld, panel %lld: sum %.9g, expected %.9g\n", n_calls + 1,
                 (long long)args.witness.row, (long long)args.witness.panel, args.witness.found,
                 args.witness.expected);
    assert_true(args.witness.n_wrong > 0);
    assert_in_range(args.witness.row, 0, p.B - 1);
    br_items_free(&items);
    br_dev_free(&item_ND);
    br_dev_free(&args.query_BD);
    br_dev_free(&args.item_BK);
    br_dev_free(&args.score_BK);
    br_dev_close(&dev);
    free_problem(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_flips)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
