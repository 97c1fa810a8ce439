/* SPDX-License-Identifier: Apache-2.0
 *
 * embed: a warp per event adds the rows of its tables in ref's order, so the bits are ref's.
 * Called once per chunk and encoder. */
#include "kernels/cuda/encoder/units.cuh"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/warp.cuh"

typedef struct embed_params {
    int64_t              n_seqs;
    int64_t              n_events;
    int64_t              width;
    const int32_t       *offset_B1;
    const int32_t       *item_E;
    const int64_t       *time_E;
    const uint8_t       *type_E;
    br_view<const float> item_VD;
    br_view<const float> position_PD;
    br_view<const float> gap_GD;
    br_view<const float> type_AD;
    br_view<const float> constant_1D;
    int64_t              n_items;
    int64_t              n_gaps;
    int64_t              n_types;
    float                scale;
    br_position_rule     position_rule;
    int32_t              max_length;
    br_view<float>       out_ED;
    br_cuda_faults      *faults;
} embed_params;

static __device__ int64_t position_row(const embed_params &p, int64_t n, int64_t t)
{
    if (p.position_rule == BR_POS_FROM_START)
        return t;
    return p.max_length - n + t + (p.position_rule == BR_POS_FROM_END_1 ? 1 : 0);
}

/* min(G-1, floor(log2(1 + gap))) */
static __device__ int64_t gap_row(const embed_params &p, int64_t first, int64_t e)
{
    int64_t gap = e == first ? 0 : p.time_E[e] - p.time_E[e - 1];
    int64_t row = gap > 0 ? 63 - __clzll(gap + 1) : 0;

    return row < p.n_gaps ? row : p.n_gaps - 1;
}

static __device__ const float *row_of(br_view<const float> table, int64_t row)
{
    return table.at == NULL ? NULL : table.row(row);
}

static __device__ float at(const float *row_D, int64_t d)
{
    return row_D == NULL ? 0.0f : row_D[d];
}

/* Grid: n_events warps; a lane owns columns lane, lane + 32, ... */
static __global__ void __launch_bounds__(BR_ROW_THREADS) embed_kernel(embed_params p)
{
    int64_t e = br_row();
    int64_t b, first, n, item, type = 0;

    if (e >= p.n_events)
        return;
    b     = br_sequence_of(p.offset_B1, p.n_seqs, e);
    first = p.offset_B1[b];
    n     = p.offset_B1[b + 1] - first;
    item  = br_checked_row(p.faults, BR_FAULT_EMBED_ITEM, e, p.item_E[e], p.n_items);
    if (p.type_AD.at != NULL && p.type_E != NULL)
        type = br_checked_row(p.faults, BR_FAULT_EMBED_TYPE, e, p.type_E[e], p.n_types);
    {
        const float *item_D     = p.item_VD.row(item);
        const float *position_D = row_of(p.position_PD, position_row(p, n, e - first));
        const float *gap_D      = p.gap_GD.at == NULL ? NULL : p.gap_GD.row(gap_row(p, first, e));
        const float *type_D     = row_of(p.type_AD, type);
        const float *constant_D = p.constant_1D.at;
        float       *out_D      = p.out_ED.row(e);

        for (int64_t d = br_lane(); d < p.width; d += BR_WARP) {
            float sum = p.scale * item_D[d];

            sum += at(position_D, d);
            sum += at(gap_D, d);
            sum += at(type_D, d);
            sum += at(constant_D, d);
            out_D[d] = sum;
        }
    }
}

br_status br_cuda_embed(br_dev *dev, const br_embed_args *args)
{
    br_status      st   = BR_OK;
    const br_seqs *seqs = args->seqs;
    embed_params   p    = {};

    p.n_seqs        = seqs->n_seqs;
    p.n_events      = seqs->n_events;
    p.width         = args->out_ED.n_cols;
    p.offset_B1     = br_mat_i32(seqs->offset_B1);
    p.item_E        = br_mat_i32(seqs->item_E);
    p.time_E        = static_cast<const int64_t *>(br_mat_at(seqs->time_E));
    p.type_E        = static_cast<const uint8_t *>(br_mat_at(seqs->type_E));
    p.item_VD       = br_view_of<const float>(args->item_VD);
    p.position_PD   = br_view_of<const float>(args->position_PD);
    p.gap_GD        = br_view_of<const float>(args->gap_GD);
    p.type_AD       = br_view_of<const float>(args->type_AD);
    p.constant_1D   = br_view_of<const float>(args->constant_1D);
    p.n_items       = args->item_VD.n_rows;
    p.n_gaps        = args->gap_GD.n_rows;
    p.n_types       = args->type_AD.n_rows;
    p.scale         = args->scale;
    p.position_rule = args->position_rule;
    p.max_length    = args->max_length;
    p.out_ED        = br_view_of<float>(args->out_ED);
    p.faults        = br_faults_of(dev);
    BR_TRY(st, BR_LAUNCH(dev, embed_kernel, br_row_blocks(p.n_events), BR_ROW_THREADS, 0, p));
done:
    return st;
}
