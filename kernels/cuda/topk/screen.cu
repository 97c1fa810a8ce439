/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen: approximate scores of customers and panels on tensor cores, of which those that may
 * reach the customer's threshold, and may be shown, are pushed as candidates. A thread looks at the
 * largest of its scores of a row first (of whole codes: of its sums, beside a whole threshold);
 * nothing is stored but what is pushed. Called once per stage of the catalogue (score_topk.cu).
 * Where the plan says so, Hopper's own kernel (hopper/screen.cu) takes its place.
 *
 * One panel in BR_PROOF_EVERY goes through a kernel that also adds up each customer's sums and
 * compares them with the product of its codes and the sum of the panel's (docs/DETECTORS.md). */
#include "kernels/cuda/hopper/screen.cuh"
#include "kernels/cuda/topk/place.cuh"

template <typename K, int ROWS> struct pusher {
    typedef br_tile<K, ROWS> tile;
    const br_topk_chunk     *c;
    const br_places<ROWS>   *place;

    __device__ void operator()(int32_t panel, const tile &t, const float *bias) const;
    __device__ void push(int32_t panel, const tile &t, const float *bias, int m, int half) const;
    __device__ uint32_t drop_barred(uint32_t hits, int32_t panel, int32_t row) const;
};

/* Bits of the columns that exist and may be shown. Bit 2n + j is column j of block n. */
template <typename K, int ROWS>
__device__ uint32_t pusher<K, ROWS>::drop_barred(uint32_t hits, int32_t panel, int32_t row) const
{
    uint32_t kept = 0;

    for (; hits != 0; hits &= hits - 1) {
        int     bit = __ffs((int)hits) - 1;
        int64_t at  = (int64_t)panel * BR_PANEL + tile::col_of(bit / 2) + bit % 2;

        if (br_may_push(*c, row, at))
            kept |= 1u << bit;
    }
    return kept;
}

/* One row's candidates of the thread's columns, with one atomic for all. */
template <typename K, int ROWS>
__device__ __forceinline__ void pusher<K, ROWS>::push(int32_t panel, const tile &t,
                                                      const float *bias, int m, int half) const
{
    int           at    = tile::row_of(m, half);
    int32_t       row   = place->row[at];
    br_topk_panel p     = c->items.panel_P[panel];
    float         error = br_bound_of_panel(p, place->norm[at], place->residual[at]);
    float         least = br_least_of_panel(place->down[at], error);
    float         scale = place->scale[at] * p.scale;
    uint32_t      hits  = 0;
    int32_t       next;

#pragma unroll
    for (int i = 0; i < 2 * tile::BLOCKS; i++)
        if (fmaf((float)t.sum[m][i / 2][half * 2 + i % 2], scale,
                 bias[tile::col_of(i / 2) + i % 2]) >= least)
            hits |= 1u << i;
    hits = drop_barred(hits, panel, row);
    if (hits == 0)
        return;
    next = atomicAdd(&c->row_R[row].n, __popc(hits));
#pragma unroll
    for (int i = 0; i < 2 * tile::BLOCKS; i++) {
        int col = tile::col_of(i / 2) + i % 2;

        if ((hits >> i & 1) == 0)
            continue;
        br_push(*c, row, next++,
                {fmaf((float)t.sum[m][i / 2][half * 2 + i % 2], scale, bias[col]),
                 (int32_t)(panel * BR_PANEL + col)});
    }
}

/* The thread's largest approximate scores of its rows, or sums of whole codes. */
template <int ROWS, typename K>
static __device__ __forceinline__ void largest(const br_tile<K, ROWS> &t, const float *scale,
                                               const float *bias, typename K::sum *most)
{
#pragma unroll
    for (int n = 0; n < br_tile<K, ROWS>::BLOCKS; n++) {
        float2 b = {};

        if constexpr (!K::IS_WHOLE)
            b = *reinterpret_cast<const float2 *>(bias + br_tile<K, ROWS>::col_of(n));
#pragma unroll
        for (int r = 0; r < 4; r++) {
            typename K::sum low = t.sum[r / 2][n][r % 2 * 2], high = t.sum[r / 2][n][r % 2 * 2 + 1];

            if constexpr (!K::IS_WHOLE) {
                low  = fmaf(low, scale[r], b.x);
                high = fmaf(high, scale[r], b.y);
            }
            most[r] = n == 0 ? low : max(most[r], low);
            most[r] = max(most[r], high);
        }
    }
}

