/* SPDX-License-Identifier: Apache-2.0
 *
 * The explanation as one JSON object (docs/EXPLAIN.md). Called once per process. */
#include <math.h>
#include <stdio.h>

#include "host/io/export/cell.h"
#include "host/pipeline/look/explain/say.h"
#include "host/pipeline/stats/ledger.h"

static void add_number(br_strbuf *t, const char *name, double value)
{
    if (isfinite(value))
        br_strbuf_add(t, "\"%s\": %.9g, ", name, value);
    else
        br_strbuf_add(t, "\"%s\": null, ", name);
}

static void add_text(br_strbuf *t, const char *name, const char *value)
{
    br_strbuf_add(t, "\"%s\": ", name);
    if (value == NULL)
        br_strbuf_add(t, "null");
    else
        br_strbuf_add_string(t, value);
    br_strbuf_add(t, ", ");
}

static void add_bool(br_strbuf *t, const char *name, bool value)
{
    br_strbuf_add(t, "\"%s\": %s, ", name, value ? "true" : "false");
}

static void add_integer(br_strbuf *t, const char *name, int64_t value)
{
    br_strbuf_add(t, "\"%s\": %lld, ", name, (long long)value);
}

/* Names and keys as they are, not as messages print them. */
static void add_key(br_strbuf *t, const char *name, const br_keys *keys, int64_t row)
{
    char text[4096];

    if (keys->is_number)
        (void)br_keys_text(keys, row, text);
    else
        (void)snprintf(text, sizeof text, "%.*s", (int)keys->width_bytes,
                       (const char *)keys->data + row * keys->width_bytes);
    add_text(t, name, text);
}

static void open_list(br_strbuf *t, const char *name)
{
    br_strbuf_add(t, "\"%s\": [", name);
}

static void close_with(br_strbuf *t, const char *bracket)
{
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "%s, ", bracket);
}

static void add_holds(const br_facts *f, br_strbuf *t)
{
    const br_rulebook *book = &f->x->setup->rulebook;

    open_list(t, "rules");
    for (int32_t h = 0; h < book->n_holds; h++) {
        br_strbuf_add(t, "{");
        add_text(t, "name", book->hold[h].name);
        add_text(t, "kind", br_explain_hold_kind(book->hold[h].kind));
        add_bool(t, "holds", f->held >> h & 1);
        close_with(t, "}");
    }
    close_with(t, "]");
}

static void add_flags(const br_facts *f, br_strbuf *t)
{
    open_list(t, "flags");
    br_export_flags(t, f->x->part.flags_B[f->x->at], ", ", true);
    close_with(t, "]");
}

static void add_customer(const br_facts *f, br_strbuf *t)
{
    const br_explained *x    = f->x;
    const br_rulebook  *book = &x->setup->rulebook;
    int32_t             rule = x->batch.rule_B[0], arm = x->batch.arm_B[0];
    char                text[BR_KEY_TEXT_BYTES];

    br_strbuf_add(t, "  \"customer\": {");
    add_key(t, "key", &x->batch.key, 0);
    add_integer(t, "row", x->row);
    if (book->strata_place < 0)
        add_text(t, "stratum", "all");
    else
        add_text(t, "stratum",
                 x->batch.stratum_B[0] + 1 == book->n_strata
                     ? ""
                     : br_keys_text(&book->strata_key, x->batch.stratum_B[0], text));
    add_integer(t, "arm", arm);
    add_text(t, "arm_name",
             arm >= 0 && arm < x->config->experiment_arms.n
                 ? x->config->experiment_arms.item[arm].name
                 : NULL);
    add_text(t, "held_back_by", rule < 0 ? NULL : book->hold[rule].name);
    add_bool(t, "is_held_out", arm < 0);
    add_holds(f, t);
    add_integer(t, "list_length", x->part.n_B[x->at]);
    add_integer(t, "k", x->part.k);
    add_flags(f, t);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "},\n");
}

