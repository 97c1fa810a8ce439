/* SPDX-License-Identifier: Apache-2.0
 *
 * A job over its units: which are left, all of them through the stages (flow/), and what the parts
 * of earlier commands count. Called once per job. */
#include "host/pipeline/job.h"

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/watch/interrupt.h"
#include "host/pipeline/detect/detect.h"
#include "host/pipeline/flow/flow.h"
#include "host/pipeline/lanes.h"
#include "host/pipeline/shards/shards.h"

br_status br_job_check_interrupt(const char *what)
{
    br_watch_tick();
    if (!br_is_interrupted())
        return BR_OK;
    if (what == NULL)
        return br_fail(BR_E_INTERRUPTED, "interrupted: run the same command again");
    return br_fail(BR_E_INTERRUPTED, "interrupted: %s was not written; run the same command again",
                   what);
}

typedef struct work {
    br_job      *job;
    br_run      *run;  /* NULL: units are given away */
    int64_t     *todo; /* [n_todo] units that the run lacks, or all */
    int64_t      n_todo;
    uint64_t     seed; /* of the detectors, the same on all ranks */
    br_own_units own;
    int32_t      n_writers;
    br_batch     slot[BR_FLOW_MOST_SLOTS];
} work;

static br_status count_unit(br_job *job, const br_run *run, int64_t unit)
{
    br_status st    = BR_OK;
    br_lists  lists = {0};

    br_watch_unit(unit);
    BR_TRY(st, br_run_read_unit(run, unit, &lists));
    BR_TRY(st, br_stats_add(&job->stats, &lists));
done:
    br_lists_free(&lists);
    return st;
}

/* Parts finished by an earlier, interrupted command count like our own. */
static br_status count_finished(br_job *job, const br_run *run)
{
    br_status st = BR_OK;

    for (int64_t u = 0; u < job->setup->n_units; u++)
        if (br_run_unit_is_done(run, u))
            BR_TRY(st, count_unit(job, run, u));
done:
    return st;
}

/* Parts that other ranks finished are of this run from here on. */
static br_status take_others(const work *w)
{
    br_status st = BR_OK;

    for (int64_t i = 0; i < w->n_todo; i++) {
        if (br_run_unit_is_done(w->run, w->todo[i]))
            continue;
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, br_run_take_unit(w->run, w->todo[i]));
    }
done:
    return st;
}

static void list_todo(work *w)
{
    const br_setup *s = w->job->setup;

    for (int64_t u = 0; u < s->n_units; u++)
        if (w->run == NULL || !br_run_unit_is_done(w->run, u))
            w->todo[w->n_todo++] = u;
    if (w->n_todo < s->n_units)
        br_log(BR_LOG_INFO, "run", "%lld of %lld units are done already",
               (long long)(s->n_units - w->n_todo), (long long)s->n_units);
}

/* On rank 0: what is left to do, and what is done already. */
static br_status look_around(work *w)
{
    br_status st = BR_OK;

    list_todo(w);
    if (w->run == NULL)
        return BR_OK;
    w->seed = br_run_seed(w->run);
    BR_TRY(st, count_finished(w->job, w->run));
done:
    return st;
}

static br_status share_todo(work *w, br_comm *comm)
{
    br_status st = BR_OK;

    BR_TRY(st, br_comm_broadcast(comm, "the number of units", &w->n_todo, sizeof w->n_todo));
    BR_TRY(st, br_comm_broadcast(comm, "the units to do", w->todo,
                                 (size_t)w->n_todo * sizeof *w->todo));
    BR_TRY(st, br_comm_broadcast(comm, "the detectors' seed", &w->seed, sizeof w->seed));
done:
    return st;
}

/* All memory of the units, taken before the first. */
static br_status take_memory(work *w)
{
    br_status st = BR_OK;

    for (int i = 0; i < br_flow_slots(w->n_writers) && i < w->n_todo; i++)
        BR_TRY(st, br_job_alloc_batch(w->job, &w->slot[i]));
done:
    return st;
}

static br_status open_work(work *w)
{
    br_status st = BR_OK;

    BR_ALLOC(st, w->todo, w->job->setup->n_units, "units to do");
    BR_ALLOC(st, w->own.unit_U, w->job->setup->n_units, "units of this rank");
done:
    return st;
}

static br_status do_units(work *w, const br_flow_args *args)
{
    br_status st          = BR_OK;
    br_job   *job         = w->job;
    int64_t   n_customers = 0;

    for (int64_t i = 0; i < w->n_todo; i++)
        n_customers += job->setup->unit_rows[w->todo[i]].n;
    br_timing_start(&job->timing, n_customers, w->n_writers);
    BR_TRY(st, br_flow_run(args, w->slot));
    br_timing_report(&job->timing, br_dev_grain(job->dev).n_lanes > 0 ? 0 : job->n_lanes);
    br_shards_report(job->shards);
done:
    return st;
}

