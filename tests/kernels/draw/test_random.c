/* SPDX-License-Identifier: Apache-2.0
 *
 * random.h and log.h: the published vectors of Philox, logarithms against long double, and the laws
 * of lazy noise and fair choices. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernels/draw/left.h"
#include "kernels/random.h"
#include "tests/kernels/draw/draw_case.h"

/* kat_vectors of Random123 1.14 */
static void test_philox(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    (void)state;
    for (int i = 0; i < 3; i++) {
        const uint32_t *c = known[i].counter;
        br_random       got =
            br_philox((br_random){{c[0], c[1], c[2], c[3]}}, known[i].key[0], known[i].key[1]);

        for (int w = 0; w < 4; w++)
            assert_int_equal(got.word[w], known[i].want[w]);
    }
}

static void check_log(double x, double *worst)
{
    long double want  = logl((long double)x);
    double      error = (double)(fabsl((long double)br_log(x) - want) / fabsl(want));

    *worst = error > *worst ? error : *worst;
}

static void test_log(void **state)
{
    double worst = 0.0;

    (void)state;
    for (int e = -1000; e <= 1000; e += 5)
        for (int i = 0; i < 500; i++)
            check_log(ldexp(1.0 + (double)i / 499.7, e), &worst);
    for (int i = 1; i < 20000; i++) { /* near 1 and within (0, 1) */
        check_log(1.0 + (double)i * 1e-9, &worst);
        check_log(1.0 - (double)i * 1e-9, &worst);
        check_log((double)i / 20000.0, &worst);
        check_log(1.0 + (double)i / 3000.0, &worst);
    }
    check_log(1e-310, &worst);
    check_log(br_unit(0, 0), &worst);
    check_log(br_unit(UINT32_MAX, UINT32_MAX), &worst);
    if (!(worst < 3e-16))
        fail_msg("relative error %g, expected below 3e-16", worst);
    assert_true(br_log(1.0) == 0.0);
    assert_true(br_log(0.0) == -INFINITY);
    assert_true(br_log(INFINITY) == INFINITY);
    assert_true(isnan(br_log(-1.0)) && isnan(br_log(NAN)));
}

static void test_log1m(void **state)
{
    double worst = 0.0;

    (void)state;
    for (double x = 1e-25; x < 0.999; x *= 1.0107) {
        long double want = -log1pl(-(long double)x);

        worst = fmax(worst, (double)fabsl(((long double)br_minus_log1m(x) - want) / want));
    }
    if (!(worst < 8e-16))
        fail_msg("relative error %g, expected below 8e-16", worst);
    assert_true(br_minus_log1m(0.0) == 0.0);
}

static void test_unit(void **state)
{
    (void)state;
    assert_true(br_unit(0, 0) > 0.0);
    assert_true(br_unit(UINT32_MAX, UINT32_MAX) < 1.0);
    assert_true(isfinite(br_log(-br_log(br_unit(0, 0)))));
    assert_true(isfinite(br_log(-br_log(br_unit(UINT32_MAX, UINT32_MAX)))));
}

/* Sums of e^y in blocks against long double; terms that vanish; nothing. */
static void test_logsum(void **state)
{
    double    y_n[BR_SUM_BLOCK];
    br_logsum all = br_logsum_none();

    (void)state;
    assert_true(br_logsum_ln(all) == -INFINITY);
    for (int64_t n = 1; n <= BR_SUM_BLOCK; n = n * 3 + 1) {
        long double sum = 0.0L;

        for (int64_t i = 0; i < n; i++) {
            y_n[i] = i % 7 == 3 ? -INFINITY : 20.0 * (double)uniform(30, (uint64_t)i);
            sum += expl((long double)y_n[i]);
        }
        assert_true(fabs(br_logsum_ln(br_logsum_block(y_n, n)) - (double)logl(sum)) < 1e-14);
    }
    for (int i = 0; i < 10; i++)
        all = br_logsum_term(all, -5000.0 + i % 2);
    assert_true(fabs(br_logsum_ln(all) - (-5000.0 + log(5.0 + 5.0 * exp(1.0)))) < 1e-11);
    all = br_logsum_add(all, br_logsum_term(br_logsum_none(), 3.0));
    assert_true(br_logsum_ln(all) == 3.0);
}

/* What is left, in whole numbers: the same bits forwards, backwards, by threes and by parts;
 * against long double; terms below the floor are nothing. */
