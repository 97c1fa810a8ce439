/* SPDX-License-Identifier: Apache-2.0
 *
 * The report of `evaluate --log` for people. */
#include <math.h>
#include <stdio.h>

#include "host/verbs/evaluate_log/report.h"

#define MAX_SHOWN_ROWS 50 /* positions or strata; --json has them all */

static const char *const form_text[BR_N_FORMS] = {
    "each slot by itself: right when slots are drawn and rewarded independently",
    "each slot with those above it: right when rewards do not depend on slots below",
    "the whole list: no assumption, most noise"};

static void print_head(const br_report *r)
{
    const br_shown_about *a    = r->about;
    int64_t               lost = r->log->n_lists - a->n_kept;

    (void)printf("%s: %lld lists, %lld rows, positions to %d\n", r->log_path, (long long)a->n_kept,
                 (long long)a->n_kept_rows, r->log->n_positions);
    if (lost > 0)
        (void)printf("  left out: %lld lists (%lld with an unknown propensity, %lld flagged, %lld "
                     "of another arm)\n",
                     (long long)lost, (long long)a->n_unknown, (long long)a->n_flagged,
                     (long long)a->n_other_arm);
    (void)printf("  the policy that showed them: %.7g per list (se %.5g)\n",
                 r->finding[0].found.logged, r->finding[0].found.logged_se);
}

static void print_support(const br_report *r, const br_finding *f)
{
    const br_support *s = &f->found.support;

    (void)printf("  effective lists %.2f of %lld (%.1f %%), largest share of weight %.3g %%\n",
                 s->ess, (long long)s->n_lists, 100.0 * s->ess / (double)s->n_lists,
                 100.0 * s->max_share);
    (void)printf("  weights: mean %.5g (se %.3g; 1 is expected), largest %.5g, 0 in %.3g %% of "
                 "rows, above %g in %.3g %%\n",
                 s->mean_weight, s->mean_weight_se, s->max_weight, 100.0 * s->zero_share,
                 r->settings.clip, 100.0 * s->clipped_share);
    (void)printf("  shown with a probability below %g: %.3g %% of rows\n", r->settings.floor,
                 100.0 * s->below_floor_share);
    if (f->is_off)
        (void)printf("  warned: the mean weight is far from 1: propensities or target "
                     "probabilities are wrong, or the\n          target shows what the log never "
                     "could\n");
}

static void print_estimate(const br_estimate *e, const char *name)
{
    if (!e->is_there)
        return;
    if (e->refusal != BR_REFUSE_NOT) {
        (void)printf("  %-8s refused: %s\n", name, br_refusal_text[e->refusal]);
        return;
    }
    (void)printf("  %-8s %12.7g %11.5g   %12.7g %12.7g", name, e->value, e->se, e->low, e->high);
    if (!isnan(e->boot_low))
        (void)printf("   %12.7g %12.7g", e->boot_low, e->boot_high);
    (void)printf("\n");
}

static void print_cell(const br_estimate *e)
{
    if (e->refusal != BR_REFUSE_NOT)
        (void)printf("   %12s %11s", "refused", "");
    else
        (void)printf("   %12.7g %11.5g", e->value, e->se);
}

/* The findings of one look, a line each; i moves past them. */
static void print_parts(const br_report *r, int64_t *i, br_look look)
{
    int64_t first = *i;
    char    text[BR_KEY_TEXT_BYTES];

    for (; *i < r->n_findings && r->finding[*i].look == look; (*i)++) {
        const br_finding *f = &r->finding[*i];

        if (*i == first)
            (void)printf("\n  %-16s %10s %10s %12s   %12s %11s   %12s %11s\n",
                         look == BR_LOOK_POSITION ? "position" : "stratum", "lists", "effective",
                         "logged", "ips", "se", "snips", "se");
        if (*i - first == MAX_SHOWN_ROWS)
            (void)printf("  (--json has the others)\n");
        if (*i - first >= MAX_SHOWN_ROWS)
            continue;
        (void)snprintf(text, sizeof text, "%d", f->which);
        (void)printf("  %-16s %10lld %10.1f %12.7g",
                     look == BR_LOOK_POSITION ? text : br_report_stratum(r, f->which, text),
                     (long long)f->found.support.n_lists, f->found.support.ess, f->found.logged);
        print_cell(&f->found.of[BR_EST_IPS]);
        print_cell(&f->found.of[BR_EST_SNIPS]);
        (void)printf("\n");
    }
}

void br_report_print(const br_report *r)
{
    print_head(r);
    for (int64_t i = 0; i < r->n_findings;) {
        const br_finding *f = &r->finding[i++];

        (void)printf("\ntarget %s", f->target);
        if (r->log->longest > 1)
            (void)printf(", %s: %s", br_form_name[f->form], form_text[f->form]);
        (void)printf("\n");
        print_support(r, f);
        (void)printf("\n  %-8s %12s %11s   %25s%s\n", "per list", "value", "se", "95 % interval",
                     r->settings.n_boot > 0 ? "       95 % over resampled lists" : "");
        for (int32_t e = 0; e < BR_N_ESTIMATORS; e++)
            print_estimate(&f->found.of[e], br_estimator_name[e]);
        print_parts(r, &i, BR_LOOK_POSITION);
        print_parts(r, &i, BR_LOOK_STRATUM);
    }
}
