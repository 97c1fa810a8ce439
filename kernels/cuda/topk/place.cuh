/* SPDX-License-Identifier: Apache-2.0
 *
 * What the screens (screen.cu, hopper/screen.cu) share beside their products: the rows and panels
 * of a block, what it knows of its rows, and how a candidate is pushed. */
#ifndef BR_KERNELS_CUDA_TOPK_PLACE_CUH
#define BR_KERNELS_CUDA_TOPK_PLACE_CUH

#include "kernels/cuda/topk/bounds.cuh"
#include "kernels/cuda/topk/tile.cuh"

#define BR_SCREEN_WAVES 4 /* blocks per SM that the catalogue is split for; not measured yet */

/* What the block's rows need at every panel; index: place in the tile. */
template <int ROWS> struct br_places {
    int32_t row[ROWS]; /* of the chunk; -1: none, or not screened */
    float   norm[ROWS];
    float   residual[ROWS];
    float   scale[ROWS];
    float   inverse[ROWS]; /* 1 / scale */
    float   down[ROWS];    /* the threshold, lowered */
};

template <int ROWS>
static __device__ void br_fill_places(const br_topk_chunk &c, const br_stream &s,
                                      br_places<ROWS> *place)
{
    int         at  = (int)threadIdx.x;
    int32_t     row = at < ROWS ? br_stream_row(s, at) : -1;
    br_topk_row own = {};

    if (at >= ROWS)
        return;
    own.scale = 1.0f;
    if (row >= 0)
        own = c.row_R[row];
    place->row[at]      = own.is_coded ? row : -1;
    place->norm[at]     = own.norm;
    place->residual[at] = own.residual;
    place->scale[at]    = own.scale;
    place->inverse[at]  = 1.0f / own.scale;
    place->down[at]     = own.is_coded ? br_threshold_down(own.threshold) : BR_NONE_PASSES;
    if (!own.is_coded)
        place->norm[at] = place->residual[at] = 0.0f; /* perhaps not finite */
}

/* The block's rows and panels; perhaps none. */
template <int ROWS>
static __device__ br_stream br_stream_of(const br_topk_chunk &c, const br_topk_range &range)
{
    int64_t   n_panels = range.last - range.first;
    br_stream s        = {};

    s.items       = &c.items;
    s.code_RD     = c.code_RD;
    s.row_L       = range.row_L;
    s.first_row   = (int32_t)blockIdx.x * ROWS;
    s.n_rows      = range.n_rows;
    s.first_panel = (int32_t)(range.first + n_panels * blockIdx.y / gridDim.y);
    s.last_panel  = (int32_t)(range.first + n_panels * (blockIdx.y + 1) / gridDim.y);
    return s;
}

/* x tiles of `rows` rows, y parts of the panels: `waves` blocks per multiprocessor. */
static inline dim3 br_screen_grid(const br_topk_chunk *chunk, const br_topk_range *range, int rows,
                                  int waves)
{
    unsigned n_tiles  = br_cuda_blocks(range->n_rows, rows);
    int64_t  n_parts  = n_tiles == 0 ? 1 : (int64_t)waves * chunk->items.n_sms / n_tiles;
    int64_t  n_panels = range->last - range->first;

    n_parts = n_parts < n_panels ? n_parts : n_panels;
    n_parts = n_parts < 1 ? 1 : n_parts < 65535 ? n_parts : 65535;
    return dim3(n_tiles, (unsigned)n_parts);
}

/* Is there such a row and such an item, and may it be shown? */
static __device__ inline bool br_may_push(const br_topk_chunk &c, int32_t row, int64_t position)
{
    return row >= 0 && position < c.items.N &&
           br_is_allowed(c.rows->rules, row, c.items.row_N[position]);
}

/* A row's next-th candidate; beyond the capacity it is counted only. */
static __device__ inline void br_push(const br_topk_chunk &c, int32_t row, int32_t next,
                                      br_topk_candidate found)
{
    if (next < c.capacity)
        c.candidate_RC[(int64_t)row * c.capacity + next] = found;
}

#endif
