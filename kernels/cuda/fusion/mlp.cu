/* SPDX-License-Identifier: Apache-2.0
 *
 * mlp in one kernel: a block owns a tile of rows in shared memory and takes it through norm, layers
 * and band; only weights pass, from the second-level cache. An output is one chain of fused
 * multiply-adds in index order, so its bits know neither tile nor neighbours. Rows that two copies
 * of do not fit go op by op (ref/fusion/mlp.c). Called once per chunk. */
#include "kernels/cuda/encoder/activate.cuh"
#include "kernels/cuda/encoder/columns.cuh"
#include "kernels/cuda/encoder/norm.cuh"
#include "kernels/cuda/fusion/band.cuh"
#include "kernels/ref/ref.h"

#ifndef BR_MLP_SHARED
#define BR_MLP_SHARED ((size_t)1 << 20) /* bytes that a block takes at most: what there is */
#endif

#define THREADS 256
#define GROUP   16 /* rows: one per half-warp */
#define PANEL   64 /* outputs of a step, four per thread of a half-warp */
#define STEP    32 /* inputs of a step */
#define LD_STEP 72 /* 8 banks on: a warp writes 4 inputs of 8 outputs without a conflict */
#define TAKEN   (PANEL * STEP / THREADS)

typedef struct mlp_layer {
    br_view<const float> weight_DD;
    const float         *bias_D;
    br_activation        activation;
} mlp_layer;

typedef struct mlp_params {
    int64_t              n_rows;
    int                  width;
    int                  ld; /* of a row in shared memory */
    int                  n_layers;
    br_view<const float> x_BD;
    br_norm_of           norm;
    mlp_layer            layer[BR_MAX_MLP_LAYERS];
    bool                 has_band;
    double               lo;
    double               hi;
    br_view<float>       out_BD;
} mlp_params;

/* Without an index that is only known when it runs, which would put the parameters on the stack. */
static __device__ mlp_layer layer_of(const mlp_params &p, int l)
{
    mlp_layer found = p.layer[0];

#pragma unroll
    for (int i = 1; i < BR_MAX_MLP_LAYERS; i++)
        if (l == i)
            found = p.layer[i];
    return found;
}

/* A thread's share of a step's weights: inputs i + lane % 4, 4 apart, of one output. */
static __device__ __forceinline__ void take_step(const mlp_layer &layer, int width, int o, int i,
                                                 float (&taken)[TAKEN])
{
    o += (int)threadIdx.x / 4;
    i += (int)threadIdx.x % 4;
#pragma unroll
    for (int j = 0; j < TAKEN; j++) {
        bool is_in = o < width && i + 4 * j < width;

        taken[j] = is_in ? layer.weight_DD.row(o)[i + 4 * j] : 0.0f;
    }
}

static __device__ __forceinline__ void put_step(const float (&taken)[TAKEN], float *w_IO)
{
#pragma unroll
    for (int j = 0; j < TAKEN; j++)
        w_IO[(4 * j + threadIdx.x % 4) * LD_STEP + threadIdx.x / 4] = taken[j];
}

static __device__ __forceinline__ void add_scaled(float x, float4 w, float4 *sum)
{
    sum->x = fmaf(x, w.x, sum->x);
    sum->y = fmaf(x, w.y, sum->y);
    sum->z = fmaf(x, w.z, sum->z);
    sum->w = fmaf(x, w.w, sum->w);
}

/* n inputs of a step, rounded up to four: rows and weights have zeros there. */
template <int N>
static __device__ __forceinline__ void add_step(const float *x_D, int row_step, int n,
                                                const float *w_IO, float4 (&sum)[N])
{
    for (int i = 0; i < n; i += 4) {
        float4 x[N];

#pragma unroll
        for (int r = 0; r < N; r++)
            x[r] = br_get4(x_D + r * row_step + i);
#pragma unroll
        for (int r = 0; r < N; r++)
            add_scaled(x[r].x, br_get4(w_IO + i * LD_STEP), &sum[r]);
#pragma unroll
        for (int r = 0; r < N; r++)
            add_scaled(x[r].y, br_get4(w_IO + (i + 1) * LD_STEP), &sum[r]);
#pragma unroll
        for (int r = 0; r < N; r++)
            add_scaled(x[r].z, br_get4(w_IO + (i + 2) * LD_STEP), &sum[r]);
#pragma unroll
        for (int r = 0; r < N; r++)
            add_scaled(x[r].w, br_get4(w_IO + (i + 3) * LD_STEP), &sum[r]);
    }
}

static __device__ __forceinline__ void put_sum(const mlp_layer &layer, int width, int o, float sum,
                                               float *y_D)
{
    if (o < width)
        y_D[o] =
            br_activate(layer.activation, sum + (layer.bias_D == NULL ? 0.0f : layer.bias_D[o]));
}

/* y = activation(x W^T + b) of the tile. A thread owns rows t / 16 + 16 r and, of each panel, four
 * outputs. The next step's weights are on their way while a step is multiplied. */