template <typename K, int ROWS>
__device__ __forceinline__ void pusher<K, ROWS>::operator()(int32_t panel, const tile &t,
                                                            const float *bias) const
{
    br_topk_panel   p = c->items.panel_P[panel];
    float           scale[4]; /* of the thread's rows */
    typename K::sum most[4];

#pragma unroll
    for (int r = 0; r < 4; r++)
        scale[r] = place->scale[tile::row_of(r / 2, r % 2)] * p.scale;
    largest(t, scale, bias, most);
#pragma unroll
    for (int r = 0; r < 4; r++) {
        int   at    = tile::row_of(r / 2, r % 2);
        float error = br_bound_of_panel(p, place->norm[at], place->residual[at]);
        float least = br_least_of_panel(place->down[at], error);
        bool  is_hit;

        if constexpr (K::IS_WHOLE)
            is_hit =
                most[r] >= br_least_of_sums(least, p.bias_most, place->inverse[at] * p.inverse);
        else
            is_hit = most[r] >= least;
        if (is_hit)
            push(panel, t, bias, r / 2, r % 2);
    }
}

/* ---- checksums ---- */

/* Does what the pusher does; before that, it compares. */
template <typename K, int ROWS> struct prover {
    pusher<K, ROWS>      push;
    const unsigned char *customer; /* codes of the tile's customers, in shared memory */
    double              *found_NR; /* [WARPS_N][ROWS], in shared memory */

    __device__ void operator()(int32_t panel, const br_tile<K, ROWS> &t, const float *bias) const;
    __device__ void add_up(const br_tile<K, ROWS> &t) const;
    __device__ void compare(int32_t panel) const;
};

/* A warp's part of each of its rows. */
template <typename K, int ROWS>
__device__ void prover<K, ROWS>::add_up(const br_tile<K, ROWS> &t) const
{
    int part = (int)threadIdx.x / BR_WARP / br_tile<K, ROWS>::WARPS_M;

#pragma unroll
    for (int r = 0; r < 4; r++) {
        double sum = 0.0;

#pragma unroll
        for (int n = 0; n < br_tile<K, ROWS>::BLOCKS; n++)
            sum += (double)t.sum[r / 2][n][r % 2 * 2] + (double)t.sum[r / 2][n][r % 2 * 2 + 1];
        sum += __shfl_xor_sync(BR_FULL_WARP, sum, 1);
        sum += __shfl_xor_sync(BR_FULL_WARP, sum, 2);
        if (br_lane() % 4 == 0)
            found_NR[part * ROWS + br_tile<K, ROWS>::row_of(r / 2, r % 2)] = sum;
    }
}

/* Some threads of a warp for each row. Each of a panel's sums may be off by br_bound_of_sums of |q|
 * |c|, the sums of the codes by a rounding each; sums of whole codes are exact. */
