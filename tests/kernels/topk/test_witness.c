/* SPDX-License-Identifier: Apache-2.0
 *
 * Checksums of the score pass: sound sums raise no alarm, whatever the data; a bit flipped in a sum
 * of a tile that is checked raises one that names the customer, and its list is still the right
 * one. Sums are spoiled by a kernel that stands before the real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/backend.h"
#include "kernels/cpu/topk/items.h"
#include "tests/kernels/topk/topk_case.h"

#define N_FLIPS 300 /* per screen; with the argument N, N */

static int64_t n_flips = N_FLIPS;

/* ---- a kernel that errs once ---- */

typedef struct spoiler {
    const br_screen_kernel *real;
    br_screen_kernel        kernel; /* what stands before it */
    int64_t                 n_runs; /* so far */
    int64_t                 at;     /* the run that errs; -1: none */
    int                     row, col, bit;
    bool                    was_kept; /* that tile is one of the checked */
} spoiler;

static spoiler spoil;

static bool run_spoiled(br_screen_tile *tile)
{
    bool any;

    if (spoil.n_runs++ != spoil.at)
        return spoil.real->run(tile);
    spoil.was_kept = tile->keep_sums != 0;
    spoil.real->sums(tile);
    tile->sum_RC[spoil.row][spoil.col].i ^= (int32_t)(1u << spoil.bit);
    any = br_screen_mark(tile, spoil.real->kind == BR_SCREEN_FP32);
    return any || tile->keep_sums;
}

/* ---- */

typedef struct trial {
    problem    p;
    br_dev    *dev, *lane;
    br_mat     query_BD, item_ND, bias_N, item_BK, score_BK;
    br_items  *items;
    br_witness witness;
} trial;

static void must(br_status st)
{
    if (st != BR_OK)
        fail_msg("%s", br_error_last()->text);
}

static void put(trial *t, int64_t n_rows, int64_t n_cols, const float *from, br_mat *to)
{
    must(br_dev_alloc(t->dev, BR_F32, n_rows, n_cols, to));
    must(br_upload(t->dev, *to, from));
}

static void open_trial(trial *t)
{
    problem *p = &t->p;

    make_problem(p);
    must(br_dev_open(BR_BACKEND_CPU, 0, &t->dev));
    must(br_dev_open_lane(t->dev, br_score_topk_scratch_bytes(p->N, p->D, p->k), &t->lane));
    put(t, p->B, p->D, p->query_BD, &t->query_BD);
    put(t, p->N, p->D, p->item_ND, &t->item_ND);
    if (p->has_bias)
        put(t, p->N, 1, p->bias_N, &t->bias_N);
    must(br_dev_alloc(t->dev, BR_I32, p->B, p->k, &t->item_BK));
    must(br_dev_alloc(t->dev, BR_F32, p->B, p->k, &t->score_BK));
    must(br_items_prepare(t->dev,
                          &(br_items_args){.item_ND      = t->item_ND,
                                           .bias_N       = t->bias_N,
                                           .screen       = p->screen,
                                           .k            = p->k,
                                           .is_witnessed = true},
                          &t->items));
}

static void close_trial(trial *t)
{
    br_items_free(&t->items);
    br_dev_free(&t->query_BD);
    br_dev_free(&t->item_ND);
    br_dev_free(&t->bias_N);
    br_dev_free(&t->item_BK);
    br_dev_free(&t->score_BK);
    br_dev_close(&t->lane);
    br_dev_close(&t->dev);
    free_problem(&t->p);
}

static br_status score(trial *t)
{
    problem           *p    = &t->p;
    br_score_topk_args args = {.items    = t->items,
                               .query_BD = t->query_BD,
                               .k        = p->k,
                               .item_BK  = t->item_BK,
                               .score_BK = t->score_BK};
    br_status          st   = br_op_score_topk(t->lane, &args);

    t->witness = args.witness;
    must(br_download(t->dev, t->item_BK, p->item_BK));
    must(br_download(t->dev, t->score_BK, p->score_BK));
    return st;
}

/* ---- tests ---- */

static void test_sound_sums(void **state)
{
    static const br_screen_kind screens[] = {BR_SCREEN_FP32, BR_SCREEN_INT16, BR_SCREEN_INT8};

    (void)state;
    for (int s = 0; s < 3; s++)
        for (int kind = 0; kind < N_KINDS; kind++) {
            trial t = {.p = {.kind     = (data_kind)kind,
                             .B        = 203,
                             .N        = 1500,
                             .D        = 37,
                             .k        = 5,
                             .has_bias = true,
                             .screen   = screens[s]}};

            open_trial(&t);
            must(score(&t));
            check_lists(&t.p, "cpu");
            assert_int_equal(t.witness.n_wrong, 0);
            if (kind == RANDOM)
                assert_true(t.witness.n_checked * 30 > t.witness.n_tiles);
            close_trial(&t);
        }
}

typedef struct tally {
    int64_t n_checked;  /* flips in a tile that is checked */
    int64_t n_caught;   /* of these */
    int64_t n_harmless; /* of all, not caught and no list changed */
    int64_t n_refused;  /* of all, by the search itself (a second pass that cannot be) */
    int64_t n_missed;   /* of all: a list changed and nobody said so */
} tally;

