/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of the stages, their overlap and their clocks: one thread reads a unit, the calling
 * thread computes the one before over the lanes, one thread decides and writes the one before
 * that. Units come from a hand-out to all ranks (host/comm) and keep their order. Ranks of a team
 * (shards/) are handed the same units and compute them in step; the first one decides and writes.
 */
#include "host/pipeline/flow/flow.h"

#include <pthread.h>

#include "host/base/clock.h"
#include "host/base/fault.h"
#include "host/base/log.h"
#include "host/base/watch/interrupt.h"
#include "host/pipeline/lanes.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/stages.h"

/* Units pass the three workers in order; the i-th of this rank lives in slot i % N_SLOTS. */
typedef struct flow {
    br_job         *job;
    br_run         *run;
    br_unit_fn      take;
    void           *context;
    const int64_t  *todo;
    br_units       *units;
    br_batch       *slot; /* [BR_FLOW_SLOTS] */
    pthread_mutex_t lock;
    pthread_cond_t  moved;
    int64_t         n_read;
    int64_t         n_computed;
    int64_t         n_written;
    int64_t         n_rows;     /* customers written since the last unit was asked for */
    bool            is_last;    /* n_read are all that this rank gets */
    bool            is_stopped; /* another rank failed */
    bool            has_failed;
    br_error        error;
    pthread_mutex_t progress_lock; /* alone: other ranks' progress comes while theirs is held */
} flow;

/* Waits until *ahead is more than `behind`; false where somebody failed, here or on another rank,
 * or where unit `behind` will never come. */
static bool wait_for(flow *f, const int64_t *ahead, int64_t behind)
{
    bool can_go;

    (void)pthread_mutex_lock(&f->lock);
    if (!f->is_stopped && br_units_are_stopped(f->units)) {
        f->is_stopped = true;
        (void)pthread_cond_broadcast(&f->moved);
    }
    while (!f->has_failed && !f->is_stopped && *ahead <= behind &&
           !(f->is_last && behind >= f->n_read))
        (void)pthread_cond_wait(&f->moved, &f->lock);
    can_go = !f->has_failed && !f->is_stopped && *ahead > behind;
    (void)pthread_mutex_unlock(&f->lock);
    return can_go;
}

static void advance(flow *f, int64_t *count)
{
    (void)pthread_mutex_lock(&f->lock);
    (*count)++;
    (void)pthread_cond_broadcast(&f->moved);
    (void)pthread_mutex_unlock(&f->lock);
}

/* Stops with the team, of whose others one stopped. */
static void stop_flow(flow *f)
{
    (void)pthread_mutex_lock(&f->lock);
    f->is_stopped = true;
    (void)pthread_cond_broadcast(&f->moved);
    (void)pthread_mutex_unlock(&f->lock);
}

/* Keeps the first failure and lets everybody stop. unit: -1: of none. */
static void fail_flow(flow *f, int64_t unit)
{
    (void)pthread_mutex_lock(&f->lock);
    if (!f->has_failed) {
        br_error_take(&f->error);
        br_watch_unit(unit);
    }
    f->has_failed = true;
    (void)pthread_cond_broadcast(&f->moved);
    (void)pthread_mutex_unlock(&f->lock);
    br_units_stop(f->units);
}

/* Of the calling thread. */
static void start_clock(br_stage_clock *clock)
{
    clock->wall_s -= br_clock_wall_s();
    clock->cpu_s -= br_clock_thread_cpu_s();
}

static void stop_clock(br_stage_clock *clock)
{
    clock->wall_s += br_clock_wall_s();
    clock->cpu_s += br_clock_thread_cpu_s();
}

static br_status read_unit(flow *f, br_batch *batch)
{
    br_stage_clock *clock = &f->job->timing.stage[BR_STAGE_READ];
    br_status       st;

    if (br_is_interrupted() && f->run == NULL)
        return br_job_check_interrupt(NULL);
    if (br_is_interrupted())
        return br_fail(BR_E_INTERRUPTED, "interrupted: finished units are kept; run the same "
                                         "command again to go on");
    start_clock(clock);
    st = br_stage_read(f->job, batch);
    stop_clock(clock);
    return st == BR_OK ? br_fault_point(BR_FAULT_UNIT_READ, NULL) : st;
}

/* The next unit of the hand-out; false: there is none. A unit is asked for once the one before
 * the last is computed, so that none lies idle here while another rank has nothing to do. */