static void test_left(void **state)
{
    enum { N = 3 * BR_SUM_BLOCK };
    static double y_n[N];
    double        floor = br_left_floor(N);

    (void)state;
    assert_true(br_left_sum(br_left_none()).sum == 0.0);
    assert_true(br_left_term(0.0, floor) == (uint64_t)1 << 52);
    assert_true(br_left_term(floor * (1.0 + 1e-15), floor) == 0 && br_left_term(floor, floor) > 0);
    assert_true(br_left_term(-INFINITY, floor) == 0);
    for (int way = 0; way < 4; way++) {
        long double sum  = 0.0L;
        br_left     left = {way * 1e6, 0, 0}, other, part;

        for (int64_t i = 0; i < N; i++) {
            double fall =
                way == 0 ? 0.0 : -10.0 * way * way * fabs((double)uniform(33, (uint64_t)i));

            y_n[i] = i == 5 ? left.most : i % 7 == 3 ? -INFINITY : left.most + fall;
            sum += expl((long double)y_n[i] - (long double)left.most);
        }
        other = part = left;
        for (int64_t i = 0; i < N; i += BR_SUM_BLOCK)
            br_left_add_block(&left, floor, y_n + i, BR_SUM_BLOCK);
        for (int64_t i = N - 1; i >= 0; i--)
            br_left_add(&other, br_left_term(y_n[i] - other.most, floor));
        for (int64_t i = 0; i < N; i += 3)
            br_left_add_block(i % 2 ? &other : &part, floor, y_n + i, 3);
        assert_true(fabs(br_left_sum(left).sum / (double)sum - 1.0) < 3e-7);
        part.high += other.high; /* all of `other`, and half of it again */
        part.low += other.low;
        other = left;
        other.high *= 2;
        other.low *= 2;
        assert_true(br_left_sum(part).sum == br_left_sum(other).sum);
    }
}

/* Every item's noise is a Gumbel variable, whether it is above or below the threshold, and items
 * and customers are apart from each other. */
static void test_noise(void **state)
{
    enum { N = 400, CUSTOMERS = 3000, CELLS = 50 };
    br_gumbel law        = br_gumbel_of(N, 10);
    int64_t   n_C[CELLS] = {0}, n_pair[CELLS] = {0}, n_above = 0;
    double    want[CELLS] = {0}, z;

    (void)state;
    assert_true(fabs(law.share - 3.0 * sqrt(4000.0) / N) < 1e-12);
    for (uint64_t u = 0; u < CUSTOMERS; u++) {
        br_source source = {TOPK_SEED, u};
        br_above  walk   = {.item = -1};
        double    noise_N[N];

        for (int32_t i = 0; i < N; i++)
            noise_N[i] = br_noise_below(&law, source, i);
        for (int32_t i = 0; i < N; i++)
            assert_true(noise_N[i] < law.threshold + 1e-12);
        for (; br_above_next(&walk, source, &law, N); n_above++) {
            noise_N[walk.item] = br_noise_above(&law, walk.unit);
            assert_true(noise_N[walk.item] > law.threshold - 1e-12);
        }
        for (int32_t i = 0; i < N; i++)
            n_C[(int)(CELLS * exp(-exp(-noise_N[i])))]++;
        for (int32_t i = 0; i + 1 < N; i += 2)
            n_pair[(int)(7.0 * exp(-exp(-noise_N[i]))) * 7 +
                   (int)(7.0 * exp(-exp(-noise_N[i + 1])))]++;
    }
    for (int c = 0; c < CELLS; c++)
        want[c] = (double)N * CUSTOMERS / CELLS;
    z = chi_square_z(want, n_C, CELLS);
    printf("# noise of single items: z = %.2f\n", z);
    assert_true(z < Z_MOST);
    for (int c = 0; c < 49; c++)
        want[c] = (double)N * CUSTOMERS / 2 / 49;
    z = chi_square_z(want, n_pair, 49);
    printf("# noise of neighbours: z = %.2f\n", z);
    assert_true(z < Z_MOST);
    z = ((double)n_above - law.share * N * CUSTOMERS) /
        sqrt(N * CUSTOMERS * law.share * (1.0 - law.share));
    printf("# items above the threshold: z = %.2f\n", z);
    assert_true(fabs(z) < 3.9);
}

static void test_choice(void **state)
{
    int64_t  n_C[12] = {0}, n_taken = 0;
    double   want[12];
    uint32_t n_large = 3000000000u, n_low = 0, n_all = 0;

    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        int64_t at = br_choice((uint32_t)draw(31, i), 12);

        assert_true(at >= -1 && at < 12);
        n_taken += at >= 0;
        if (at >= 0)
            n_C[at]++;
        at = br_choice((uint32_t)draw(32, i), n_large);
        n_all += at >= 0;
        n_low += at >= 0 && at < n_large / 2;
    }
    for (int c = 0; c < 12; c++)
        want[c] = (double)n_taken / 12.0;
    assert_true(chi_square_z(want, n_C, 12) < Z_MOST);
    assert_true(fabs((double)n_low - 0.5 * n_all) < 3.9 * sqrt(0.25 * n_all));
    assert_int_equal(br_choice(12345, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox), cmocka_unit_test(test_log),    cmocka_unit_test(test_log1m),
        cmocka_unit_test(test_unit),   cmocka_unit_test(test_logsum), cmocka_unit_test(test_left),
        cmocka_unit_test(test_noise),  cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
