/* SPDX-License-Identifier: Apache-2.0
 *
 * self_attention for sm_90a: projections, attention and output projection of whole sequences in one
 * kernel; a row is read (twice, the second time for the residual) and written once.
 *
 *   slots         sequences of up to 16, 32 and 64 events lie in slots of as many rows, four, two
 *                 or one to a warpgroup's 64 rows; zeros where a slot has no event
 *   warp 0        one thread asks for boxes of both weights (boxes.cuh)
 *   warpgroups    two of 64 rows each. Queries stay in registers, keys and values go to shared
 *                 memory, both rounded; a warp has 16 queries and meets the granules of keys of its
 *                 slot up to its own (granule.cuh, mean.cuh); what it makes of them is the operand
 *                 of the output projection where it is
 *
 * All places are counted from a sequence's own beginning, so that its bits do not depend on the
 * others. Rounded is what attention's and linear's bf16 kernels round. Called once per layer and
 * chunk. Not measured on a GPU: docs/PERFORMANCE.md. */
#include <math.h>

#include "kernels/cuda/block/block.cuh"
#include "kernels/cuda/block/boxes.cuh"
#include "kernels/cuda/block/rows.cuh"
#include "kernels/cuda/block/slots.cuh"
#include "kernels/cuda/encoder/mean.cuh"
#include "kernels/cuda/gemm.cuh"
#include "kernels/ops/composed.h"

#define MOST_WIDTH 128
#define PARTS      3  /* queries, keys, values */
#define ROWS       64 /* of a warpgroup */
#define WARPGROUPS 2
#define WARPS      (4 * WARPGROUPS)
#define THREADS    (BR_WARPGROUP * (WARPGROUPS + 1))
#define TAKEN      240 /* registers of a multiplying thread */
#define LEFT       24  /* of the others */
#define READY      1   /* the named barrier of the first warpgroup's 128 threads */

/* Rows of up to W boxes, 64 W columns. */
template <int W> struct layout {
    static const int CHUNKS = 8 * W;
    static const int STEPS  = BR_BOX_STEP * W; /* chunks of 16 columns */
    static const int STRIDE = 64 * W + 8;      /* of keys and values: no bank conflicts */
    static const int BOXES  = (PARTS + 1) * W; /* of a tile */
    static const int SLOTS  = W == 1 ? 4 : 7;
    static const int RING   = W == 1 ? 1 : 3;
};

template <int W> struct shared_of {
    unsigned char                               y[WARPGROUPS][W * BR_ROWS_BOX]; /* rounded */
    br_boxes<layout<W>::SLOTS, layout<W>::RING> boxes;
    __nv_bfloat16 kv[WARPGROUPS][2][ROWS * layout<W>::STRIDE]; /* keys, then values */
    float         qkv_bias[PARTS][MOST_WIDTH]; /* zeros behind what is there, all of them */
    float         out_bias[MOST_WIDTH];
    float         gamma[MOST_WIDTH], beta[MOST_WIDTH];
    float         bias[WARPGROUPS][ROWS]; /* logarithm of each event's weight */
};

typedef struct attend_params {
    const int32_t       *offset_B1;
    const float         *weight_E; /* NULL: all 1 */
    br_view<const float> x_ED;
    br_view<float>       out_ED;
    br_units             units;   /* in slots of 64 rows, of 32, of 16 */
    const float         *gamma_D; /* NULL: no norm */
    const float         *beta_D;
    const float         *qkv_bias_3D; /* NULL: zeros */
    const float         *out_bias_D;
    const float         *pad_key_D; /* NULL: none */
    const float         *pad_value_D;
    float                eps;
    float                scale; /* of a logit, in powers of 2 */
    int32_t              width;
    int32_t              max_length;
    int32_t              n_tiles; /* of two warpgroups */
    bool                 is_even_x;
    bool                 is_even_out;
    br_box_plan          plan;
} attend_params;

/* ---- what comes ------------------------------------------------------------------------------ */

/* Only code for sm_90a calls it. */
[[maybe_unused]] static __device__ void fill(float *to, const float *from, int n_there)
{
    for (int i = (int)threadIdx.x; i < MOST_WIDTH; i += THREADS)
        to[i] = from != NULL && i < n_there ? from[i] : 0.0f;
}

