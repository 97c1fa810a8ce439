/* SPDX-License-Identifier: Apache-2.0
 *
 * The shortest answer: the first reason that holds, in the order in which a run decides. Called
 * once per explanation. */
#include <math.h>

#include "host/pipeline/choose/choose.h"
#include "host/pipeline/look/explain/say.h"
#include "host/pipeline/stats/ledger.h"

static bool is_full(const br_explained *x)
{
    return x->part.n_B[x->at] == x->part.k;
}

/* Which quota has no room for the item; NULL: pins or diversity stand in its way. */
static const char *full_quota(const br_facts *f)
{
    const br_explained  *x    = f->x;
    const br_shape_plan *plan = &x->setup->shape;

    for (int32_t q = 0; q < plan->shape.n_quotas; q++) {
        const br_quota *quota = &plan->quota[q];
        int32_t         group = quota->group_N[f->item.listed], n = 0;

        for (int32_t j = 0; group >= 0 && j < x->part.n_B[x->at]; j++) {
            int32_t listed = x->setup->listed_row[x->part.item_BK[x->at * x->part.k + j]];

            n += quota->group_N[listed] == group;
        }
        if (group >= 0 && n >= quota->max)
            return quota->name;
    }
    return NULL;
}

/* Of lists without any other shape: popular items passed over, or a drawn list with empty slots,
 * which the quotas left nothing to draw from. */
static bool is_left_by_quotas(const br_facts *f)
{
    int64_t most = f->x->config->policy_shortlist;

    if (f->pair.is_by_popularity || is_full(f->x))
        return f->pair.is_by_popularity && full_quota(f) != NULL;
    return f->x->setup->shape.shape.n_quotas > 0 && (most == 0 || f->pair.rank <= most);
}

static br_why find_why(const br_facts *f)
{
    const br_batch      *batch = &f->x->batch;
    const br_item_facts *item  = &f->item;
    int64_t              most  = f->x->config->policy_shortlist;

    if (batch->rule_B[0] >= 0)
        return BR_WHY_HELD_BACK;
    if (batch->arm_B[0] < 0)
        return BR_WHY_HELD_OUT;
    if (item->listed < 0)
        return BR_WHY_NOT_LISTABLE;
    if (item->forbid != 0)
        return BR_WHY_RULE;
    if ((item->had & item->required) != item->required)
        return BR_WHY_SEGMENT;
    if (item->n_never > 0)
        return BR_WHY_NEVER;
    if (item->slot >= 0)
        return BR_WHY_LISTED;
    if (f->pair.is_candidate && !(f->pair.margin > 0.0 && is_full(f->x)) &&
        (f->x->is_allocated || f->x->setup->shape.is_on || is_left_by_quotas(f)))
        return f->x->is_allocated ? BR_WHY_CONSTRAINTS : BR_WHY_SHAPE;
    return f->pair.is_drawn && (most == 0 || f->pair.rank <= most) ? BR_WHY_NOT_DRAWN
                                                                   : BR_WHY_OUTSCORED;
}

br_status br_explain_reason(br_facts *f)
{
    const br_explained *x      = f->x;
    bool                listed = f->item.slot >= 0;

    f->why = find_why(f);
    if (listed == (f->why == BR_WHY_LISTED))
        return BR_OK;
    return br_fail(br_explain_differs(x),
                   "%s: customer of row %lld: item row %lld is listed at slot %d, in spite of: %s",
                   x->path, (long long)x->row, (long long)x->item, f->item.slot + 1,
                   br_explain_why_word(f->why));
}

const char *br_explain_why_word(br_why why)
{
    static const char *const words[] = {"held_back", "held_out",   "not_listable", "rule",
                                        "segment",   "never_list", "outscored",    "constraints",
                                        "shape",     "not_drawn",  "listed"};

    return words[why];
}

static void say_not_listable(const br_facts *f, br_strbuf *out)
{
    const br_item_facts *item = &f->item;

    if (item->has_no_vector)
        br_strbuf_add(out, "the item cannot be listed: the model has no vector for it");
    else if (item->is_invalid)
        br_strbuf_add(out, "the item cannot be listed: it is not valid at the run's as_of");
    else
        br_strbuf_add(out, "the item cannot be listed: rule '%s' forbids it to everyone",
                      br_ledger_item_rule(f->x->setup, item->forbidden_by));
}

static void say_rules(const br_facts *f, br_strbuf *out)
{
    const char *comma = "";

    br_strbuf_add(out, "forbidden to this customer by ");
    for (int32_t r = 0; r < f->x->setup->rulebook.n_rules; r++)
        if (f->item.forbid >> r & 1) {
            br_strbuf_add(out, "%s'%s'", comma, br_ledger_item_rule(f->x->setup, r));
            comma = ", ";
        }
}

