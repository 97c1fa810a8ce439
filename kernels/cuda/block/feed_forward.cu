/* SPDX-License-Identifier: Apache-2.0
 *
 * feed_forward for sm_90a: both layers of 128 rows in one kernel, from the norm before to the norm
 * after. A row is read once and written once; in between it is in registers:
 *
 *   warp 0        one thread asks for boxes of both weights (boxes.cuh)
 *   warpgroups    two of 64 rows each. For 128 inner values at a time: products with the inner
 *                 weights, bias and activation, rounding to bf16; products with the outer weights
 *                 on top of the residual. Sums lie as the next product reads them, so the inner
 *                 vector is never in memory
 *
 * Up to 128 columns they take turns: while one multiplies (the outer products of 128 inner values,
 * the inner ones of the next), the other activates. Wider rows need more boxes for a turn than
 * there is room for, and take none. Blocks stay until all tiles are done. Rounded are y and the
 * activations, as the composed ops round them; norms are in fp32 (rows.cuh), GELU is
 * br_gelu_short. Called once per layer and chunk. Not measured on a GPU: docs/PERFORMANCE.md. */
#include "kernels/cuda/block/activate.cuh"
#include "kernels/cuda/block/block.cuh"
#include "kernels/cuda/block/boxes.cuh"
#include "kernels/cuda/block/rows.cuh"
#include "kernels/ops/composed.h"

#define MOST_INNER 1024
#define MOST_ROWS  (1 << 30)
#define WARPGROUPS 2
#define ROWS       (64 * WARPGROUPS) /* of a tile */
#define THREADS    (BR_WARPGROUP * (WARPGROUPS + 1))
#define WARPS      (4 * WARPGROUPS)
#define TAKEN      240               /* registers of a multiplying thread */
#define LEFT       24                /* of the others */
#define TURNS      1                 /* the named barrier of the first warpgroup's turn */
#define READY      3                 /* that of its 128 threads */
#define OUT_STEPS  (BR_BOX_OUT / 16) /* products' depths in 128 inner values */

/* Rows of up to W boxes, 64 W columns. */
template <int W> struct layout {
    static const int  CHUNKS = 8 * W;
    static const int  PANELS = (W + 1) / 2;    /* of 128 outputs */
    static const int  PER    = W + 2 * PANELS; /* boxes of 128 inner values */
    static const int  SLOTS  = 13 - W;
    static const int  RING   = W == 1 ? 3 : W == 2 ? 4 : SLOTS;
    /* who waits for its turn must not wait for a box that the other has still to leave */
    static const bool TAKES_TURNS = W <= 2;
    static_assert(!TAKES_TURNS || RING >= PER, "a turn's boxes are there at a time");
};

template <int W> struct shared_of {
    unsigned char                               y[WARPGROUPS][W * BR_ROWS_BOX]; /* rounded */
    br_boxes<layout<W>::SLOTS, layout<W>::RING> boxes;
    float inner_bias[MOST_INNER]; /* zeros behind what is there, all of them */
    float outer_bias[BR_BLOCK_MOST];
    float before_gamma[BR_BLOCK_MOST], before_beta[BR_BLOCK_MOST];
    float after_gamma[BR_BLOCK_MOST], after_beta[BR_BLOCK_MOST];
};

typedef struct forward_params {
    br_view<const float> x_RD;
    br_view<float>       out_RD;
    int32_t              n_rows;
    const float         *inner_bias_I; /* NULL: zeros */
    const float         *outer_bias_D;
    const float         *before_gamma_D; /* NULL: no norm */
    const float         *before_beta_D;
    const float         *after_gamma_D;
    const float         *after_beta_D;
    float                eps;
    int32_t              width;
    int32_t              inner;
    int32_t              n_tiles;
    int32_t              n_panels; /* of 128 inner values */
    br_activation        activation;
    bool                 adds_x;
    bool                 is_even_x;
    bool                 is_even_out;
    br_box_plan          plan;
} forward_params;

/* ---- what comes ------------------------------------------------------------------------------ */

