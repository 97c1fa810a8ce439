/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank evaluate: HR@k and NDCG@k against held-out events; with --log, another verb. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/io/run_dir.h"
#include "host/pipeline/look/evaluate.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

typedef struct evaluate_args {
    const char *run;
    const char *config;
    const char *at;
    br_arg_list set;
    int64_t     n_threads;
} evaluate_args;

static br_status parse_cutoffs(const char *text, br_evaluation *e)
{
    while (*text != '\0') {
        char *end;
        long  k = strtol(text, &end, 10);

        if (end == text || k < 1 || k > BR_MAX_K || (*end != '\0' && *end != ',') ||
            e->n_cutoffs == BR_MAX_CUTOFFS)
            return br_fail(BR_E_USAGE,
                           "evaluate: --at: found '%s', expected up to %d "
                           "whole numbers in [1, %d] separated by commas",
                           text, BR_MAX_CUTOFFS, BR_MAX_K);
        e->cutoff[e->n_cutoffs++] = (int32_t)k;
        text                      = *end == ',' ? end + 1 : end;
    }
    return BR_OK;
}

static void print_table(const br_evaluation *e)
{
    (void)printf("%-12s %10s", "ranking", "customers");
    for (int32_t i = 0; i < e->n_cutoffs; i++)
        (void)printf("   HR@%-4d NDCG@%-4d", e->cutoff[i], e->cutoff[i]);
    (void)printf("\n");
    for (int32_t r = 0; r < e->n_rankings; r++) {
        const br_ranking *k = &e->ranking[r];
        double            n = k->n_customers > 0 ? (double)k->n_customers : 1.0;

        (void)printf("%-12s %10lld", k->name, (long long)k->n_customers);
        for (int32_t i = 0; i < e->n_cutoffs; i++)
            (void)printf("  %8.6f  %8.6f", (double)k->n_hits[i] / n, k->gain[i] / n);
        (void)printf("\n");
    }
}

/* The configuration as the run resolved it, or the one given; lists as long as the cut-offs. */
static br_status open_config(const evaluate_args *a, const br_evaluation *e, br_config **out)
{
    br_status      st     = BR_OK;
    br_config_args common = {.set = a->set, .n_threads = a->n_threads, .path = a->config};
    char           path[4096], k_text[32];
    int32_t        k = 1;

    if (a->config == NULL && a->run == NULL)
        return br_fail(BR_E_USAGE, "evaluate: --run or --config is required");
    if (a->config != NULL && a->run != NULL)
        return br_fail(BR_E_USAGE, "evaluate: --run and --config are both given; a run has its own "
                                   "configuration");
    if (a->config == NULL) {
        (void)snprintf(path, sizeof path, "%s/config.json", a->run);
        common.path = path;
    }
    for (int32_t i = 0; i < e->n_cutoffs; i++)
        k = e->cutoff[i] > k ? e->cutoff[i] : k;
    (void)snprintf(k_text, sizeof k_text, "list.k=%d", k);
    common.set.item[common.set.n++] = k_text;
    BR_TRY(st, br_config_from_args(&common, out));
done:
    return st;
}

/* Lists of a part of the customers would give figures of a part of the customers. */
static br_status check_complete(const char *run)
{
    br_status    st    = BR_OK;
    br_run_about about = {0};

    BR_TRY(st, br_run_describe(run, &about));
    if (!about.is_complete)
        BR_FAIL(st, BR_E_INPUT, "%s: the run is not complete: run its command again first", run);
done:
    br_run_about_free(&about);
    return st;
}

static br_status evaluate(const evaluate_args *a, br_evaluation *e)
{
    br_status  st     = BR_OK;
    br_config *config = NULL;
    br_setup  *setup  = NULL;
    br_job    *job    = NULL;

    BR_TRY(st, parse_cutoffs(a->at, e));
    BR_TRY(st, open_config(a, e, &config));
    if (a->run != NULL)
        BR_TRY(st, check_complete(a->run));
    BR_TRY(st, br_setup_open(config, &setup));
    BR_TRY(st, br_setup_plan_units(setup));
    BR_TRY(st, br_job_open(setup, &job));
    BR_TRY(st, br_evaluate(job, e));
    print_table(e);
done:
    br_job_close(&job);
    br_setup_close(&setup);
    br_config_close(&config);
    return st;
}

#define N_ARGS 9

static void list_args(evaluate_args *a, br_evaluation *e, br_arg out[N_ARGS])
{
    const br_arg args[N_ARGS] = {
        {"--run", NULL, BR_ARG_TEXT, "DIR", "the finished run whose lists are judged", &a->run,
         false, 0, 0},
        {"--config", NULL, BR_ARG_TEXT, "FILE",
         "a configuration, when there is no run (for --negatives, --popularity)", &a->config, false,
         0, 0},
        {"--truth", NULL, BR_ARG_TEXT, "FILE", "held-out events, layout of customers.h5",
         &e->truth_path, true, 0, 0},
        {"--modality", NULL, BR_ARG_TEXT, "NAME", "timeline of the held-out items (purchase)",
         &e->modality, false, 0, 0},
        {"--at", NULL, BR_ARG_TEXT, "K,K,...", "cut-offs (10)", &a->at, false, 0, 0},
        {"--popularity", NULL, BR_ARG_FLAG, "", "also judge the popularity order",
         &e->wants_popularity, false, 0, 0},
        {"--negatives", NULL, BR_ARG_TEXT, "FILE",
         "rank the target among these catalogue rows [customers, n] f32, .npy or h5",
         &e->negatives_path, false, 0, 0},
        {"--set", NULL, BR_ARG_MANY, "KEY=VALUE", "sets one configuration key", &a->set, false, 0,
         0},
        {"--threads", NULL, BR_ARG_INT, "N", "lanes (threads); 0: all cores", &a->n_threads, false,
         0, 256}};

    memcpy(out, args, sizeof args);
}

static bool has_log(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--log") == 0 || strncmp(argv[i], "--log=", 6) == 0)
            return true;
    return false;
}

br_status br_verb_evaluate(int argc, char **argv)
{
    br_status      st = BR_OK;
    evaluate_args  a  = {.at = "10", .n_threads = -1};
    br_evaluation  e  = {.modality = "purchase"};
    br_arg         args[N_ARGS];
    bool           is_help;
    const br_usage usage = {
        .verb    = "evaluate",
        .summary = "HR@k and NDCG@k against held-out events.",
        .text = "The target of a customer is the first held-out event. 'lists': its place in the\n"
                "lists of a run, over the full catalogue. 'popularity': its place in the\n"
                "popularity order under the same rules. 'negatives': among the given items.",
        .examples =
            "  batchrank evaluate --run demo/run-split --truth demo/split/truth.h5 --at 5,10 "
            "--popularity",
        .args   = args,
        .n_args = N_ARGS};

    if (has_log(argc, argv))
        return br_verb_evaluate_log(argc, argv);
    list_args(&a, &e, args);
    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help) {
        (void)printf("\nWith --log:\n\n");
        return br_verb_evaluate_log(argc, argv);
    }
    e.run_path = a.run;
    BR_TRY(st, evaluate(&a, &e));
done:
    return st;
}
