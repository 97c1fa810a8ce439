/* SPDX-License-Identifier: Apache-2.0
 *
 * The explanation for people, a fact a line. Called once per process. */
#include <math.h>

#include "host/io/export/cell.h"
#include "host/pipeline/look/explain/say.h"
#include "host/pipeline/stats/ledger.h"

#define LABEL "%-12s "

static void say_flags(uint32_t flags, br_strbuf *t)
{
    br_strbuf_add(t, "%s", flags != 0 ? ": " : "");
    br_export_flags(t, flags, ", ", false);
    br_strbuf_add(t, "\n");
}

static void say_customer(const br_facts *f, br_strbuf *t)
{
    const br_explained *x    = f->x;
    const br_rulebook  *book = &x->setup->rulebook;
    int32_t             arm  = x->batch.arm_B[0];
    char                text[BR_KEY_TEXT_BYTES];

    br_strbuf_add(t, LABEL "%s (row %lld)", "customer", br_keys_text(&x->batch.key, 0, text),
                  (long long)x->row);
    if (book->strata_place >= 0)
        br_strbuf_add(t, ", stratum '%s'",
                      x->batch.stratum_B[0] + 1 == book->n_strata
                          ? ""
                          : br_keys_text(&book->strata_key, x->batch.stratum_B[0], text));
    if (arm < 0)
        br_strbuf_add(t, ", held out");
    else if (arm < x->config->experiment_arms.n)
        br_strbuf_add(t, ", arm '%s'", x->config->experiment_arms.item[arm].name);
    br_strbuf_add(t, "\n" LABEL "%d of %d items", "list", x->part.n_B[x->at], x->part.k);
    say_flags(f->x->part.flags_B[f->x->at], t);
    for (int32_t h = 0; h < book->n_holds; h++)
        br_strbuf_add(t, LABEL "%s (%s): %s\n", h == 0 ? "rules" : "", book->hold[h].name,
                      br_explain_hold_kind(book->hold[h].kind),
                      (f->held >> h & 1) == 0   ? "free"
                      : x->batch.rule_B[0] == h ? "holds the customer back"
                                                : "would hold the customer back too");
}

static void say_item(const br_facts *f, br_strbuf *t)
{
    const br_explained *x = f->x;
    char                key[BR_KEY_TEXT_BYTES], name[BR_KEY_TEXT_BYTES];

    br_strbuf_add(t, LABEL "%s", "item", br_keys_text(&x->setup->catalogue.key, x->item, key));
    if (x->setup->catalogue.name.n_keys > 0)
        br_strbuf_add(t, " \"%s\"", br_keys_text(&x->setup->catalogue.name, x->item, name));
    br_strbuf_add(t, " (row %lld): %s\n", (long long)x->item,
                  f->item.is_eligible   ? "this customer may see it"
                  : f->item.listed >= 0 ? "this customer may not see it"
                                        : "not listable");
    if (f->item.has_no_vector)
        br_strbuf_add(t, LABEL "the model has no vector for it\n", "");
    if (f->item.is_invalid)
        br_strbuf_add(t, LABEL "not valid at the run's as_of\n", "");
    for (int32_t r = 0; r < x->setup->rulebook.n_rules; r++)
        br_strbuf_add(t, LABEL "%s: %s%s\n", r == 0 ? "item rules" : "",
                      br_ledger_item_rule(x->setup, r),
                      f->item.forbid >> r & 1 ? "forbids it" : "allows it",
                      f->item.forbidden_by == r ? ", to everyone" : "");
    for (int32_t i = 0; i < f->item.n_never; i++)
        br_strbuf_add(t, LABEL "%s %s\n", i == 0 ? "never-list" : "",
                      br_explain_never_kind(f->item.never[i].kind), f->item.never[i].name);
    if (f->item.required != 0)
        br_strbuf_add(t, LABEL "requires %#llx, the customer has %#llx: %s\n", "segment",
                      (unsigned long long)f->item.required, (unsigned long long)f->item.had,
                      (f->item.required & ~f->item.had) == 0 ? "enough" : "not enough");
}