static void flip(trial *t, uint64_t seed, int64_t n_runs, bool must_be_kept, tally *sum)
{
    br_status st;
    bool      is_same;
    int64_t   n_slots = t->p.B * t->p.k;
    int32_t  *want    = malloc((size_t)n_slots * 8);

    assert_non_null(want);
    memcpy(want, t->p.item_BK, (size_t)n_slots * 4);
    memcpy(want + n_slots, t->p.score_BK, (size_t)n_slots * 4);
    spoil.n_runs   = 0;
    spoil.at       = (int64_t)(draw(1, seed) % (uint64_t)n_runs);
    spoil.row      = (int)(draw(2, seed) % 4); /* of those that are somebody's */
    spoil.col      = (int)(draw(3, seed) % BR_SCREEN_COLS);
    spoil.bit      = (int)(draw(4, seed) % 32);
    spoil.was_kept = false;
    st             = score(t);
    is_same        = memcmp(want, t->p.item_BK, (size_t)n_slots * 4) == 0 &&
              memcmp(want + n_slots, t->p.score_BK, (size_t)n_slots * 4) == 0;
    sum->n_checked += spoil.was_kept;
    if (t->witness.n_wrong > 0) {
        assert_true(spoil.was_kept);
        assert_true(is_same);
        sum->n_caught++;
    } else if (st != BR_OK) {
        assert_int_equal(st, BR_E_SELFCHECK);
        sum->n_refused++;
    } else if (is_same) {
        sum->n_harmless++;
    } else {
        sum->n_missed++;
    }
    if (must_be_kept && spoil.was_kept)
        assert_true(t->witness.n_wrong > 0);
    memcpy(t->p.item_BK, want, (size_t)n_slots * 4);
    memcpy(t->p.score_BK, want + n_slots, (size_t)n_slots * 4);
    free(want);
}

static void flip_screen(br_screen_kind screen, const char *name)
{
    trial         t   = {.p = {.kind   = RANDOM,
                               .B      = 196, /* a block, and a tile of four */
                               .N      = 3000,
                               .D      = 32,
                               .k      = 10,
                               .screen = screen}};
    tally         sum = {0};
    br_cpu_items *items;
    int64_t       n_runs;

    open_trial(&t);
    items            = t.items->prepared;
    spoil            = (spoiler){.real = items->kernel, .kernel = *items->kernel, .at = -1};
    spoil.kernel.run = run_spoiled;
    items->kernel    = &spoil.kernel;
    must(score(&t));
    n_runs = spoil.n_runs;
    check_lists(&t.p, "cpu");
    for (int64_t i = 0; i < n_flips; i++)
        flip(&t, (uint64_t)i * 8 + (uint64_t)screen, n_runs, screen != BR_SCREEN_FP32, &sum);
    (void)printf(
        "# %s: %lld flips of a sum, %lld in checked tiles (%.1f %% of tiles): %lld caught; "
        "of the others %lld harmless, %lld refused by the search, %lld changed a list\n",
        name, (long long)n_flips, (long long)sum.n_checked,
        100.0 * (double)t.witness.n_checked / (double)t.witness.n_tiles, (long long)sum.n_caught,
        (long long)sum.n_harmless, (long long)sum.n_refused, (long long)sum.n_missed);
    assert_true(sum.n_checked > 0);
    if (screen != BR_SCREEN_FP32)
        assert_int_equal(sum.n_caught, sum.n_checked);
    else
        assert_true(sum.n_caught > 0);
    items->kernel = spoil.real;
    close_trial(&t);
}

static void test_flips_fp32(void **state)
{
    (void)state;
    flip_screen(BR_SCREEN_FP32, "fp32");
}

static void test_flips_int16(void **state)
{
    (void)state;
    flip_screen(BR_SCREEN_INT16, "int16");
}

static void test_flips_int8(void **state)
{
    (void)state;
    flip_screen(BR_SCREEN_INT8, "int8");
}

/* A bit of the catalogue's codes, behind the back of the sums that were taken of them. */
static void test_flips_of_codes(void **state)
{
    trial t = {
        .p = {.kind = RANDOM, .B = 192, .N = 992, .D = 32, .k = 10, .screen = BR_SCREEN_INT8}};
    br_cpu_items *items;
    int64_t       n_caught = 0, n_bits;

    (void)state;
    open_trial(&t);
    items  = t.items->prepared;
    n_bits = items->n_panels * items->n_units * BR_SCREEN_COLS * 32;
    for (uint64_t i = 0; i < 40; i++) {
        uint64_t at = draw(5, i) % (uint64_t)n_bits;

        items->unit_PUC[at / 32] ^= (int32_t)(1u << at % 32);
        (void)score(&t);
        n_caught += t.witness.n_wrong > 0;
        items->unit_PUC[at / 32] ^= (int32_t)(1u << at % 32);
    }
    (void)printf("# 40 flips of the catalogue's codes, 192 customers each: %lld caught\n",
                 (long long)n_caught);
    assert_true(n_caught >= 38); /* one tile or two of each panel is checked, or codes of x are 0 */
    close_trial(&t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_sums), cmocka_unit_test(test_flips_fp32),
        cmocka_unit_test(test_flips_int16), cmocka_unit_test(test_flips_int8),
        cmocka_unit_test(test_flips_of_codes)};

    if (argc > 1)
        n_flips = atoll(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
