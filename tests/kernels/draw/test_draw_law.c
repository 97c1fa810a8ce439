/* SPDX-License-Identifier: Apache-2.0
 *
 * The laws of draw_topk: on small catalogues every ordered list is drawn, as often as the product
 * of its propensities says, and those products sum to 1; on larger ones, first and second slots
 * fall where sums in double say. Seeds are fixed and printed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"
#include "tests/kernels/draw/draw_case.h"

#define SEED       20261128u
#define MOST_ITEMS 6
#ifdef __SANITIZE_ADDRESS__ /* fewer draws */
#define SLOWER 5
#else
#define SLOWER 1
#endif
#define MOST_LISTS (MOST_ITEMS * MOST_ITEMS * MOST_ITEMS)

/* A place for every list of at most three of six items. */
static int64_t cell_of(const int32_t *item_K, int32_t k)
{
    int64_t cell = 0;

    for (int32_t j = 0; j < k; j++)
        cell = cell * MOST_ITEMS + item_K[j];
    return cell;
}

/* What a list's probability is by the law, from the scores. */
static double law_of(const draw_case *c, const int32_t *item_K)
{
    bool   is_left_N[MOST_ITEMS];
    double p = 1.0, score_N[MOST_ITEMS];

    for (int32_t i = 0; i < c->p.N; i++) {
        score_N[i]   = (double)case_score(c, 0, i);
        is_left_N[i] = !isnan(score_N[i]);
    }
    for (int32_t j = 0; j < c->p.k; j++) {
        double  sum = 0.0, n_left = 0.0;
        int32_t best = -1;

        for (int32_t i = 0; i < c->p.N; i++) {
            if (!is_left_N[i])
                continue;
            best = best < 0 || score_N[i] > score_N[best] ? i : best;
            sum += exp(score_N[i] / (double)c->temperature_B[0]);
            n_left += 1.0;
        }
        if (c->law == BR_DRAW_EPSILON)
            p *= (double)c->epsilon_B[0] / n_left +
                 (item_K[j] == best ? 1.0 - (double)c->epsilon_B[0] : 0.0);
        else
            p *= exp(score_N[item_K[j]] / (double)c->temperature_B[0]) / sum;
        is_left_N[item_K[j]] = false;
    }
    return p;
}

/* Are the k digits of a cell different items that take part? */
static bool list_of(const draw_case *c, int64_t cell, int32_t *item_K)
{
    for (int32_t j = c->p.k - 1; j >= 0; j--, cell /= MOST_ITEMS) {
        item_K[j] = (int32_t)(cell % MOST_ITEMS);
        if (item_K[j] >= c->p.N || isnan(case_score(c, 0, item_K[j])))
            return false;
        for (int32_t i = j + 1; i < c->p.k; i++)
            if (item_K[i] == item_K[j])
                return false;
    }
    return cell == 0;
}

static void check_enumerated(draw_case *c)
{
    int64_t found[MOST_LISTS] = {0}, n_lists = 0, n_reached = 0;
    double  want[MOST_LISTS] = {0}, sum = 0.0, z;
    int32_t k = c->p.k, item_K[3];

    assert_int_equal(run_case(c, BR_BACKEND_CPU, 1, 8192), BR_OK);
    for (int64_t cell = 0; cell < MOST_LISTS; cell++)
        if (list_of(c, cell, item_K)) {
            want[cell] = law_of(c, item_K) * (double)c->p.B;
            n_lists++;
        }
    for (int64_t b = 0; b < c->p.B; b++) {
        int64_t cell = cell_of(c->p.item_BK + b * k, k);
        double  ln   = 0.0;

        for (int32_t j = 0; j < k; j++)
            ln += (double)c->log_BK[b * k + j];
        if (fabs(exp(ln) * (double)c->p.B - want[cell]) > 1e-5 * want[cell])
            fail_msg("row %lld: found probability %.9g, expected %.9g", (long long)b, exp(ln),
                     want[cell] / (double)c->p.B);
        if (found[cell]++ == 0) {
            sum += exp(ln);
            n_reached++;
        }
    }
    z = chi_square_z(want, found, MOST_LISTS);
    printf("# seed %u law %d N %d K %d T %g: %lld lists, %lld reached, their probabilities sum to "
           "%.9f, chi-square of %lld draws z = %.2f\n",
           SEED, (int)c->law, (int)c->p.N, k, (double)c->temperature_B[0], (long long)n_lists,
           (long long)n_reached, sum, (long long)c->p.B, z);
    assert_true(z < Z_MOST);
    for (int64_t cell = 0; cell < MOST_LISTS; cell++)
        if (want[cell] > 20.0)
            assert_true(found[cell] > 0);
    assert_true(n_reached == n_lists || SLOWER > 1);
    assert_true(n_reached < n_lists || fabs(sum - 1.0) < 1e-5);
}

