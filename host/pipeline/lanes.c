/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes: threads with a core each, or streams of a GPU. Opened once per job; br_lane_run once per
 * chunk of customers. */
#include "host/pipeline/lanes.h"

#include "host/base/log.h"
#include "host/base/parallel.h"
#include "host/pipeline/choose/choose.h"
#include "host/pipeline/look/footprint.h"

/* What a core takes at a time: attention activations of 256 events stay in its caches; a recurrent
 * step wants many customers at once. A GPU takes more: br_dev_grain. */
#define CHUNK_ROWS             1024
#define ATTENTION_CHUNK_EVENTS 256
#define OTHER_CHUNK_EVENTS     16384
#define SCORE_ROWS             384 /* a whole block of score_topk on cpu */
#define LEAST_ROWS             64  /* a device that has no memory for these has too little */

static int64_t at_least(int64_t n, int64_t least)
{
    return n > least ? n : least;
}

br_status br_lanes_open_device(br_job *job)
{
    br_status        st     = BR_OK;
    const br_config *config = job->config;

    BR_TRY(st, br_dev_open(config->run_backend, 0, &job->dev));
    br_log(config->run_backend == BR_BACKEND_REF ? BR_LOG_DEBUG : BR_LOG_INFO, "run",
           "backend %s, encoders in %s", br_dev_description(job->dev),
           config->run_precision == BR_PRECISION_BF16 ? "bf16" : "fp32");
    job->n_lanes = br_dev_grain(job->dev).n_lanes;
    if (config->run_threads > 0)
        job->n_lanes = (int32_t)config->run_threads;
    else if (job->n_lanes == 0)
        job->n_lanes = br_n_cores();
    if (job->n_lanes > BR_MAX_LANES)
        job->n_lanes = BR_MAX_LANES;
done:
    return st;
}

/* ---- what a lane takes ---- */

static void plan_tasks(br_job *job)
{
    br_grain grain = br_dev_grain(job->dev);
    int64_t  share = (job->max_rows + job->n_lanes - 1) / job->n_lanes;

    job->chunk_rows = at_least(CHUNK_ROWS, grain.n_rows);
    job->score_rows = at_least(SCORE_ROWS, grain.n_rows);
    if (job->score_rows > share) /* units are small: all lanes have some */
        job->score_rows = at_least(share, LEAST_ROWS);
    if (job->chunk_rows > BR_MAX_CHUNK_ROWS)
        job->chunk_rows = BR_MAX_CHUNK_ROWS;
    for (int32_t m = 0; m < job->setup->n_encoders; m++) {
        const br_encoder_spec *e = &job->setup->spec->encoder[m];
        int64_t n = e->kind == BR_ENCODER_ATTENTION ? ATTENTION_CHUNK_EVENTS : OTHER_CHUNK_EVENTS;

        job->chunk_events[m] = at_least(at_least(n, grain.n_events), e->max_length);
    }
}

/* False: they are as small as they may be. */
static bool halve_tasks(br_job *job)
{
    if (job->chunk_rows <= LEAST_ROWS && job->score_rows <= LEAST_ROWS)
        return false;
    job->chunk_rows = at_least(job->chunk_rows / 2, LEAST_ROWS);
    job->score_rows = at_least(job->score_rows / 2, LEAST_ROWS);
    for (int32_t m = 0; m < job->setup->n_encoders; m++)
        job->chunk_events[m] =
            at_least(job->chunk_events[m] / 2, job->setup->spec->encoder[m].max_length);
    return true;
}

static int64_t upload_bytes(int64_t n_rows, int64_t n_events)
{
    return (n_rows + 1) * 4 + n_events * (4 + 8 + 1 + 4) + 8 * 64;
}

static size_t fusion_bytes(const br_job *job)
{
    const br_setup *s = job->setup;
    int64_t per_row   = 5 * s->n_encoders + 4 * s->spec->n_statics + 4 * s->spec->n_aggregates;

    return br_model_scratch_bytes(job->model, job->chunk_rows, 0) +
           (size_t)(job->chunk_rows * per_row) + 8 * 64;
}

static size_t score_bytes(const br_job *job)
{
    const br_setup *s     = job->setup;
    int64_t         n     = s->held.n;
    int32_t         m     = br_choose_most_candidates(job);
    int32_t         drawn = s->n_shards > 1 ? br_draw_width(job->config) : m;
    int32_t         Q     = s->objective.width;
    size_t          topk  = job->config->policy_type == BR_POLICY_GREEDY
                                ? br_score_topk_scratch_bytes(n, Q, m)
                                : br_draw_topk_scratch_bytes(n, Q, drawn, s->shape.shape.n_quotas);
    size_t          heads = (size_t)job->score_rows * (size_t)s->dim * 4 + 64;

    if (job->model != NULL)
        heads += br_model_scratch_bytes(job->model, job->score_rows, 0);
    return br_choose_scratch_bytes(job) + (heads > topk ? heads : topk);
}