template <int N>
static __device__ __forceinline__ void run_layer(const mlp_layer &layer, const mlp_params &p,
                                                 const float *x_RL, float *y_RL, float *w_IO)
{
    int    row  = (int)threadIdx.x / GROUP;
    int    mine = (int)threadIdx.x % GROUP * 4;
    float  taken[TAKEN];
    float4 sum[N];

    take_step(layer, p.width, 0, 0, taken);
    for (int o = 0; o < p.width; o += PANEL) {
#pragma unroll
        for (int r = 0; r < N; r++)
            sum[r] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        for (int i = 0; i < p.width; i += STEP) {
            bool is_last = i + STEP >= p.width;

            __syncthreads(); /* the step before is read, the layer before is written */
            put_step(taken, w_IO);
            __syncthreads();
            take_step(layer, p.width, is_last ? o + PANEL : o, is_last ? 0 : i + STEP, taken);
            add_step<N>(x_RL + row * p.ld + i, GROUP * p.ld, is_last ? p.width - i : STEP,
                        w_IO + mine, sum);
        }
#pragma unroll
        for (int r = 0; r < N; r++) {
            float *y_D = y_RL + (row + r * GROUP) * p.ld;

            put_sum(layer, p.width, o + mine, sum[r].x, y_D);
            put_sum(layer, p.width, o + mine + 1, sum[r].y, y_D);
            put_sum(layer, p.width, o + mine + 2, sum[r].z, y_D);
            put_sum(layer, p.width, o + mine + 3, sum[r].w, y_D);
        }
    }
    __syncthreads();
}

/* A warp's row of the tile: the norm of x; zeros behind the last row of x, and behind D. */
static __device__ void norm_in(const mlp_params &p, int64_t b, float *x_D, float *y_D)
{
    double     sum = 0.0;
    br_kept<0> kept;

    for (int d = br_lane(); d < p.ld; d += BR_WARP) {
        x_D[d] = d < p.width && b < p.n_rows ? p.x_BD.row(b)[d] : 0.0f;
        y_D[d] = 0.0f;
        if (d < p.width)
            sum += x_D[d];
    }
    if (b < p.n_rows)
        br_norm_kept(kept, sum, p.norm, x_D);
}

static __device__ void band_out(const mlp_params &p, int64_t b, float *x_D)
{
    if (b >= p.n_rows)
        return;
    if (p.has_band)
        br_band_row(x_D, p.width, p.lo, p.hi);
    for (int d = br_lane(); d < p.width; d += BR_WARP)
        p.out_BD.row(b)[d] = x_D[d];
}

/* Grid: a block per 16 N rows. Shared: two copies of the tile, [16 N][ld] each, and a step of
 * weights, [32][72]. */
template <int N> static __global__ void __launch_bounds__(THREADS, 3) mlp_kernel(mlp_params p)
{
    BR_DYNAMIC_SHARED(float, shared);
    float  *x_RL  = shared;
    float  *y_RL  = shared + N * GROUP * p.ld;
    float  *w_IO  = shared + 2 * N * GROUP * p.ld;
    int64_t first = (int64_t)blockIdx.x * (N * GROUP);

    for (int r = (int)threadIdx.x / BR_WARP; r < N * GROUP; r += THREADS / BR_WARP)
        norm_in(p, first + r, x_RL + r * p.ld, y_RL + r * p.ld);
    for (int l = 0; l < p.n_layers; l++) {
        float *swap = x_RL;

        run_layer<N>(layer_of(p, l), p, x_RL, y_RL, w_IO);
        x_RL = y_RL;
        y_RL = swap;
    }
    for (int r = (int)threadIdx.x / BR_WARP; r < N * GROUP; r += THREADS / BR_WARP)
        band_out(p, first + r, x_RL + r * p.ld);
}

static size_t shared_bytes(const mlp_params &p, int n_groups)
{
    return (size_t)(2 * n_groups * GROUP * p.ld + STEP * LD_STEP) * sizeof(float);
}

static mlp_params params_of(const br_mlp_args *args)
{
    mlp_params p = {};

    p.n_rows   = args->x_BD.n_rows;
    p.width    = (int)args->x_BD.n_cols;
    p.ld       = (p.width + 3) / 4 * 4 + 4; /* rows of a warp in other banks */
    p.n_layers = args->n_layers;
    p.x_BD     = br_view_of<const float>(args->x_BD);
    p.norm     = {p.width, br_mat_f32(args->gamma_1D), br_mat_f32(args->beta_1D), args->eps};
    for (int l = 0; l < p.n_layers; l++)
        p.layer[l] = {br_view_of<const float>(args->weight_DD[l]), br_mat_f32(args->bias_1D[l]),
                      l + 1 == p.n_layers ? BR_ACT_NONE : args->activation};
    p.has_band = args->has_band;
    p.lo       = args->lo;
    p.hi       = args->hi;
    p.out_BD   = br_view_of<float>(args->out_BD);
    return p;
}

br_status br_cuda_mlp(br_dev *dev, const br_mlp_args *args)
{
    mlp_params p    = params_of(args);
    size_t     room = br_cuda_lane_of(dev)->most_shared;

    room = room < BR_MLP_SHARED ? room : BR_MLP_SHARED;
    if (shared_bytes(p, 2) <= room)
        return BR_LAUNCH(dev, mlp_kernel<2>, br_cuda_blocks(p.n_rows, 2 * GROUP), THREADS,
                         shared_bytes(p, 2), p);
    if (shared_bytes(p, 1) <= room)
        return BR_LAUNCH(dev, mlp_kernel<1>, br_cuda_blocks(p.n_rows, GROUP), THREADS,
                         shared_bytes(p, 1), p);
    return br_ref_mlp(dev, args);
}
