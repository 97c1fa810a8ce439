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
#include "host/pipeline/sweep/sweep.h"
#include "host/verbs/config_args.h"
#include "host/verbs/run_fleet.h"
#include "host/verbs/verbs.h"

static br_status finish(br_job *job, br_run *run)
{
    br_status      st      = BR_OK;
    char          *json    = NULL;
    char          *metrics = NULL;
    br_strbuf      inputs  = {0};
    br_run_summary summary = {.item_key = &job->setup->catalogue.key};

    BR_TRY(st, br_stats_render(&job->stats, job->setup, NULL, &json, &metrics));
    BR_TRY(st, br_governance_record(job->setup, &inputs));
    summary.inputs_json  = inputs.data;
    summary.stats_json   = json;
    summary.metrics_text = metrics;
    BR_TRY(st, br_run_commit(run, &summary));
    br_log(BR_LOG_INFO, "run", "complete: %s", job->config->output_path);
done:
    br_strbuf_free(&inputs);
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
    if (!config->detect_read_back)
        br_run_trust(run);
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
    const char    *sweep  = NULL;
    const char    *out    = NULL;
    const br_arg   args[] = {BR_CONFIG_ARGS(common),
                             {"--sweep", NULL, BR_ARG_TEXT, "FILE",
                              "compares weightings of objective.terms instead (docs/OBJECTIVES.md)",
                              &sweep, false, 0, 0},
                             {"--output", "-o", BR_ARG_TEXT, "DIR",
                              "where a sweep's sweep.json and sweep.csv go", &out, false, 0, 0}};
    const br_usage usage  = {
         .verb     = "run",
         .summary  = "Runs the job of a configuration: customers' timelines in, ranked lists out.",
         .text     = "Reads customers, encodes their timelines, fuses modalities, scores\n"
                      "the whole catalogue and writes the best items with probabilities.\n"
                      "A run that was stopped goes on where it was when the same command is given\n"
                      "again; a complete run is left alone. Progress goes to stderr.\n"
                      "With --sweep the lists of up to 64 other weightings are made in one pass,\n"
                      "compared and thrown away; one that was stopped begins anew.",
         .examples = "  batchrank run configs/demo/run.json\n"
                      "  batchrank run job.json --set list.k=50 --set run.threads=16\n"
                      "  batchrank run job.json --sweep weights.json -o sweep",
         .args     = args,
         .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help) {
        br_config_print_help(stdout);
        goto done;
    }
    BR_TRY(st, br_config_from_args(&common, &config));
    if (out != NULL && sweep == NULL)
        BR_FAIL(st, BR_E_USAGE, "--output belongs to --sweep; lists go to output.path");
    if (sweep != NULL) {
        BR_TRY(st, br_sweep_job(config, sweep, out));
        goto done;
    }
    BR_TRY(st, br_config_is_constrained(config) ? br_run_fleet(config) : br_run_plain(config));
done:
    br_config_close(&config);
    return st;
}
