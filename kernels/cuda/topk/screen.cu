/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen: approximate scores of customers and panels on tensor cores, of which those that may
 * reach the customer's threshold, and may be shown, are pushed as candidates. A thread looks at the
 * largest of its scores of a row first; nothing is stored but what is pushed. Called once per
 * stage of the catalogue (score_topk.cu). A door: a Hopper variant would replace br_stream_run.
 *
 * One panel in BR_PROOF_EVERY goes through a kernel that also adds up each customer's sums and
 * compares them with the product of its codes and the sum of the panel's (docs/DETECTORS.md). */
#include "kernels/cuda/topk/bounds.cuh"
#include "kernels/cuda/topk/tile.cuh"

#define WAVES 4 /* blocks per SM that the catalogue is split for; not measured yet */

/* What the block's rows need at every panel; index: place in the tile. */
template <int ROWS> struct places {
    int32_t row[ROWS]; /* of the chunk; -1: none */
    float   norm[ROWS];
    float   residual[ROWS];
    float   scale[ROWS];
    float   down[ROWS]; /* the threshold, lowered */
};

template <int ROWS> struct pusher {
    const br_topk_chunk *c;
    const places<ROWS>  *place;

    __device__ void     operator()(int64_t panel, const br_tile<ROWS> &t, const float *bias) const;
    __device__ void     push(int64_t panel, const br_tile<ROWS> &t, const float *bias, int m,
                             int half) const;
    __device__ uint32_t drop_barred(uint32_t hits, int64_t panel, int32_t row) const;
};

/* Bits of the columns that exist and may be shown. Bit 2n + j is column j of block n. */
template <int ROWS>
__device__ uint32_t pusher<ROWS>::drop_barred(uint32_t hits, int64_t panel, int32_t row) const
{
    uint32_t kept = 0;

    for (; hits != 0; hits &= hits - 1) {
        int     bit = __ffs((int)hits) - 1;
        int64_t at  = panel * BR_PANEL + br_tile<ROWS>::col_of(bit / 2) + bit % 2;

        if (at < c->items.N && br_is_allowed(c->rows->rules, row, c->items.row_N[at]))
            kept |= 1u << bit;
    }
    return kept;
}

/* One row's candidates of the thread's columns, with one atomic for all. */
template <int ROWS>
__device__ __forceinline__ void pusher<ROWS>::push(int64_t panel, const br_tile<ROWS> &t,
                                                   const float *bias, int m, int half) const
{
    int           at    = br_tile<ROWS>::row_of(m, half);
    int32_t       row   = place->row[at];
    br_topk_panel p     = c->items.panel_P[panel];
    float         error = br_bound_of_panel(p, place->norm[at], place->residual[at]);
    float         least = br_least_of_panel(place->down[at], error);
    float         scale = place->scale[at] * p.scale;
    uint32_t      hits  = 0;
    int32_t       next;

#pragma unroll
    for (int i = 0; i < 2 * br_tile<ROWS>::BLOCKS; i++)
        if (fmaf(t.sum[m][i / 2][half * 2 + i % 2], scale,
                 bias[br_tile<ROWS>::col_of(i / 2) + i % 2]) >= least)
            hits |= 1u << i;
    hits = drop_barred(hits, panel, row);
    if (hits == 0)
        return;
    next = atomicAdd(&c->row_R[row].n, __popc(hits));
#pragma unroll
    for (int i = 0; i < 2 * br_tile<ROWS>::BLOCKS; i++) {
        int col = br_tile<ROWS>::col_of(i / 2) + i % 2;

        if ((hits >> i & 1) == 0)
            continue;
        if (next < c->capacity)
            c->candidate_RC[(int64_t)row * c->capacity + next] = {
                fmaf(t.sum[m][i / 2][half * 2 + i % 2], scale, bias[col]),
                (int32_t)(panel * BR_PANEL + col)};
        next++;
    }
}

template <int ROWS>
__device__ __forceinline__ void pusher<ROWS>::operator()(int64_t panel, const br_tile<ROWS> &t,
                                                         const float *bias) const
{
    br_topk_panel p = c->items.panel_P[panel];
    float         scale[4], most[4]; /* of the thread's rows */

#pragma unroll
    for (int r = 0; r < 4; r++) {
        scale[r] = place->scale[br_tile<ROWS>::row_of(r / 2, r % 2)] * p.scale;
        most[r]  = -INFINITY;
    }
#pragma unroll
    for (int n = 0; n < br_tile<ROWS>::BLOCKS; n++) {
        float2 b = *reinterpret_cast<const float2 *>(bias + br_tile<ROWS>::col_of(n));

#pragma unroll
        for (int r = 0; r < 4; r++) {
            most[r] = fmaxf(most[r], fmaf(t.sum[r / 2][n][r % 2 * 2], scale[r], b.x));
            most[r] = fmaxf(most[r], fmaf(t.sum[r / 2][n][r % 2 * 2 + 1], scale[r], b.y));
        }
    }
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int   at    = br_tile<ROWS>::row_of(r / 2, r % 2);
        float error = br_bound_of_panel(p, place->norm[at], place->residual[at]);

        if (most[r] >= br_least_of_panel(place->down[at], error))
            push(panel, t, bias, r / 2, r % 2);
    }
}

