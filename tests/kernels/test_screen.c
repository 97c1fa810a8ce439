/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the cpu screen one by one: blocks of scores keep the bound of docs/EXACTNESS.md and
 * report exactly what passes, on this processor's path and on the plain one; floors, orders and
 * the vectorised canonical dot product are what plain loops say. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/canonical.h"
#include "kernels/cpu/topk/candidates.h"

#define br_screen_f32_pick plain_screen_pick /* the path of processors without AVX2 */
#pragma push_macro("__x86_64__")
#undef __x86_64__
#include "kernels/cpu/topk/screen_f32.c"
#pragma pop_macro("__x86_64__")
#undef br_screen_f32_pick
br_screen_f32_fn br_screen_f32_pick(void);

#define ROWS BR_SCREEN_ROWS
#define COLS BR_SCREEN_COLS

static uint64_t state_of_draw = 20261124u;

static uint64_t draw_bits(void)
{
    state_of_draw = state_of_draw * 6364136223846793005u + 1442695040888963407u;
    return state_of_draw >> 11;
}

static float draw_value(void)
{
    return (float)((double)draw_bits() * 0x1p-52 - 1.0);
}

typedef struct block_case {
    br_screen_f32 block;
    const float  *x_R[ROWS];
    float         x[ROWS * 1024], z[1024 * COLS], bias[COLS], threshold[ROWS];
} block_case;

static void fill_case(block_case *c, int64_t D, float scale)
{
    for (int64_t i = 0; i < ROWS * D; i++)
        c->x[i] = draw_value() * scale;
    for (int64_t i = 0; i < D * COLS; i++)
        c->z[i] = draw_value();
    for (int i = 0; i < COLS; i++)
        c->bias[i] = i % 4 ? draw_value() : -1e30f;
    for (int r = 0; r < ROWS; r++)
        c->x_R[r] = c->x + r * D;
    c->block = (br_screen_f32){
        .x_R = c->x_R, .threshold_R = c->threshold, .packed = c->z, .bias_C = c->bias, .D = D};
}

/* |approx - (x.z + b)| <= E + 2^-22 |approx|, E as in score_topk.c without its last 1 %. */
static void check_bound(const block_case *c, int r, int i)
{
    double exact = 0.0, xx = 0.0, zz = 0.0, approx = (double)c->block.score_RC[r][i], error;

    for (int64_t d = 0; d < c->block.D; d++) {
        double x = (double)c->x_R[r][d], z = (double)c->z[d * COLS + i];

        exact += x * z;
        xx += x * x;
        zz += z * z;
    }
    exact += (double)c->bias[i];
    error = (double)(c->block.D + 2) * 0x1p-24 * sqrt(xx * zz) +
            (double)(2 * c->block.D + 16) * 0x1p-149 + fabs(approx) * 0x1p-22;
    if (!(fabs(approx - exact) <= error))
        fail_msg("D %lld: approx %.9g, exact %.17g, bound %g", (long long)c->block.D, approx, exact,
                 error);
}

static void check_block(block_case *c, br_screen_f32_fn run)
{
    int n_hits = 0;

    memset(c->block.hit_R, 0xff, sizeof c->block.hit_R);
    for (int r = 0; r < ROWS; r++)
        c->threshold[r] = -INFINITY;
    assert_true(run(&c->block));
    for (int r = 0; r < ROWS; r++) {
        assert_int_equal(c->block.hit_R[r], 0xffff);
        for (int i = 0; i < COLS; i++)
            check_bound(c, r, i);
        /* exactly a score of the block: it passes, being equal */
        c->threshold[r] = r == 1 ? INFINITY : c->block.score_RC[r][r + 1];
    }
    assert_true(run(&c->block));
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < COLS; i++) {
            int passes = c->block.score_RC[r][i] >= c->threshold[r];

            assert_int_equal(c->block.hit_R[r] >> i & 1, passes);
            n_hits += passes;
        }
    assert_true(n_hits >= ROWS - 1);
    for (int r = 0; r < ROWS; r++)
        c->threshold[r] = INFINITY;
    assert_false(run(&c->block));
}

