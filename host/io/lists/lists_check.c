/* SPDX-License-Identifier: Apache-2.0
 *
 * What the values of ranked lists promise, checked row by row. Called once per part by `verify`. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/lists.h"

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

/* A table of items, open addressing, twice as many places as items at least. */
typedef struct met {
    int32_t *item_P; /* -1: free */
    uint32_t mask;
} met;

static br_status open_met(int32_t k, met *out)
{
    br_status st = BR_OK;
    int64_t   n  = 4;

    while (n < 2 * (int64_t)k)
        n *= 2;
    out->mask = (uint32_t)n - 1;
    BR_ALLOC(st, out->item_P, n, "items of a list");
done:
    return st;
}

static br_status check_unique(const br_lists *l, int64_t b, const int32_t *item_K, const met *m,
                              const char *name)
{
    memset(m->item_P, 0xff, ((size_t)m->mask + 1) * sizeof *m->item_P);
    for (int32_t j = 0; j < l->k && item_K[j] >= 0; j++) {
        uint32_t at = (uint32_t)item_K[j] * 2654435761u >> 7 & m->mask;

        for (; m->item_P[at] >= 0; at = (at + 1) & m->mask)
            if (m->item_P[at] == item_K[j])
                return br_fail(BR_E_INPUT, "%s: row %" PRId64 ": item %d is listed twice", name,
                               l->first_row + b, item_K[j]);
        m->item_P[at] = item_K[j];
    }
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

static br_status check_row(const br_lists *l, int64_t b, int64_t n_items, const met *m,
                           const char *name)
{
    br_status st = BR_OK;

    if (l->n_B[b] < 0 || l->n_B[b] > l->k)
        BR_FAIL(st, BR_E_INPUT, "%s: row %" PRId64 ": n = %d, expected 0 to %d", name,
                l->first_row + b, l->n_B[b], l->k);
    for (int32_t j = 0; j < l->k; j++)
        BR_TRY(st, check_slot(l, b, j, n_items, name));
    BR_TRY(st, check_flags(l, b, name));
    BR_TRY(st, check_order(l, b, name));
    BR_TRY(st, check_survival(l, b, name));
    BR_TRY(st, check_unique(l, b, l->item_BK + b * l->k, m, name));
    for (int s = 0; s < l->n_shadows; s++) {
        BR_TRY(st, check_shadow(l, &l->shadow[s], b, n_items, name));
        BR_TRY(st, check_unique(l, b, l->shadow[s].item_BK + b * l->k, m, name));
    }
done:
    return st;
}

br_status br_lists_check_rows(const br_lists *lists, int64_t n_items, const char *name,
                              int64_t first, int64_t *bad)
{
    br_status st = BR_OK;
    met       m  = {0};

    *bad = -1;
    BR_TRY(st, open_met(lists->k, &m));
    for (int64_t b = first; b < lists->n_rows; b++) {
        st = check_row(lists, b, n_items, &m, name);
        if (st != BR_OK) {
            *bad = b;
            break;
        }
    }
done:
    br_free(&m.item_P);
    return st;
}

br_status br_lists_check(const br_lists *lists, int64_t n_items, const char *name)
{
    int64_t bad;

    return br_lists_check_rows(lists, n_items, name, 0, &bad);
}