template <int W> static __device__ void fill_constants(const attend_params &p, shared_of<W> *s)
{
    for (int part = 0; part < PARTS; part++)
        fill(s->qkv_bias[part], p.qkv_bias_3D == NULL ? NULL : p.qkv_bias_3D + part * p.width,
             p.width);
    fill(s->out_bias, p.out_bias_D, p.width);
    fill(s->gamma, p.gamma_D, p.width);
    fill(s->beta, p.beta_D, p.width);
}

/* Boxes in the order in which warpgroups open them. Those of a part hold 128 outputs from its first
 * on; what is behind its last is of the next part, and nobody looks at it. */
template <int W>
static __device__ void load_boxes(const attend_params &p, const br_tensor_map *qkv,
                                  const br_tensor_map *out, shared_of<W> *to)
{
    typedef layout<W>                l;
    br_box_feeder<l::SLOTS, l::RING> feeder = {&to->boxes, p.plan, {}, true};

    for (int tile = (int)blockIdx.x; tile < p.n_tiles; tile += (int)gridDim.x) {
        for (int i = 0; i < PARTS * W; i++)
            feeder.load(qkv, i % W * BR_BOX_BYTES, i / W * p.width);
        for (int i = 0; i < W; i++)
            feeder.load(out, i * BR_BOX_BYTES, 0);
        feeder.end_tile();
    }
}

/* ---- a warpgroup ----------------------------------------------------------------------------- */

template <int W> struct mill {
    const attend_params                             *p;
    shared_of<W>                                    *shared;
    br_box_reader<layout<W>::SLOTS, layout<W>::RING> reader;
    int                                              group;
    int                                              row; /* the warp's first of 64 */
    br_slot_rows                                     own; /* of the warp */
};

/* y to shared memory, as the projections read it. */
template <int W> static __device__ __forceinline__ void begin(const mill<W> &m)
{
    const attend_params       &p       = *m.p;
    const br_row_norm          norm    = {m.shared->gamma, m.shared->beta, p.eps, p.width};
    uint32_t                   at      = br_rows_place();
    br_row_moments             moments = {};
    br_rows<layout<W>::CHUNKS> x;

    br_rows_load(x, p.x_ED, m.own.first + m.own.t, m.own.first + m.own.n, p.width, p.is_even_x);
    if (p.gamma_D != NULL)
        moments = br_rows_moments(x, norm);
    br_named_wait(READY + m.group, BR_WARPGROUP); /* the last tile is done with */
#pragma unroll
    for (int i = 0; i < 2 * layout<W>::CHUNKS; i++) {
        int    n = i / 2, half = i % 2;
        float2 y = p.gamma_D != NULL ? br_rows_normed(x, norm, moments, n, half)
                                     : make_float2(x.at(n, half, 0), x.at(n, half, 1));

        br_rows_put(m.shared->y[m.group], at, n, half, br_pair(y.x, y.y));
    }
    if (br_lane() < BR_GRANULE) {
        int t = m.own.t + br_lane();

        m.shared->bias[m.group][m.row + br_lane()] =
            p.weight_E != NULL && t < m.own.n ? log2f(p.weight_E[m.own.first + t]) : 0.0f;
    }
    br_shared_fence();
    br_named_wait(READY + m.group, BR_WARPGROUP);
}

/* One part of the input projection. */
template <int W> static __device__ __forceinline__ void project(mill<W> &m, float h[BR_WGMMA_SUMS])
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
                br_wgmma_boxes_first(h, a, here);
            else
                br_wgmma_boxes_more(h, a, here);
        }
        m.reader.close();
    }
    m.reader.settle();
    br_wgmma_hold(h);
}

/* Chunk n of row g + 8 half: sums and bias, rounded. */
[[maybe_unused]] static __device__ __forceinline__ uint32_t rounded(const float  h[BR_WGMMA_SUMS],
                                                                    const float *bias_D, int n,
                                                                    int half)
{
    float2 bias = *reinterpret_cast<const float2 *>(bias_D + br_column() + 8 * n);

    return br_pair(h[4 * n + 2 * half] + bias.x, h[4 * n + 2 * half + 1] + bias.y);
}

