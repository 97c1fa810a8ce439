/* SPDX-License-Identifier: Apache-2.0
 *
 * The sums of topk/sums.cu by Hopper's own instructions, to the same promise: fed as feed.cuh says,
 * three parts of a product made as multiply.cuh does, from codes and what they lose. Scores that
 * may be of the list are noted by sieve.cuh, taken out of the panel, and looked up a list at a
 * time; what was not listed has its term there. All others have theirs in registers, 64 of a panel:
 * e^((score - best) / T) as 2^a, a <= 0, by the special-function unit, where that would be slower
 * than the products one in FMA_EVERY by multiply-adds (power.cuh).
 *
 * A run of 128 panels has a sum of its own, by one warp in a fixed order: 32 terms of a panel in
 * four chains in float32, panels in float64, the four lanes of a row, and the noted terms by
 * themselves, in the order of their positions' blocks. Which rows stand beside it changes nothing.
 * Called as sums.cu is. Not measured on a GPU: docs/PERFORMANCE.md counts its instructions. */
#include "kernels/cuda/hopper/multiply.cuh"
#include "kernels/cuda/hopper/power.cuh"
#include "kernels/cuda/hopper/screen.cuh"
#include "kernels/cuda/hopper/sieve.cuh"
#include "kernels/cuda/topk/others.cuh"

#define PARTS      3
#define MOST_STEPS 12
#define CHAINS     4

template <int S> struct layout : br_layout<S, PARTS> {
    static const int FMA_EVERY = S <= 2 ? 16 : 0; /* of a row's 32 scores a thread; 0: none */
};

template <int S> struct shared_of {
    br_feed<S, PARTS> feed;
    br_hit            hits[layout<S>::WARPS][BR_HITS];
    float             best[layout<S>::ROWS];
    float             per_score;               /* log2 e / T */
    uint64_t          lacks[layout<S>::ROWS];  /* segments that the row has not */
    double            listed[layout<S>::ROWS]; /* terms of listed items, that were added */
};

/* ---- terms ----------------------------------------------------------------------------------- */

/* The exponents of a row's scores in a panel: a sum's is its score's less the best one, over T, by
 * the power of 2. */
typedef struct exponent {
    float of_sum;
    float of_bias;
    float best;

    __device__ __forceinline__ float of(float sum, float bias) const
    {
        return fmaf(sum, of_sum, fmaf(bias, of_bias, best));
    }
} exponent;

template <int S>
static __device__ __forceinline__ exponent exponent_of(const shared_of<S> *shared, int place,
                                                       float panel_scale)
{
    float per_score = shared->per_score;
    float of_sum    = shared->feed.place.scale[place] * panel_scale * per_score;

    return {fmaxf(of_sum, 0x1p-149f), per_score, -shared->best[place] * per_score};
}

/* Of a panel's column: it decides how. */
template <int S> static __device__ __forceinline__ float power_of(float a, int column)
{
    if constexpr (layout<S>::FMA_EVERY > 0)
        if ((column / 8 * 2 + column % 2) % layout<S>::FMA_EVERY == 0)
            return br_power_by_fma(a);
    return br_power_by_unit(a);
}

/* What is noted, a hit a lane: terms of items that are listed are taken off, as they were added.
 * Then a lane adds up what is its row's, in the order of the list. */
template <int S> struct looker {
    static const bool    KEEPS_SUMS = true;
    const br_topk_chunk *c;
    shared_of<S>        *shared;
    int                  first; /* place of the warp's first row */

    __device__ float listed_term(const br_hit &h) const;
    __device__ void  take(br_hit *hits, int n) const;
};

template <int S> __device__ float looker<S>::listed_term(const br_hit &h) const
{
    const auto   &place = shared->feed.place;
    br_topk_panel p     = c->items.panel_P[h.position / BR_PANEL];
    float         bias  = c->items.bias_N[h.position];
    float         score = fmaf(h.value, place.scale[h.place] * p.scale, bias);
    float         error = br_bound_of_panel(p, place.norm[h.place], place.residual[h.place]);

    if (!br_is_listed(*c, place.row[h.place], h.position, score, br_slack(score, error)))
        return 0.0f;
    return power_of<S>(exponent_of(shared, h.place, p.scale).of(h.value, bias),
                       h.position % BR_PANEL);
}