template <typename K, int ROWS> __device__ void prover<K, ROWS>::compare(int32_t panel) const
{
    const int              parts = BR_TOPK_THREADS / ROWS;
    const br_topk_chunk   *c     = push.c;
    const br_places<ROWS> *place = push.place;
    int                    at    = (int)threadIdx.x / parts;
    int32_t                row   = place->row[at];
    br_topk_panel          p     = c->items.panel_P[panel];
    const auto            *q_D   = reinterpret_cast<const typename K::code *>(
        customer + (size_t)at * br_customer_bytes(c->items.row_bytes, false));
    const float *z_D      = c->items.proof_PD + (int64_t)panel * c->items.width;
    double       expected = 0.0, found = 0.0, allowed;

    for (int64_t d = (int)threadIdx.x % parts; d < c->items.width; d += parts)
        expected += (double)K::value_of(q_D[d]) * (double)z_D[d];
    for (int lanes = 1; lanes < parts; lanes *= 2)
        expected += __shfl_xor_sync(BR_FULL_WARP, expected, lanes);
    for (int part = 0; part < br_tile<K, ROWS>::WARPS_N; part++)
        found += found_NR[part * ROWS + at];
    if (row < 0 || (int)threadIdx.x % parts != 0)
        return;
    allowed = 1.1 * (br_bound_of_sums<K>(c->items.width) + 0x1p-22) * BR_PANEL *
              ((double)place->norm[at] / (double)place->scale[at]) *
              ((double)p.code_norm / (double)p.scale);
    if (K::IS_WHOLE)
        allowed = 0.0; /* whole numbers below 2^24, of 32 items below 2^29 */
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

template <typename K, int ROWS>
__device__ void prover<K, ROWS>::operator()(int32_t panel, const br_tile<K, ROWS> &t,
                                            const float *bias) const
{
    add_up(t);
    __syncthreads();
    compare(panel);
    push(panel, t, bias);
}

/* ---- kernels ---- */

/* Grid: x tiles of ROWS rows, y parts of the panels. A block owns a tile's scores of its part, a
 * warp 32 rows by br_tile<K, ROWS>::COLS columns of each panel. */
template <typename K, int ROWS>
static __global__ void __launch_bounds__(BR_TOPK_THREADS, 2)
    screen_kernel(br_topk_chunk c, br_topk_range range)
{
    __shared__ br_places<ROWS> place;
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_stream s = br_stream_of<ROWS>(c, range);

    br_fill_places<ROWS>(c, s, &place);
    pusher<K, ROWS> end = {&c, &place};
    br_stream_run<K, ROWS>(s, shared, end); /* its first barrier: before the first panel's end */
}

/* The same grid. A block has more registers, and a multiprocessor one block. */
template <typename K, int ROWS>
static __global__ void __launch_bounds__(BR_TOPK_THREADS, 1)
    prove_kernel(br_topk_chunk c, br_topk_range range)
{
    __shared__ br_places<ROWS> place;
    __shared__ double          found_NR[BR_TOPK_WARPS * 32];
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_stream s = br_stream_of<ROWS>(c, range);

    br_fill_places<ROWS>(c, s, &place);
    prover<K, ROWS> end = {{&c, &place}, shared, found_NR};
    br_stream_run<K, ROWS>(s, shared, end);
}

template <typename K, int ROWS>
static br_status launch(br_dev *dev, const br_topk_chunk *chunk, br_topk_range range)
{
    if (range.last <= range.first)
        return BR_OK;
    if (chunk->items.map != NULL)
        return br_hopper_screen(dev, chunk, &range);
    return BR_LAUNCH(dev, (screen_kernel<K, ROWS>),
                     br_screen_grid(chunk, &range, ROWS, BR_SCREEN_WAVES), BR_TOPK_THREADS,
                     br_tile_bytes(ROWS, chunk->items.row_bytes, false), *chunk, range);
}

template <typename K, int ROWS>
static br_status prove(br_dev *dev, const br_topk_chunk *chunk, br_topk_range range)
{
    if (range.last <= range.first)
        return BR_OK;
    return BR_LAUNCH(dev, (prove_kernel<K, ROWS>),
                     br_screen_grid(chunk, &range, ROWS, BR_SCREEN_WAVES), BR_TOPK_THREADS,
                     br_tile_bytes(ROWS, chunk->items.row_bytes, false), *chunk, range);
}

/* What is before the proven panels, these, and what is behind: candidates have no order. */
template <typename K, int ROWS>
static br_status screen_by(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    br_status     st = BR_OK;
    br_topk_range before, proven, behind;

    if (chunk->items.proof_PD == NULL)
        return launch<K, ROWS>(dev, chunk, *range);
    before = behind = *range;
    proven          = br_topk_proven(chunk->turn, *range);
    before.last     = proven.first;
    behind.first    = proven.last;
    BR_TRY(st, (launch<K, ROWS>(dev, chunk, before)));
    BR_TRY(st, (prove<K, ROWS>(dev, chunk, proven)));
    BR_TRY(st, (launch<K, ROWS>(dev, chunk, behind)));
done:
    return st;
}

template <int ROWS> static bool fits(const br_cuda_items *items)
{
    return br_tile_bytes(ROWS, items->row_bytes, false) + sizeof(br_places<ROWS>) +
               BR_TOPK_WARPS * 32 * sizeof(double) + BR_SHARED_ALIGN <=
           items->shared_most;
}

/* As many rows as shared memory holds, and few more than there are: no list depends on it. */
template <typename K>
static br_status screen(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    if (range->n_rows > 64 && fits<128>(&chunk->items))
        return screen_by<K, 128>(dev, chunk, range);
    if (range->n_rows > 32 && fits<64>(&chunk->items))
        return screen_by<K, 64>(dev, chunk, range);
    return screen_by<K, 32>(dev, chunk, range);
}

br_status br_topk_screen(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    return BR_BY_KIND(chunk->items.kind, screen, dev, chunk, range);
}