static void add_item_rules(const br_facts *f, br_strbuf *t)
{
    static const char *const kinds[] = {
        [BR_RULE_ONLY] = "only", [BR_RULE_NEVER] = "never", [BR_RULE_MATCH] = "match"};
    const br_rulebook *book = &f->x->setup->rulebook;

    open_list(t, "rules");
    for (int32_t r = 0; r < book->n_rules; r++) {
        br_strbuf_add(t, "{");
        add_text(t, "name", br_ledger_item_rule(f->x->setup, r));
        add_text(t, "kind", kinds[book->rule[r].kind]);
        add_bool(t, "forbids", f->item.forbid >> r & 1);
        close_with(t, "}");
    }
    close_with(t, "]");
}

static void add_never(const br_facts *f, br_strbuf *t)
{
    open_list(t, "never_list");
    for (int32_t i = 0; i < f->item.n_never; i++) {
        br_strbuf_add(t, "{");
        add_text(t, "by", br_explain_never_kind(f->item.never[i].kind));
        add_text(t, "name", f->item.never[i].name);
        close_with(t, "}");
    }
    close_with(t, "]");
}

static void add_segment(const br_facts *f, br_strbuf *t)
{
    uint64_t missing = f->item.required & ~f->item.had;

    br_strbuf_add(t, "\"segment\": {\"required\": %llu, \"had\": %llu, \"missing_bits\": [",
                  (unsigned long long)f->item.required, (unsigned long long)f->item.had);
    for (int bit = 0; bit < 64; bit++)
        if (missing >> bit & 1)
            br_strbuf_add(t, "%d, ", bit);
    close_with(t, "]}");
}

static void add_item(const br_facts *f, br_strbuf *t)
{
    const br_explained  *x    = f->x;
    const br_item_facts *item = &f->item;

    br_strbuf_add(t, "  \"item\": {");
    add_key(t, "key", &x->setup->catalogue.key, x->item);
    if (x->setup->catalogue.name.n_keys > 0)
        add_key(t, "name", &x->setup->catalogue.name, x->item);
    else
        add_text(t, "name", NULL);
    add_integer(t, "row", x->item);
    add_bool(t, "is_listable", item->listed >= 0);
    add_bool(t, "has_no_vector", item->has_no_vector);
    add_bool(t, "is_not_valid", item->is_invalid);
    add_text(t, "forbidden_to_everyone_by",
             item->forbidden_by < 0 ? NULL : br_ledger_item_rule(x->setup, item->forbidden_by));
    add_item_rules(f, t);
    add_never(f, t);
    add_segment(f, t);
    add_bool(t, "is_eligible", item->is_eligible);
    if (item->slot >= 0)
        add_integer(t, "slot", item->slot + 1);
    else
        add_text(t, "slot", NULL);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "},\n");
}

static void add_terms(const br_facts *f, br_strbuf *t)
{
    open_list(t, "terms");
    for (int32_t i = 0; i < f->pair.n_terms; i++) {
        const br_term_fact *term = &f->pair.term[i];

        br_strbuf_add(t, "{");
        add_text(t, "name", term->name);
        add_text(t, "of", term->what);
        add_number(t, "raw", term->raw);
        add_number(t, "weight", term->weight);
        add_number(t, "value", term->value);
        add_number(t, "contribution", term->contribution);
        close_with(t, "}");
    }
    close_with(t, "]");
    br_strbuf_add(t, "\"probabilities\": {");
    for (int32_t h = 0; h < f->pair.n_heads; h++) {
        br_strbuf_add_string(t, f->x->batch.lists.head_name[h]);
        br_strbuf_add(t, isfinite(f->pair.probability[h]) ? ": %.9g, " : ": null, ",
                      (double)f->pair.probability[h]);
    }
    close_with(t, "}");
}

