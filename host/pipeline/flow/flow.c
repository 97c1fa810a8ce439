/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of the stages, their overlap and their clocks: one thread reads a unit, the calling
 * thread computes the one before over the lanes, and writers decide and write those before that,
 * each a unit of its own, which they may finish in another order. Units come from a hand-out to all
 * ranks (host/comm) and keep their order. Ranks of a team (shards/) are handed the same units and
 * compute them in step; the first one decides and writes.
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

/* The i-th unit of this rank lives in slot i % n_slots, until all before it are written too. */
typedef struct flow {
    br_job         *job;
    br_run         *run;
    br_unit_fn      take;
    void           *context;
    const int64_t  *todo;
    br_own_units   *own;
    br_units       *units;
    int32_t         n_writers;
    int32_t         n_slots;
    br_batch       *slot;                           /* [n_slots] */
    bool            is_written[BR_FLOW_MOST_SLOTS]; /* before one that is not */
    pthread_mutex_t lock;
    pthread_cond_t  moved;
    int64_t         n_read;
    int64_t         n_computed;
    int64_t         n_taken;    /* by writers */
    int64_t         n_written;  /* all before, too */
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
    br_stage stage;
    int      track;
    int64_t  unit;
    double   begin_s;
    double   begin_cpu_s;
} stage_at;

static stage_at start_stage(br_stage stage, int track, int64_t unit)
{
    return (stage_at){stage, track, unit, br_clock_wall_s(), br_clock_thread_cpu_s()};
}

static void stop_stage(flow *f, const stage_at *at)
{
    br_stage_clock *clock = &f->job->timing.stage[at->stage];

    (void)pthread_mutex_lock(&f->lock);
    clock->wall_s += br_clock_wall_s() - at->begin_s;
    clock->cpu_s += br_clock_thread_cpu_s() - at->begin_cpu_s;
    (void)pthread_mutex_unlock(&f->lock);
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
    at = start_stage(BR_STAGE_READ, BR_TRACK_READ, batch->unit);
    st = br_stage_read(f->job, batch);
    stop_stage(f, &at);
    return st == BR_OK ? br_fault_point(BR_FAULT_UNIT_READ, NULL) : st;
}

/* The next unit of the hand-out; false: there is none. A unit is asked for once the one before
 * the last is computed, so that none lies idle here while another rank has nothing to do. */
static bool next_unit(flow *f, int64_t i, int64_t *unit)
{
    int64_t n_rows, place;

    if (!wait_for(f, &f->n_written, i - f->n_slots) || !wait_for(f, &f->n_computed, i - 2))
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
        br_batch *batch = &f->slot[i % f->n_slots];

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

static br_status decide_and_write(flow *f, br_batch *batch, int32_t writer)
{
    br_status st    = BR_OK;
    int       track = BR_TRACK_WRITE + writer;
    stage_at  at    = start_stage(BR_STAGE_POLICY, track, batch->unit);

    BR_TRY(st,
           f->run != NULL ? br_stage_policy(f->job, batch) : f->take(f->context, f->job, batch));
    stop_stage(f, &at);
    if (f->run == NULL)
        return BR_OK;
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_DECIDED, NULL));
    at = start_stage(BR_STAGE_DETECT, track, batch->unit);
    BR_TRY(st, br_detect_unit(f->job->detect, batch, writer));
    stop_stage(f, &at);
    at = start_stage(BR_STAGE_WRITE, track, batch->unit);
    BR_TRY(st, br_stage_write(f->job, batch, f->run));
    stop_stage(f, &at);
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

/* The i-th unit is written; slots are free again up to the first that is not. */
static void finish_unit(flow *f, int64_t i, int64_t n_rows)
{
    (void)pthread_mutex_lock(&f->lock);
    f->n_rows += n_rows;
    f->is_written[i % f->n_slots] = true;
    for (; f->is_written[f->n_written % f->n_slots]; f->n_written++)
        f->is_written[f->n_written % f->n_slots] = false;
    if (f->own->n_written <= i)
        f->own->n_written = i + 1;
    (void)pthread_cond_broadcast(&f->moved);
    (void)pthread_mutex_unlock(&f->lock);
}

static int64_t take_next(flow *f)
{
    int64_t i;

    (void)pthread_mutex_lock(&f->lock);
    i = f->n_taken++;
    (void)pthread_mutex_unlock(&f->lock);
    return i;
}

typedef struct writer {
    flow     *f;
    int32_t   number;
    pthread_t thread;
} writer;

static void *writing_thread(void *context)
{
    const writer *w = context;
    flow         *f = w->f;

    for (int64_t i = take_next(f); wait_for(f, &f->n_computed, i); i = take_next(f)) {
        br_batch *batch    = &f->slot[i % f->n_slots];
        bool      is_first = f->job->setup->shard == 0;
        int64_t   n_rows   = is_first ? batch->n_rows : 0;

        if (is_first && decide_and_write(f, batch, w->number) != BR_OK) {
            fail_flow(f, batch->unit);
            break;
        }
        report(f, n_rows);
        br_watch_tick();
        finish_unit(f, i, n_rows);
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
    br_batch *batch = &f->slot[i % f->n_slots];

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
        br_shards_go_on(f->job->shards, is_there ? f->slot[i % f->n_slots].unit : -1, false);
    if (is_there && !all_there)
        stop_flow(f);
    return all_there;
}

static void compute_units(flow *f)
{
    bool is_whole = true;

    for (int64_t i = 0; is_ready(f, i); i++) {
        br_batch *batch = &f->slot[i % f->n_slots];

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
    pthread_t reader;
    writer    writers[BR_MOST_WRITERS];
    int32_t   n = 0;

    if (pthread_create(&reader, NULL, reading_thread, f) != 0)
        return br_fail(BR_E_MEMORY, "cannot start the reading thread");
    for (; n < f->n_writers; n++) {
        writers[n] = (writer){.f = f, .number = n};
        if (pthread_create(&writers[n].thread, NULL, writing_thread, &writers[n]) != 0)
            break;
    }
    if (n < f->n_writers) {
        (void)br_fail(BR_E_MEMORY, "cannot start a writing thread");
        fail_flow(f, -1);
    } else {
        compute_units(f);
    }
    for (int32_t i = 0; i < n; i++)
        (void)pthread_join(writers[i].thread, NULL);
    (void)pthread_join(reader, NULL);
    if (f->has_failed)
        return br_error_put(&f->error);
    return BR_OK;
}

br_status br_flow_run(const br_flow_args *args, br_batch slot[BR_FLOW_MOST_SLOTS])
{
    br_status st = BR_OK, closed;
    flow      f  = {.job           = args->job,
                    .run           = args->run,
                    .take          = args->take,
                    .context       = args->context,
                    .todo          = args->todo,
                    .own           = args->own,
                    .n_writers     = args->n_writers,
                    .n_slots       = br_flow_slots(args->n_writers),
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
