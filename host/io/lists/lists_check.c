/* SPDX-License-Identifier: Apache-2.0
 *
 * What the values of ranked lists promise, checked row by row. Called once per part by `verify`. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/lists.h"

static int compare_items(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

/* One slot by itself. `at` is its index in the arrays. */
static br_status check_slot(const br_lists *l, int64_t b, int32_t slot, int64_t n_items,
                            const char *name)
{
    int64_t at      = b * l->k + slot;
    bool    is_used = slot < l->n_B[b];
    int32_t item    = l->item_BK[at];
    uint8_t source  = l->source_BK[at];

    if (!is_used && (item != -1 || !isnan(l->score_BK[at]) || source != BR_SOURCE_NONE))
        return br_fail(BR_E_INPUT,
                       "%s: row %" PRId64 " slot %d is unused (n = %d) but holds item %d, score "
                       "%.9g, source %d; expected -1, NaN, 0",
                       name, l->first_row + b, slot, l->n_B[b], item, (double)l->score_BK[at],
                       source);
    if (is_used && (item < 0 || (n_items >= 0 && item >= n_items)))
        return br_fail(BR_E_INPUT, "%s: row %" PRId64 " slot %d: item %d, expected 0 to %" PRId64,
                       name, l->first_row + b, slot, item,
                       n_items >= 0 ? n_items - 1 : (int64_t)INT32_MAX);
    if (is_used && !isfinite(l->score_BK[at]))
        return br_fail(BR_E_INPUT, "%s: row %" PRId64 " slot %d: score %.9g is not finite", name,
                       l->first_row + b, slot, (double)l->score_BK[at]);
    if (is_used && (source == BR_SOURCE_NONE || source > BR_SOURCE_LAST))
        return br_fail(BR_E_INPUT, "%s: row %" PRId64 " slot %d: source %d, expected 1 to %d", name,
                       l->first_row + b, slot, source, BR_SOURCE_LAST);
    for (int h = 0; h < l->n_heads; h++) {
        float p = l->probability_BK[h][at];
        if (is_used ? isinf(p) : !isnan(p))
            return br_fail(BR_E_INPUT, "%s: row %" PRId64 " slot %d: probability `%s` is %.9g",
                           name, l->first_row + b, slot, l->head_name[h], (double)p);
    }
    for (int h = 0; h < l->n_terms; h++) {
        float t = l->term_BK[h][at];
        if (is_used ? isinf(t) : !isnan(t))
            return br_fail(BR_E_INPUT, "%s: row %" PRId64 " slot %d: objective `%s` is %.9g", name,
                           l->first_row + b, slot, l->term_name[h], (double)t);
    }
    return BR_OK;
}

static bool is_drawn(const br_lists *l, int64_t b)
{
    for (int32_t j = 0; l->log_propensity_BK != NULL && j < l->n_B[b]; j++)
        if (l->log_propensity_BK[b * l->k + j] != 0.0f)
            return true;
    return false;
}

/* Score descending, then item row ascending, among the model's items. A list drawn at random
 * (log-propensities other than 0) stands in the order of its draws, a diverse one in its own. */
static br_status check_order(const br_lists *l, int64_t b, const char *name)
{
    const int32_t *item_K  = l->item_BK + b * l->k;
    const float   *score_K = l->score_BK + b * l->k;
    int32_t        before  = -1;

    if (is_drawn(l, b) || (l->flags_B[b] & BR_FLAG_DIVERSE) != 0)
        return BR_OK;
    for (int32_t j = 0; j < l->n_B[b]; j++) {
        if (l->source_BK[b * l->k + j] != BR_SOURCE_MODEL)
            continue;
        if (before >= 0 && (score_K[j] > score_K[before] ||
                            (score_K[j] == score_K[before] && item_K[j] < item_K[before])))
            return br_fail(BR_E_INPUT,
                           "%s: row %" PRId64 ": slot %d (item %d, score %.9g) stands behind slot "
                           "%d (item %d, score %.9g)",
                           name, l->first_row + b, j, item_K[j], (double)score_K[j], before,
                           item_K[before], (double)score_K[before]);
        before = j;
    }
    return BR_OK;
}

static br_status check_unique(const br_lists *l, int64_t b, const int32_t *item_K,
                              int32_t *sorted_K, const char *name)
{
    int32_t n = 0;

    while (n < l->k && item_K[n] >= 0)
        n++;
    if (n == 0)
        return BR_OK;
    memcpy(sorted_K, item_K, (size_t)n * sizeof *sorted_K);
    qsort(sorted_K, (size_t)n, sizeof *sorted_K, compare_items);
    for (int32_t j = 1; j < n; j++)
        if (sorted_K[j] == sorted_K[j - 1])
            return br_fail(BR_E_INPUT, "%s: row %" PRId64 ": item %d is listed twice", name,
                           l->first_row + b, sorted_K[j]);
    return BR_OK;
}