template <int S> __device__ void looker<S>::take(br_hit *hits, int n) const
{
    int own = first + br_lane();

    for (int i = br_lane(); i < n; i += BR_WARP)
        hits[i].value = listed_term(hits[i]);
    __syncwarp();
    for (int i = 0; i < n && br_lane() < 16; i++)
        if (hits[i].place == own)
            shared->listed[own] += (double)hits[i].value;
}

template <int S> struct summer {
    shared_of<S>                                 *shared;
    br_sieve<br_fp16, layout<S>::ROWS, looker<S>> own;
    double                                        total[2];

    __device__ __forceinline__ void operator()(const float d[BR_WGMMA_SUMS], int32_t panel, int at);
    template <bool HAS_RULES>
    __device__ __forceinline__ void add(const float d[BR_WGMMA_SUMS], int32_t panel, int at);
};

/* Items whose segments a row lacks count for nothing, whatever they score. */
template <int S>
template <bool HAS_RULES>
__device__ __forceinline__ void summer<S>::add(const float d[BR_WGMMA_SUMS], int32_t panel, int at)
{
    int             column  = br_lane() % 4 * 2;
    const float    *bias    = shared->feed.bias[at] + column;
    const uint64_t *require = own.c->items.require_N + (int64_t)panel * BR_PANEL + column;
    const uint64_t  lacks[] = {shared->lacks[own.place], shared->lacks[own.place + 8]};
    float           scale = own.c->items.panel_P[panel].scale, part[2][CHAINS] = {};
    const exponent  of_row[] = {exponent_of(shared, own.place, scale),
                                exponent_of(shared, own.place + 8, scale)};

#pragma unroll
    for (int n = 0; n < BR_WGMMA_SUMS / 4; n++) {
        float2 b = *reinterpret_cast<const float2 *>(bias + 8 * n);

#pragma unroll
        for (int i = 0; i < 4; i++) {
            float a    = of_row[i / 2].of(d[4 * n + i], i % 2 == 0 ? b.x : b.y);
            float term = power_of<S>(a, 8 * n + i % 2);

            if constexpr (HAS_RULES)
                term = (__ldg(&require[8 * n + i % 2]) & lacks[i / 2]) == 0 ? term : 0.0f;
            part[i / 2][(2 * n + i % 2) % CHAINS] += term;
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++)
        total[half] += (double)((part[half][0] + part[half][1]) + (part[half][2] + part[half][3]));
}

template <int S>
__device__ __forceinline__ void summer<S>::operator()(const float d[BR_WGMMA_SUMS], int32_t panel,
                                                      int at)
{
    const int32_t limit[] = {shared->feed.limit[at][own.place],
                             shared->feed.limit[at][own.place + 8]};

    own.look(d, limit, panel);
    if (own.c->items.require_N == NULL)
        add<false>(d, panel, at);
    else
        add<true>(d, panel, at);
}

/* ---- the kernel ------------------------------------------------------------------------------ */

template <int S>
static __device__ void fill_places(const br_topk_chunk &c, const br_stream &s, shared_of<S> *shared)
{
    int          at  = (int)threadIdx.x;
    br_other_row own = br_other_row_of(c, at < layout<S>::ROWS ? br_stream_row(s, at) : -1);
    auto        &to  = shared->feed.place;

    if (at == 0)
        shared->per_score = (float)(BR_LOG2E / c.temperature);
    if (at >= layout<S>::ROWS)
        return;
    to.row[at]         = own.row;
    to.norm[at]        = own.norm;
    to.residual[at]    = own.residual;
    to.scale[at]       = own.scale;
    to.inverse[at]     = 1.0f / own.scale;
    to.down[at]        = own.down;
    shared->best[at]   = own.best;
    shared->lacks[at]  = ~own.have;
    shared->listed[at] = 0.0;
}

/* A warpgroup's life: its rows' sums of the run. */
template <int S>
static __device__ void sum_up(const br_topk_chunk &c, const br_stream &s, shared_of<S> *shared,
                              int n_groups)
{
    int       warp = (int)threadIdx.x / BR_WARP - 4;
    int       at   = warp * 16 + br_lane() / 4;
    uint32_t  a[layout<S>::FRAGMENTS][4];
    looker<S> user = {&c, shared, warp * 16};
    summer<S> end  = {
         shared, {&c, &shared->feed.place, shared->hits[warp], 0, at, user}, {0.0, 0.0}};

    br_load_fragments<S>(s, s.code_RD, warp * 16, a);
    br_load_fragments<S>(s, s.below_RD, warp * 16, a + S);
    br_consume<br_fp16, S, PARTS>(s, &shared->feed, n_groups, a, end);
    end.own.flush();
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int     place = at + 8 * half;
        int32_t row   = shared->feed.place.row[place];
        double  sum   = end.total[half];

        sum += __shfl_xor_sync(BR_FULL_WARP, sum, 1);
        sum += __shfl_xor_sync(BR_FULL_WARP, sum, 2);
        if (br_lane() % 4 == 0 && row >= 0)
            c.part_RQ[(int64_t)row * c.n_runs + blockIdx.y] = sum - shared->listed[place];
    }
}

