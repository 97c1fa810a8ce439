/* SPDX-License-Identifier: Apache-2.0
 *
 * Is the run still the run? Its inputs by their hashes, then the customer's list by its bits.
 * Called once per explanation. */
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/config/json.h"
#include "host/io/run/json_fields.h"
#include "host/pipeline/look/explain/facts.h"
#include "host/pipeline/setup/identity.h"

static const br_json_limits identity_limits = {BR_E_INPUT, (size_t)64 << 20, 1000000};

/* Fields that say who computed, not from what. */
static bool is_maker(const char *name)
{
    return strcmp(name, "device") == 0 || strcmp(name, "build") == 0 ||
           strcmp(name, "sha256 of the program") == 0;
}

static br_status compare_field(br_explained *x, const char *name, const char *now)
{
    size_t      n_was, n_is;
    const char *was = br_fields_find(br_run_reader_identity_text(x->reader), name, &n_was);
    const char *is  = br_fields_find(now, name, &n_is);

    if (was != NULL && is != NULL && n_was == n_is && memcmp(was, is, n_is) == 0)
        return BR_OK;
    if (!is_maker(name))
        return br_fail(BR_E_INPUT,
                       "%s: its inputs have changed: %s: found %.*s, expected %.*s. A run can be "
                       "explained from what it was made of only",
                       x->path, name, is == NULL ? 7 : (int)(n_is < 80 ? n_is : 80),
                       is == NULL ? "nothing" : is,
                       was == NULL ? 7 : (int)(n_was < 80 ? n_was : 80),
                       was == NULL ? "nothing" : was);
    x->is_same_build = false;
    br_log(BR_LOG_WARN, "explain", "the run was made with another %s",
           strcmp(name, "device") == 0 ? "device" : "program");
    return BR_OK;
}

br_status br_explain_check_inputs(br_explained *x)
{
    br_status st   = BR_OK;
    char     *now  = NULL;
    br_json  *json = NULL;
    size_t    n_prices;

    x->is_same_build = true;
    if (br_fields_find(br_run_reader_identity_text(x->reader), "prices", &n_prices) != NULL)
        BR_FAIL(
            st, BR_E_USAGE,
            "%s: holds priced shortlists of an allocation: expected the run that they were made "
            "for",
            x->path);
    BR_TRY(st, br_identity_text(x->setup, &now));
    BR_TRY(st, br_json_read_text(&identity_limits, "identity", now, strlen(now), &json));
    for (const br_json_node *field = br_json_first(br_json_root(json)); field != NULL;
         field                     = br_json_next(field))
        BR_TRY(st, compare_field(x, br_json_name(field), now));
done:
    br_json_close(&json);
    br_free(&now);
    return st;
}

br_status br_explain_differs(const br_explained *x)
{
    return x->is_same_build ? BR_E_SELFCHECK : BR_E_INPUT;
}

/* The first slot whose item or score differs; -1: none. */
static int32_t find_slot(const br_lists *part, int64_t at, const br_lists *again)
{
    for (int32_t j = 0; j < part->k; j++) {
        int64_t p = at * part->k + j;

        if (part->item_BK[p] != again->item_BK[j] || part->source_BK[p] != again->source_BK[j] ||
            (part->item_BK[p] >= 0 && memcmp(&part->score_BK[p], &again->score_BK[j], 4) != 0))
            return j;
    }
    return -1;
}

static br_status compare_heads(const br_explained *x)
{
    const br_lists *part = &x->part, *again = &x->batch.lists;

    for (int32_t h = 0; h < part->n_heads; h++)
        if (h >= again->n_heads ||
            memcmp(part->probability_BK[h] + x->at * part->k, again->probability_BK[h],
                   (size_t)part->n_B[x->at] * sizeof(float)) != 0)
            return br_fail(br_explain_differs(x),
                           "%s: customer of row %lld: the probabilities of head '%s' are not those "
                           "stored",
                           x->path, (long long)x->row, part->head_name[h]);
    return BR_OK;
}

static br_status compare_verdicts(const br_explained *x)
{
    const br_lists *part = &x->part;
    int64_t         at   = x->at;

    if (part->arm_B != NULL && part->arm_B[at] != x->batch.arm_B[0])
        return br_fail(br_explain_differs(x), "%s: customer of row %lld: arm %d, stored: %d",
                       x->path, (long long)x->row, x->batch.arm_B[0], part->arm_B[at]);
    if (part->rule_B != NULL && part->rule_B[at] != x->batch.rule_B[0])
        return br_fail(br_explain_differs(x),
                       "%s: customer of row %lld: held back by rule %d, stored: %d", x->path,
                       (long long)x->row, x->batch.rule_B[0], part->rule_B[at]);
    return BR_OK;
}

/* Allocated lists are not those of one customer alone: pair.c looks at each of their items. */
br_status br_explain_compare(br_explained *x)
{
    br_status       st   = BR_OK;
    const br_lists *part = &x->part, *again = &x->batch.lists;
    int64_t         at = x->at;
    int32_t         j;

    BR_TRY(st, compare_verdicts(x));
    if (x->is_allocated)
        goto done;
    if (part->k != again->k || part->n_B[at] != again->n_B[0] ||
        part->flags_B[at] != again->flags_B[0])
        BR_FAIL(st, br_explain_differs(x),
                "%s: customer of row %lld: computed again, the list has %d of %d items and flags "
                "%u; stored: %d of %d and %u",
                x->path, (long long)x->row, again->n_B[0], again->k, again->flags_B[0],
                part->n_B[at], part->k, part->flags_B[at]);
    j = find_slot(part, at, again);
    if (j >= 0)
        BR_FAIL(st, br_explain_differs(x),
                "%s: customer of row %lld: computed again, slot %d holds item row %d with score "
                "%.9g; stored: %d with %.9g",
                x->path, (long long)x->row, j + 1, again->item_BK[j], (double)again->score_BK[j],
                part->item_BK[at * part->k + j], (double)part->score_BK[at * part->k + j]);
    BR_TRY(st, compare_heads(x));
done:
    return st;
}