/* Only code for sm_90a calls it. */
[[maybe_unused]] static __device__ void fill(float *to, int n, const float *from, int n_there)
{
    for (int i = (int)threadIdx.x; i < n; i += THREADS)
        to[i] = from != NULL && i < n_there ? from[i] : 0.0f;
}

template <int W> static __device__ void fill_constants(const forward_params &p, shared_of<W> *s)
{
    fill(s->inner_bias, MOST_INNER, p.inner_bias_I, p.inner);
    fill(s->outer_bias, BR_BLOCK_MOST, p.outer_bias_D, p.width);
    fill(s->before_gamma, BR_BLOCK_MOST, p.before_gamma_D, p.width);
    fill(s->before_beta, BR_BLOCK_MOST, p.before_beta_D, p.width);
    fill(s->after_gamma, BR_BLOCK_MOST, p.after_gamma_D, p.width);
    fill(s->after_beta, BR_BLOCK_MOST, p.after_beta_D, p.width);
}

/* Boxes in the order in which warpgroups open them: of turn t the outer weights' for the inner
 * values of turn t - 1, then the inner weights'. */
template <int W>
static __device__ void load_boxes(const forward_params &p, const br_tensor_map *inner,
                                  const br_tensor_map *outer, shared_of<W> *to)
{
    typedef layout<W>                l;
    br_box_feeder<l::SLOTS, l::RING> feeder = {&to->boxes, p.plan, {}, true};

    for (int tile = (int)blockIdx.x; tile < p.n_tiles; tile += (int)gridDim.x) {
        for (int t = 0; t <= p.n_panels; t++) {
            for (int i = 0; t > 0 && i < 2 * l::PANELS; i++)
                feeder.load(outer, ((t - 1) * 2 + i % 2) * BR_BOX_BYTES, i / 2 * BR_BOX_OUT);
            for (int i = 0; t < p.n_panels && i < W; i++)
                feeder.load(inner, i * BR_BOX_BYTES, t * BR_BOX_OUT);
        }
        feeder.end_tile();
    }
}

/* ---- a warpgroup ----------------------------------------------------------------------------- */

/* What it has in registers: of the thread's two rows. */
template <int W> struct state {
    br_rows<layout<W>::CHUNKS> y; /* the residual, then the sums of the outer products */
    float                      h[BR_WGMMA_SUMS];
    uint32_t                   z[OUT_STEPS][4]; /* the activations, as products read them */
};

template <int W> struct mill {
    const forward_params                            *p;
    shared_of<W>                                    *shared;
    br_box_reader<layout<W>::SLOTS, layout<W>::RING> reader;
    int                                              group;
};

/* From x to the inner products' operand and to what the outer ones' sums are added to. */
template <int W> static __device__ __forceinline__ void begin(const mill<W> &m, state<W> &s)
{
    const forward_params &p     = *m.p;
    const br_row_norm     own   = {m.shared->before_gamma, m.shared->before_beta, p.eps, p.width};
    uint32_t              place = br_rows_place();
    bool                  is_normed = p.before_gamma_D != NULL;
    br_row_moments        moments   = {};

    if (is_normed)
        moments = br_rows_moments(s.y, own);
    br_named_wait(READY + m.group, BR_WARPGROUP); /* the last tile's products are done */
#pragma unroll
    for (int i = 0; i < 2 * layout<W>::CHUNKS; i++) {
        int    n = i / 2, half = i % 2;
        float2 x    = make_float2(s.y.at(n, half, 0), s.y.at(n, half, 1));
        float2 y    = is_normed ? br_rows_normed(s.y, own, moments, n, half) : x;
        float2 bias = *reinterpret_cast<const float2 *>(m.shared->outer_bias + br_column() + 8 * n);

        br_rows_put(m.shared->y[m.group], place, n, half, br_pair(y.x, y.y));
        s.y.at(n, half, 0) = (p.adds_x ? x.x : y.x) + bias.x;
        s.y.at(n, half, 1) = (p.adds_x ? x.y : y.y) + bias.y;
    }
#pragma unroll
    for (int i = 2 * layout<W>::CHUNKS; i < 32 * layout<W>::PANELS; i++)
        s.y.at(i / 2, i % 2, 0) = s.y.at(i / 2, i % 2, 1) = 0.0f;
    br_shared_fence();
    br_named_wait(READY + m.group, BR_WARPGROUP);
}

