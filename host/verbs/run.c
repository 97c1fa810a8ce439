/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank run: the whole job of a configuration. */
#include <stdio.h>
#include <sys/resource.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/pipeline/job.h"
#include "host/pipeline/look/footprint.h"
#include "host/pipeline/setup/identity.h"
#include "host/verbs/config_args.h"
#include "host/verbs/run_fleet.h"
#include "host/verbs/verbs.h"

static br_status finish(br_job *job, br_run *run)
{
    br_status st      = BR_OK;
    char     *json    = NULL;
    char     *metrics = NULL;

    BR_TRY(st, br_stats_render(&job->stats, job->setup, NULL, &json, &metrics));
    BR_TRY(st, br_run_commit(run, &job->setup->catalogue.key, json, metrics));
    br_log(BR_LOG_INFO, "run", "complete: %s", job->config->output_path);
done:
    br_free(&json);
    br_free(&metrics);
    return st;
}

static void report_memory(void)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) == 0)
        br_log(BR_LOG_INFO, "run", "peak resident memory %.0f MiB",
               (double)used.ru_maxrss / 1024.0);
}

br_status br_run_plain(br_config *config)
{
    br_status st       = BR_OK;
    br_setup *setup    = NULL;
    br_job   *job      = NULL;
    br_run   *run      = NULL;
    char     *identity = NULL;
    char     *resolved = NULL;

    BR_TRY(st, br_setup_open(config, &setup));
    BR_TRY(st, br_setup_plan_units(setup));
    BR_TRY(st, br_footprint_check(setup));
    BR_TRY(st, br_identity_text(setup, &identity));
    BR_TRY(st, br_config_dump_for_run(config, &resolved));
    BR_TRY(st, br_run_open(config->output_path, identity, resolved, setup->n_units, &run));
    if (br_run_is_complete(run)) {
        br_log(BR_LOG_INFO, "run", "%s is complete already: nothing to do", config->output_path);
        goto done;
    }
    BR_TRY(st, br_job_open(setup, &job));
    BR_TRY(st, br_job_execute(job, run));
    BR_TRY(st, finish(job, run));
    report_memory();
    BR_TRY(st, br_stats_guard(&job->stats, setup));
done:
    br_run_close(&run);
    br_job_close(&job);
    br_setup_close(&setup);
    br_free(&identity);
    br_free(&resolved);
    return st;
}

br_status br_verb_run(int argc, char **argv)
{
    br_status      st     = BR_OK;
    br_config_args common = {.n_threads = -1};
    br_config     *config = NULL;
    bool           is_help;
    const br_arg   args[] = {BR_CONFIG_ARGS(common)};
    const br_usage usage  = {
         .verb     = "run",
         .summary  = "Runs the job of a configuration: customers' timelines in, ranked lists out.",
         .text     = "Reads customers, encodes their timelines, fuses modalities, scores\n"
                      "the whole catalogue and writes the best items with probabilities.\n"
                      "A run that was stopped goes on where it was when the same command is given\n"
                      "again; a complete run is left alone. Progress goes to stderr.",
         .examples = "  batchrank run configs/demo/run.json\n"
                      "  batchrank run job.json --set list.k=50 --set run.threads=16",
         .args     = args,
         .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help) {
        br_config_print_help(stdout);
        goto done;
    }
    BR_TRY(st, br_config_from_args(&common, &config));
    BR_TRY(st, br_config_is_constrained(config) ? br_run_fleet(config) : br_run_plain(config));
done:
    br_config_close(&config);
    return st;
}