static bool next_unit(flow *f, int64_t i, int64_t *unit)
{
    int64_t n_rows, place;

    if (!wait_for(f, &f->n_written, i - BR_FLOW_SLOTS) || !wait_for(f, &f->n_computed, i - 2))
        return false;
    (void)pthread_mutex_lock(&f->lock);
    n_rows    = f->n_rows;
    f->n_rows = 0;
    (void)pthread_mutex_unlock(&f->lock);
    if (br_units_next(f->units, n_rows, &place) != BR_OK) {
        fail_flow(f, -1);
        return false;
    }
    *unit = place < 0 ? -1 : f->todo[place];
    return place >= 0;
}

static void *reading_thread(void *context)
{
    flow   *f = context;
    int64_t unit;

    for (int64_t i = 0; next_unit(f, i, &unit); i++) {
        br_batch *batch = &f->slot[i % BR_FLOW_SLOTS];

        br_watch_unit(unit);
        br_batch_take_unit(batch, f->job->setup, unit);
        if (read_unit(f, batch) != BR_OK) {
            fail_flow(f, unit);
            break;
        }
        advance(f, &f->n_read);
    }
    (void)pthread_mutex_lock(&f->lock);
    f->is_last = true;
    (void)pthread_cond_broadcast(&f->moved);
    (void)pthread_mutex_unlock(&f->lock);
    return NULL;
}

static br_status decide_and_write(flow *f, br_batch *batch)
{
    br_status       st    = BR_OK;
    br_stage_clock *stage = f->job->timing.stage;

    start_clock(&stage[BR_STAGE_POLICY]);
    BR_TRY(st,
           f->run != NULL ? br_stage_policy(f->job, batch) : f->take(f->context, f->job, batch));
    stop_clock(&stage[BR_STAGE_POLICY]);
    if (f->run == NULL)
        return BR_OK;
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_DECIDED, NULL));
    start_clock(&stage[BR_STAGE_WRITE]);
    BR_TRY(st, br_stage_write(f->job, batch, f->run));
    stop_clock(&stage[BR_STAGE_WRITE]);
done:
    return st;
}

static void report(flow *f, int64_t n_rows)
{
    (void)pthread_mutex_lock(&f->progress_lock);
    br_timing_progress(&f->job->timing, n_rows);
    (void)pthread_mutex_unlock(&f->progress_lock);
}

static void report_others(void *context, int64_t n_rows)
{
    report(context, n_rows);
}

static void *writing_thread(void *context)
{
    flow *f = context;

    for (int64_t i = 0; wait_for(f, &f->n_computed, i); i++) {
        br_batch *batch    = &f->slot[i % BR_FLOW_SLOTS];
        bool      is_first = f->job->setup->shard == 0;
        int64_t   n_rows   = is_first ? batch->n_rows : 0;

        if (is_first && decide_and_write(f, batch) != BR_OK) {
            fail_flow(f, batch->unit);
            break;
        }
        (void)pthread_mutex_lock(&f->lock);
        f->n_rows += n_rows;
        (void)pthread_mutex_unlock(&f->lock);
        report(f, n_rows);
        br_watch_tick();
        advance(f, &f->n_written);
    }
    return NULL;
}

typedef br_status (*lane_stage)(br_job *job, br_batch *batch, double *cpu_s);

static br_status timed(br_job *job, br_stage which, lane_stage stage, br_batch *batch)
{
    br_stage_clock *clock  = &job->timing.stage[which];
    double          wall_s = br_clock_wall_s();
    br_status       st     = stage(job, batch, &clock->cpu_s);

    clock->wall_s += br_clock_wall_s() - wall_s;
    return st;
}

static br_status share_vectors(br_job *job, br_batch *batch, double *cpu_s)
{
    (void)cpu_s;
    return br_shards_share_vectors(job, batch);
}

static br_status merge_lists(br_job *job, br_batch *batch, double *cpu_s)
{
    (void)cpu_s;
    return br_shards_merge(job, batch);
}

static br_status encode_and_fuse(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, timed(job, BR_STAGE_ENCODE, br_stage_encode, batch));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_ENCODED, NULL));
    BR_TRY(st, timed(job, BR_STAGE_FUSE, br_stage_fuse, batch));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_FUSED, NULL));
done:
    return st;
}

static br_status vectors_to_lists(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, timed(job, BR_STAGE_FUSE, share_vectors, batch));
    BR_TRY(st, timed(job, BR_STAGE_SCORE, br_stage_score, batch));
