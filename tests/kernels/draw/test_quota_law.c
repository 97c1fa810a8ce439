/* SPDX-License-Identifier: Apache-2.0
 *
 * The laws of draw_topk under quotas: of small catalogues every list that the law allows is drawn,
 * as often as the product of its propensities says, and those products sum to 1, also where columns
 * overlap and lists end early. Seeds are fixed and printed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/kernels/draw/draw_case.h"

#define SEED       20261130u
#define MOST_ITEMS 6
#define MOST_SLOTS 3
#define MOST_LISTS (7 * 7 * 7) /* digits: an item, or 6 for none */
#ifdef __SANITIZE_ADDRESS__    /* fewer draws */
#define N_DRAWS 20000
#else
#define N_DRAWS 150000
#endif

typedef struct law {
    const draw_case *c;
    double           want_C[MOST_LISTS]; /* probabilities */
    int32_t          item_K[MOST_SLOTS];
} law;

static bool is_left(const law *l, int32_t n, int32_t item)
{
    for (int32_t j = 0; j < n && j < MOST_SLOTS; j++)
        if (l->item_K[j] == item)
            return false;
    return !isnan(case_score(l->c, 0, item)) && case_has_room(l->c, l->item_K, n, item);
}

static int64_t cell_of(const int32_t *item_K, int32_t k)
{
    int64_t cell = 0;

    for (int32_t j = 0; j < k; j++)
        cell = cell * 7 + (item_K[j] < 0 ? MOST_ITEMS : item_K[j]);
    return cell;
}

/* All lists that go on from the first n, which have probability p. */
static void enumerate(law *l, int32_t n, double p)
{
    const draw_case *c      = l->c;
    double           n_left = 0.0, sum = 0.0, T = (double)c->temperature_B[0];
    double           e    = (double)c->epsilon_B[0];
    int32_t          best = -1;

    for (int32_t i = 0; i < c->p.N; i++) {
        if (!is_left(l, n, i))
            continue;
        n_left += 1.0;
        sum += exp((double)case_score(c, 0, i) / T);
        if (best < 0 || case_score(c, 0, i) > case_score(c, 0, best))
            best = i;
    }
    if (n == MOST_SLOTS || n == c->p.k || best < 0) {
        for (int32_t j = n; j < MOST_SLOTS; j++)
            l->item_K[j] = -1;
        l->want_C[cell_of(l->item_K, c->p.k)] += p;
        return;
    }
    for (int32_t i = 0; i < c->p.N; i++) {
        if (!is_left(l, n, i))
            continue;
        l->item_K[n] = i;
        if (c->law == BR_DRAW_EPSILON)
            enumerate(l, n + 1, p * (e / n_left + (i == best ? 1.0 - e : 0.0)));
        else
            enumerate(l, n + 1, p * exp((double)case_score(c, 0, i) / T) / sum);
    }
}

static void check_law(draw_case *c)
{
    static law l;
    int64_t    found_C[MOST_LISTS] = {0}, n_lists = 0, n_reached = 0;
    double     sum = 0.0, z;

    l = (law){.c = c};
    enumerate(&l, 0, 1.0);
    assert_int_equal(run_case(c, BR_BACKEND_CPU, 1, 8192), BR_OK);
    for (int64_t b = 0; b < c->p.B; b++) {
        int64_t cell = cell_of(c->p.item_BK + b * c->p.k, c->p.k);
        double  ln   = 0.0;

        for (int32_t j = 0; j < c->p.k && c->p.item_BK[b * c->p.k + j] >= 0; j++)
            ln += (double)c->log_BK[b * c->p.k + j];
        if (fabs(exp(ln) - l.want_C[cell]) > 1e-5 * l.want_C[cell])
            fail_msg("row %lld: found probability %.9g, expected %.9g", (long long)b, exp(ln),
                     l.want_C[cell]);
        if (found_C[cell]++ == 0) {
            sum += exp(ln);
            n_reached++;
        }
    }
    for (int64_t cell = 0; cell < MOST_LISTS; cell++) {
        n_lists += l.want_C[cell] > 0.0;
        l.want_C[cell] *= (double)c->p.B;
    }
    z = chi_square_z(l.want_C, found_C, MOST_LISTS);
    printf("# seed %u law %d N %d K %d quotas %d: %lld lists, %lld reached, their probabilities "
           "sum to %.9f, chi-square of %lld draws z = %.2f\n",
           SEED, (int)c->law, (int)c->p.N, c->p.k, c->n_quotas, (long long)n_lists,
           (long long)n_reached, sum, (long long)c->p.B, z);
    assert_true(z < Z_MOST);
    assert_int_equal(n_reached, n_lists);
    assert_true(fabs(sum - 1.0) < 1e-5);
}

