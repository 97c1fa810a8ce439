/* SPDX-License-Identifier: Apache-2.0
 *
 * `run` under constraints, and batchrank allocate. */
#include "host/verbs/run/run_fleet.h"

#include <stdio.h>
#include <string.h>

#include "host/base/fault.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/watch/trace.h"
#include "host/io/run_dir.h"
#include "host/pipeline/allocate/origin.h"
#include "host/pipeline/allocate/prices.h"
#include "host/pipeline/allocate/render.h"
#include "host/pipeline/job.h"
#include "host/pipeline/look/footprint.h"
#include "host/pipeline/setup/identity.h"
#include "host/verbs/config_args.h"
#include "host/verbs/run/ranks.h"
#include "host/verbs/verbs.h"

/* ---- run ---- */

/* A round's configuration, on rank 0. */
static br_status begin_round(br_fleet *fleet, float *price_N, bool *has_prices, br_config **out)
{
    br_status st = BR_OK;

    *has_prices = true;
    if (fleet->shortlists.n_rounds == 0)
        BR_TRY(st, br_fleet_sample(fleet, has_prices));
    BR_TRY(st, br_fault_point(BR_FAULT_ROUND_SAMPLED, NULL));
    memcpy(price_N, fleet->price_N, (size_t)fleet->setup->catalogue.n_items * sizeof *price_N);
    BR_TRY(st, br_fleet_next_round(fleet, *has_prices ? price_N : NULL, out));
done:
    return st;
}

/* An allocation over all shortlists, on rank 0. */
static br_status end_round(br_fleet *fleet, const char *path, const float *price_N)
{
    br_status st = BR_OK;

    br_watch_phase(BR_PHASE_ALLOCATE);
    br_trace_phase("allocate");
    BR_TRY(st, br_fault_point(BR_FAULT_ROUND_LISTED, NULL));
    if (price_N != NULL) /* once the run is known to be this one */
        BR_TRY(st, br_prices_write(path, price_N, fleet->setup->catalogue.n_items));
    BR_TRY(st, br_fault_point(BR_FAULT_ROUND_PRICED, NULL));
    BR_TRY(st, br_fleet_add(fleet, path, price_N));
    BR_TRY(st, br_fleet_solve(fleet));
    BR_TRY(st, br_fault_point(BR_FAULT_ROUND_SOLVED, NULL));
done:
    return st;
}

/* One round: shortlists at the prices so far, by all ranks, then an allocation. fleet: NULL on
 * ranks other than 0. */
static br_status do_round(br_comm *comm, br_fleet *fleet, float *price_N)
{
    br_status  st         = BR_OK;
    br_config *config     = NULL;
    br_lent    lent       = {0};
    bool       has_prices = true;
    int64_t    n_items    = fleet != NULL ? fleet->setup->catalogue.n_items : 0;

    BR_TRY(st, br_comm_agree(comm, fleet != NULL ? begin_round(fleet, price_N, &has_prices, &config)
                                                 : BR_OK));
    BR_TRY(st, br_ranks_config(comm, n_items, &config, &lent));
    BR_TRY(st, br_run_plain(comm, config));
    BR_TRY(st, br_comm_agree(comm, fleet != NULL ? end_round(fleet, config->output_path,
                                                             has_prices ? price_N : NULL)
                                                 : BR_OK));
done:
    br_config_close(&config);
    br_ranks_return(&lent);
    return st;
}

static void warn_uncertain(const br_fleet *fleet)
{
    br_log(BR_LOG_WARN, "allocate",
           "items outside the shortlists of %lld customers could add %.3g at these prices%s",
           (long long)fleet->report.n_uncertain, fleet->report.outside_value,
           fleet->shortlists.n_rounds < BR_MAX_ROUNDS ? ": once more, with the best at these prices"
                                                      : "");
}

static br_status is_done(const char *path, bool *out)
{
    br_status    st    = BR_OK;
    br_run_about about = {0};
    FILE        *file;
    char         manifest[4200];

    *out = false;
    (void)snprintf(manifest, sizeof manifest, "%s/manifest.json", path);
    file = fopen(manifest, "r");
    if (file == NULL)
        return BR_OK;
    (void)fclose(file);
    BR_TRY(st, br_run_describe(path, &about));
    *out = about.is_complete;
done:
    br_run_about_free(&about);
    return st;
}

static br_status open_fleet(br_config *config, br_setup **setup, br_fleet **fleet, float **price_N)
{
    br_status st = BR_OK;

    br_watch_phase(BR_PHASE_SETUP);
    BR_TRY(st, br_setup_open(config, setup));
    BR_TRY(st, br_setup_plan_units(*setup));
    BR_TRY(st, br_footprint_check(*setup));
    BR_TRY(st, br_fleet_open(*setup, fleet));
    BR_ALLOC(st, *price_N, (*setup)->catalogue.n_items, "prices");
done:
    return st;
}

static br_status publish(br_fleet *fleet)
{
    br_status st = BR_OK;

    br_watch_phase(BR_PHASE_FINISH);
    br_trace_phase("publish");
    BR_TRY(st, br_fleet_publish(fleet));
    br_trace_phase(NULL);
    br_fleet_print(fleet, stdout);
done:
    return st;
}