done:
    return st;
}

static br_status lists_to_values(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, timed(job, BR_STAGE_SCORE, merge_lists, batch));
    BR_TRY(st, timed(job, BR_STAGE_SCORE, br_stage_tell, batch));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_SCORED, NULL));
done:
    return st;
}

/* A step of a team, in which a rank may fail by itself; all leave after it where one did. */
typedef br_status (*team_step)(br_job *job, br_batch *batch);

/* *is_whole: the unit is computed, and nobody of the team failed. */
static br_status compute_together(br_job *job, br_batch *batch, bool *is_whole)
{
    static const team_step steps[] = {encode_and_fuse, vectors_to_lists, lists_to_values,
                                      br_shards_collect};
    br_status              st      = BR_OK;

    *is_whole = true;
    for (size_t i = 0; *is_whole && i < sizeof steps / sizeof steps[0]; i++) {
        st        = steps[i](job, batch);
        *is_whole = br_shards_go_on(job->shards, batch->unit, st != BR_OK);
    }
    return st;
}

static br_status compute_unit(br_job *job, br_batch *batch, bool *is_whole)
{
    br_status st = BR_OK;

    if (job->shards != NULL)
        return compute_together(job, batch, is_whole);
    BR_TRY(st, encode_and_fuse(job, batch));
    BR_TRY(st, timed(job, BR_STAGE_SCORE, br_stage_score, batch));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_SCORED, NULL));
done:
    *is_whole = st == BR_OK;
    return st;
}

/* The next unit is read, on all ranks of a team. Each comes here after every unit that is whole,
 * whatever became of its other threads. */
static bool is_ready(flow *f, int64_t i)
{
    bool is_there = wait_for(f, &f->n_read, i), all_there;

    if (f->job->shards == NULL)
        return is_there;
    all_there =
        br_shards_go_on(f->job->shards, is_there ? f->slot[i % BR_FLOW_SLOTS].unit : -1, false);
    if (is_there && !all_there)
        stop_flow(f);
    return all_there;
}

static void compute_units(flow *f)
{
    bool is_whole = true;

    for (int64_t i = 0; is_ready(f, i); i++) {
        br_batch *batch = &f->slot[i % BR_FLOW_SLOTS];

        if (compute_unit(f->job, batch, &is_whole) != BR_OK)
            fail_flow(f, batch->unit);
        if (!is_whole) {
            stop_flow(f);
            break;
        }
        if (batch->n_slow > 0)
            br_log(BR_LOG_DEBUG, "score", "unit %lld: %lld customers redone on the slow path",
                   (long long)batch->unit, (long long)batch->n_slow);
        advance(f, &f->n_computed);
    }
}

static br_status run_threads(flow *f)
{
    pthread_t reader, writer;

    if (pthread_create(&reader, NULL, reading_thread, f) != 0)
        return br_fail(BR_E_MEMORY, "cannot start the reading thread");
    if (pthread_create(&writer, NULL, writing_thread, f) != 0) {
        (void)br_fail(BR_E_MEMORY, "cannot start the writing thread");
        fail_flow(f, -1);
    } else {
        compute_units(f);
        (void)pthread_join(writer, NULL);
    }
    (void)pthread_join(reader, NULL);
    if (f->has_failed)
        return br_error_put(&f->error);
    return BR_OK;
}

br_status br_flow_run(const br_flow_args *args, br_batch slot[BR_FLOW_SLOTS])
{
    br_status st = BR_OK, closed;
    flow      f  = {.job           = args->job,
                    .run           = args->run,
                    .take          = args->take,
                    .context       = args->context,
                    .todo          = args->todo,
                    .slot          = slot,
                    .lock          = PTHREAD_MUTEX_INITIALIZER,
                    .progress_lock = PTHREAD_MUTEX_INITIALIZER,
                    .moved         = PTHREAD_COND_INITIALIZER};
    br_error  error;

    BR_TRY(st, br_units_open(args->comm, args->n_todo, report_others, &f, &f.units));
    st = run_threads(&f);
    br_error_take(&error);
    if (st != BR_OK)
        br_units_stop(f.units);
    closed = br_units_close(&f.units, f.n_rows);
    if (st != BR_OK)
        return br_error_put(&error);
    BR_TRY(st, closed);
    br_lanes_report(f.job, f.n_written);
done:
    return st;
}