/* Queries as products read them; keys and values to shared memory. */
template <int W>
static __device__ __forceinline__ void make_parts(mill<W> &m, uint32_t q[layout<W>::STEPS][4])
{
    float h[BR_WGMMA_SUMS];

    project(m, h);
#pragma unroll
    for (int i = 0; i < 2 * layout<W>::CHUNKS; i++)
        q[i / 4][i % 4] = rounded(h, m.shared->qkv_bias[0], i / 2, i % 2);
#pragma unroll
    for (int part = 1; part < PARTS; part++) {
        __nv_bfloat16 *to = m.shared->kv[m.group][part - 1] +
                            (m.row + br_lane() / 4) * layout<W>::STRIDE + br_column();

        project(m, h);
#pragma unroll
        for (int i = 0; i < 2 * layout<W>::CHUNKS; i++)
            *reinterpret_cast<uint32_t *>(to + i % 2 * 8 * layout<W>::STRIDE + i / 2 * 8) =
                rounded(h, m.shared->qkv_bias[part], i / 2, i % 2);
    }
    br_named_wait(READY + m.group, BR_WARPGROUP);
}

/* The mean before the first key: nothing, or the pad's virtual key alone. */
template <int C>
static __device__ __forceinline__ void begin_mean(br_mean<C> *m, const attend_params &p,
                                                  const br_slot_rows &own, const uint32_t q[C][4],
                                                  int col)
{
    const __nv_bfloat16 *kind   = NULL;
    bool                 is_pad = p.pad_key_D != NULL && own.n < p.max_length;

#pragma unroll
    for (int i = 0; i < 8 * C; i++) {
        int d = col + i / 8 * BR_GRANULE + br_part<__nv_bfloat16>::column(i % 8);

        m->out[i / 8][i % 8] = is_pad ? br_rounded(kind, p.pad_value_D[d]) : 0.0f;
    }
    m->top[0] = m->top[1] = -INFINITY;
    m->sum[0] = m->sum[1] = is_pad && br_lane() % 4 == 0 ? 1.0f : 0.0f;
    if (!is_pad)
        return;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float dot = 0.0f;

#pragma unroll
        for (int i = 0; i < 2 * C; i++) {
            const float *key_D = p.pad_key_D + col + br_column() + 8 * i;
            uint32_t     pair  = q[i / 2][i % 2 * 2 + half];

            dot = fmaf(__uint_as_float(pair << 16), br_rounded(kind, key_D[0]), dot);
            dot = fmaf(__uint_as_float(pair & 0xFFFF0000u), br_rounded(kind, key_D[1]), dot);
        }
        m->top[half] = fmaf(br_quad_sum(dot), p.scale, log2f((float)(p.max_length - own.n)));
    }
}

/* The head of C chunks from `col` on: o, as the output projection reads it. */
template <int W, int C>
static __device__ __forceinline__ void attend(const mill<W> &m, const uint32_t q[C][4], int col,
                                              uint32_t o[C][4])
{
    constexpr int                        stride = layout<W>::STRIDE;
    br_queries<__nv_bfloat16, C, stride> query;
    br_mean<C>                           mean;

#pragma unroll
    for (int i = 0; i < 4 * C; i++)
        query.kept[i / 4][i % 4] = q[i / 4][i % 4];
    begin_mean<C>(&mean, *m.p, m.own, q, col);
    for (int k = 0; k <= m.own.t; k += BR_GRANULE) {
        int   row = m.row - m.own.t + k;
        float x[1][8];

        query.multiply(x[0], m.shared->kv[m.group][0] + row * stride + col);
        br_take_powers<__nv_bfloat16, C, 1>(&mean, x, m.shared->bias[m.group] + row, m.p->scale,
                                            m.own.t - k);
        br_granule_add<C, stride>(mean.out, x[0], m.shared->kv[m.group][1] + row * stride + col);
    }
    mean.sum[0] = 1.0f / br_quad_sum(mean.sum[0]);
    mean.sum[1] = 1.0f / br_quad_sum(mean.sum[1]);
#pragma unroll
    for (int i = 0; i < 4 * C; i++)
        o[i / 4][i % 4] = br_pair(mean.out[i / 4][i % 4 * 2] * mean.sum[i % 2],
                                  mean.out[i / 4][i % 4 * 2 + 1] * mean.sum[i % 2]);
}