br_status br_run_fleet(br_comm *comm, br_config *config)
{
    br_status st       = BR_OK;
    br_setup *setup    = NULL;
    br_fleet *fleet    = NULL;
    float    *price_N  = NULL;
    bool      is_first = br_comm_rank(comm) == 0;
    int64_t   is_more  = 1;

    BR_TRY(st,
           br_comm_agree(comm, is_first ? open_fleet(config, &setup, &fleet, &price_N) : BR_OK));
    while (is_more) {
        BR_TRY(st, do_round(comm, fleet, price_N));
        if (is_first && br_fleet_is_uncertain(fleet))
            warn_uncertain(fleet);
        is_more =
            is_first && br_fleet_is_uncertain(fleet) && fleet->shortlists.n_rounds < BR_MAX_ROUNDS;
        BR_TRY(st, br_comm_broadcast(comm, "whether a round follows", &is_more, sizeof is_more));
    }
    BR_TRY(st, br_comm_agree(comm, is_first ? publish(fleet) : BR_OK));
done:
    br_fleet_close(&fleet);
    br_setup_close(&setup);
    br_free(&price_N);
    return st;
}

/* ---- allocate ---- */

typedef struct allocate_args {
    const char *run;
    const char *out;
    br_arg_list set;
    int64_t     n_threads;
} allocate_args;

/* The run's configuration with new constraints and another output. */
static br_status open_config(const allocate_args *a, char set[2][4200], br_config **out)
{
    br_config_args common = {.set = a->set, .n_threads = a->n_threads};

    (void)snprintf(set[0], 4200, "%s/config.json", a->run);
    (void)snprintf(set[1], 4200, "output.path=%s", a->out);
    common.path                     = set[0];
    common.set.item[common.set.n++] = set[1];
    return br_config_from_args(&common, out);
}

/* Every complete run of shortlists beside the run, each at its prices. */
static br_status add_rounds(const char *run, br_fleet *fleet)
{
    br_status st       = BR_OK;
    float    *price_N  = NULL;
    int64_t   n_items  = fleet->setup->catalogue.n_items;
    char     *identity = NULL;
    char      path[4200];
    bool      is_there = true, has_prices;

    BR_ALLOC(st, price_N, n_items, "prices");
    BR_TRY(st, br_identity_text(fleet->setup, &identity));
    for (int32_t round = 0; is_there && round < BR_MAX_ROUNDS; round++) {
        BR_TRY(st, br_fleet_round_path(run, round, path));
        BR_TRY(st, is_done(path, &is_there));
        if (!is_there)
            break;
        BR_TRY(st, br_origin_check(fleet->setup, identity, path));
        BR_TRY(st, br_prices_read(path, n_items, price_N, &has_prices));
        BR_TRY(st, br_fleet_add(fleet, path, has_prices ? price_N : NULL));
    }
    if (fleet->shortlists.n_rounds == 0)
        BR_FAIL(st, BR_E_INPUT,
                "%s: there are no complete shortlists beside it (%s): `run` with constraints makes "
                "them",
                run, path);
done:
    br_free(&price_N);
    br_free(&identity);
    return st;
}

static br_status reallocate(const allocate_args *a)
{
    br_status  st     = BR_OK;
    br_config *config = NULL;
    br_setup  *setup  = NULL;
    br_fleet  *fleet  = NULL;
    char       set[2][4200];

    BR_TRY(st, open_config(a, set, &config));
    if (!br_config_is_constrained(config))
        BR_FAIL(st, BR_E_USAGE,
                "allocate: no constraint is set: give some with --set "
                "constraints.limits=[...]");
    BR_TRY(st, br_setup_open(config, &setup));
    BR_TRY(st, br_setup_plan_units(setup));
    BR_TRY(st, br_fleet_open(setup, &fleet));
    BR_TRY(st, add_rounds(a->run, fleet));
    BR_TRY(st, br_fleet_solve(fleet));
    if (br_fleet_is_uncertain(fleet))
        br_log(BR_LOG_WARN, "allocate",
               "items outside the shortlists of %lld customers could add %.3g at these prices: "
               "`run` takes shortlists at them",
               (long long)fleet->report.n_uncertain, fleet->report.outside_value);
    BR_TRY(st, br_fleet_publish(fleet));
    br_fleet_print(fleet, stdout);
done:
    br_fleet_close(&fleet);
    br_setup_close(&setup);
    br_config_close(&config);
    return st;
}

br_status br_verb_allocate(int argc, char **argv)
{
    br_status     st = BR_OK;
    allocate_args a  = {.n_threads = -1};
    bool          is_help;
    const br_arg  args[] = {
         {"RUN", NULL, BR_ARG_TEXT, "DIR", "a run under constraints", &a.run, true, 0, 0},
         {"--output", "-o", BR_ARG_TEXT, "DIR", "the run directory of the new lists", &a.out, true,
          0, 0},
         {"--set", NULL, BR_ARG_MANY, "KEY=VALUE",
          "what is different, e.g. constraints.capacity=false; may be repeated", &a.set, false, 0,
          0},
         {"--threads", NULL, BR_ARG_INT, "N", "0: all cores", &a.n_threads, false, 0, 256}};
    const br_usage usage = {
        .verb = "allocate",
        .summary =
            "Solves a run's capacities, budgets and shares again, without encoding anything.",
        .text     = "Reads the shortlists that `run` left beside RUN, finds the prices of the\n"
                    "constraints, gives every customer a list and writes a run of its own.\n"
                    "Prints what one more unit of each constraint is worth.",
        .examples = "  batchrank allocate campaign/run -o campaign/run-2 \\\n"
                    "    --set 'constraints.budgets=[{\"name\": \"coupons\", \"cost\": \"cost\", "
                    "\"max\": 9000}]'",
        .args     = args,
        .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (!is_help)
        BR_TRY(st, reallocate(&a));
done:
    return st;
}
