/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 3: x_u from the modalities, static attributes and aggregates (eq. 2-3), or ready-made
 * vectors as they are. Once per work unit. */
#include "host/base/parallel.h"
#include "host/pipeline/stages.h"
#include "host/pipeline/stats/flops.h"

#define FUSE_ROWS 1024

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

static br_status place_rows(br_dev *lane, host_rows h, int64_t row, int64_t n_rows, br_mat *out)
{
    br_status st   = BR_OK;
    size_t    skip = (size_t)(row * h.n_cols) * br_dtype_bytes(h.dtype);

    *out = (br_mat){0};
    if (h.from == NULL || h.n_cols == 0)
        return BR_OK;
    BR_TRY(st, br_dev_scratch(lane, h.dtype, n_rows, h.n_cols, out));
    BR_TRY(st, br_upload(lane, *out, (const char *)h.from + skip));
done:
    return st;
}

static br_mat rows_or_absent(br_mat mat, int64_t row, int64_t n_rows)
{
    return mat.buf == NULL ? mat : br_mat_rows(mat, row, n_rows);
}

static br_status fuse_rows(void *context, int lane_idx, int64_t task)
{
    br_status           st   = BR_OK;
    const fuse_context *c    = context;
    const br_setup     *s    = c->job->setup;
    br_dev             *lane = c->job->lane[lane_idx];
    const br_batch     *b    = c->batch;
    int64_t             row  = task * FUSE_ROWS;
    int64_t             n    = b->n_rows - row < FUSE_ROWS ? b->n_rows - row : FUSE_ROWS;
    size_t              mark = br_dev_mark(lane);
    br_fusion_args      args = {.state_BS = br_mat_rows(b->state_BS, row, n),
                                .out_BD   = br_mat_rows(b->x_BD, row, n),
                                .alpha_BM = rows_or_absent(b->alpha_BM, row, n),
                                .gate_BM  = rows_or_absent(b->gate_BM, row, n)};

    BR_TRY(st, place_rows(lane, (host_rows){BR_U8, b->present_BM, s->n_encoders}, row, n,
                          &args.present_BM));
    BR_TRY(st, place_rows(lane, (host_rows){BR_F32, b->confidence_BM, s->n_encoders}, row, n,
                          &args.confidence_BM));
    BR_TRY(st, place_rows(lane, (host_rows){BR_I32, b->static_BC, s->spec->n_statics}, row, n,
                          &args.static_BC));
    BR_TRY(st, place_rows(lane, (host_rows){BR_F32, b->aggregate_BA, s->spec->n_aggregates}, row, n,
                          &args.aggregate_BA));
    BR_TRY(st, br_model_fuse(c->job->model, lane, &args));
    BR_TRY(st, br_dev_sync(lane));
done:
    br_dev_rewind(lane, mark);
    return st;
}

br_status br_stage_fuse(br_job *job, br_batch *batch, double *cpu_s)
{
    br_status    st      = BR_OK;
    fuse_context context = {job, batch};

    if (job->setup->n_encoders == 0) {
        BR_TRY(st,
               br_upload(job->dev, br_mat_rows(batch->x_BD, 0, batch->n_rows), batch->vector_BD));
        goto done;
    }
    BR_TRY(st, br_parallel_for(job->n_lanes, (batch->n_rows + FUSE_ROWS - 1) / FUSE_ROWS, fuse_rows,
                               &context, cpu_s));
    job->timing.stage[BR_STAGE_FUSE].flop += br_flops_fuse(job->setup->spec, batch->n_rows);
done:
    return st;
}