/* The outer products of 128 inner values. */
template <int W> static __device__ __forceinline__ void multiply_outer(mill<W> &m, state<W> &s)
{
#pragma unroll
    for (int i = 0; i < 2 * layout<W>::PANELS; i++) {
        uint64_t b = m.reader.open();

#pragma unroll
        for (int k = 0; k < BR_BOX_STEP; k++)
            br_wgmma_bf16(s.y.v[i / 2], s.z[i % 2 * BR_BOX_STEP + k], b + k * BR_WGMMA_BYTES / 16,
                          true);
        m.reader.close();
    }
}

/* The inner products of the next 128. */
template <int W> static __device__ __forceinline__ void multiply_inner(mill<W> &m, state<W> &s)
{
    uint32_t y = br_shared_address(m.shared->y[m.group]);

#pragma unroll
    for (int i = 0; i < W; i++) {
        uint64_t b = m.reader.open();

#pragma unroll
        for (int k = 0; k < BR_BOX_STEP; k++) {
            uint64_t a    = br_wgmma_box(y + i * BR_ROWS_BOX, k * BR_WGMMA_BYTES);
            uint64_t here = b + k * BR_WGMMA_BYTES / 16;

            if (i + k == 0)
                br_wgmma_boxes_first(s.h, a, here);
            else
                br_wgmma_boxes_more(s.h, a, here);
        }
        m.reader.close();
    }
}

template <int W> static __device__ __forceinline__ void hold(state<W> &s)
{
#pragma unroll
    for (int i = 0; i < layout<W>::PANELS; i++)
        br_wgmma_hold(s.y.v[i]);
}

/* One turn at the tensor cores. */
template <int W, bool HAS_OUTER, bool HAS_INNER>
static __device__ __forceinline__ void turn(mill<W> &m, state<W> &s, bool is_end)
{
    if constexpr (layout<W>::TAKES_TURNS)
        br_named_wait(TURNS + m.group, WARPGROUPS * BR_WARPGROUP);
    hold(s);
    if constexpr (HAS_OUTER)
        multiply_outer(m, s);
    if constexpr (HAS_OUTER && HAS_INNER && W > 2)
        br_wgmma_wait<0>(); /* z gives its registers to h */
    if constexpr (HAS_INNER)
        multiply_inner(m, s);
    if (layout<W>::TAKES_TURNS && !is_end)
        br_named_arrive(TURNS + 1 - m.group, WARPGROUPS * BR_WARPGROUP);
    m.reader.settle();
    hold(s);
    if constexpr (HAS_INNER)
        br_wgmma_hold(s.h);
}

template <br_activation A>
static __device__ __forceinline__ void activate(const float h[BR_WGMMA_SUMS], const float *bias_I,
                                                uint32_t z[OUT_STEPS][4])
{
#pragma unroll
    for (int n = 0; n < 16; n++) {
        float2 bias = *reinterpret_cast<const float2 *>(bias_I + br_column() + 8 * n);

#pragma unroll
        for (int half = 0; half < 2; half++)
            z[n / 2][n % 2 * 2 + half] =
                br_pair(br_block_activate<A>(h[4 * n + 2 * half] + bias.x),
                        br_block_activate<A>(h[4 * n + 2 * half + 1] + bias.y));
    }
}

/* A: BR_ACT_RELU, BR_ACT_GELU, or BR_ACT_NONE for all the others. */
template <int W, br_activation A>
static __device__ __forceinline__ void activate_panel(const mill<W> &m, state<W> &s, int t)
{
    const float *bias_I = m.shared->inner_bias + t * BR_BOX_OUT;

    if constexpr (A != BR_ACT_NONE) {
        activate<A>(s.h, bias_I, s.z);
    } else {
        switch (m.p->activation) {
        case BR_ACT_TANH:
            activate<BR_ACT_TANH>(s.h, bias_I, s.z);
            break;
        case BR_ACT_SIGMOID:
            activate<BR_ACT_SIGMOID>(s.h, bias_I, s.z);
            break;
        case BR_ACT_SILU:
            activate<BR_ACT_SILU>(s.h, bias_I, s.z);
            break;
        default:
            activate<BR_ACT_NONE>(s.h, bias_I, s.z);
        }
    }
}

