/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cpu screen does with candidates, beside plain loops: ranks, sorted keys, foretold ranks,
 * the vectorised canonical dot products. */
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

#include "kernels/canonical.h"
#include "kernels/cpu/topk/candidates.h"
#include "kernels/cpu/topk/foretell.h"

#define MOST_D 1024

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
static float draw_kind(int kind)
{
    return kind == 0   ? draw_value()
           : kind == 1 ? (float)(draw_bits() % 3) - 1.0f
           : kind == 2 ? -INFINITY
                       : draw_value() * 1e-44f;
}

static void check_rank(int32_t n, int32_t rank, int kind)
{
    int32_t       key[600], n_reach = 0, n_above = 0;
    float         value[600] = {0}, level;
    br_candidate  at[600];
    br_candidates c = {n, at};

    for (int32_t i = 0; i < n; i++) {
        value[i] = draw_kind(kind);
        at[i]    = (br_candidate){.approx = value[i], .bias = value[i], .item = i};
        assert_true(br_order_value(br_order_key(value[i])) == value[i]);
    }
    level = br_candidates_rank(value, n, rank, key);
    for (int32_t i = 0; i < n; i++) {
        n_reach += value[i] >= level;
        n_above += value[i] > level;
    }
    assert_true(n_reach >= rank); /* valid: `rank` of them reach it */
    assert_true(n_above <= rank); /* tight: no larger value would be reached by more */
    assert_int_equal(br_candidates_part(&c, level), n_reach);
    for (int32_t i = 0; i < n; i++) {
        assert_true((at[i].approx >= level) == (i < n_reach));
        assert_true(value[at[i].item] == at[i].bias); /* an entry moves whole */
    }
    br_candidates_drop(&c, level);
    assert_int_equal(c.n, n_reach);
}

static void test_ranks(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++)
        for (int32_t n = 1; n < 600; n += 1 + n / 3) {
            check_rank(n, 1, kind);
            check_rank(n, n, kind);
            check_rank(n, (n + 1) / 2, kind);
        }
}

/* The tail of the binomial distribution at the foretold rank is rare, and one rank less is not. */
static double tail(int32_t k, double share, int32_t rank)
{
    double sum = 0.0;

    for (int32_t x = rank; x <= k; x++)
        sum += exp(lgamma(k + 1.0) - lgamma(x + 1.0) - lgamma(k - x + 1.0) + x * log(share) +
                   (k - x) * log1p(-share));
    return sum;
}

static void test_foretold_ranks(void **state)
{
    static const int32_t ks[] = {1, 10, 100, 1000};

    (void)state;
    for (int i = 0; i < 4; i++)
        for (double share = 1e-5; share < 1.0; share *= 1.7) {
            int32_t rank = br_foretell_rank(ks[i], share);

            assert_in_range(rank, 1, ks[i] + 1);
            assert_true(tail(ks[i], share, rank) <= 3.1e-5);
            assert_true(rank == 1 || tail(ks[i], share, rank - 1) > 2.9e-5);
        }
    assert_int_equal(br_foretell_rank(7, 1.0), 8);
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
    float  x[MOST_D], z[MOST_D + 1] = {0};
    double x_D8[MOST_D + 8], dots[4];

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
            br_canonical_widen(x, D, x_D8);
            br_canonical_dots(x_D8, (const float *const[4]){z, z + 1, x, z}, D, dots);
            assert_memory_equal(&dots[0], &plain, sizeof plain);
            assert_memory_equal(&dots[3], &plain, sizeof plain);
            plain = br_canonical_dot(x, z + 1, D);
            assert_memory_equal(&dots[1], &plain, sizeof plain);
        }
    assert_false(signbit(br_canonical_round(-0.0, -0.0f)));
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_foretold_ranks),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_canonical_dot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
