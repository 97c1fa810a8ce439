/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank evaluate --log: what a policy would have earned, from what another one showed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/verbs/args.h"
#include "host/verbs/evaluate_log/report.h"
#include "host/verbs/verbs.h"

#define FAR_OFF 4.0 /* standard errors of the mean weight */

typedef struct log_args {
    const char      *log;
    const char      *form;
    br_arg_list      target;
    br_estimate_args settings;
    int64_t          arm;
    int64_t          seed;
    bool             by_stratum;
    bool             wants_json;
} log_args;

static br_status check_args(const log_args *a, bool wants_form[BR_N_FORMS])
{
    bool is_known = false;

    for (int32_t f = 0; f < BR_N_FORMS; f++) {
        wants_form[f] = strcmp(a->form, "all") == 0 || strcmp(a->form, br_form_name[f]) == 0;
        is_known      = is_known || wants_form[f];
    }
    if (!is_known)
        return br_fail(BR_E_USAGE,
                       "evaluate: --form: found '%s', expected slot, cascade, list or "
                       "all",
                       a->form);
    if (a->settings.clip <= 0.0)
        return br_fail(BR_E_USAGE, "evaluate: --clip: found %g, expected a weight above 0",
                       a->settings.clip);
    return BR_OK;
}

static br_status add_finding(br_report *r, const br_estimate_args *args, const char *target)
{
    br_status   st = BR_OK;
    br_finding *f  = &r->finding[r->n_findings];
    double      gap;

    *f = (br_finding){.target = target,
                      .form   = args->form,
                      .look   = args->position > 0   ? BR_LOOK_POSITION
                                : args->stratum >= 0 ? BR_LOOK_STRATUM
                                                     : BR_LOOK_ALL,
                      .which  = args->position > 0 ? args->position : args->stratum};
    BR_TRY(st, br_estimate_value(args, &f->found));
    gap       = fabs(f->found.support.mean_weight - 1.0);
    f->is_off = f->look == BR_LOOK_ALL && gap > 1e-6 + FAR_OFF * f->found.support.mean_weight_se;
    for (int32_t e = 0; e < BR_N_ESTIMATORS; e++)
        if (f->found.of[e].is_there && f->found.of[e].refusal != BR_REFUSE_NOT)
            *(f->look == BR_LOOK_ALL ? &r->n_refused : &r->n_refused_parts) += 1;
    r->n_off += f->is_off;
    r->n_findings++;
done:
    return st;
}

/* Everything together, then by position, then by stratum. */
static br_status look(br_report *r, br_estimate_args args, const char *target, bool by_stratum)
{
    br_status st = BR_OK;

    args.stratum = -1;
    BR_TRY(st, add_finding(r, &args, target));
    args.n_boot = 0;
    for (int32_t p = 1; r->log->n_positions > 1 && p <= r->log->n_positions; p++) {
        args.position = p;
        BR_TRY(st, add_finding(r, &args, target));
    }
    args.position = 0;
    for (int32_t s = 0; by_stratum && s < r->log->n_strata; s++) {
        args.stratum = s;
        BR_TRY(st, add_finding(r, &args, target));
    }
done:
    return st;
}

static br_status look_at_target(const log_args *a, br_shown_file *file,
                                const bool wants_form[BR_N_FORMS], const char *target, br_report *r)
{
    br_status       st       = BR_OK;
    br_shown_target t        = {0};
    double         *weight_R = NULL;

    BR_TRY(st, br_shown_read_target(file, target, &t));
    BR_ALLOC(st, weight_R, r->log->n_rows, "weights");
    for (int32_t f = 0; f < BR_N_FORMS; f++) {
        br_estimate_args args = r->settings;

        /* in lists of one row the forms are one */
        if (r->log->longest == 1 ? f > 0 : !wants_form[f])
            continue;
        args.form     = (br_form)f;
        args.log      = r->log;
        args.weight_R = weight_R;
        args.model_R  = t.model_R;
        args.value_L  = t.value_L;
        br_shown_weigh(r->log, t.log_probability_R, args.form, weight_R);
        BR_TRY(st, look(r, args, target, a->by_stratum));
    }
done:
    br_free(&weight_R);
    br_shown_target_free(&t);
    return st;
}

static br_status plan_report(const log_args *a, const br_shown_file *file, br_arg_list *targets,
                             br_report *r)
{
    br_status st = BR_OK;
    int64_t   per_form;

    r->log_path = a->log;
    r->log      = br_shown_log_of(file);
    r->about    = br_shown_about_of(file);
    r->settings = a->settings;
    if (targets->n == 0)
        for (int32_t i = 0; i < r->about->n_targets; i++)
            targets->item[targets->n++] = r->about->target[i];
    if (targets->n == 0)
        BR_FAIL(st, BR_E_USAGE, "evaluate: %s has nothing under /target: --target is required",
                a->log);
    if (a->by_stratum && r->log->n_strata == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: /shown/stratum is missing; expected it for --by-stratum",
                a->log);
    per_form = 1 + (r->log->n_positions > 1 ? r->log->n_positions : 0) +
               (a->by_stratum ? r->log->n_strata : 0);
    BR_ALLOC(st, r->finding, per_form * BR_N_FORMS * targets->n, "findings");
done:
    return st;
}

