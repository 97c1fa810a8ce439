/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic of pair heads: of listed items where a head is asked for, of candidates and listed
 * items where a term is, and again for every other weighting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/pipeline/stats/flops.h"

#define D        10
#define PER_PAIR (2.0 * (10 * 8 + 8 * 4 + 4))

static void test_pairs(void **state)
{
    br_config     config = {.list_k = 20};
    br_model_spec spec   = {.n_heads = 2};
    br_setup      s      = {.config = &config, .spec = &spec, .dim = D};

    (void)state;
    spec.head[1] = (br_head_spec){.kind = BR_HEAD_PAIR, .n_hidden = 2, .hidden = {8, 4}};
    s.n_heads    = 1; /* the item head alone */
    assert_true(br_flops_pairs(&s, 7) == 0.0);
    s.n_heads = 2;
    s.head[1] = 1;
    assert_true(br_flops_pairs(&s, 7) == 7 * 20 * PER_PAIR);
    s.n_heads                = 0;
    s.objective.n_terms      = 2;
    s.objective.term[1]      = (br_term){.head = 1, .is_pair = true};
    s.objective.n_candidates = 300;
    assert_true(br_flops_pairs(&s, 7) == 7 * (20 + 300) * PER_PAIR);
    s.n_weightings = 3; /* shadows: their own candidates */
    assert_true(br_flops_pairs(&s, 7) == 7 * (20 + 300 * 4) * PER_PAIR);
    s.is_sweep = true; /* what their terms are too */
    assert_true(br_flops_pairs(&s, 7) == 7 * (20 * 4 + 300 * 4) * PER_PAIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pairs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