/* The output projection, on top of the residual, and the rows' end. */
template <int W>
static __device__ __forceinline__ void finish(mill<W> &m, const uint32_t o[layout<W>::STEPS][4])
{
    const attend_params       &p     = *m.p;
    int                        first = m.own.first + m.own.t, end = m.own.first + m.own.n;
    br_rows<layout<W>::CHUNKS> y;

    br_rows_load(y, p.x_ED, first, end, p.width, p.is_even_x);
#pragma unroll
    for (int i = 0; i < 32; i++) {
        float2 bias = make_float2(0.0f, 0.0f);

        if (i / 2 < layout<W>::CHUNKS)
            bias = *reinterpret_cast<const float2 *>(m.shared->out_bias + br_column() + i / 2 * 8);
        else
            y.at(i / 2, i % 2, 0) = y.at(i / 2, i % 2, 1) = 0.0f;
        y.at(i / 2, i % 2, 0) += bias.x;
        y.at(i / 2, i % 2, 1) += bias.y;
    }
    br_wgmma_hold(y.v[0]);
#pragma unroll
    for (int i = 0; i < W; i++) {
        uint64_t b = m.reader.open();

#pragma unroll
        for (int k = 0; k < BR_BOX_STEP; k++)
            br_wgmma_bf16(y.v[0], o[i * BR_BOX_STEP + k], b + k * BR_WGMMA_BYTES / 16, true);
        m.reader.close();
    }
    m.reader.settle();
    br_wgmma_hold(y.v[0]);
    br_rows_store(y, p.out_ED, first, end, p.width, p.is_even_out);
}

/* A warpgroup's tile after tile. */
template <int W, int C>
static __device__ __forceinline__ void run_tiles(const attend_params &p, mill<W> &m)
{
    uint32_t q[layout<W>::STEPS][4], o[layout<W>::STEPS][4];

    m.row = (int)(threadIdx.x / BR_WARP % 4) * BR_GRANULE;
    for (int tile = (int)blockIdx.x; tile < p.n_tiles; tile += (int)gridDim.x) {
        m.own = br_slot_at(p.units, p.offset_B1, tile * WARPGROUPS + m.group, m.row);
        m.reader.begin_tile(tile < (int)gridDim.x);
        begin(m);
        make_parts(m, q);
#pragma unroll
        for (int i = 0; i < layout<W>::STEPS; i += C) {
#pragma unroll
            for (int j = 0; j < 4 * C; j++)
                o[i + j / 4][j % 4] = 0;
            if (m.own.t < m.own.n && i * BR_GRANULE < p.width)
                attend<W, C>(m, &q[i], i * BR_GRANULE, &o[i]);
        }
        finish(m, o);
    }
}

/* ---- the kernel ------------------------------------------------------------------------------ */

/* Grid: a block per multiprocessor, or per tile where these are fewer; block b takes the tiles b,
 * b + blocks, ... of two times 64 rows. A warpgroup owns 64 rows of slots, a warp 16, a thread a
 * quarter of two. C: chunks of 16 columns of a head. */
template <int W, int C>
static __global__ void __launch_bounds__(THREADS, 1)
    self_attention_kernel(const __grid_constant__ attend_params p,
                          const __grid_constant__ br_tensor_map qkv,
                          const __grid_constant__ br_tensor_map out)
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
            load_boxes<W>(p, &qkv, &out, shared);
    } else {
        mill<W> m = {&p, shared, {&shared->boxes, p.plan, {}, true, -1}, group, 0, {}};

        br_registers_take<TAKEN>();
        run_tiles<W, C>(p, m);
    }
#else
    __trap(); /* br_block_refusal */
#endif
}

/* ---- the call -------------------------------------------------------------------------------- */

typedef struct attend_maps {
    br_tensor_map qkv, out;
} attend_maps;

template <int W, int C>
static br_status launch(br_dev *dev, const attend_params &p, const attend_maps &maps)
{
    attend_params own   = p;
    int           n_sms = br_cuda_lane_of(dev)->n_sms;

    own.plan = br_box_plan_of(layout<W>::BOXES, layout<W>::SLOTS, layout<W>::RING);
    return BR_LAUNCH(dev, (self_attention_kernel<W, C>),
                     (unsigned)(p.n_tiles < n_sms ? p.n_tiles : n_sms), THREADS,
                     sizeof(shared_of<W>), own, maps.qkv, maps.out);
}

