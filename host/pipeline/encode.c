/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 2: s_u of every modality (eq. 1), chunk by chunk over the lanes, of the customers that this
 * rank encodes. Once per work unit. */
#include "host/base/parallel.h"
#include "host/pipeline/lanes.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/stages.h"
#include "host/pipeline/stats/flops.h"

typedef struct encode_context {
    br_job   *job;
    br_batch *batch;
    int32_t   modality;
    br_mat    state_BS; /* this modality's columns */
} encode_context;

/* Copies a host array into the lane's scratch. */
static br_status place(br_dev *lane, br_dtype dtype, int64_t n, const void *from, br_mat *out)
{
    br_status st = BR_OK;

    BR_TRY(st, br_dev_scratch(lane, dtype, n, 1, out));
    BR_TRY(st, br_upload(lane, *out, from));
done:
    return st;
}

static br_status place_sequences(br_dev *lane, const br_packed *p, br_rows rows, int32_t *offset_B1,
                                 br_seqs *out)
{
    br_status st    = BR_OK;
    int64_t   first = p->offset_B1[rows.first];

    for (int64_t b = 0; b <= rows.n; b++)
        offset_B1[b] = (int32_t)(p->offset_B1[rows.first + b] - first);
    *out = (br_seqs){.n_seqs = rows.n, .n_events = offset_B1[rows.n], .host_offset_B1 = offset_B1};
    BR_TRY(st, place(lane, BR_I32, rows.n + 1, offset_B1, &out->offset_B1));
    BR_TRY(st, place(lane, BR_I32, out->n_events, p->item_E + first, &out->item_E));
    BR_TRY(st, place(lane, BR_I64, out->n_events, p->time_E + first, &out->time_E));
    if (p->type_E != NULL)
        BR_TRY(st, place(lane, BR_U8, out->n_events, p->type_E + first, &out->type_E));
    if (p->weight_E != NULL)
        BR_TRY(st, place(lane, BR_F32, out->n_events, p->weight_E + first, &out->weight_E));
done:
    return st;
}

static br_status encode_rows(void *context, br_dev *lane, br_rows rows)
{
    br_status             st = BR_OK;
    const encode_context *c  = context;
    int32_t               offset_B1[BR_MAX_CHUNK_ROWS + 1];
    br_seqs               seqs;

    BR_TRY(st, place_sequences(lane, &c->batch->packed[c->modality], rows, offset_B1, &seqs));
    BR_TRY(st, br_model_encode(c->job->model, lane, c->modality, &seqs,
                               br_mat_rows(c->state_BS, rows.first, rows.n)));
    BR_TRY(st, br_dev_sync(lane)); /* the offsets go away */
done:
    return st;
}

static br_status encode_chunk(void *context, int lane, int64_t chunk)
{
    const encode_context *c     = context;
    const int64_t        *row_C = c->batch->packed[c->modality].chunk_row;
    br_rows               rows  = {row_C[chunk], row_C[chunk + 1] - row_C[chunk]};

    return br_lane_run(c->job->lane[lane], rows, encode_rows, context);
}

br_status br_stage_encode(br_job *job, br_batch *batch, double *cpu_s)
{
    br_status st  = BR_OK;
    br_rows   own = br_shards_own_rows(job->setup, batch->n_rows);
    int64_t   col = 0;

    if (batch->vector_BD != NULL)
        return BR_OK; /* x_u is there */
    for (int32_t m = 0; m < job->setup->n_encoders; m++) {
        const br_encoder_spec *encoder = &job->setup->spec->encoder[m];
        encode_context         context = {job, batch, m,
                                          br_mat_cols(batch->state_BS, col, encoder->out_dim)};

        BR_TRY(st, br_parallel_for(job->n_lanes, batch->packed[m].n_chunks, encode_chunk, &context,
                                   cpu_s));
        job->timing.stage[BR_STAGE_ENCODE].flop +=
            br_flops_encode(encoder, own.n, batch->packed[m].offset_B1 + own.first);
        col += encoder->out_dim;
    }
done:
    return st;
}