template <int W> static __device__ __forceinline__ void finish(const mill<W> &m, state<W> &s)
{
    const br_row_norm own = {m.shared->after_gamma, m.shared->after_beta, m.p->eps, m.p->width};
    br_row_moments    moments;

    if (m.p->after_gamma_D == NULL)
        return;
    moments = br_rows_moments(s.y, own);
#pragma unroll
    for (int i = 0; i < 2 * layout<W>::CHUNKS; i++) {
        float2 y = br_rows_normed(s.y, own, moments, i / 2, i % 2);

        s.y.at(i / 2, i % 2, 0) = y.x;
        s.y.at(i / 2, i % 2, 1) = y.y;
    }
}

/* A warpgroup's tile after tile. */
template <int W, br_activation A>
static __device__ __forceinline__ void run_tiles(const forward_params &p, mill<W> &m)
{
    state<W> s;

    if (layout<W>::TAKES_TURNS && m.group == WARPGROUPS - 1)
        br_named_arrive(TURNS, WARPGROUPS * BR_WARPGROUP);
    for (int tile = (int)blockIdx.x; tile < p.n_tiles; tile += (int)gridDim.x) {
        int  first  = tile * ROWS + (int)(threadIdx.x / BR_WARP - 4) * 16;
        bool is_end = tile + (int)gridDim.x >= p.n_tiles && m.group == WARPGROUPS - 1;

        br_rows_load(s.y, p.x_RD, first, p.n_rows, p.width, p.is_even_x);
        begin(m, s);
        m.reader.begin_tile(tile < (int)gridDim.x);
        turn<W, false, true>(m, s, false);
        activate_panel<W, A>(m, s, 0);
        for (int t = 1; t < p.n_panels; t++) {
            turn<W, true, true>(m, s, false);
            activate_panel<W, A>(m, s, t);
        }
        turn<W, true, false>(m, s, is_end);
        finish(m, s);
        br_rows_store(s.y, p.out_RD, first, p.n_rows, p.width, p.is_even_out);
    }
}

/* ---- the kernel ------------------------------------------------------------------------------ */

/* Grid: a block per multiprocessor, or per tile where these are fewer; block b takes the tiles b,
 * b + blocks, ... of 128 rows. A warpgroup owns 64 rows of a tile, a warp 16, a thread a quarter of
 * two. */
template <int W, br_activation A>
static __global__ void __launch_bounds__(THREADS, 1)
    feed_forward_kernel(const __grid_constant__ forward_params p,
                        const __grid_constant__ br_tensor_map  inner,
                        const __grid_constant__ br_tensor_map  outer)
{
#ifdef BR_HOPPER_CODE
    BR_DYNAMIC_SHARED(unsigned char, memory);
    shared_of<W> *shared = reinterpret_cast<shared_of<W> *>(memory);
    int           group  = br_warpgroup() - 1;

    fill_constants(p, shared);
    if (threadIdx.x == 0) {
        br_boxes_init(&shared->boxes, WARPS);
        br_mbarriers_made();
    }
    __syncthreads();
    if (group < 0) {
        br_registers_give<LEFT>();
        if (threadIdx.x == 0)
            load_boxes<W>(p, &inner, &outer, shared);
    } else {
        mill<W> m = {&p, shared, {&shared->boxes, p.plan, {}, true, -1}, group};

        br_registers_take<TAKEN>();
        run_tiles<W, A>(p, m);
    }
#else
    __trap(); /* br_block_refusal */
#endif
}

/* ---- the call -------------------------------------------------------------------------------- */

typedef struct forward_maps {
    br_tensor_map inner, outer;
} forward_maps;