static void say_terms(const br_facts *f, br_strbuf *t)
{
    for (int32_t i = 0; i < f->pair.n_terms; i++) {
        const br_term_fact *term = &f->pair.term[i];

        br_strbuf_add(t, "  %+12.6f  %s", term->contribution, term->name);
        if (isnan(term->raw))
            br_strbuf_add(t, " (penalty: %s)", term->what);
        else if (f->x->setup->objective.n_terms > 0)
            br_strbuf_add(t, " = weight %.4g x value %.4g x %s %.6g", term->weight, term->value,
                          term->what, term->raw);
        else
            br_strbuf_add(t, " (%s)", term->what);
        br_strbuf_add(t, "\n");
    }
    for (int32_t h = 0; h < f->pair.n_heads; h++)
        br_strbuf_add(t, LABEL "%s %.6g\n", h == 0 ? "probability" : "",
                      f->x->batch.lists.head_name[h], (double)f->pair.probability[h]);
}

static void say_candidates(const br_facts *f, br_strbuf *t)
{
    const br_pair_facts *p = &f->pair;

    if (isnan(p->linear))
        return;
    br_strbuf_add(t, LABEL "%s: %s %.6g, rank %lld", "candidate", p->is_candidate ? "yes" : "no",
                  br_explain_linear(f), (double)p->linear, (long long)p->linear_rank);
    if (!isnan(p->last_candidate))
        br_strbuf_add(t, "; the last candidate has %.6g", (double)p->last_candidate);
    br_strbuf_add(t, "\n");
}

static void say_pair(const br_facts *f, br_strbuf *t)
{
    const br_pair_facts *p = &f->pair;

    if (!p->has_score)
        return;
    br_strbuf_add(t, LABEL "%.6g%s\n", p->is_by_popularity ? "popularity" : "score",
                  (double)p->score, f->item.is_eligible ? "" : ", were it allowed");
    say_terms(f, t);
    br_strbuf_add(t, LABEL "%lld of %lld eligible items\n", "rank", (long long)p->rank,
                  (long long)p->n_eligible);
    say_candidates(f, t);
    if (!isnan(p->margin))
        br_strbuf_add(t, LABEL "the last listed has %.6g: %s by %.6g\n", "margin", (double)p->last,
                      p->margin > 0.0 ? "missing" : "ahead", fabs(p->margin));
    if (p->is_drawn)
        br_strbuf_add(t, LABEL "%s %.4g, log-propensity at slot 1 %.6g\n", "draw",
                      f->x->config->policy_type == BR_POLICY_PLACKETT_LUCE ? "temperature"
                                                                           : "epsilon",
                      (double)p->heat, p->log_propensity_1);
}

static void say_vector(const br_facts *f, br_strbuf *t)
{
    const br_explained *x     = f->x;
    const br_lists     *lists = &x->batch.lists;

    for (int32_t m = 0; m < x->setup->n_encoders; m++) {
        br_strbuf_add(t, LABEL "%s: %lld events", m == 0 ? "timelines" : "", x->setup->feed[m].name,
                      (long long)x->batch.packed[m].n_events);
        if (lists->alpha_BM != NULL)
            br_strbuf_add(t, ", attention %.3f, gate %.3f", (double)lists->alpha_BM[m],
                          (double)lists->gate_BM[m]);
        br_strbuf_add(t, "\n");
    }
}

static void say_events(const br_facts *f, br_strbuf *t)
{
    char text[BR_TIME_TEXT_BYTES];

    if (f->events.n > 0)
        br_strbuf_add(t,
                      LABEL "what each of the last %d adds to the score (without it, encoded "
                            "again), the most influential:\n",
                      "events", f->events.n_tried);
    for (int32_t i = 0; i < f->events.n; i++) {
        const br_event_fact *e = &f->events.event[i];

        br_strbuf_add(t, "  %+12.6f  %s %s %s\n", (double)e->change,
                      f->x->setup->feed[e->modality].name, e->key, br_explain_time(e->time, text));
    }
}

static void say_answer(const br_facts *f, br_strbuf *t)
{
    br_strbuf_add(t, LABEL, "answer");
    br_explain_answer(f, t);
    br_strbuf_add(t, "\n");
}

void br_explain_text(const br_facts *f, bool answer_first, br_strbuf *t)
{
    if (answer_first)
        say_answer(f, t);
    say_customer(f, t);
    say_item(f, t);
    say_pair(f, t);
    say_vector(f, t);
    say_events(f, t);
    if (!answer_first)
        say_answer(f, t);
}
