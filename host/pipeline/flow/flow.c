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
#include "host/base/watch/trace.h"
#include "host/pipeline/detect/detect.h"
#include "host/pipeline/flow/compute.h"
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
    br_own_units   *own;
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

/* A stage of a unit, by the calling thread. */
typedef struct stage_at {
    br_stage_clock *clock;
    br_stage        stage;
    br_track        track;
    int64_t         unit;
    double          begin_s;
} stage_at;

static stage_at start_stage(flow *f, br_stage stage, br_track track, int64_t unit)
{
    stage_at at = {&f->job->timing.stage[stage], stage, track, unit, br_clock_wall_s()};

    at.clock->wall_s -= at.begin_s;
    at.clock->cpu_s -= br_clock_thread_cpu_s();
    return at;
}

static void stop_stage(const stage_at *at)
{
    at->clock->wall_s += br_clock_wall_s();
    at->clock->cpu_s += br_clock_thread_cpu_s();
    br_trace_add(at->track, br_stage_name(at->stage), at->unit, at->begin_s);
}

static br_status read_unit(flow *f, br_batch *batch)
{
    stage_at  at;
    br_status st;

    if (br_is_interrupted() && f->run == NULL)
        return br_job_check_interrupt(NULL);
    if (br_is_interrupted())
        return br_fail(BR_E_INTERRUPTED, "interrupted: finished units are kept; run the same "
                                         "command again to go on");
    at = start_stage(f, BR_STAGE_READ, BR_TRACK_READ, batch->unit);
    st = br_stage_read(f->job, batch);
    stop_stage(&at);
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
        f->own->unit_U[i] = unit;
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
    br_status st = BR_OK;
    stage_at  at = start_stage(f, BR_STAGE_POLICY, BR_TRACK_WRITE, batch->unit);

    BR_TRY(st,
           f->run != NULL ? br_stage_policy(f->job, batch) : f->take(f->context, f->job, batch));
    stop_stage(&at);
    if (f->run == NULL)
        return BR_OK;
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_DECIDED, NULL));
    at = start_stage(f, BR_STAGE_DETECT, BR_TRACK_WRITE, batch->unit);
    BR_TRY(st, br_detect_unit(f->job->detect, batch));
    stop_stage(&at);
    at = start_stage(f, BR_STAGE_WRITE, BR_TRACK_WRITE, batch->unit);
    BR_TRY(st, br_stage_write(f->job, batch, f->run));
    stop_stage(&at);
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

/* Now and then, before the i-th unit of this rank: does the device still do what it did? A team
 * comes here with the same i, and leaves together. */
static br_status look(flow *f, int64_t i, int64_t unit, bool *is_sound)
{
    br_job   *job = f->job;
    br_status st  = BR_OK;
    double    begin_s;

    *is_sound = true;
    if (f->run == NULL || !br_detect_is_due(job->detect, i))
        return BR_OK;
    begin_s = br_clock_wall_s();
    st      = br_detect_look(job->detect);
    br_trace_add(BR_TRACK_COMPUTE, "look at the device", unit, begin_s);
    *is_sound = job->shards != NULL ? br_shards_go_on(job->shards, unit, st != BR_OK) : st == BR_OK;
    if (*is_sound)
        f->own->n_sound = i;
    return st;
}

static br_status compute_unit(flow *f, int64_t i, bool *is_whole)
{
    br_status st    = BR_OK;
    br_job   *job   = f->job;
    br_batch *batch = &f->slot[i % BR_FLOW_SLOTS];

    st = look(f, i, batch->unit, is_whole);
    if (!*is_whole)
        return st;
    return br_flow_compute(job, batch, is_whole);
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

        if (compute_unit(f, i, &is_whole) != BR_OK)
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
                    .own           = args->own,
                    .slot          = slot,
                    .lock          = PTHREAD_MUTEX_INITIALIZER,
                    .progress_lock = PTHREAD_MUTEX_INITIALIZER,
                    .moved         = PTHREAD_COND_INITIALIZER};
    br_error  error;

    BR_TRY(st, br_units_open(args->comm, args->n_todo, report_others, &f, &f.units));
    st                   = run_threads(&f);
    args->own->n_written = f.n_written;
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
