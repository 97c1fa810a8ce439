/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of the stages, their overlap and their clocks: one thread reads unit i+1, the calling
 * thread computes unit i over the lanes, one thread decides and writes unit i-1. Units keep their
 * order. */
#include "host/pipeline/job.h"

#include <pthread.h>
#include <signal.h>

#include "host/base/clock.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/pipeline/detect/detect.h"
#include "host/pipeline/stages.h"

#define N_SLOTS 3

/* Units pass the three workers in order; unit i lives in slot i % N_SLOTS. */
typedef struct flow {
    br_job         *job;
    br_run         *run; /* NULL: units are given to `take` */
    br_unit_fn      take;
    void           *context;
    int64_t        *todo; /* units that the run lacks, or all */
    int64_t         n_todo;
    br_batch        slot[N_SLOTS];
    pthread_mutex_t lock;
    pthread_cond_t  moved;
    int64_t         n_read;
    int64_t         n_computed;
    int64_t         n_written;
    int64_t         n_sound; /* computed before a look that found nothing */
    bool            has_failed;
    br_error        error;
} flow;

static volatile sig_atomic_t is_interrupted;

void br_job_interrupt(void)
{
    is_interrupted = 1;
}

br_status br_job_check_interrupt(const char *what)
{
    if (!is_interrupted)
        return BR_OK;
    if (what == NULL)
        return br_fail(BR_E_INTERRUPTED, "interrupted: run the same command again");
    return br_fail(BR_E_INTERRUPTED, "interrupted: %s was not written; run the same command again",
                   what);
}