static void test_all_lists(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        draw_case c = {.p           = {.kind      = RANDOM,
                                       .B         = 100000,
                                       .N         = 4 + i % 3,
                                       .D         = 3,
                                       .k         = 1 + i / 3 % 3,
                                       .has_bias  = i % 2,
                                       .has_rules = i >= 9},
                       .law         = i % 4 == 3 ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE,
                       .temperature = 0.7,
                       .epsilon     = 0.6,
                       .is_same     = true,
                       .has_extras  = i >= 9,
                       .seed        = SEED + (uint64_t)i};

        make_case(&c);
        if (i >= 9) { /* everyone's never-list is items 1 and 3; 1 comes back */
            for (int64_t b = 0; b < c.p.B; b++) {
                c.p.offset_B1[b] = 2 * b;
                memcpy(c.p.never_S + 2 * b, (int32_t[]){1, 3}, 8);
                c.p.have_B[b]        = 7;
                c.extra_offset_B1[b] = b;
                c.extra_item_X[b]    = 1;
                c.extra_score_X[b]   = 0.4f;
            }
            c.p.offset_B1[c.p.B]     = 2 * c.p.B;
            c.extra_offset_B1[c.p.B] = c.p.B;
        }
        check_enumerated(&c);
        free_case(&c);
    }
}

/* First slot and ordered pairs, a million draws. */
static void test_million(void **state)
{
    (void)state;
    for (int law = 0; law < 2; law++) {
        draw_case c = {.p   = {.kind = RANDOM, .B = 1000000 / SLOWER, .N = 6, .D = 2, .k = 1},
                       .law = law ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE,
                       .temperature = 0.5,
                       .epsilon     = 0.25,
                       .is_same     = true,
                       .seed        = SEED};

        for (c.p.k = 1; c.p.k <= 2; c.p.k++) {
            make_case(&c);
            check_enumerated(&c);
            free_case(&c);
        }
    }
}

/* Probabilities of the first two slots among n_cells stretches of a larger catalogue. */
static void expect_pairs(const draw_case *c, int64_t n_cells, double *first_C, double *pair_CC)
{
    int64_t N = c->p.N, width = (N + n_cells - 1) / n_cells;
    double *p_N = NULL, *sum_C = NULL, sum = 0.0;

    assert_int_equal(br_alloc(N, 8, "p", (void **)&p_N), BR_OK);
    assert_int_equal(br_alloc(n_cells, 8, "sums", (void **)&sum_C), BR_OK);
    for (int32_t i = 0; i < N; i++)
        sum += p_N[i] = exp((double)case_score(c, 0, i) / (double)c->temperature_B[0]);
    for (int64_t i = 0; i < N; i++) {
        p_N[i] /= sum;
        sum_C[i / width] += p_N[i];
    }
    for (int64_t i = 0; i < N; i++)
        for (int64_t j = 0; j < n_cells; j++)
            pair_CC[i / width * n_cells + j] += (double)c->p.B * p_N[i] / (1.0 - p_N[i]) *
                                                (sum_C[j] - (j == i / width ? p_N[i] : 0.0));
    for (int64_t j = 0; j < n_cells; j++)
        first_C[j] = (double)c->p.B * sum_C[j];
    br_free(&p_N);
    br_free(&sum_C);
}

/* Shortlists, the sparse set and its bound at work: most of the mass lies outside the shortlist at
 * high temperatures, inside it at low ones. */
static void test_larger(void **state)
{
    enum { CELLS = 25 };
    static const double temperatures[] = {0.3, 1.0, 10.0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        int64_t   found_C[CELLS] = {0}, found_CC[CELLS * CELLS] = {0};
        double    first_C[CELLS] = {0}, pair_CC[CELLS * CELLS] = {0}, z_first, z_pair;
        draw_case c = {.temperature = temperatures[i], .is_same = true, .seed = SEED};

        c.p = (problem){.kind = RANDOM, .B = 100000 / SLOWER, .N = 5000, .D = 8, .k = 2};
        make_case(&c);
        expect_pairs(&c, CELLS, first_C, pair_CC);
        assert_int_equal(run_case(&c, BR_BACKEND_CPU, 2, 4096), BR_OK);
        for (int64_t b = 0; b < c.p.B; b++) {
            int32_t a = c.p.item_BK[2 * b] / 200, n = c.p.item_BK[2 * b + 1] / 200;

            found_C[a]++;
            found_CC[a * CELLS + n]++;
        }
        z_first = chi_square_z(first_C, found_C, CELLS);
        z_pair  = chi_square_z(pair_CC, found_CC, (int64_t)CELLS * CELLS);
        printf("# seed %u N 5,000 T %g: first slot z = %.2f, pairs z = %.2f\n", SEED, c.temperature,
               z_first, z_pair);
        assert_true(z_first < Z_MOST && z_pair < Z_MOST);
        free_case(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_lists),
        cmocka_unit_test(test_million),
        cmocka_unit_test(test_larger),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