/* ---- checksums ---- */

/* Does what the pusher does; before that, it compares. */
template <int ROWS> struct prover {
    pusher<ROWS>  push;
    const __half *customer; /* codes of the tile's customers, in shared memory */
    double       *found_NR; /* [WARPS_N][ROWS], in shared memory */

    __device__ void operator()(int64_t panel, const br_tile<ROWS> &t, const float *bias) const;
    __device__ void add_up(const br_tile<ROWS> &t) const;
    __device__ void compare(int64_t panel) const;
};

/* A warp's part of each of its rows. */
template <int ROWS> __device__ void prover<ROWS>::add_up(const br_tile<ROWS> &t) const
{
    int part = (int)threadIdx.x / BR_WARP / br_tile<ROWS>::WARPS_M;

#pragma unroll
    for (int r = 0; r < 4; r++) {
        double sum = 0.0;

#pragma unroll
        for (int n = 0; n < br_tile<ROWS>::BLOCKS; n++)
            sum += (double)t.sum[r / 2][n][r % 2 * 2] + (double)t.sum[r / 2][n][r % 2 * 2 + 1];
        sum += __shfl_xor_sync(BR_FULL_WARP, sum, 1);
        sum += __shfl_xor_sync(BR_FULL_WARP, sum, 2);
        if (br_lane() % 4 == 0)
            found_NR[part * ROWS + br_tile<ROWS>::row_of(r / 2, r % 2)] = sum;
    }
}

/* Some threads of a warp for each row. Each of a panel's sums may be off by br_bound_of_sums of |q|
 * |c|, the sums of the codes by a rounding each. */
template <int ROWS> __device__ void prover<ROWS>::compare(int64_t panel) const
{
    const int            parts = BR_TOPK_THREADS / ROWS;
    const br_topk_chunk *c     = push.c;
    const places<ROWS>  *place = push.place;
    int                  at    = (int)threadIdx.x / parts;
    int32_t              row   = place->row[at];
    br_topk_panel        p     = c->items.panel_P[panel];
    const __half        *q_D   = customer + (size_t)at * br_customer_halfs(c->items.width, false);
    const float         *z_D   = c->items.proof_PD + panel * c->items.width;
    double               expected = 0.0, found = 0.0, allowed;

    for (int64_t d = (int)threadIdx.x % parts; d < c->items.width; d += parts)
        expected += (double)__half2float(q_D[d]) * (double)z_D[d];
    for (int lanes = 1; lanes < parts; lanes *= 2)
        expected += __shfl_xor_sync(BR_FULL_WARP, expected, lanes);
    for (int part = 0; part < br_tile<ROWS>::WARPS_N; part++)
        found += found_NR[part * ROWS + at];
    if (row < 0 || (int)threadIdx.x % parts != 0)
        return;
    allowed = 1.1 * (br_bound_of_sums(c->items.width) + 0x1p-22) * BR_PANEL *
              ((double)place->norm[at] / (double)place->scale[at]) *
              ((double)p.code_norm / (double)p.scale);
    if (fabs(found - expected) <= allowed)
        return;
    atomicExch(&c->row_R[row].is_wrong, 1);
    if (atomicAdd(&c->counters->n_wrong, 1) > 0)
        return;
    c->counters->wrong_row   = row;
    c->counters->wrong_panel = panel;
    c->counters->found       = found;
    c->counters->expected    = expected;
}

template <int ROWS>
__device__ void prover<ROWS>::operator()(int64_t panel, const br_tile<ROWS> &t,
                                         const float *bias) const
{
    add_up(t);
    __syncthreads();
    compare(panel);
    push(panel, t, bias);
}

/* ---- kernels ---- */

template <int ROWS>
static __device__ void fill_places(const br_topk_chunk &c, const br_stream &s, places<ROWS> *place)
{
    int         at  = (int)threadIdx.x;
    int32_t     row = at < ROWS ? br_stream_row(s, at) : -1;
    br_topk_row own = {};

    if (at >= ROWS)
        return;
    if (row >= 0)
        own = c.row_R[row];
    place->row[at]      = row;
    place->norm[at]     = own.norm;
    place->residual[at] = own.residual;
    place->scale[at]    = own.scale;
    place->down[at]     = own.is_coded ? br_threshold_down(own.threshold) : BR_NONE_PASSES;
    if (!own.is_coded)
        place->norm[at] = place->residual[at] = 0.0f; /* perhaps not finite */
}

/* What a launch takes of its range. Which panels are proven lies in device memory (the chunk's
 * rows), so that one recorded sequence serves whatever panels' turn it is. */
typedef enum br_screen_part { WHOLE, BEFORE_PROVEN, PROVEN, BEHIND_PROVEN } br_screen_part;

static __device__ br_topk_range part_of(const br_topk_chunk &c, const br_topk_range &range,
                                        br_screen_part part)
{
    br_topk_range proven, own = range;

    if (part == WHOLE)
        return range;
    proven    = br_topk_proven(c.rows->n_proofs, range);
    own.first = part == BEFORE_PROVEN ? range.first : part == PROVEN ? proven.first : proven.last;
    own.last  = part == BEFORE_PROVEN ? proven.first : part == PROVEN ? proven.last : range.last;
    return own;
}