/* Probabilities that never rise, where the list is the model's; else NaN. */
static br_status check_survival(const br_lists *l, int64_t b, const char *name)
{
    bool is_by_model = br_lists_is_by_model(l, b);

    for (int h = 0; h < l->n_curves; h++) {
        const br_curve *s      = &l->curve[h];
        const float    *s_P    = s->survival_BP + b * s->n_periods;
        float           before = 1.0f;

        for (int32_t p = 0; p < s->n_periods; p++) {
            if (is_by_model ? !(s_P[p] >= 0.0f && s_P[p] <= before) : !isnan(s_P[p]))
                return br_fail(BR_E_INPUT,
                               "%s: row %" PRId64 " period %d: survival `%s` is %.9g, expected %s",
                               name, l->first_row + b, p, s->name, (double)s_P[p],
                               is_by_model ? "0 to the period before, at most 1"
                                           : "NaN: the list is not from the model");
            before = s_P[p];
        }
    }
    return BR_OK;
}

/* Short lists are explained, and nobody without consent is in one. */
static br_status check_flags(const br_lists *l, int64_t b, const char *name)
{
    uint32_t flags = l->flags_B[b];

    if (l->n_B[b] < l->k && (flags & ~(uint32_t)BR_FLAG_DIVERSE) == 0)
        return br_fail(BR_E_INPUT, "%s: row %" PRId64 ": %d of %d items and no flag says why", name,
                       l->first_row + b, l->n_B[b], l->k);
    if (l->n_B[b] > 0 && (flags & BR_FLAG_EMPTY) != 0)
        return br_fail(BR_E_INPUT,
                       "%s: row %" PRId64 ": %d items, but the flags 0x%x say that it is empty",
                       name, l->first_row + b, l->n_B[b], flags);
    return BR_OK;
}

/* A shadow's list of customer b is like any other; its order is known where all of the published
 * list is by score. */
static br_status check_shadow(const br_lists *l, const br_shadow *s, int64_t b, int64_t n_items,
                              const char *name)
{
    const int32_t *item_K      = s->item_BK + b * l->k;
    const float   *score_K     = s->score_BK + b * l->k;
    bool           is_in_order = (l->flags_B[b] & (BR_FLAG_FALLBACK | BR_FLAG_DIVERSE)) == 0;

    for (int32_t j = 0; j < l->n_B[b]; j++)
        is_in_order &= l->source_BK[b * l->k + j] == BR_SOURCE_MODEL;
    for (int32_t j = 0; j < l->k; j++) {
        bool is_used = item_K[j] != -1;

        if (is_used && (item_K[j] < 0 || (n_items >= 0 && item_K[j] >= n_items)))
            return br_fail(BR_E_INPUT, "%s: row %" PRId64 ": shadow `%s` slot %d: item %d", name,
                           l->first_row + b, s->name, j, item_K[j]);
        if (is_used ? !isfinite(score_K[j]) : !isnan(score_K[j]))
            return br_fail(BR_E_INPUT,
                           "%s: row %" PRId64 ": shadow `%s` slot %d: item %d has score %.9g", name,
                           l->first_row + b, s->name, j, item_K[j], (double)score_K[j]);
        if (j == 0 || !is_used || !is_in_order)
            continue;
        if (item_K[j - 1] == -1 || score_K[j] > score_K[j - 1] ||
            (score_K[j] == score_K[j - 1] && item_K[j] < item_K[j - 1]))
            return br_fail(BR_E_INPUT,
                           "%s: row %" PRId64 ": shadow `%s` slot %d stands behind an empty or a "
                           "worse one",
                           name, l->first_row + b, s->name, j);
    }
    return BR_OK;
}

br_status br_lists_check(const br_lists *lists, int64_t n_items, const char *name)
{
    br_status st       = BR_OK;
    int32_t  *sorted_K = NULL;

    BR_ALLOC(st, sorted_K, lists->k, "sorted items of a list");
    for (int64_t b = 0; b < lists->n_rows; b++) {
        if (lists->n_B[b] < 0 || lists->n_B[b] > lists->k)
            BR_FAIL(st, BR_E_INPUT, "%s: row %" PRId64 ": n = %d, expected 0 to %d", name,
                    lists->first_row + b, lists->n_B[b], lists->k);
        for (int32_t j = 0; j < lists->k; j++)
            BR_TRY(st, check_slot(lists, b, j, n_items, name));
        BR_TRY(st, check_flags(lists, b, name));
        BR_TRY(st, check_order(lists, b, name));
        BR_TRY(st, check_survival(lists, b, name));
        BR_TRY(st, check_unique(lists, b, lists->item_BK + b * lists->k, sorted_K, name));
        for (int s = 0; s < lists->n_shadows; s++) {
            BR_TRY(st, check_shadow(lists, &lists->shadow[s], b, n_items, name));
            BR_TRY(st,
                   check_unique(lists, b, lists->shadow[s].item_BK + b * lists->k, sorted_K, name));
        }
    }
done:
    br_free(&sorted_K);
    return st;
}