/* Grid: x tiles of layout<S>::ROWS rows, y runs; a block per multiprocessor. A warpgroup owns 64
 * rows, a thread 64 terms of each panel: of two rows, 32 columns each. */
template <int S>
static __global__ void __launch_bounds__(layout<S>::THREADS, 1)
    hopper_sums_kernel(const __grid_constant__ br_topk_chunk c,
                       const __grid_constant__ br_tensor_map below,
                       const __grid_constant__ br_tensor_map code)
{
#ifdef BR_HOPPER_CODE
    BR_DYNAMIC_SHARED(unsigned char, memory);
    typedef layout<S> l;
    shared_of<S>     *shared   = reinterpret_cast<shared_of<S> *>(memory);
    br_stream         s        = br_run_of<l::ROWS>(c);
    int               n_groups = br_groups<l::ROWS>(s);
    int               group    = br_warpgroup() - 1;

    fill_places<S>(c, s, shared);
    if (threadIdx.x == 0)
        br_feed_make(&shared->feed, n_groups);
    __syncthreads();
    if (group < 0) {
        br_registers_give<l::LEFT>();
        if (threadIdx.x == 0)
            br_feed_boxes(s, &below, &code, &shared->feed);
        if (threadIdx.x >= BR_WARP)
            br_feed_limits<br_fp16>(c, s, &shared->feed);
    } else {
        br_registers_take<l::TAKEN>();
        if (group < n_groups)
            sum_up<S>(c, s, shared, n_groups);
    }
#else
    __trap(); /* br_hopper_sums_refusal */
#endif
}

template <int S> static br_status launch(br_dev *dev, const br_topk_chunk *chunk)
{
    typedef layout<S> l;
    br_tensor_map     below, code;
    dim3              grid(br_cuda_blocks(chunk->n_rows, l::ROWS), (unsigned)chunk->n_runs);

    memcpy(&below, chunk->items.below_map, sizeof below);
    memcpy(&code, chunk->items.map, sizeof code);
    return BR_LAUNCH(dev, hopper_sums_kernel<S>, grid, l::THREADS, sizeof(shared_of<S>), *chunk,
                     below, code);
}

br_status br_hopper_sums(br_dev *dev, const br_topk_chunk *chunk)
{
    int64_t steps = chunk->items.row_bytes / BR_WGMMA_BYTES;

    if (steps <= 2)
        return launch<2>(dev, chunk);
    if (steps <= 4)
        return launch<4>(dev, chunk);
    if (steps <= 8)
        return launch<8>(dev, chunk);
    return launch<MOST_STEPS>(dev, chunk);
}

const char *br_hopper_sums_refusal(const br_cuda_items *items)
{
    if (items->row_bytes > MOST_STEPS * BR_WGMMA_BYTES)
        return "its registers hold 192 codes of a customer and what they lose, and the vectors are "
               "longer";
    if (sizeof(shared_of<4>) + BR_SHARED_ALIGN > items->shared_most ||
        sizeof(shared_of<MOST_STEPS>) + BR_SHARED_ALIGN > items->shared_most)
        return "the device has too little shared memory";
    return NULL;
}
