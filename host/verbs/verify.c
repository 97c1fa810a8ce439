/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank verify: is a run what its manifest says, and would the reference rank the same? */
#include <stdio.h>

#include "host/pipeline/look/rescore.h"
#include "host/pipeline/verify.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

static br_status rescore(const char *run_path, int64_t n_samples, FILE *out)
{
    br_status         st = BR_OK;
    br_rescore_report report;

    BR_TRY(st, br_rescore_run(run_path, n_samples, &report));
    (void)fprintf(out,
                  "scored again  %lld customers by the reference: items, order and score bits "
                  "agree; vectors within %.1e, probabilities within %.1e\n",
                  (long long)report.n_customers, report.worst_vector, report.worst_probability);
done:
    return st;
}

br_status br_verb_verify(int argc, char **argv)
{
    br_status    st        = BR_OK;
    const char  *path      = NULL;
    int64_t      n_samples = 300;
    bool         is_help;
    const br_arg args[] = {
        {.name        = "RUN",
         .kind        = BR_ARG_TEXT,
         .value       = "DIR",
         .to          = &path,
         .is_required = true,
         .help        = "a complete run directory"},
        {.name  = "--samples",
         .kind  = BR_ARG_INT,
         .value = "N",
         .to    = &n_samples,
         .lo    = 0,
         .hi    = 10000000,
         .help  = "customers to score again, about (300); 0: hashes and structure only"}};
    const br_usage usage = {
        .verb    = "verify",
        .summary = "Checks a finished run: every hash, every list, a sample scored again.",
        .text =
            "Hashes every file of the manifest, checks the structure of every list, then encodes\n"
            "a sample of customers again from the run's inputs and ranks them by the reference\n"
            "backend. Exit code 3: a file was changed; 6: a list is not what it should be.",
        .examples = "  batchrank verify demo/run --samples 1000",
        .args     = args,
        .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (!is_help)
        BR_TRY(st, br_job_verify_with(path, n_samples, n_samples > 0 ? rescore : NULL, stdout));
done:
    return st;
}
