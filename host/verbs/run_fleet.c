/* SPDX-License-Identifier: Apache-2.0
 *
 * `run` under constraints, and batchrank allocate. */
#include "host/verbs/run_fleet.h"

#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/io/run_dir.h"
#include "host/pipeline/allocate/render.h"
#include "host/pipeline/job.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

static int32_t widest(const br_setup *setup)
{
    return (int32_t)(setup->n_listed < BR_MAX_K ? setup->n_listed : BR_MAX_K);
}

/* Allocates over one run of shortlists; *is_enough: and published, for nothing better is outside.
 */
static br_status allocate(br_setup *setup, const char *shortlists, bool is_last, bool *is_enough)
{
    br_status st    = BR_OK;
    br_fleet *fleet = NULL;

    BR_TRY(st, br_fleet_open(setup, shortlists, &fleet));
    *is_enough = is_last || !br_fleet_is_uncertain(fleet);
    if (!*is_enough) {
        br_log(BR_LOG_WARN, "allocate",
               "items outside the %d best of %lld customers could add %.3g: once more with twice "
               "as many",
               fleet->width, (long long)fleet->report.n_uncertain, fleet->report.outside_value);
        goto done;
    }
    BR_TRY(st, br_fleet_publish(fleet, shortlists));
    br_fleet_print(fleet, stdout);
done:
    br_fleet_close(&fleet);
    return st;
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

br_status br_run_fleet(br_config *config)
{
    br_status  st         = BR_OK;
    br_setup  *setup      = NULL;
    br_config *shortlists = NULL;
    bool       is_enough  = false;
    int32_t    width      = (int32_t)config->constraints_shortlist;

    BR_TRY(st, br_setup_open(config, &setup));
    BR_TRY(st, br_setup_plan_units(setup));
    while (!is_enough) {
        width = width < widest(setup) ? width : widest(setup);
        if (width < config->list_k)
            width = (int32_t)config->list_k;
        BR_TRY(st, br_fleet_shortlists(config, width, &shortlists));
        BR_TRY(st, br_run_plain(shortlists));
        BR_TRY(st, allocate(setup, shortlists->output_path, width >= widest(setup), &is_enough));
        br_config_close(&shortlists);
        width *= 2;
    }
done:
    br_config_close(&shortlists);
    br_setup_close(&setup);
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

/* The widest complete shortlists beside the run. */
static br_status find_shortlists(const char *run, int32_t k, char out[4200])
{
    br_status st    = BR_OK;
    bool      found = false;
    size_t    n     = strlen(run);

    while (n > 1 && run[n - 1] == '/')
        n--;
    for (int32_t width = BR_MAX_K; width >= k && !found; width--) {
        (void)snprintf(out, 4200, "%.*s.shortlists-%d", (int)n, run, width);
        BR_TRY(st, is_done(out, &found));
    }
    if (!found)
        BR_FAIL(st, BR_E_INPUT,
                "%s: there are no complete shortlists beside it (%.*s.shortlists-N): `run` with "
                "constraints makes them",
                run, (int)n, run);
done:
    return st;
}

static br_status reallocate(const allocate_args *a)
{
    br_status  st     = BR_OK;
    br_config *config = NULL;
    br_setup  *setup  = NULL;
    bool       is_enough;
    char       shortlists[4200], set[2][4200];

    BR_TRY(st, open_config(a, set, &config));
    if (!br_config_is_constrained(config))
        BR_FAIL(st, BR_E_USAGE,
                "allocate: no constraint is set: give some with --set "
                "constraints.limits=[...]");
    BR_TRY(st, find_shortlists(a->run, (int32_t)config->list_k, shortlists));
    BR_TRY(st, br_setup_open(config, &setup));
    BR_TRY(st, br_setup_plan_units(setup));
    BR_TRY(st, allocate(setup, shortlists, true, &is_enough));
done:
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
         {"--threads", NULL, BR_ARG_INT, "N", "threads; 0: all cores", &a.n_threads, false, 0, 256}};
    const br_usage usage = {
        .verb = "allocate",
        .summary =
            "Solves a run's capacities, budgets and shares again, without encoding anything.",
        .text     = "Reads the shortlists that `run` left beside RUN, finds the prices of the\n"
                    "constraints, gives every customer a list and writes them as a run of its own.\n"
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
