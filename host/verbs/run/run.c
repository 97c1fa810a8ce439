/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank run: the whole job of a configuration. */
#include <stdio.h>
#include <sys/resource.h>

#include "host/base/fault.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/base/watch/trace.h"
#include "host/pipeline/job.h"
#include "host/pipeline/look/footprint.h"
#include "host/pipeline/popularity.h"
#include "host/pipeline/setup/devices.h"
#include "host/pipeline/setup/stage.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/sweep/sweep.h"
#include "host/verbs/config_args.h"
#include "host/verbs/run/ranks.h"
#include "host/verbs/run/run_fleet.h"
#include "host/verbs/run/trace_file.h"
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

static br_status set_up(br_config *config, br_setup **setup)
{
    br_status st = BR_OK;

    BR_TRY(st, br_setup_open(config, setup));
    BR_TRY(st, br_fault_point(BR_FAULT_INPUT_OPENED, NULL));
    BR_TRY(st, br_setup_plan_units(*setup));
    BR_TRY(st, br_fault_point(BR_FAULT_INPUT_PLANNED, NULL));
done:
    return st;
}

br_status br_run_plain(br_comm *comm, br_config *config)
{
    br_status      st       = BR_OK;
    br_stage_files staged   = {0};
    br_setup      *setup    = NULL;
    br_job        *job      = NULL;
    br_run        *run      = NULL;
    char          *identity = NULL;
    bool           is_first = br_comm_rank(comm) == 0, is_complete;

    br_watch_phase(BR_PHASE_SETUP);
    br_trace_phase("open inputs");
    BR_TRY(st, br_stage_open(comm, config, &staged));
    BR_TRY(st, br_comm_agree(comm, set_up(config, &setup)));
    BR_TRY(st, br_shards_plan(comm, setup));
    BR_TRY(st, br_comm_agree(comm, br_footprint_check(setup)));
    br_trace_phase("hash inputs");
    BR_TRY(st, br_ranks_identity(comm, setup, &identity));
    br_trace_phase("open the run");
    BR_TRY(st, br_ranks_open_run(comm, setup, identity, &run, &is_complete));
    if (is_complete) {
        br_log(BR_LOG_INFO, "run", "%s is complete already: nothing to do", config->output_path);
        goto done;
    }
    if (!config->detect_read_back)
        br_run_trust(run);
    br_trace_phase("count popularity");
    BR_TRY(st, br_popularity_share(comm, setup));
    br_trace_phase("place weights and catalogue");
    BR_TRY(st, br_comm_agree(comm, br_job_open_shared(setup, comm, &job)));
    br_stage_close(&staged); /* all have read them */
    br_trace_phase("units");
    BR_TRY(st, br_job_execute(job, comm, run));
    br_trace_phase("commit");
    BR_TRY(st, br_comm_agree(comm, is_first ? finish(job, run) : BR_OK));
    report_memory();
    BR_TRY(st, br_comm_agree(comm, is_first ? br_stats_guard(&job->stats, setup) : BR_OK));
done:
    br_trace_phase(NULL);
    br_stage_close(&staged);
    br_run_close(&run);
    br_job_close(&job);
    br_setup_close(&setup);
    br_free(&identity);
    return st;
}

/* Rank 0 alone looks at the command line; *out stays NULL where nothing is left to be done. */
static br_status read_arguments(int argc, char **argv, br_comm *comm, br_config **out)
{
    br_status      st     = BR_OK;
    br_config_args common = {.n_threads = -1};
    bool           is_help;
    const char    *sweep  = NULL;
    const char    *folder = NULL;
    const br_arg   args[] = {BR_CONFIG_ARGS(common),
                             {"--sweep", NULL, BR_ARG_TEXT, "FILE",
                              "compares weightings of objective.terms instead (docs/OBJECTIVES.md)",
                              &sweep, false, 0, 0},
                             {"--output", "-o", BR_ARG_TEXT, "DIR",
                              "where a sweep's sweep.json and sweep.csv go", &folder, false, 0, 0}};
    const br_usage usage  = {
         .verb     = "run",
         .summary  = "Runs the job of a configuration: customers' timelines in, ranked lists out.",
         .text     = "Reads customers, encodes their timelines, fuses modalities, scores\n"
                      "the whole catalogue and writes the best items with probabilities.\n"
                      "A run that was stopped goes on where it was when the same command is given\n"
                      "again; a complete run is left alone. Progress goes to stderr.\n"
                      "Started by mpirun or srun, all ranks share the work: docs/RANKS.md.\n"
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
    BR_TRY(st, br_config_from_args(&common, out));
    if (folder != NULL && sweep == NULL)
        BR_FAIL(st, BR_E_USAGE, "--output belongs to --sweep; lists go to output.path");
    if (sweep == NULL)
        goto done;
    if (br_comm_size(comm) > 1)
        BR_FAIL(st, BR_E_USAGE, "--sweep is done by one process, but %d were started",
                br_comm_size(comm));
    if ((*out)->run_catalogue_shards > 1)
        BR_FAIL(st, BR_E_USAGE,
                "run.catalogue_shards: found %lld, expected 1: --sweep is done by one process",
                (long long)(*out)->run_catalogue_shards);
    BR_TRY(st, br_sweep_job(*out, sweep, folder));
    br_config_close(out);
done:
    return st;
}

br_status br_verb_run(int argc, char **argv, br_comm *comm)
{
    br_status  st     = BR_OK;
    br_config *config = NULL;
    br_lent    lent   = {0};
    int64_t    is_work;

    if (br_comm_rank(comm) == 0)
        st = read_arguments(argc, argv, comm, &config);
    BR_TRY(st, br_comm_agree(comm, st));
    is_work = config != NULL;
    BR_TRY(st, br_comm_broadcast(comm, "the command line", &is_work, sizeof is_work));
    if (!is_work)
        goto done;
    BR_TRY(st, br_ranks_config(comm, 0, &config, &lent));
    if (br_comm_size(comm) > 1)
        br_log(BR_LOG_INFO, "run", "%d ranks on %d machine%s, %d cores for each",
               br_comm_size(comm), br_comm_n_nodes(comm), br_comm_n_nodes(comm) > 1 ? "s" : "",
               br_n_cores());
    BR_TRY(st, br_comm_agree(comm, br_trace_file_open(comm, config)));
    BR_TRY(st, br_devices_assign(comm, (br_backend)config->run_backend, config->run_device));
    BR_TRY(st, br_config_is_constrained(config) ? br_run_fleet(comm, config)
                                                : br_run_plain(comm, config));
    BR_TRY(st, br_comm_agree(comm, br_trace_file_close(comm, config, BR_OK)));
done:
    if (st != BR_OK && config != NULL)
        st = br_trace_file_close(comm, config, st);
    br_config_close(&config);
    br_ranks_return(&lent);
    return st;
}