/* One column; two that overlap, with items in two groups that fill at once; columns under which
 * lists end after two items. */
static void test_quota_law(void **state)
{
    static const int32_t groups[3][2][MOST_ITEMS] = {
        {{0, 0, 0, 1, 1, -1}, {-1, -1, -1, -1, -1, -1}},
        {{0, 0, 1, 1, -1, 2}, {0, 1, 0, 1, 0, -1}},
        {{0, 0, 0, 1, 1, 1}, {0, 1, 0, 1, 0, 1}},
    };
    static const int32_t most[3][2] = {{2, 1}, {1, 1}, {1, 2}};

    (void)state;
    for (int i = 0; i < 12; i++) {
        draw_case c = {
            .p           = {.kind = RANDOM, .B = N_DRAWS, .N = MOST_ITEMS, .D = 3, .k = 3},
            .law         = i % 6 >= 3 ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE,
            .temperature = 1.2,
            .epsilon     = 0.6,
            .is_same     = true,
            .has_extras  = i >= 6,
            .seed        = SEED + (uint64_t)i,
            .n_quotas    = 2,
            .n_groups    = 3,
        };

        c.p.has_rules = i >= 6;
        make_case(&c);
        for (int32_t q = 0; q < 2; q++) {
            c.max_Q[q] = most[i % 3][q];
            memcpy(c.group_QN[q], groups[i % 3][q], sizeof groups[i % 3][q]);
        }
        for (int64_t b = 0; b < c.p.B && i >= 6; b++) { /* nobody gets 3; 1 comes back */
            c.p.offset_B1[b] = 2 * b;
            memcpy(c.p.never_S + 2 * b, (int32_t[]){1, 3}, 8);
            c.p.have_B[b]        = 7;
            c.extra_offset_B1[b] = b;
            c.extra_item_X[b]    = 1;
            c.extra_score_X[b]   = 0.4f;
        }
        if (i >= 6) {
            c.p.offset_B1[c.p.B]     = 2 * c.p.B;
            c.extra_offset_B1[c.p.B] = c.p.B;
        }
        check_law(&c);
        free_case(&c);
    }
}

/* A catalogue that shortlists and the sparse set serve: the second item is of another group, as
 * often as float64 says. */
static void test_second_group(void **state)
{
    enum { GROUPS = 20 };
    static const double temperatures[] = {0.3, 1.0, 10.0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        int64_t   found_C[GROUPS] = {0}, n = 0;
        double    weight_C[GROUPS] = {0}, want_C[GROUPS] = {0}, sum = 0.0, z;
        draw_case c = {.temperature = temperatures[i],
                       .is_same     = true,
                       .seed        = SEED,
                       .n_quotas    = 1,
                       .n_groups    = GROUPS,
                       .max_Q       = {1}};

        c.p = (problem){.kind = RANDOM, .B = N_DRAWS, .N = 4000, .D = 8, .k = 2};
        make_case(&c);
        for (int32_t item = 0; item < c.p.N; item++) {
            double e = exp((double)case_score(&c, 0, item) / (double)c.temperature_B[0]);

            c.group_QN[0][item] = item / 100 % GROUPS;
            weight_C[item / 100 % GROUPS] += e;
            sum += e;
        }
        assert_int_equal(run_case(&c, BR_BACKEND_CPU, 2, 4096), BR_OK);
        for (int64_t b = 0; b < c.p.B; b++) {
            found_C[c.p.item_BK[2 * b + 1] / 100 % GROUPS]++;
            n += c.p.item_BK[2 * b] / 100 % GROUPS == c.p.item_BK[2 * b + 1] / 100 % GROUPS;
        }
        for (int first = 0; first < GROUPS; first++)
            for (int second = 0; second < GROUPS; second++)
                want_C[second] += first == second ? 0.0
                                                  : (double)c.p.B * weight_C[first] / sum *
                                                        weight_C[second] / (sum - weight_C[first]);
        z = chi_square_z(want_C, found_C, GROUPS);
        printf("# seed %u N 4,000 T %g: group of the second item z = %.2f\n", SEED, c.temperature,
               z);
        assert_true(z < Z_MOST);
        assert_int_equal(n, 0);
        free_case(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quota_law),
        cmocka_unit_test(test_second_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