/* Scratch that one lane needs for its largest task. */
static size_t lane_bytes(const br_job *job)
{
    const br_setup *s    = job->setup;
    size_t          most = score_bytes(job);

    for (int32_t m = 0; m < s->n_encoders; m++) {
        int64_t n_events = job->chunk_events[m];
        size_t  need     = br_model_scratch_bytes(job->model, job->chunk_rows, n_events) +
                      (size_t)upload_bytes(job->chunk_rows, n_events);

        most = need > most ? need : most;
    }
    if (job->model != NULL && fusion_bytes(job) > most)
        most = fusion_bytes(job);
    return most;
}

/* ---- opening ---- */

static void close_lanes(br_job *job)
{
    for (int i = 0; i < BR_MAX_LANES; i++)
        br_dev_close(&job->lane[i]);
}

static br_status try_lanes(br_job *job)
{
    br_status st = BR_OK;

    job->lane_bytes = lane_bytes(job);
    for (int32_t i = 0; i < job->n_lanes; i++)
        BR_TRY(st, br_dev_open_lane(job->dev, job->lane_bytes, &job->lane[i]));
done:
    if (st != BR_OK)
        close_lanes(job);
    return st;
}

/* Whether the batches, the lanes and what ops take beside them fit the device, by the model. */
static br_status is_room(br_job *job, bool *fits)
{
    br_status st    = BR_OK;
    size_t    room  = 0;
    double    lanes = (double)lane_bytes(job) + (double)br_dev_grain(job->dev).lane_bytes;

    BR_TRY(st, br_dev_room(job->dev, &room));
    *fits = lanes * job->n_lanes + br_footprint_of(job->setup).device < (double)room;
done:
    return st;
}

br_status br_lanes_open(br_job *job)
{
    br_status st = BR_OK;
    int64_t   wanted;
    bool      fits;

    plan_tasks(job);
    wanted = job->chunk_rows;
    do
        BR_TRY(st, is_room(job, &fits));
    while (!fits && halve_tasks(job));
    do /* the model may be wrong, and others may use the device */
        st = try_lanes(job);
    while (st == BR_E_MEMORY && halve_tasks(job));
    if (st == BR_OK && job->chunk_rows < wanted)
        br_log(
            BR_LOG_WARN, "run",
            "device memory is short: lanes take %lld customers at a time, not %lld; the lists are "
            "the same",
            (long long)job->chunk_rows, (long long)wanted);
done:
    return st;
}

void br_lanes_report(const br_job *job, int64_t n_units)
{
    br_launches all = {0};

    for (int32_t i = 0; i < job->n_lanes; i++) {
        br_launches l = br_dev_launches(job->lane[i]);

        all.n_single += l.n_single;
        all.n_recorded += l.n_recorded;
        all.n_replays += l.n_replays;
        all.n_replayed += l.n_replayed;
    }
    if (n_units > 0 && all.n_single > 0)
        br_log(BR_LOG_INFO, "run",
               "%.1f launches a unit: %.1f kernels one by one, %.1f replays of %lld recorded "
               "sequences (%.1f kernels)",
               (double)(all.n_single + all.n_replays) / (double)n_units,
               (double)all.n_single / (double)n_units, (double)all.n_replays / (double)n_units,
               (long long)all.n_recorded, (double)all.n_replayed / (double)n_units);
}

void br_lanes_close(br_job *job)
{
    close_lanes(job);
    br_dev_close(&job->dev);
}

int32_t br_writers_of(const br_config *config)
{
    int32_t n = br_n_cores() / 2;

    if (config->run_writers > 0)
        return (int32_t)config->run_writers;
    if (config->run_backend != BR_BACKEND_CUDA || n < 1)
        return 1;
    return n < BR_MOST_WRITERS ? n : BR_MOST_WRITERS;
}

/* ---- running ---- */

br_rows br_rows_of_task(int64_t n_rows, int64_t step, int64_t task)
{
    int64_t first = task * step;

    return (br_rows){first, n_rows - first < step ? n_rows - first : step};
}

br_status br_lane_run(br_dev *lane, br_rows rows, br_rows_fn fn, void *context)
{
    static bool was_said;
    size_t      mark = br_dev_mark(lane);
    br_status   st   = fn(context, lane, rows);
    br_rows     half = {rows.first, rows.n / 2};

    br_dev_rewind(lane, mark);
    if (st != BR_E_MEMORY || rows.n < 2)
        return st;
    if (!__atomic_exchange_n(&was_said, true, __ATOMIC_RELAXED))
        br_log(BR_LOG_WARN, "run",
               "%s: such tasks (here of %lld customers) are done by halves; the lists are the same",
               br_error_last()->text, (long long)rows.n);
    BR_TRY(st, br_dev_sync(lane)); /* what was under way uses the scratch */
    BR_TRY(st, br_lane_run(lane, half, fn, context));
    half = (br_rows){rows.first + half.n, rows.n - half.n};
    BR_TRY(st, br_lane_run(lane, half, fn, context));
done:
    return st;
}
