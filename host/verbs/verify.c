/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank verify: is a run what its manifest says, and would the reference rank the same? Does an
 * imported model compute what its own framework did? */
#include <stdio.h>
#include <string.h>

#include "host/pipeline/look/golden.h"
#include "host/pipeline/look/rescore.h"
#include "host/pipeline/verify.h"
#include "host/verbs/backend_arg.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

static br_status rescore(const char *run_path, int64_t n_samples, FILE *out)
{
    br_status         st = BR_OK;
    br_rescore_report report;

    BR_TRY(st, br_rescore_run(run_path, n_samples, &report));
    (void)fprintf(
        out,
        "scored again  %lld customers by the reference: items, order and score bits "
        "agree; vectors within %.1e, probabilities within %.1e, survival within %.1e (%.2g of "
        "what roundings explain)\n",
        (long long)report.n_customers, report.worst_vector, report.numbers.worst_probability,
        report.numbers.worst_survival, report.numbers.largest_share);
done:
    return st;
}

typedef struct verify_args {
    const char *run;
    const char *golden;
    const char *backend;
    int64_t     n_samples;
} verify_args;

#define N_ARGS 4

static void list_args(verify_args *a, br_arg out[N_ARGS])
{
    const br_arg args[N_ARGS] = {
        {"RUN", NULL, BR_ARG_TEXT, "DIR", "a complete run directory", &a->run, false, 0, 0},
        {"--samples", NULL, BR_ARG_INT, "N",
         "customers to score again, about (300); 0: hashes and structure only", &a->n_samples,
         false, 0, 10000000},
        {"--golden", NULL, BR_ARG_TEXT, "MODEL",
         "instead of a run: a model bundle with a golden.h5, as importers write it", &a->golden,
         false, 0, 0},
        {"--backend", NULL, BR_ARG_TEXT, "NAME", "with --golden: auto, ref, cpu or cuda (auto)",
         &a->backend, false, 0, 0}};

    memcpy(out, args, sizeof args);
}

static br_status verify(const verify_args *a)
{
    br_status  st = BR_OK;
    br_backend backend;

    if ((a->run == NULL) == (a->golden == NULL))
        BR_FAIL(st, BR_E_USAGE, "verify: found %s, expected either RUN or --golden MODEL",
                a->run == NULL ? "neither" : "both");
    if (a->run != NULL && a->backend != NULL)
        BR_FAIL(st, BR_E_USAGE,
                "verify: --backend goes with --golden; a run is scored again by ref");
    if (a->run != NULL)
        return br_job_verify_with(a->run, a->n_samples, a->n_samples > 0 ? rescore : NULL, stdout);
    BR_TRY(st, br_backend_from_arg("verify", a->backend == NULL ? "auto" : a->backend, &backend));
    BR_TRY(st, br_golden_replay(a->golden, backend, stdout));
done:
    return st;
}

br_status br_verb_verify(int argc, char **argv)
{
    br_status      st = BR_OK;
    verify_args    a  = {.n_samples = 300};
    br_arg         args[N_ARGS];
    bool           is_help;
    const br_usage usage = {
        .verb    = "verify",
        .summary = "Checks a finished run, or an imported model against its own framework.",
        .text =
            "A run: hashes every file of the manifest, checks the structure of every list, then\n"
            "encodes a sample of customers again from the run's inputs and ranks them by the\n"
            "reference backend. Exit code 3: a file was changed; 5: the run was cut off at its\n"
            "very end, run the same command again; 6: a list is not what it should be.\n"
            "A model (--golden): encodes the histories of MODEL/golden.h5 and ranks the item\n"
            "table; vectors must agree to 2e-5 and the best items must be the same. Exit code 6\n"
            "otherwise, naming the row, what was found and what was expected.",
        .examples = "  batchrank verify demo/run --samples 1000\n"
                    "  batchrank verify --golden models/sasrec",
        .args     = args,
        .n_args   = N_ARGS};

    list_args(&a, args);
    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (!is_help)
        BR_TRY(st, verify(&a));
done:
    return st;
}
