/* SPDX-License-Identifier: Apache-2.0
 *
 * A job over its units: which are left, all of them through the stages (flow/), and what the parts
 * of earlier commands count. Called once per job. */
#include "host/pipeline/job.h"

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/watch/interrupt.h"
#include "host/pipeline/flow/flow.h"

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
    br_job  *job;
    br_run  *run;  /* NULL: units are given away */
    int64_t *todo; /* [n_todo] units that the run lacks, or all */
    int64_t  n_todo;
    br_batch slot[BR_FLOW_SLOTS];
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
    if (w->run != NULL)
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
done:
    return st;
}

/* All memory of the units, taken before the first. */
static br_status take_memory(work *w)
{
    br_status st = BR_OK;

    for (int i = 0; i < BR_FLOW_SLOTS && i < w->n_todo; i++)
        BR_TRY(st, br_job_alloc_batch(w->job, &w->slot[i]));
done:
    return st;
}

static br_status open_work(work *w)
{
    br_status st = BR_OK;

    BR_ALLOC(st, w->todo, w->job->setup->n_units, "units to do");
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
    br_timing_start(&job->timing, n_customers);
    BR_TRY(st, br_flow_run(args, w->slot));
    br_timing_report(&job->timing, br_dev_grain(job->dev).n_lanes > 0 ? 0 : job->n_lanes);
done:
    return st;
}

static void free_work(work *w)
{
    for (int i = 0; i < BR_FLOW_SLOTS; i++)
        br_batch_free(&w->slot[i]);
    br_free(&w->todo);
}

br_status br_job_execute(br_job *job, br_comm *comm, br_run *run)
{
    br_status    st       = BR_OK;
    work         w        = {.job = job, .run = run};
    bool         is_first = br_comm_rank(comm) == 0;
    br_flow_args args     = {.job = job, .comm = comm, .run = run};

    BR_TRY(st, br_comm_agree(comm, open_work(&w)));
    BR_TRY(st, br_comm_agree(comm, is_first ? look_around(&w) : BR_OK));
    BR_TRY(st, br_comm_agree(comm, share_todo(&w, comm)));
    BR_TRY(st, br_comm_agree(comm, take_memory(&w)));
    args.todo   = w.todo;
    args.n_todo = w.n_todo;
    br_watch_phase(BR_PHASE_UNITS);
    BR_TRY(st, br_comm_agree(comm, do_units(&w, &args)));
    br_watch_phase(BR_PHASE_FINISH);
    br_stats_sum(comm, &job->stats);
    BR_TRY(st, br_comm_agree(comm, is_first ? take_others(&w) : BR_OK));
done:
    free_work(&w);
    return st;
}

br_status br_job_pass(br_job *job, br_unit_fn take, void *context)
{
    br_status    st   = BR_OK;
    work         w    = {.job = job};
    br_flow_args args = {.job = job, .take = take, .context = context};

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