static void free_work(work *w)
{
    for (int i = 0; i < BR_FLOW_MOST_SLOTS; i++)
        br_batch_free(&w->slot[i]);
    br_free(&w->todo);
    br_free(&w->own.unit_U);
}

/* ---- detectors ---- */

static br_status open_detectors(work *w)
{
    return w->n_todo > 0 ? br_detect_open(w->job, w->seed, w->n_writers) : BR_OK;
}

static br_status watched_units(work *w, const br_flow_args *args)
{
    return br_detect_blame(w->job->detect, do_units(w, args));
}

/* All units are written, on every rank. */
static br_status look_last(work *w)
{
    br_status st = BR_OK;

    BR_TRY(st, br_detect_look(w->job->detect));
    w->own.n_sound = w->own.n_written;
done:
    return st;
}

/* What the detectors of all ranks saw; into the audit log by rank 0. */
static br_status report_detectors(work *w, br_comm *comm)
{
    br_status st   = BR_OK;
    br_strbuf json = {0};

    if (w->job->detect == NULL)
        return BR_OK;
    BR_TRY(st, br_detect_report(w->job->detect, comm, &json));
    if (br_comm_rank(comm) == 0)
        BR_TRY(st, br_run_audit(w->run, "detect", json.data));
done:
    br_strbuf_free(&json);
    return st;
}

/* What was published since the last look that found nothing may be wrong too. */
static void withdraw(const work *w)
{
    br_error error;
    int64_t  n = 0;

    if (w->job->setup->shard > 0) /* the first of its team wrote */
        return;
    br_error_take(&error);
    for (int64_t i = w->own.n_sound; i < w->own.n_written; i++, n++)
        if (br_run_withdraw_unit(w->run, w->own.unit_U[i]) != BR_OK)
            br_log(BR_LOG_ERROR, "detect", "%s", br_error_last()->text);
    if (n > 0)
        br_log(BR_LOG_WARN, "detect", "%lld parts that this command wrote were removed again",
               (long long)n);
    (void)br_error_put(&error);
}

/* Each rank takes back what is its own; a team whatever one of it found. */
static br_status agree_sound(work *w, br_comm *comm, br_status own)
{
    br_status st;

    if (own == BR_E_SELFCHECK)
        withdraw(w);
    st = br_comm_agree(comm, own);
    if (st == BR_E_SELFCHECK && own != st && w->job->setup->n_shards > 1)
        withdraw(w);
    return st;
}

br_status br_job_execute(br_job *job, br_comm *comm, br_run *run)
{
    br_status    st       = BR_OK;
    work         w        = {.job = job, .run = run, .n_writers = br_writers_of(job->config)};
    bool         is_first = br_comm_rank(comm) == 0;
    br_flow_args args     = {
            .job = job, .comm = comm, .run = run, .own = &w.own, .n_writers = w.n_writers};

    BR_TRY(st, br_comm_agree(comm, open_work(&w)));
    BR_TRY(st, br_comm_agree(comm, is_first ? look_around(&w) : BR_OK));
    BR_TRY(st, br_comm_agree(comm, share_todo(&w, comm)));
    BR_TRY(st, br_comm_agree(comm, take_memory(&w)));
    BR_TRY(st, br_comm_agree(comm, br_shards_open(job, br_comm_team(comm), &job->shards)));
    args.todo   = w.todo;
    args.n_todo = w.n_todo;
    BR_TRY(st, br_comm_agree(comm, open_detectors(&w)));
    br_watch_phase(BR_PHASE_UNITS);
    BR_TRY(st, agree_sound(&w, comm, watched_units(&w, &args)));
    br_watch_phase(BR_PHASE_FINISH);
    BR_TRY(st, agree_sound(&w, comm, look_last(&w)));
    br_stats_sum(comm, &job->stats);
    BR_TRY(st, br_comm_agree(comm, is_first ? take_others(&w) : BR_OK));
    BR_TRY(st, br_comm_agree(comm, report_detectors(&w, comm)));
done:
    br_detect_close(job);
    free_work(&w);
    return st;
}

br_status br_job_pass(br_job *job, br_unit_fn take, void *context)
{
    br_status    st   = BR_OK;
    work         w    = {.job = job, .n_writers = 1};
    br_flow_args args = {
        .job = job, .take = take, .context = context, .own = &w.own, .n_writers = 1};

    BR_TRY(st, open_work(&w));
    BR_TRY(st, look_around(&w));
    BR_TRY(st, take_memory(&w));
    args.todo   = w.todo;
    args.n_todo = w.n_todo;
    BR_TRY(st, do_units(&w, &args));
done:
    free_work(&w);
    return st;
}