static void add_draw(const br_facts *f, br_strbuf *t)
{
    const br_pair_facts *p = &f->pair;

    if (!p->is_drawn) {
        add_text(t, "draw", NULL);
        return;
    }
    br_strbuf_add(t, "\"draw\": {");
    add_number(t, f->x->config->policy_type == BR_POLICY_PLACKETT_LUCE ? "temperature" : "epsilon",
               (double)p->heat);
    add_number(t, "log_propensity_slot_1", p->log_propensity_1);
    close_with(t, "}");
}

static void add_pair(const br_facts *f, br_strbuf *t)
{
    const br_pair_facts *p = &f->pair;

    if (!p->has_score) {
        br_strbuf_add(t, "  \"score\": null,\n");
        return;
    }
    br_strbuf_add(t, "  \"score\": {");
    add_text(t, "by", p->is_by_popularity ? "popularity" : "model");
    add_number(t, "score", (double)p->score);
    add_integer(t, "rank", p->rank);
    add_integer(t, "eligible_items", p->n_eligible);
    add_number(t, "last_listed", (double)p->last);
    add_number(t, "margin", p->margin);
    if (!isnan(p->linear)) {
        br_strbuf_add(t, "\"candidates\": {");
        add_bool(t, "is_candidate", p->is_candidate);
        add_number(t, "linear_score", (double)p->linear);
        add_integer(t, "linear_rank", p->linear_rank);
        add_number(t, "last_candidate", (double)p->last_candidate);
        close_with(t, "}");
    }
    add_terms(f, t);
    add_draw(f, t);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "},\n");
}

static void add_modalities(const br_facts *f, br_strbuf *t)
{
    const br_explained *x     = f->x;
    const br_lists     *lists = &x->batch.lists;

    br_strbuf_add(t, "  ");
    open_list(t, "modalities");
    for (int32_t m = 0; m < x->setup->n_encoders; m++) {
        br_strbuf_add(t, "{");
        add_text(t, "name", x->setup->feed[m].name);
        add_integer(t, "events", x->batch.packed[m].n_events);
        add_number(t, "alpha", lists->alpha_BM == NULL ? NAN : (double)lists->alpha_BM[m]);
        add_number(t, "gate", lists->gate_BM == NULL ? NAN : (double)lists->gate_BM[m]);
        close_with(t, "}");
    }
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "],\n");
}

static void add_events(const br_facts *f, br_strbuf *t)
{
    char text[BR_TIME_TEXT_BYTES];

    br_strbuf_add(t, "  \"events\": {\"tried\": %d, ", f->events.n_tried);
    open_list(t, "most_influential");
    for (int32_t i = 0; i < f->events.n; i++) {
        const br_event_fact *e = &f->events.event[i];

        br_strbuf_add(t, "{");
        add_text(t, "modality", f->x->setup->feed[e->modality].name);
        add_text(t, "key", e->key);
        add_text(t, "time", br_explain_time(e->time, text));
        add_integer(t, "time_s", e->time);
        add_number(t, "change", (double)e->change);
        close_with(t, "}");
    }
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "]},\n");
}

void br_explain_json(const br_facts *f, br_strbuf *t)
{
    br_strbuf answer = {0};

    br_explain_answer(f, &answer);
    br_strbuf_add(t, "{\n  \"run\": ");
    br_strbuf_add_string(t, br_run_reader_name(f->x->reader));
    br_strbuf_add(t, ",\n  \"why_not\": {");
    add_text(t, "reason", br_explain_why_word(f->why));
    add_text(t, "answer", answer.data == NULL ? "" : answer.data);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "},\n");
    add_customer(f, t);
    add_item(f, t);
    add_pair(f, t);
    add_modalities(f, t);
    add_events(f, t);
    br_strbuf_drop_comma(t);
    br_strbuf_add(t, "\n}\n");
    t->has_failed |= answer.has_failed;
    br_strbuf_free(&answer);
}
