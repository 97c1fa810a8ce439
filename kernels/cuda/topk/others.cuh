/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sums of a log-sum-exp (sums.cu, hopper/sums.cu) know of a row: they are of all items
 * but those in its list, relative to the list's first score. Both have a sum for each run of
 * panels. */
#ifndef BR_KERNELS_CUDA_TOPK_OTHERS_CUH
#define BR_KERNELS_CUDA_TOPK_OTHERS_CUH

#include "kernels/cuda/topk/bounds.cuh"
#include "kernels/cuda/topk/tile.cuh"

#define BR_RUN   128 /* panels */
#define BR_LOG2E 1.44269504088896340736

typedef struct br_other_row {
    int32_t  row;  /* of the chunk; -1: it has no sum */
    float    best; /* the largest eligible score */
    float    down; /* the list's last score, lowered: what is listed reaches it */
    float    norm; /* of the row, with its residual and the scale of its codes */
    float    residual;
    float    scale;
    uint64_t have;
} br_other_row;

/* Of a row that has a sum, or of one that has none: no row, no codes, all items listed. Then
 * nothing reaches `down`. */
static __device__ inline br_other_row br_other_row_of(const br_topk_chunk &c, int32_t row)
{
    br_other_row other = {-1, 0.0f, BR_NONE_PASSES, 0.0f, 0.0f, 0.0f, 0};

    if (row < 0 || !c.row_R[row].is_coded || c.rows->item_BK.row(row)[c.k - 1] < 0)
        return other;
    other.row      = row;
    other.best     = c.rows->score_BK.row(row)[0];
    other.down     = br_threshold_down(c.rows->score_BK.row(row)[c.k - 1]);
    other.norm     = c.row_R[row].norm;
    other.residual = c.row_R[row].residual;
    other.scale    = c.row_R[row].scale;
    other.have     = br_have(c.rows->rules, row);
    return other;
}

/* The block's tile of ROWS rows, x, and its run of panels, y. */
template <int ROWS> static __device__ br_stream br_run_of(const br_topk_chunk &c)
{
    br_stream s = {};

    s.items       = &c.items;
    s.code_RD     = c.code_RD;
    s.below_RD    = c.below_RD;
    s.first_row   = (int32_t)blockIdx.x * ROWS;
    s.n_rows      = c.n_rows;
    s.first_panel = (int32_t)blockIdx.y * BR_RUN;
    s.last_panel  = (int32_t)min((int64_t)s.first_panel + BR_RUN, c.items.n_panels);
    return s;
}

/* Is the item at a position among the row's k, if there is a row? Its score is within `slack` of
 * `approx`. */
static __device__ inline bool br_is_listed(const br_topk_chunk &c, int32_t row, int64_t position,
                                           float approx, float slack)
{
    const float   *score_K = c.rows->score_BK.row(row);
    const int32_t *item_K  = c.rows->item_BK.row(row);
    int32_t        item    = position < c.items.N ? c.items.row_N[position] : -1;
    int32_t        k = row < 0 ? 0 : c.k, lo = 0, hi = k;

    while (lo < hi) { /* the first score that is not above */
        int32_t mid = lo + (hi - lo) / 2;

        if (score_K[mid] > approx + slack)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < k && score_K[lo] >= approx - slack; lo++)
        if (item_K[lo] == item)
            return true;
    return false;
}

#endif