static br_status launch_width(br_dev *dev, const attend_params &p, int32_t head,
                              const attend_maps &maps)
{
    if (p.width <= BR_BOX_IN)
        return head == 16   ? launch<1, 1>(dev, p, maps)
               : head == 32 ? launch<1, 2>(dev, p, maps)
                            : launch<1, 4>(dev, p, maps);
    return head == 16   ? launch<2, 1>(dev, p, maps)
           : head == 32 ? launch<2, 2>(dev, p, maps)
           : head == 64 ? launch<2, 4>(dev, p, maps)
                        : launch<2, 8>(dev, p, maps);
}

static attend_params params_of(const br_self_attention_args *args, const br_units &units)
{
    const double  log2_e = 1.44269504088896340736;
    attend_params p      = {};

    p.offset_B1   = br_mat_i32(args->seqs->offset_B1);
    p.weight_E    = br_mat_f32(args->seqs->weight_E);
    p.x_ED        = br_view_of<const float>(args->x_ED);
    p.out_ED      = br_view_of<float>(args->out_ED);
    p.units       = units;
    p.gamma_D     = br_mat_f32(args->before_gamma_1D);
    p.beta_D      = br_mat_f32(args->before_beta_1D);
    p.qkv_bias_3D = br_mat_f32(args->qkv_bias_13D);
    p.out_bias_D  = br_mat_f32(args->out_bias_1D);
    p.pad_key_D   = br_mat_f32(args->pad_key_1D);
    p.pad_value_D = br_mat_f32(args->pad_value_1D);
    p.eps         = (float)args->eps;
    p.width       = (int32_t)args->x_ED.n_cols;
    p.scale       = (float)(log2_e / sqrt((double)(p.width / args->n_heads)));
    p.max_length  = args->max_length;
    for (int slot = 0; slot < BR_N_SLOTS; slot++)
        p.n_tiles += br_slot_tiles(units, slot);
    p.n_tiles     = (p.n_tiles + WARPGROUPS - 1) / WARPGROUPS;
    p.is_even_x   = br_is_whole(args->x_ED, p.width, 2);
    p.is_even_out = br_is_whole(args->out_ED, p.width, 2);
    return p;
}

static br_status attend_all(br_dev *dev, const br_self_attention_args *args)
{
    br_status   st    = BR_OK;
    br_units    units = {};
    attend_maps maps;

    BR_TRY(st, br_cuda_units(dev, args->seqs, BR_UNITS_SLOTS, &units));
    BR_TRY(st, br_block_map(args->qkv_prepared, &maps.qkv));
    BR_TRY(st, br_block_map(args->out_prepared, &maps.out));
    BR_TRY(st, launch_width(dev, params_of(args, units), (int32_t)args->x_ED.n_cols / args->n_heads,
                            maps));
done:
    return st;
}

static const char *refusal_of(const br_dev *dev, const br_self_attention_args *args)
{
    const char *refusal = br_block_refusal(dev, br_prepared_precision(args->qkv_prepared));
    int64_t     head    = args->x_ED.n_cols / args->n_heads;

    if (refusal != NULL)
        return refusal;
    if (args->max_length > BR_MOST_SLOT)
        return "its slots hold sequences of 64 events, and max_length is larger";
    if (args->x_ED.n_cols > MOST_WIDTH)
        return "its registers hold rows of 128 columns, and they are wider";
    if (head != 16 && head != 32 && head != 64 && head != 128)
        return "heads are not of 16, 32, 64 or 128 columns";
    if (sizeof(shared_of<2>) > br_cuda_lane_of(dev)->most_shared)
        return "the device has too little shared memory";
    return NULL;
}

br_status br_cuda_self_attention(br_dev *dev, const br_self_attention_args *args)
{
    static bool was_said[2];
    br_status   st       = BR_OK;
    bool        is_taken = false;

    BR_TRY(st, br_block_choose("self_attention", refusal_of(dev, args), was_said, &is_taken));
    if (is_taken)
        BR_TRY(st, attend_all(dev, args));
    else
        BR_TRY(st, br_self_attention_composed(dev, args));
done:
    return st;
}
