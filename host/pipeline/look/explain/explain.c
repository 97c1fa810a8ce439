/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens a run, runs one customer again, gathers what is to be said. Called once per process. */
#include "host/pipeline/look/explain/explain.h"

#include <stdio.h>

#include "host/base/memory.h"
#include "host/pipeline/look/explain/say.h"
#include "host/pipeline/rules/rulebook_apply.h"
#include "host/pipeline/stages.h"

static br_status open_config(const br_explain_args *args, br_explained *x)
{
    br_status st = BR_OK;
    char      file[BR_RUN_PATH_BYTES], threads[40];

    if (snprintf(file, sizeof file, "%s/config.json", args->run) >= (int)sizeof file)
        BR_FAIL(st, BR_E_USAGE, "%.64s...: the path is too long", args->run);
    BR_TRY(st, br_config_read(file, &x->config));
    if (args->n_threads >= 0) {
        (void)snprintf(threads, sizeof threads, "run.threads=%lld", (long long)args->n_threads);
        BR_TRY(st, br_config_set(x->config, threads));
    }
    BR_TRY(st, br_config_check(x->config));
    x->is_allocated = br_config_is_constrained(x->config);
done:
    return st;
}

/* An allocation looks at as many candidates as it needs, whatever objective.top says. */
static void widen(br_explained *x)
{
    br_objective *o = &x->setup->objective;

    if (x->is_allocated && o->n_candidates > 0)
        o->n_candidates = (int32_t)(x->setup->n_listed < BR_MAX_K ? x->setup->n_listed : BR_MAX_K);
}

/* Keys are looked up before the device is opened: a misspelt one should not cost that. */
static br_status open_run(const br_explain_args *args, br_explained *x)
{
    br_status st = BR_OK;

    BR_TRY(st, br_run_reader_open(args->run, &x->reader));
    BR_TRY(st, open_config(args, x));
    BR_TRY(st, br_setup_open(x->config, &x->setup));
    BR_TRY(st, br_explain_check_inputs(x));
    widen(x);
    BR_TRY(st, br_customers_find(x->setup->customers, args->customer, &x->row));
    BR_TRY(st, br_catalogue_find(&x->setup->catalogue, x->config->input_catalogue, args->item,
                                 &x->item));
    BR_TRY(st, br_setup_plan_units(x->setup));
    BR_TRY(st, br_job_open(x->setup, &x->job));
    x->job->max_rows = 1;
    BR_TRY(st, br_job_alloc_batch(x->job, &x->batch));
done:
    return st;
}

static br_status run_customer(br_explained *x)
{
    br_status st    = BR_OK;
    double    cpu_s = 0.0;

    x->batch.first_row = x->row;
    x->batch.n_rows    = 1;
    BR_TRY(st, br_stage_read(x->job, &x->batch));
    BR_TRY(st, br_stage_encode(x->job, &x->batch, &cpu_s));
    BR_TRY(st, br_stage_fuse(x->job, &x->batch, &cpu_s));
    BR_TRY(st, br_stage_score(x->job, &x->batch, &cpu_s));
    BR_TRY(st, br_stage_policy(x->job, &x->batch));
done:
    return st;
}

static br_status read_stored(br_explained *x)
{
    br_status st = BR_OK;
    int64_t   unit;

    BR_TRY(st, br_run_reader_seek(x->reader, x->row, &unit));
    BR_TRY(st, br_run_reader_unit(x->reader, unit, &x->part));
    x->at = x->row - x->part.first_row;
done:
    return st;
}

static void close_run(br_explained *x)
{
    br_lists_free(&x->part);
    br_batch_free(&x->batch);
    br_job_close(&x->job);
    br_setup_close(&x->setup);
    br_config_close(&x->config);
    br_run_reader_close(&x->reader);
}

static br_status gather(br_explained *x, br_facts *f)
{
    br_status st     = BR_OK;
    br_scorer scorer = {0};

    f->x = x;
    BR_TRY(st, br_scorer_open(x->job, &x->batch, &scorer));
    f->held = br_rulebook_verdicts(x->setup, &x->job->raw, &x->batch, 0);
    BR_TRY(st, br_explain_item(x, &f->item));
    BR_TRY(st, br_explain_pair(x, &f->item, &scorer, &f->pair));
    BR_TRY(st, br_explain_events(x, &f->item, &scorer, &f->events));
    BR_TRY(st, br_explain_reason(f));
done:
    br_scorer_close(&scorer);
    return st;
}

br_status br_explain(const br_explain_args *args, br_strbuf *out)
{
    br_status     st    = BR_OK;
    br_explained *x     = NULL;
    br_facts     *facts = NULL;

    BR_ALLOC(st, x, 1, "explained run");
    BR_ALLOC(st, facts, 1, "explanation");
    x->path = args->run;
    BR_TRY(st, open_run(args, x));
    BR_TRY(st, run_customer(x));
    BR_TRY(st, read_stored(x));
    BR_TRY(st, br_explain_compare(x));
    BR_TRY(st, gather(x, facts));
    if (args->is_json)
        br_explain_json(facts, out);
    else
        br_explain_text(facts, args->why_not, out);
    BR_TRY(st, br_strbuf_check(out));
done:
    if (x != NULL)
        close_run(x);
    br_free(&x);
    br_free(&facts);
    return st;
}