static void test_blocks(void **state)
{
    static const int64_t dims[]   = {1, 3, 7, 32, 64, 333, 1024};
    static const float   scales[] = {1.0f, 1e-25f, 1e-38f, 1e20f};
    block_case          *c        = calloc(1, sizeof *c);

    (void)state;
    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
            fill_case(c, dims[d], scales[i]);
            check_block(c, plain_screen_pick());
            check_block(c, br_screen_f32_pick());
        }
    free(c);
}

static void check_floor(int32_t n, int32_t k, int kind)
{
    int32_t       lower[600], item[600];
    float         upper[600];
    br_candidates c = {n, lower, upper, item};
    float         floor;
    int32_t       n_reach = 0, n_above = 0, n_left = 0;

    for (int32_t i = 0; i < n; i++) {
        float value = kind == 0   ? draw_value()
                      : kind == 1 ? (float)(draw_bits() % 3) - 1.0f
                      : kind == 2 ? -INFINITY
                                  : draw_value() * 1e-44f;
        lower[i]    = br_order_key(value);
        upper[i]    = value;
        item[i]     = i;
        assert_true(br_order_value(lower[i]) == value);
    }
    floor = br_candidates_floor(&c, k);
    for (int32_t i = 0; i < n; i++) {
        n_reach += upper[i] >= floor;
        n_above += upper[i] > floor;
    }
    assert_true(n_reach >= k); /* valid: k items score that much */
    assert_true(n_above <= k); /* tight: no larger value would be reached by more */
    br_candidates_drop(&c, floor);
    assert_int_equal(c.n, n_reach);
    for (int32_t i = 0; i < c.n; i++) {
        assert_true(br_order_value(c.lower_C[i]) >= floor);
        n_left += i > 0 && c.item_C[i] <= c.item_C[i - 1];
    }
    assert_int_equal(n_left, 0); /* in order */
}

static void test_floors(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++)
        for (int32_t n = 1; n < 600; n += 1 + n / 3) {
            check_floor(n, 1, kind);
            check_floor(n, n, kind);
            check_floor(n, (n + 1) / 2, kind);
        }
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Orders that quicksort finds hard among them. */
static uint64_t key_of(int kind, int32_t i, int32_t n)
{
    switch (kind) {
    case 0:
        return br_rank_key(draw_value(), i);
    case 1:
        return br_rank_key(1.0f, i);
    case 2:
        return br_rank_key((float)i, i);
    case 3:
        return br_rank_key(-(float)i, i);
    default: /* a pipe organ */
        return br_rank_key((float)(i < n / 2 ? i : n - i), i);
    }
}

static void test_sort(void **state)
{
    uint64_t key[3000], want[3000];

    (void)state;
    for (int kind = 0; kind < 5; kind++)
        for (int32_t n = 0; n <= 3000; n += 1 + n / 2) {
            for (int32_t i = 0; i < n; i++)
                key[i] = want[i] = key_of(kind, i, n);
            br_rank_sort(key, n);
            qsort(want, (size_t)n, sizeof *want, by_key);
            assert_memory_equal(key, want, (size_t)n * sizeof *key);
        }
    assert_true(br_rank_key(1.0f, 9) < br_rank_key(0.5f, 1));
    assert_true(br_rank_key(-2.0f, 1) < br_rank_key(-2.0f, 2));
    assert_true(br_rank_score(br_rank_key(-0.75f, 5)) == -0.75f);
}

static void test_canonical_dot(void **state)
{
    float x[1024], z[1024];

    (void)state;
    for (int64_t D = 1; D <= 1024; D += 1 + D / 5)
        for (int round = 0; round < 20; round++) {
            double fast, plain;

            for (int64_t d = 0; d < D; d++) {
                x[d] = draw_value() * (round % 3 ? 1.0f : 1e-30f);
                z[d] = draw_value() * (d % 5 ? 1.0f : 1e6f);
            }
            fast  = br_canonical_dot_fast(x, z, D);
            plain = br_canonical_dot(x, z, D);
            assert_memory_equal(&fast, &plain, sizeof fast);
        }
    assert_false(signbit(br_canonical_round(-0.0, -0.0f)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_floors),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_canonical_dot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
