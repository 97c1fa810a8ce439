/* SPDX-License-Identifier: Apache-2.0
 *
 * Results beside each other: draw_result.h. */
#include "tests/kernels/draw/draw_result.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/base/memory.h"

static void *copy_of(const void *from, int64_t n)
{
    void *to = NULL;

    assert_int_equal(br_alloc(n, 4, "copy", &to), BR_OK);
    memcpy(to, from, (size_t)n * 4);
    return to;
}

result take_result(const draw_case *c)
{
    int64_t n = c->p.B * c->p.k;

    return (result){copy_of(c->p.item_BK, n), copy_of(c->p.score_BK, n), copy_of(c->log_BK, n),
                    copy_of(c->normaliser_B, c->p.B), copy_of(c->remaining_B, c->p.B)};
}

void free_result(result *r)
{
    br_free(&r->item_BK);
    br_free(&r->score_BK);
    br_free(&r->log_BK);
    br_free(&r->normaliser_B);
    br_free(&r->remaining_B);
}

bool is_near(float got, double want, double tolerance)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : (double)got == want;
    return fabs((double)got - want) <= tolerance * fmax(1.0, fabs(want));
}

/* Under quotas what full groups take with them is summed in floats, in another order on cuda. */
static bool is_same_log(const draw_case *c, float got, float want)
{
    return c->n_quotas > 0 ? is_near(got, (double)want, 1e-6) : memcmp(&got, &want, 4) == 0;
}

void check_same(const draw_case *c, const result *want)
{
    const problem *p = &c->p;

    for (int64_t i = 0; i < p->B * p->k; i++)
        if (p->item_BK[i] != want->item_BK[i] ||
            memcmp(&p->score_BK[i], &want->score_BK[i], 4) != 0 ||
            !is_same_log(c, c->log_BK[i], want->log_BK[i]))
            fail_msg("kind %d N %lld k %d T %g law %d shortlist %d extras %d quotas %d: row "
                     "%lld place %lld: "
                     "found %d %.9g %.9g, expected %d %.9g %.9g",
                     (int)p->kind, (long long)p->N, p->k, c->temperature, (int)c->law,
                     c->n_shortlist, c->has_extras, c->n_quotas, (long long)(i / p->k),
                     (long long)(i % p->k), p->item_BK[i], (double)p->score_BK[i],
                     (double)c->log_BK[i], want->item_BK[i], (double)want->score_BK[i],
                     (double)want->log_BK[i]);
    for (int64_t b = 0; b < p->B; b++)
        assert_true(is_same_log(c, c->normaliser_B[b], want->normaliser_B[b]) &&
                    is_same_log(c, c->remaining_B[b], want->remaining_B[b]));
}

void check_equal(const draw_case *c, const result *want)
{
    size_t n = (size_t)(c->p.B * c->p.k) * 4;

    assert_memory_equal(want->item_BK, c->p.item_BK, n);
    assert_memory_equal(want->score_BK, c->p.score_BK, n);
    assert_memory_equal(want->log_BK, c->log_BK, n);
    assert_memory_equal(want->normaliser_B, c->normaliser_B, (size_t)c->p.B * 4);
    assert_memory_equal(want->remaining_B, c->remaining_B, (size_t)c->p.B * 4);
}