static br_status evaluate_log(const log_args *a)
{
    br_status      st      = BR_OK;
    br_shown_file *file    = NULL;
    br_report      report  = {0};
    br_arg_list    targets = a->target;
    bool           wants_form[BR_N_FORMS];

    BR_TRY(st, check_args(a, wants_form));
    BR_TRY(st, br_shown_open(a->log, a->arm, &file));
    BR_TRY(st, plan_report(a, file, &targets, &report));
    for (int32_t i = 0; i < targets.n; i++)
        BR_TRY(st, look_at_target(a, file, wants_form, targets.item[i], &report));
    if (a->wants_json)
        BR_TRY(st, br_report_print_json(&report));
    else
        br_report_print(&report);
    if (report.n_refused + report.n_off > 0)
        BR_FAIL(st, BR_GUARD_WARNED,
                "evaluate: %lld numbers refused for thin support, %lld mean weights far from 1: "
                "see docs/EVALUATE.md",
                (long long)report.n_refused, (long long)report.n_off);
done:
    br_free(&report.finding);
    br_shown_close(&file);
    return st;
}

const char *br_report_stratum(const br_report *r, int32_t stratum, char text[BR_KEY_TEXT_BYTES])
{
    return br_keys_text(&r->about->stratum_key, stratum, text);
}

#define N_ARGS 12

static void list_args(log_args *a, br_arg out[N_ARGS])
{
    const br_arg args[N_ARGS] = {
        {"--log", NULL, BR_ARG_TEXT, "FILE", "what was shown (batchrank-log, docs/FORMATS.md)",
         &a->log, true, 0, 0},
        {"--target", NULL, BR_ARG_MANY, "NAME|FILE",
         "the policy to value: /target/NAME of the log, .npy or .h5; again for more (all)",
         &a->target, false, 0, 0},
        {"--form", NULL, BR_ARG_TEXT, "FORM", "slot, cascade, list or all (all)", &a->form, false,
         0, 0},
        {"--clip", NULL, BR_ARG_REAL, "W", "largest weight of 'clipped' (10)", &a->settings.clip,
         false, 0, 1000000000},
        {"--min-ess", NULL, BR_ARG_REAL, "N", "refuse below so many effective lists (100)",
         &a->settings.min_ess, false, 0, 1000000000},
        {"--max-share", NULL, BR_ARG_REAL, "S", "refuse when one list has more of all weight (0.1)",
         &a->settings.max_share, false, 0, 1},
        {"--floor", NULL, BR_ARG_REAL, "P", "report rows shown with less probability (0.001)",
         &a->settings.floor, false, 0, 1},
        {"--arm", NULL, BR_ARG_INT, "N", "lists shown by this arm alone", &a->arm, false, 0,
         INT32_MAX},
        {"--by-stratum", NULL, BR_ARG_FLAG, "", "also by /shown/stratum", &a->by_stratum, false, 0,
         0},
        {"--bootstrap", NULL, BR_ARG_INT, "N", "also intervals over N resamplings of lists (0)",
         &a->settings.n_boot, false, 0, 100000},
        {"--seed", NULL, BR_ARG_INT, "N", "of the resamplings (1)", &a->seed, false, 0, INT64_MAX},
        {"--json", NULL, BR_ARG_FLAG, "", "one JSON object instead of tables", &a->wants_json,
         false, 0, 0}};

    memcpy(out, args, sizeof args);
}

static const char about_text[] =
    "Rewards are weighed by the target's probability of what was shown over the\n"
    "probability with which it was shown: IPS, SNIPS (self-normalised), clipped; with a\n"
    "reward model also DM, DR and SNDR. Each with a standard error and a 95 % interval,\n"
    "by position, by stratum. A number that the log is too thin for is refused; where\n"
    "that is over all lists the exit code is 10, as when a mean weight is far from 1.\n"
    "docs/EVALUATE.md tells when not to trust the others.";

br_status br_verb_evaluate_log(int argc, char **argv)
{
    br_status      st = BR_OK;
    log_args       a  = {.form = "all", .arm = BR_SHOWN_ALL_ARMS, .seed = 1};
    br_arg         args[N_ARGS];
    bool           is_help;
    const br_usage usage = {
        .verb     = "evaluate",
        .summary  = "What a policy would have earned per list, from the log of another one.",
        .text     = about_text,
        .examples = "  batchrank evaluate --log bandit/random-log.h5\n"
                    "  batchrank evaluate --log log.h5 --target candidate.npy --form cascade "
                    "--bootstrap 1000 --json",
        .args     = args,
        .n_args   = N_ARGS};

    a.settings =
        (br_estimate_args){.clip = 10.0, .floor = 0.001, .min_ess = 100.0, .max_share = 0.1};
    list_args(&a, args);
    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    a.settings.seed = (uint64_t)a.seed;
    BR_TRY(st, evaluate_log(&a));
done:
    return st;
}
