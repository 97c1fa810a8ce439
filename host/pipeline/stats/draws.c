/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pipeline/stats/draws.h"

#include <math.h>

#define MILLION 1e6

int64_t br_draws_length(const br_setup *s)
{
    return s->config->policy_type == BR_POLICY_GREEDY ? 0 : 2 * (int64_t)(s->rulebook.n_heats + 1);
}

void br_draws_count(const br_batch *batch, int64_t *draws)
{
    const br_lists *lists = &batch->lists;

    for (int64_t b = 0; batch->heat_B != NULL && b < batch->n_rows; b++) {
        float    log_p = lists->log_propensity_BK[b * lists->k];
        int64_t *row   = draws + 2 * (int64_t)batch->draw_stratum_B[b];

        if (!br_lists_is_by_model(lists, b) || isnan(log_p))
            continue;
        row[0]++;
        row[1] += (int64_t)(-expm1((double)log_p) * MILLION + 0.5);
    }
}

static const char *stratum_name(const br_setup *s, int32_t i)
{
    return i == 0 ? "" : s->config->policy_strata.item[i - 1].name;
}

static double diversity_of(const int64_t *row)
{
    return row[0] > 0 ? (double)row[1] / MILLION / (double)row[0] : 0.0;
}

void br_draws_render(const br_setup *s, const int64_t *draws, br_strbuf *json)
{
    if (br_draws_length(s) == 0)
        return;
    br_strbuf_add(json, "  \"policy\": {\"strata\": {");
    for (int32_t i = 0; i <= s->rulebook.n_heats; i++) {
        br_strbuf_add(json, i ? ", " : "");
        br_strbuf_add_string(json, stratum_name(s, i));
        br_strbuf_add(json, ": {\"customers\": %lld, \"diversity\": %.6f}", (long long)draws[2 * i],
                      diversity_of(draws + 2 * i));
    }
    br_strbuf_add(json, "}},\n");
}

br_status br_draws_guard(const br_setup *s, const int64_t *draws)
{
    double least = s->config->policy_min_diversity;

    for (int32_t i = 0; br_draws_length(s) > 0 && i <= s->rulebook.n_heats; i++)
        if (draws[2 * i] > 0 && diversity_of(draws + 2 * i) < least)
            return br_fail(BR_GUARD_WARNED,
                           "policy.min_diversity: two draws of the first item differ with "
                           "probability %.4f in stratum '%s' (%lld customers); expected at least "
                           "%g: raise the temperature or epsilon",
                           diversity_of(draws + 2 * i), stratum_name(s, i), (long long)draws[2 * i],
                           least);
    return BR_OK;
}
