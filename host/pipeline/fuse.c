/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 3: x_u from the modalities, static attributes and aggregates (eq. 2-3), or vectors that are
 * there already, as they are; of the customers that this rank encodes. Once per work unit. */
#include "host/base/parallel.h"
#include "host/pipeline/lanes.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/stages.h"
#include "host/pipeline/stats/flops.h"

typedef struct fuse_context {
    br_job   *job;
    br_batch *batch;
} fuse_context;

/* A dense host array of n_cols columns, rows [row, row + n_rows), into the lane's scratch. */
typedef struct host_rows {
    br_dtype    dtype;
    const void *from; /* NULL: absent */
    int64_t     n_cols;
} host_rows;

static br_status place_rows(br_dev *lane, host_rows h, br_rows rows, br_mat *out)
{
    br_status st   = BR_OK;
    size_t    skip = (size_t)(rows.first * h.n_cols) * br_dtype_bytes(h.dtype);

    *out = (br_mat){0};
    if (h.from == NULL || h.n_cols == 0)
        return BR_OK;
    BR_TRY(st, br_dev_scratch(lane, h.dtype, rows.n, h.n_cols, out));
    BR_TRY(st, br_upload(lane, *out, (const char *)h.from + skip));
done:
    return st;
}

static br_mat rows_or_absent(br_mat mat, br_rows rows)
{
    return mat.buf == NULL ? mat : br_mat_rows(mat, rows.first, rows.n);
}

static br_status fuse_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status           st   = BR_OK;
    const fuse_context *c    = context;
    const br_setup     *s    = c->job->setup;
    const br_batch     *b    = c->batch;
    br_fusion_args      args = {.state_BS = br_mat_rows(b->state_BS, rows.first, rows.n),
                                .out_BD   = br_mat_rows(b->x_BD, rows.first, rows.n),
                                .alpha_BM = rows_or_absent(b->alpha_BM, rows),
                                .gate_BM  = rows_or_absent(b->gate_BM, rows)};

    BR_TRY(st, place_rows(lane, (host_rows){BR_U8, b->present_BM, s->n_encoders}, rows,
                          &args.present_BM));
    BR_TRY(st, place_rows(lane, (host_rows){BR_F32, b->confidence_BM, s->n_encoders}, rows,
                          &args.confidence_BM));
    BR_TRY(st, place_rows(lane, (host_rows){BR_I32, b->static_BC, s->spec->n_statics}, rows,
                          &args.static_BC));
    BR_TRY(st, place_rows(lane, (host_rows){BR_F32, b->aggregate_BA, s->spec->n_aggregates}, rows,
                          &args.aggregate_BA));
    BR_TRY(st, br_model_fuse(c->job->model, lane, &args));
    BR_TRY(st, br_dev_sync(lane));
done:
    return st;
}

static br_status fuse_task(void *context, int lane, int64_t task)
{
    const fuse_context *c    = context;
    br_rows             own  = br_shards_own_rows(c->job->setup, c->batch->n_rows);
    br_rows             rows = br_rows_of_task(own.n, c->job->chunk_rows, task);

    rows.first += own.first;
    return br_lane_run(c->job->lane[lane], rows, fuse_rows, context);
}

br_status br_stage_fuse(br_job *job, br_batch *batch, double *cpu_s)
{
    br_status    st      = BR_OK;
    fuse_context context = {job, batch};
    br_rows      own     = br_shards_own_rows(job->setup, batch->n_rows);

    if (job->setup->n_encoders == 0 || batch->vector_BD != NULL) {
        BR_TRY(st,
               br_upload(job->dev, br_mat_rows(batch->x_BD, 0, batch->n_rows), batch->vector_BD));
        BR_TRY(st, br_dev_sync(job->dev)); /* the lanes read it */
        goto done;
    }
    BR_TRY(st, br_parallel_for(job->n_lanes, (own.n + job->chunk_rows - 1) / job->chunk_rows,
                               fuse_task, &context, cpu_s));
    job->timing.stage[BR_STAGE_FUSE].flop += br_flops_fuse(job->setup->spec, own.n);
done:
    return st;
}
