/* SPDX-License-Identifier: Apache-2.0
 *
 * decay_pool: a warp per sequence, half-life and 128 columns; sums grow in registers, fp32, in
 * time order and unfused, so the bits are ref's. Lanes share the decay factors: each computes one
 * of the next 32. Called once per chunk. */
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/warp.cuh"
#include "kernels/exp.h"

#define EMPTY_GUARD 1e-6f
#define PER_LANE    4
#define COLUMNS     (PER_LANE * BR_WARP)

typedef struct pool_params {
    int64_t              n_seqs;
    int64_t              width;
    int64_t              n_items;
    const int32_t       *offset_B1;
    const int32_t       *item_E;
    const int64_t       *time_E;
    const float         *weight_E;
    br_view<const float> item_VD;
    double               half_life_s[BR_MAX_HALF_LIVES];
    br_view<float>       out_BJ;
    br_cuda_faults      *faults;
} pool_params;

typedef struct event {
    int   item;
    float decay;
    float weight;
} event;

static __device__ event event_at(const pool_params &p, int64_t first, int64_t e)
{
    double gap = e == first ? 0.0 : (double)(p.time_E[e] - p.time_E[e - 1]);
    event  v;

    v.item   = (int)br_checked_row(p.faults, BR_FAULT_DECAY_ITEM, e, p.item_E[e], p.n_items);
    v.decay  = (float)br_exp2(-gap / p.half_life_s[blockIdx.y]);
    v.weight = p.weight_E == NULL ? 1.0f : p.weight_E[e];
    return v;
}

/* Grid: (n_seqs warps, half-lives, 128 columns each); a lane owns columns lane + 32 i. */
static __global__ void __launch_bounds__(BR_ROW_THREADS) pool_kernel(pool_params p)
{
    int64_t b             = br_row();
    int64_t d0            = (int64_t)blockIdx.z * COLUMNS + br_lane();
    float   sum[PER_LANE] = {};
    float   weights       = 0.0f;
    event   mine          = {};

    if (b >= p.n_seqs)
        return;
    for (int64_t first = p.offset_B1[b], end = p.offset_B1[b + 1], e = first; e < end; e++) {
        int   from = (int)((e - first) % BR_WARP);
        event v;

        if (from == 0 && e + br_lane() < end)
            mine = event_at(p, first, e + br_lane());
        v.item   = __shfl_sync(BR_FULL_WARP, mine.item, from);
        v.decay  = __shfl_sync(BR_FULL_WARP, mine.decay, from);
        v.weight = __shfl_sync(BR_FULL_WARP, mine.weight, from);
        for (int i = 0; i < PER_LANE; i++)
            if (d0 + i * BR_WARP < p.width)
                sum[i] = sum[i] * v.decay + v.weight * p.item_VD.row(v.item)[d0 + i * BR_WARP];
        weights = weights * v.decay + v.weight;
    }
    for (int i = 0; i < PER_LANE; i++)
        if (d0 + i * BR_WARP < p.width)
            p.out_BJ.row(b)[blockIdx.y * p.width + d0 + i * BR_WARP] =
                sum[i] / (weights + EMPTY_GUARD);
}

br_status br_cuda_decay_pool(br_dev *dev, const br_decay_pool_args *args)
{
    br_status      st   = BR_OK;
    const br_seqs *seqs = args->seqs;
    pool_params    p    = {};
    dim3           grid;

    p.n_seqs    = seqs->n_seqs;
    p.width     = args->item_VD.n_cols;
    p.n_items   = args->item_VD.n_rows;
    p.offset_B1 = br_mat_i32(seqs->offset_B1);
    p.item_E    = br_mat_i32(seqs->item_E);
    p.time_E    = static_cast<const int64_t *>(br_mat_at(seqs->time_E));
    p.weight_E  = br_mat_f32(seqs->weight_E);
    p.item_VD   = br_view_of<const float>(args->item_VD);
    p.out_BJ    = br_view_of<float>(args->out_BJ);
    p.faults    = br_faults_of(dev);
    for (int32_t i = 0; i < args->n_half_lives; i++)
        p.half_life_s[i] = args->half_life_s[i];
    grid = dim3(br_row_blocks(p.n_seqs), (unsigned)args->n_half_lives,
                br_cuda_blocks(p.width, COLUMNS));
    BR_TRY(st, BR_LAUNCH(dev, pool_kernel, grid, BR_ROW_THREADS, 0, p));
done:
    return st;
}
