/* SPDX-License-Identifier: Apache-2.0
 *
 * The sweep of a configuration: refusals, the pass, the files. */
#include "host/pipeline/sweep/sweep.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/io/publish.h"
#include "host/pipeline/look/footprint.h"

/* Weightings are compared by the lists that they alone make. */
static br_status check_config(const br_config *config)
{
    if (config->objective_terms.n == 0)
        return br_fail(BR_E_USAGE, "--sweep: objective.terms is empty: there is nothing to weigh");
    if (config->policy_type != BR_POLICY_GREEDY)
        return br_fail(BR_E_USAGE, "--sweep: lists drawn at random differ by chance; expected "
                                   "policy.type greedy");
    if (br_config_is_constrained(config))
        return br_fail(BR_E_USAGE, "--sweep: lists that share capacities are not lists of one "
                                   "weighting; expected no constraints");
    return BR_OK;
}

static br_status path_of(const char *out, const char *name, char path[PATH_MAX])
{
    if (snprintf(path, PATH_MAX, "%s/%s", out, name) >= PATH_MAX)
        return br_fail(BR_E_USAGE, "--output: the path is too long");
    return BR_OK;
}

/* Before the work: the folder is made, and its files may be. */
static br_status prepare_out(const br_config *config, const char *out)
{
    static const char *const names[]  = {"sweep.json", "sweep.csv", "manifest.json"};
    br_status                st       = BR_OK;
    const char *const        inputs[] = {config->input_customers, config->input_catalogue};
    char                     path[PATH_MAX];
    struct stat              about;

    if (out == NULL)
        return BR_OK;
    if (mkdir(out, 0700) != 0 && errno != EEXIST)
        BR_FAIL(st, BR_E_IO, "%s: %s", out, strerror(errno));
    for (int i = 0; i < 2; i++) {
        BR_TRY(st, path_of(out, names[i], path));
        BR_TRY(st, br_publish_check_target(path, inputs, 2));
    }
    BR_TRY(st, path_of(out, names[2], path));
    if (stat(path, &about) == 0)
        BR_FAIL(st, BR_E_USAGE, "%s: holds a run or a publication; expected a folder of its own",
                out);
done:
    return st;
}

static br_status write_out(const br_sweep *sweep, const char *out)
{
    br_status st   = BR_OK;
    br_strbuf json = {0}, csv = {0};
    char      path[PATH_MAX];

    if (out == NULL)
        return BR_OK;
    br_sweep_json(sweep, &json);
    br_sweep_csv(sweep, &csv);
    BR_TRY(st, br_strbuf_check(&json));
    BR_TRY(st, br_strbuf_check(&csv));
    BR_TRY(st, path_of(out, "sweep.csv", path));
    BR_TRY(st, br_publish_file(path, csv.data, csv.n_bytes));
    BR_TRY(st, path_of(out, "sweep.json", path));
    BR_TRY(st, br_publish_file(path, json.data, json.n_bytes));
    br_log(BR_LOG_INFO, "sweep", "written: %s", path);
done:
    br_strbuf_free(&json);
    br_strbuf_free(&csv);
    return st;
}

br_status br_sweep_job(br_config *config, const char *file, const char *out)
{
    br_status     st        = BR_OK;
    br_weighting *weighting = NULL;
    br_setup     *setup     = NULL;
    br_job       *job       = NULL;
    br_sweep     *sweep     = NULL;
    int32_t       n         = 0;

    BR_TRY(st, check_config(config));
    BR_TRY(st, br_sweep_read(file, config, &weighting, &n));
    BR_TRY(st, prepare_out(config, out));
    config->list_probabilities = false; /* nobody reads them */
    config->run_unit_customers = br_sweep_unit_customers(config, n);
    BR_TRY(st, br_setup_open(config, &setup));
    br_free(&setup->weighting); /* shadows are not of interest */
    setup->weighting    = weighting;
    setup->n_weightings = n;
    setup->is_sweep     = true;
    weighting           = NULL;
    BR_TRY(st, br_setup_plan_units(setup));
    BR_TRY(st, br_footprint_check(setup));
    BR_TRY(st, br_job_open(setup, &job));
    BR_TRY(st, br_sweep_run(job, &sweep));
    BR_TRY(st, write_out(sweep, out));
    br_sweep_print(sweep, stdout);
done:
    br_sweep_close(&sweep);
    br_job_close(&job);
    br_setup_close(&setup);
    br_free(&weighting);
    return st;
}
