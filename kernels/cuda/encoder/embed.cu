/* SPDX-License-Identifier: Apache-2.0
 *
 * embed: a warp per event adds the rows of its tables in ref's order, so the bits are ref's, and
 * norms the sum where asked to: in registers up to 512 columns, in the output row beyond. Called
 * once per chunk and encoder. */
#include "kernels/cuda/encoder/norm.cuh"
#include "kernels/cuda/encoder/units.cuh"
#include "kernels/cuda/fault.cuh"

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
    br_norm_of           norm;
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

/* The rows whose sum is an event's. */
typedef struct event_rows {
    const float *item_D;
    const float *position_D;
    const float *gap_D;
    const float *type_D;
    const float *constant_D;
} event_rows;

static __device__ event_rows rows_of(const embed_params &p, int64_t e)
{
    int64_t    b     = br_sequence_of(p.offset_B1, p.n_seqs, e);
    int64_t    first = p.offset_B1[b];
    int64_t    n     = p.offset_B1[b + 1] - first;
    int64_t    item  = br_checked_row(p.faults, BR_FAULT_EMBED_ITEM, e, p.item_E[e], p.n_items);
    int64_t    type  = 0;
    event_rows rows;

    if (p.type_AD.at != NULL && p.type_E != NULL)
        type = br_checked_row(p.faults, BR_FAULT_EMBED_TYPE, e, p.type_E[e], p.n_types);
    rows.item_D     = p.item_VD.row(item);
    rows.position_D = row_of(p.position_PD, position_row(p, n, e - first));
    rows.gap_D      = p.gap_GD.at == NULL ? NULL : p.gap_GD.row(gap_row(p, first, e));
    rows.type_D     = row_of(p.type_AD, type);
    rows.constant_D = p.constant_1D.at;
    return rows;
}

static __device__ __forceinline__ float sum_at(const event_rows &rows, float scale, int64_t d)
{
    float sum = scale * rows.item_D[d];

    sum += at(rows.position_D, d);
    sum += at(rows.gap_D, d);
    sum += at(rows.type_D, d);
    sum += at(rows.constant_D, d);
    return sum;
}

/* Grid: n_events warps; a lane owns columns lane, lane + 32, ... */
static __global__ void __launch_bounds__(BR_ROW_THREADS) embed_kernel(embed_params p)
{
    int64_t e = br_row();

    if (e >= p.n_events)
        return;
    {
        event_rows rows  = rows_of(p, e);
        float     *out_D = p.out_ED.row(e);

        for (int64_t d = br_lane(); d < p.width; d += BR_WARP)
            out_D[d] = sum_at(rows, p.scale, d);
    }
}

/* The same, normed; N * 32 >= width, or N = 0 (norm.cuh). */
template <int N>
static __global__ void __launch_bounds__(BR_ROW_THREADS) embed_norm_kernel(embed_params p)
{
    int64_t    e   = br_row();
    int        n   = br_kept_n<N>(p.width);
    double     sum = 0.0;
    br_kept<N> kept;

    if (e >= p.n_events)
        return;
    {
        event_rows rows  = rows_of(p, e);
        float     *out_D = p.out_ED.row(e);

#pragma unroll
        for (int i = 0; i < n; i++) {
            int64_t d = br_lane() + i * BR_WARP;

            if (d < p.width) {
                kept.at(i, out_D) = sum_at(rows, p.scale, d);
                sum += kept.at(i, out_D);
            }
        }
        br_norm_kept(kept, sum, p.norm, out_D);
    }
}

static br_status launch(br_dev *dev, const embed_params &p)
{
    unsigned blocks = br_row_blocks(p.n_events);

    if (p.norm.gamma_D == NULL)
        return BR_LAUNCH(dev, embed_kernel, blocks, BR_ROW_THREADS, 0, p);
    if (p.width <= 4 * BR_WARP)
        return BR_LAUNCH(dev, embed_norm_kernel<4>, blocks, BR_ROW_THREADS, 0, p);
    if (p.width <= 16 * BR_WARP)
        return BR_LAUNCH(dev, embed_norm_kernel<16>, blocks, BR_ROW_THREADS, 0, p);
    return BR_LAUNCH(dev, embed_norm_kernel<0>, blocks, BR_ROW_THREADS, 0, p);
}

br_status br_cuda_embed(br_dev *dev, const br_embed_args *args)
{
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
    p.norm          = {p.width, br_mat_f32(args->gamma_1D), br_mat_f32(args->beta_1D), args->eps};
    p.out_ED        = br_view_of<float>(args->out_ED);
    p.faults        = br_faults_of(dev);
    return launch(dev, p);
}