static void say_segment(const br_facts *f, br_strbuf *out)
{
    uint64_t    missing = f->item.required & ~f->item.had;
    const char *comma   = "";

    br_strbuf_add(out, "the item requires segment bits that the customer lacks: ");
    for (int32_t bit = 0; bit < 64; bit++)
        if (missing >> bit & 1) {
            br_strbuf_add(out, "%s%d", comma, bit);
            comma = ", ";
        }
}

static void say_never(const br_facts *f, br_strbuf *out)
{
    br_strbuf_add(out, "on the customer's never-list: ");
    for (int32_t i = 0; i < f->item.n_never; i++) {
        const br_never_fact *never = &f->item.never[i];

        br_strbuf_add(out, "%s%s", i > 0 ? ", " : "", br_explain_never_kind(never->kind));
        if (never->name[0] != '\0')
            br_strbuf_add(out, " '%s'", never->name);
    }
}

static void say_outscored(const br_facts *f, br_strbuf *out)
{
    const br_pair_facts *p = &f->pair;

    if (!p->is_candidate) {
        br_strbuf_add(out,
                      "outscored: rank %lld by the %s, of whose best %d the expected value "
                      "is looked at; it misses them by %.4g",
                      (long long)p->linear_rank, br_explain_linear(f),
                      br_choose_n_candidates(f->x->job),
                      (double)p->last_candidate - (double)p->linear);
        return;
    }
    br_strbuf_add(out, "outscored: rank %lld of %lld eligible items, ", (long long)p->rank,
                  (long long)p->n_eligible);
    if (p->is_drawn)
        br_strbuf_add(out, "of which the best %lld take part in the draw",
                      (long long)f->x->config->policy_shortlist);
    else
        br_strbuf_add(out, "%s %.6g; the last listed has %.6g: missing by %.4g",
                      p->is_by_popularity ? "popularity" : "score", (double)p->score,
                      (double)p->last, p->margin);
}

static void say_shape(const br_facts *f, br_strbuf *out)
{
    const char *quota = full_quota(f);

    br_strbuf_add(out, "left out by the shape of the list: rank %lld of %lld eligible items, but ",
                  (long long)f->pair.rank, (long long)f->pair.n_eligible);
    if (quota != NULL)
        br_strbuf_add(out, "quota '%s' has no more room for its group", quota);
    else
        br_strbuf_add(out, "pinned or more diverse items have its place");
}

static void say_listed(const br_facts *f, br_strbuf *out)
{
    static const char *const words[] = {[BR_SOURCE_NONE]       = "",
                                        [BR_SOURCE_MODEL]      = "",
                                        [BR_SOURCE_POPULARITY] = ", as popular with everybody",
                                        [BR_SOURCE_GROUP_POPULARITY] =
                                            ", as popular in the customer's group",
                                        [BR_SOURCE_NEWEST] = ", as one of the newest",
                                        [BR_SOURCE_PINNED] = ", pinned there"};

    br_strbuf_add(out, "it is listed, at slot %d of %d%s", f->item.slot + 1,
                  f->x->part.n_B[f->x->at], words[f->item.source]);
}

void br_explain_answer(const br_facts *f, br_strbuf *out)
{
    const br_rulebook *book = &f->x->setup->rulebook;

    switch (f->why) {
    case BR_WHY_HELD_BACK:
        br_strbuf_add(out, "the customer gets no list: held back by '%s' (%s)",
                      book->hold[f->x->batch.rule_B[0]].name,
                      br_explain_hold_kind(book->hold[f->x->batch.rule_B[0]].kind));
        break;
    case BR_WHY_HELD_OUT:
        br_strbuf_add(out, "the customer gets no list: in the hold-out of experiment '%s'",
                      f->x->config->experiment_salt);
        break;
    case BR_WHY_NOT_LISTABLE:
        say_not_listable(f, out);
        break;
    case BR_WHY_RULE:
        say_rules(f, out);
        break;
    case BR_WHY_SEGMENT:
        say_segment(f, out);
        break;
    case BR_WHY_NEVER:
        say_never(f, out);
        break;
    case BR_WHY_OUTSCORED:
        say_outscored(f, out);
        break;
    case BR_WHY_CONSTRAINTS:
        br_strbuf_add(out,
                      "passed over: rank %lld of %lld eligible items, but under the constraints of "
                      "the run (stats.json has their prices) the place went elsewhere",
                      (long long)f->pair.rank, (long long)f->pair.n_eligible);
        break;
    case BR_WHY_SHAPE:
        say_shape(f, out);
        break;
    case BR_WHY_NOT_DRAWN:
        br_strbuf_add(out,
                      "not drawn: rank %lld of %lld eligible items; the first slot was its with "
                      "probability %.3g",
                      (long long)f->pair.rank, (long long)f->pair.n_eligible,
                      exp(f->pair.log_propensity_1));
        break;
    case BR_WHY_LISTED:
        say_listed(f, out);
        break;
    }
}