template <int W, br_activation A>
static br_status launch(br_dev *dev, const forward_params &p, const forward_maps &maps)
{
    forward_params own   = p;
    int            n_sms = br_cuda_lane_of(dev)->n_sms;

    own.plan = br_box_plan_of(p.n_panels * layout<W>::PER, layout<W>::SLOTS, layout<W>::RING);
    return BR_LAUNCH(dev, (feed_forward_kernel<W, A>),
                     (unsigned)(p.n_tiles < n_sms ? p.n_tiles : n_sms), THREADS,
                     sizeof(shared_of<W>), own, maps.inner, maps.outer);
}

template <int W>
static br_status launch_activation(br_dev *dev, const forward_params &p, const forward_maps &maps)
{
    if (p.activation == BR_ACT_GELU)
        return launch<W, BR_ACT_GELU>(dev, p, maps);
    if (p.activation == BR_ACT_RELU)
        return launch<W, BR_ACT_RELU>(dev, p, maps);
    return launch<W, BR_ACT_NONE>(dev, p, maps);
}

static br_status launch_width(br_dev *dev, const forward_params &p, const forward_maps &maps)
{
    if (p.width <= BR_BOX_IN)
        return launch_activation<1>(dev, p, maps);
    if (p.width <= 2 * BR_BOX_IN)
        return launch_activation<2>(dev, p, maps);
    return launch_activation<4>(dev, p, maps);
}

static br_status forward(br_dev *dev, const br_feed_forward_args *args)
{
    br_status      st = BR_OK;
    forward_params p  = {};
    forward_maps   maps;

    p.x_RD           = br_view_of<const float>(args->x_RD);
    p.out_RD         = br_view_of<float>(args->out_RD);
    p.n_rows         = (int32_t)args->x_RD.n_rows;
    p.inner_bias_I   = br_mat_f32(args->inner_bias_1I);
    p.outer_bias_D   = br_mat_f32(args->outer_bias_1D);
    p.before_gamma_D = br_mat_f32(args->before_gamma_1D);
    p.before_beta_D  = br_mat_f32(args->before_beta_1D);
    p.after_gamma_D  = br_mat_f32(args->after_gamma_1D);
    p.after_beta_D   = br_mat_f32(args->after_beta_1D);
    p.eps            = (float)args->eps;
    p.width          = (int32_t)args->x_RD.n_cols;
    p.inner          = (int32_t)args->inner_weight_ID.n_rows;
    p.n_tiles        = (int32_t)br_cuda_blocks(p.n_rows, ROWS);
    p.n_panels       = (p.inner + BR_BOX_OUT - 1) / BR_BOX_OUT;
    p.activation     = args->activation;
    p.adds_x         = args->adds_x;
    p.is_even_x      = br_is_whole(args->x_RD, p.width, 2);
    p.is_even_out    = br_is_whole(args->out_RD, p.width, 2);
    BR_TRY(st, br_block_map(args->inner_prepared, &maps.inner));
    BR_TRY(st, br_block_map(args->outer_prepared, &maps.outer));
    BR_TRY(st, launch_width(dev, p, maps));
done:
    return st;
}

static const char *refusal_of(const br_dev *dev, const br_feed_forward_args *args)
{
    const char *refusal = br_block_refusal(dev, br_prepared_precision(args->inner_prepared));

    if (refusal != NULL)
        return refusal;
    if (args->x_RD.n_cols > BR_BLOCK_MOST)
        return "its registers hold rows of 256 columns, and they are wider";
    if (args->inner_weight_ID.n_rows > MOST_INNER)
        return "it takes 1,024 inner values at most";
    if (args->x_RD.n_rows > MOST_ROWS)
        return "there are more than 2^30 rows";
    if (sizeof(shared_of<2>) > br_cuda_lane_of(dev)->most_shared ||
        sizeof(shared_of<4>) > br_cuda_lane_of(dev)->most_shared)
        return "the device has too little shared memory";
    return NULL;
}

br_status br_cuda_feed_forward(br_dev *dev, const br_feed_forward_args *args)
{
    static bool was_said[2];
    br_status   st       = BR_OK;
    bool        is_taken = false;

    BR_TRY(st, br_block_choose("feed_forward", refusal_of(dev, args), was_said, &is_taken));
    if (is_taken)
        BR_TRY(st, forward(dev, args));
    else
        BR_TRY(st, br_feed_forward_composed(dev, args));
done:
    return st;
}