/* The block's rows and panels; perhaps none. */
template <int ROWS>
static __device__ br_stream stream_of(const br_topk_chunk &c, const br_topk_range &range)
{
    int64_t   n_panels = range.last - range.first;
    br_stream s        = {};

    s.items       = &c.items;
    s.code_RD     = c.code_RD;
    s.row_L       = range.row_L;
    s.first_row   = (int32_t)blockIdx.x * ROWS;
    s.n_rows      = range.n_rows;
    s.first_panel = range.first + n_panels * blockIdx.y / gridDim.y;
    s.last_panel  = range.first + n_panels * (blockIdx.y + 1) / gridDim.y;
    return s;
}

/* Grid: x tiles of ROWS rows, y parts of the panels. A block owns a tile's scores of its part, a
 * warp 32 rows by br_tile<ROWS>::COLS columns of each panel. */
template <int ROWS>
static __global__ void __launch_bounds__(BR_TOPK_THREADS, 2)
    screen_kernel(br_topk_chunk c, br_topk_range range, br_screen_part part)
{
    __shared__ places<ROWS> place;
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_stream s = stream_of<ROWS>(c, part_of(c, range, part));

    if (s.first_panel == s.last_panel)
        return;
    fill_places<ROWS>(c, s, &place);
    pusher<ROWS> end = {&c, &place};
    br_stream_run<ROWS>(s, shared, end); /* its first barrier comes before the first panel's end */
}

/* The same grid. A block has more registers, and a multiprocessor one block. */
template <int ROWS>
static __global__ void __launch_bounds__(BR_TOPK_THREADS, 1)
    prove_kernel(br_topk_chunk c, br_topk_range range)
{
    __shared__ places<ROWS> place;
    __shared__ double       found_NR[BR_TOPK_WARPS * 32];
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_stream s = stream_of<ROWS>(c, part_of(c, range, PROVEN));

    if (s.first_panel == s.last_panel)
        return;
    fill_places<ROWS>(c, s, &place);
    prover<ROWS> end = {{&c, &place}, reinterpret_cast<const __half *>(shared), found_NR};
    br_stream_run<ROWS>(s, shared, end);
}

/* For at most n_panels; where there are fewer, blocks have none. */
template <int ROWS>
static dim3 grid_for(const br_topk_chunk *chunk, const br_topk_range *range, int64_t n_panels)
{
    unsigned n_tiles = br_cuda_blocks(range->n_rows, ROWS);
    int64_t  n_parts = n_tiles == 0 ? 1 : WAVES * chunk->items.n_sms / n_tiles;

    n_parts = n_parts < n_panels ? n_parts : n_panels;
    n_parts = n_parts < 1 ? 1 : n_parts < 65535 ? n_parts : 65535;
    return dim3(n_tiles, (unsigned)n_parts);
}

template <int ROWS>
static br_status launch(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range,
                        br_screen_part part)
{
    return BR_LAUNCH(dev, screen_kernel<ROWS>,
                     grid_for<ROWS>(chunk, range, range->last - range->first), BR_TOPK_THREADS,
                     br_tile_bytes(ROWS, chunk->items.width, false), *chunk, *range, part);
}

template <int ROWS>
static br_status prove(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    int64_t n = (range->last - range->first + BR_PROOF_EVERY - 1) / BR_PROOF_EVERY;

    return BR_LAUNCH(dev, prove_kernel<ROWS>, grid_for<ROWS>(chunk, range, n), BR_TOPK_THREADS,
                     br_tile_bytes(ROWS, chunk->items.width, false), *chunk, *range);
}

/* What is before the proven panels, these, and what is behind: candidates have no order. */
template <int ROWS>
static br_status screen(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    br_status st = BR_OK;

    if (range->last <= range->first)
        return BR_OK;
    if (chunk->items.proof_PD == NULL)
        return launch<ROWS>(dev, chunk, range, WHOLE);
    BR_TRY(st, launch<ROWS>(dev, chunk, range, BEFORE_PROVEN));
    BR_TRY(st, prove<ROWS>(dev, chunk, range));
    BR_TRY(st, launch<ROWS>(dev, chunk, range, BEHIND_PROVEN));
done:
    return st;
}

template <int ROWS> static bool fits(const br_cuda_items *items)
{
    return br_tile_bytes(ROWS, items->width, false) + sizeof(places<ROWS>) +
               BR_TOPK_WARPS * 32 * sizeof(double) + BR_SHARED_ALIGN <=
           items->shared_most;
}

/* As many rows as shared memory holds, and few more than there are: no list depends on it. */
br_status br_topk_screen(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    if (range->n_rows > 64 && fits<128>(&chunk->items))
        return screen<128>(dev, chunk, range);
    if (range->n_rows > 32 && fits<64>(&chunk->items))
        return screen<64>(dev, chunk, range);
    return screen<32>(dev, chunk, range);
}