/* Waits until *ahead is more than `behind`, or somebody failed: then false. */
static bool wait_for(flow *f, const int64_t *ahead, int64_t behind)
{
    bool can_go;

    (void)pthread_mutex_lock(&f->lock);
    while (!f->has_failed && *ahead <= behind)
        (void)pthread_cond_wait(&f->moved, &f->lock);
    can_go = !f->has_failed;
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

/* Keeps the first failure and lets everybody stop. */
static void fail_flow(flow *f)
{
    (void)pthread_mutex_lock(&f->lock);
    if (!f->has_failed)
        br_error_take(&f->error);
    f->has_failed = true;
    (void)pthread_cond_broadcast(&f->moved);
    (void)pthread_mutex_unlock(&f->lock);
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

    if (is_interrupted && f->run == NULL)
        return br_job_check_interrupt(NULL);
    if (is_interrupted)
        return br_fail(BR_E_INTERRUPTED, "interrupted: finished units are kept; run the same "
                                         "command again to go on");
    start_clock(clock);
    st = br_stage_read(f->job, batch);
    stop_clock(clock);
    return st;
}

static void *reading_thread(void *context)
{
    flow *f = context;

    for (int64_t i = 0; i < f->n_todo; i++) {
        br_batch *batch = &f->slot[i % N_SLOTS];

        if (!wait_for(f, &f->n_written, i - N_SLOTS))
            break;
        br_batch_take_unit(batch, f->job->setup, f->todo[i]);
        if (read_unit(f, batch) != BR_OK) {
            fail_flow(f);
            break;
        }
        advance(f, &f->n_read);
    }
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
    start_clock(&stage[BR_STAGE_DETECT]);
    BR_TRY(st, br_detect_unit(f->job->detect, batch));
    stop_clock(&stage[BR_STAGE_DETECT]);
    start_clock(&stage[BR_STAGE_WRITE]);
    BR_TRY(st, br_stage_write(f->job, batch, f->run));
    stop_clock(&stage[BR_STAGE_WRITE]);
done:
    return st;
}

static void *writing_thread(void *context)
{
    flow *f = context;

    for (int64_t i = 0; i < f->n_todo; i++) {
        br_batch *batch = &f->slot[i % N_SLOTS];

        if (!wait_for(f, &f->n_computed, i))
            break;
        if (decide_and_write(f, batch) != BR_OK) {
            fail_flow(f);
            break;
        }
        br_timing_progress(&f->job->timing, batch->n_rows);
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

static br_status compute_unit(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, timed(job, BR_STAGE_ENCODE, br_stage_encode, batch));
    BR_TRY(st, timed(job, BR_STAGE_FUSE, br_stage_fuse, batch));
    BR_TRY(st, br_detect_flip(job, "x as made", br_mat_rows(batch->x_BD, 0, batch->n_rows)));
    BR_TRY(st, br_detect_note_vectors(job->detect, batch));
    BR_TRY(st, br_detect_flip(job, "x", br_mat_rows(batch->x_BD, 0, batch->n_rows)));
    st = br_detect_blame_vectors(job->detect, batch,
                                 timed(job, BR_STAGE_SCORE, br_stage_score, batch));
    if (st != BR_OK)
        goto done;
    BR_TRY(st, br_detect_flip(job, "item", br_mat_rows(batch->item_BK, 0, batch->n_rows)));
    BR_TRY(st, br_detect_flip(job, "score", br_mat_rows(batch->score_BK, 0, batch->n_rows)));
    if (batch->n_slow > 0)
        br_log(BR_LOG_DEBUG, "score", "unit %lld: %lld customers redone on the slow path",
               (long long)batch->unit, (long long)batch->n_slow);
done:
    return st;
}

/* Now and then, whether the device still does what it did. */
static br_status look(flow *f, int64_t i)
{
    br_status st = BR_OK;

    if (f->run == NULL || !br_detect_is_due(f->job->detect, i))
        return BR_OK;
    BR_TRY(st, br_detect_look(f->job->detect));
    f->n_sound = i;
done:
    return st;
}

static void compute_units(flow *f)
{
    for (int64_t i = 0; i < f->n_todo; i++) {
        if (!wait_for(f, &f->n_read, i))
            break;
        if (look(f, i) != BR_OK || compute_unit(f->job, &f->slot[i % N_SLOTS]) != BR_OK) {
            fail_flow(f);
            break;
        }
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
        fail_flow(f);
    } else {
        compute_units(f);
        (void)pthread_join(writer, NULL);
    }
    (void)pthread_join(reader, NULL);
    if (f->has_failed)
        return br_error_put(&f->error);
    return BR_OK;
}

/* Parts finished by an earlier, interrupted command count like our own. */
static br_status count_finished(br_job *job, br_run *run)
{
    br_status st    = BR_OK;
    br_lists  lists = {0};

    for (int64_t u = 0; u < job->setup->n_units; u++) {
        if (!br_run_unit_is_done(run, u))
            continue;
        BR_TRY(st, br_run_read_unit(run, u, &lists));
        BR_TRY(st, br_stats_add(&job->stats, &lists));
        br_lists_free(&lists);
    }
done:
    br_lists_free(&lists);
    return st;
}

static void list_todo(flow *f, int64_t *n_customers)
{
    const br_setup *s = f->job->setup;

    for (int64_t u = 0; u < s->n_units; u++) {
        if (f->run != NULL && br_run_unit_is_done(f->run, u))
            continue;
        f->todo[f->n_todo++] = u;
        *n_customers += s->unit_rows[u].n;
    }
}

/* What was published since the last look that found nothing may be wrong too. */
static void withdraw(flow *f)
{
    br_error error;

    br_error_take(&error);
    for (int64_t i = f->n_sound; i < f->n_written; i++)
        if (br_run_withdraw_unit(f->run, f->todo[i]) != BR_OK)
            br_log(BR_LOG_ERROR, "detect", "%s", br_error_last()->text);
    if (f->n_written > f->n_sound)
        br_log(BR_LOG_WARN, "detect", "%lld parts that this command wrote were removed again",
               (long long)(f->n_written - f->n_sound));
    (void)br_error_put(&error);
}

/* The last look, and what all of them saw, into the audit log. */
static br_status end_detection(flow *f)
{
    br_status st   = BR_OK;
    br_strbuf json = {0};

    if (f->job->detect == NULL)
        return BR_OK;
    BR_TRY(st, br_detect_look(f->job->detect));
    f->n_sound = f->n_todo;
    BR_TRY(st, br_detect_report(f->job->detect, &json));
    BR_TRY(st, br_run_audit(f->run, "detect", json.data));
done:
    br_strbuf_free(&json);
    return st;
}

/* The units that are left to do, all memory taken before the first. */
static br_status execute(flow *f)
{
    br_status st          = BR_OK;
    br_job   *job         = f->job;
    int64_t   n_customers = 0;

    BR_ALLOC(st, f->todo, job->setup->n_units, "units to do");
    list_todo(f, &n_customers);
    if (f->n_todo < job->setup->n_units)
        br_log(BR_LOG_INFO, "run", "%lld of %lld units are done already",
               (long long)(job->setup->n_units - f->n_todo), (long long)job->setup->n_units);
    for (int i = 0; i < N_SLOTS && i < f->n_todo; i++)
        BR_TRY(st, br_job_alloc_batch(job, &f->slot[i]));
    if (f->run != NULL && f->n_todo > 0)
        BR_TRY(st, br_detect_open(job, br_run_seed(f->run)));
    br_timing_start(&job->timing, n_customers);
    BR_TRY(st, run_threads(f));
    BR_TRY(st, end_detection(f));
    br_timing_report(&job->timing, br_dev_grain(job->dev).n_lanes > 0 ? 0 : job->n_lanes);
done:
    st = br_detect_blame(job->detect, st);
    if (st == BR_E_SELFCHECK && f->run != NULL)
        withdraw(f);
    br_detect_close(job);
    for (int i = 0; i < N_SLOTS; i++)
        br_batch_free(&f->slot[i]);
    br_free(&f->todo);
    return st;
}

br_status br_job_execute(br_job *job, br_run *run)
{
    br_status st = BR_OK;
    flow      f  = {.job   = job,
                    .run   = run,
                    .lock  = PTHREAD_MUTEX_INITIALIZER,
                    .moved = PTHREAD_COND_INITIALIZER};

    BR_TRY(st, count_finished(job, run));
    BR_TRY(st, execute(&f));
done:
    return st;
}

br_status br_job_pass(br_job *job, br_unit_fn take, void *context)
{
    flow f = {.job     = job,
              .take    = take,
              .context = context,
              .lock    = PTHREAD_MUTEX_INITIALIZER,
              .moved   = PTHREAD_COND_INITIALIZER};

    return execute(&f);
}
