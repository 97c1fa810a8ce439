/* SPDX-License-Identifier: Apache-2.0
 *
 * The report of `evaluate --log` for programs: one JSON object, every number with all its digits.
 */
#include <math.h>
#include <stdio.h>

#include "host/base/memory.h"
#include "host/base/strbuf.h"
#include "host/verbs/evaluate_log/report.h"

static void add_number(br_strbuf *text, const char *name, double number)
{
    if (isfinite(number))
        br_strbuf_add(text, "\"%s\": %.17g, ", name, number);
    else
        br_strbuf_add(text, "\"%s\": null, ", name);
}

static void add_count(br_strbuf *text, const char *name, int64_t n)
{
    br_strbuf_add(text, "\"%s\": %lld, ", name, (long long)n);
}

static void close_object(br_strbuf *text, const char *end)
{
    br_strbuf_drop_comma(text);
    br_strbuf_add(text, "%s", end);
}

static void add_head(br_strbuf *text, const br_report *r)
{
    const br_shown_about   *a = r->about;
    const br_estimate_args *s = &r->settings;

    br_strbuf_add(text, "{\n\"log\": ");
    br_strbuf_add_string(text, r->log_path);
    br_strbuf_add(text, ", \"lists\": %lld, \"rows\": %lld,\n\"left_out\": {", (long long)a->n_kept,
                  (long long)a->n_kept_rows);
    add_count(text, "unknown_propensity", a->n_unknown);
    add_count(text, "flagged", a->n_flagged);
    add_count(text, "other_arm", a->n_other_arm);
    close_object(text, "},\n\"settings\": {");
    add_number(text, "clip", s->clip);
    add_number(text, "floor", s->floor);
    add_number(text, "min_ess", s->min_ess);
    add_number(text, "max_share", s->max_share);
    add_count(text, "bootstrap", s->n_boot);
    add_count(text, "seed", (int64_t)s->seed);
    close_object(text, "},\n");
    add_count(text, "refused", r->n_refused);
    add_count(text, "refused_parts", r->n_refused_parts);
    add_count(text, "warned", r->n_off);
    br_strbuf_add(text, "\n\"findings\": [\n");
}

static void add_support(br_strbuf *text, const br_support *s)
{
    br_strbuf_add(text, "\"support\": {");
    add_count(text, "lists", s->n_lists);
    add_count(text, "rows", s->n_rows);
    add_number(text, "mean_weight", s->mean_weight);
    add_number(text, "mean_weight_se", s->mean_weight_se);
    add_number(text, "max_weight", s->max_weight);
    add_number(text, "ess", s->ess);
    add_number(text, "max_share", s->max_share);
    add_number(text, "below_floor_share", s->below_floor_share);
    add_number(text, "zero_share", s->zero_share);
    add_number(text, "clipped_share", s->clipped_share);
    close_object(text, "}, ");
}

/* A refused number is not there to be read by mistake. */
static void add_estimate(br_strbuf *text, const char *name, const br_estimate *e)
{
    if (!e->is_there)
        return;
    br_strbuf_add(text, "\"%s\": {", name);
    if (e->refusal != BR_REFUSE_NOT) {
        br_strbuf_add(text, "\"refused\": \"%s\"}, ", br_refusal_text[e->refusal]);
        return;
    }
    add_number(text, "value", e->value);
    add_number(text, "se", e->se);
    add_number(text, "low", e->low);
    add_number(text, "high", e->high);
    if (!isnan(e->boot_low)) {
        add_number(text, "boot_low", e->boot_low);
        add_number(text, "boot_high", e->boot_high);
    }
    close_object(text, "}, ");
}

static void add_finding(br_strbuf *text, const br_report *r, const br_finding *f)
{
    char name[BR_KEY_TEXT_BYTES];

    br_strbuf_add(text, "{\"target\": ");
    br_strbuf_add_string(text, f->target);
    br_strbuf_add(text, ", \"form\": \"%s\", ", br_form_name[f->form]);
    if (f->look == BR_LOOK_POSITION)
        add_count(text, "position", f->which);
    if (f->look == BR_LOOK_STRATUM) {
        br_strbuf_add(text, "\"stratum\": ");
        br_strbuf_add_string(text, br_report_stratum(r, f->which, name));
        br_strbuf_add(text, ", ");
    }
    br_strbuf_add(text, "\"warned\": %s, ", f->is_off ? "true" : "false");
    add_support(text, &f->found.support);
    br_strbuf_add(text, "\"logged\": {");
    add_number(text, "value", f->found.logged);
    add_number(text, "se", f->found.logged_se);
    close_object(text, "}, \"estimates\": {");
    for (int32_t e = 0; e < BR_N_ESTIMATORS; e++)
        add_estimate(text, br_estimator_name[e], &f->found.of[e]);
    close_object(text, "}}");
}

br_status br_report_print_json(const br_report *r)
{
    br_status st     = BR_OK;
    br_strbuf text   = {0};
    char     *joined = NULL;

    add_head(&text, r);
    for (int64_t i = 0; i < r->n_findings; i++) {
        add_finding(&text, r, &r->finding[i]);
        br_strbuf_add(&text, i + 1 < r->n_findings ? ",\n" : "\n");
    }
    br_strbuf_add(&text, "]\n}\n");
    BR_TRY(st, br_strbuf_take(&text, &joined));
    (void)fputs(joined, stdout);
done:
    br_free(&joined);
    br_strbuf_free(&text);
    return st;
}
