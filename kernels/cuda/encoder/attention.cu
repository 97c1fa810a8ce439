/* SPDX-License-Identifier: Apache-2.0
 *
 * attention: packed sequences, no padding but to 16 x 16 granules, and none above the diagonal. A
 * team of W warps owns W x 16 queries of one head and streams the keys that they see through shared
 * memory; each warp keeps the running maximum, sum and mean of its 16 queries in registers. The
 * pad's virtual key is where they begin. Teams are one warp for sequences of up to 32 events, four
 * beyond: that, and every place, is counted from the sequence's own start, so its bits do not
 * depend on its neighbours. Called once per layer and chunk.
 *
 * bf16: q, k, v and each power of a logit's distance to the largest so far are rounded; sums are
 * fp32. */
#include <math.h>

#include "kernels/cuda/encoder/attention.cuh"
#include "kernels/cuda/encoder/mean.cuh"

#define BLOCK        128
#define SHORT_SHARED ((size_t)96 * 1024) /* bytes of a block of short teams, at most */

typedef struct job {
    int64_t first; /* event of the sequence */
    int     n;     /* length of the sequence */
    int     t;     /* the warp's first query */
    int     col;   /* first column of the head */
} job;

/* A team's shared memory. */
template <typename T, int C, int W> struct desk {
    enum {
        STRIDE = br_granule_stride<T, C>(),
        KEYS   = W == 1                ? 16
                 : sizeof(T) * C <= 16 ? 64
                 : sizeof(T) * C <= 32 ? 32
                                       : 16,
        BLOCKS = C > 4            ? 2
                 : sizeof(T) == 2 ? 4
                                  : 3 /* per SM, with registers for all values */
    };
    T     query[W * BR_GRANULE * STRIDE];
    T     key[KEYS * STRIDE];
    T     value[KEYS * STRIDE];
    float bias[KEYS]; /* logarithm of each key's weight */
};

template <int W> static __device__ void team_sync(void)
{
    if (W == 1)
        __syncwarp();
    else
        __syncthreads();
}

/* Rows 0 .. n_rows-1 of a tile by N threads: zeros from n_there on. */
template <typename T, int C, int N>
static __device__ void load_rows(T *to, const br_attention_params &p, const float *from, int n_rows,
                                 int n_there)
{
#pragma unroll 2
    for (int i = (int)threadIdx.x % N; i < n_rows * C * 4; i += N) {
        int    r = i / (C * 4), d = i % (C * 4) * 4;
        float4 x = make_float4(0.0f, 0.0f, 0.0f, 0.0f);

        if (r < n_there)
            x = br_read4(from + r * p.qkv_E3D.ld, d, p.width, p.is_whole);
        br_put4(to + r * br_granule_stride<T, C>() + d, x);
    }
}

/* Keys k0 .. k0+KEYS-1, their values and the logarithms of their weights. */
template <typename T, int C, int W>
static __device__ void load_keys(desk<T, C, W> *d, const br_attention_params &p, const job &j,
                                 int k0)
{
    const float *row_3D = p.qkv_E3D.row(j.first + k0) + j.col;
    int          n      = j.n - k0;

    load_rows<T, C, W * BR_WARP>(d->key, p, row_3D + p.n_cols, d->KEYS, n);
    load_rows<T, C, W * BR_WARP>(d->value, p, row_3D + 2 * p.n_cols, d->KEYS, n);
    for (int k = (int)threadIdx.x % (W * BR_WARP); k < d->KEYS; k += W * BR_WARP)
        d->bias[k] = p.weight_E == NULL || k >= n
                         ? 0.0f
                         : br_logarithm(d->key, p.weight_E[j.first + k0 + k]);
}

/* The state before the first key: nothing, or the pad's virtual key alone. */
template <typename T, int C>
static __device__ void begin(br_mean<C> *m, const br_attention_params &p, const job &j,
                             const T *query)
{
    const T *row    = query + br_lane() / 4 * br_granule_stride<T, C>();
    float    dot[2] = {};
    bool     is_pad = p.pad_key_D != NULL && j.n < p.max_length;

#pragma unroll
    for (int c = 0; c < C; c++)
#pragma unroll
        for (int i = 0; i < 8; i++) {
            int d = c * BR_GRANULE + br_part<T>::column(i);

            m->out[c][i] = is_pad && d < p.width ? br_rounded(row, p.pad_value_D[j.col + d]) : 0.0f;
        }
    m->top[0] = m->top[1] = -INFINITY;
    m->sum[0] = m->sum[1] = is_pad && br_lane() % 4 == 0 ? 1.0f : 0.0f;
    if (!is_pad)
        return;
    for (int d = br_lane() % 4; d < p.width; d += 4) {
        float key = br_rounded(row, p.pad_key_D[j.col + d]);

        dot[0] = fmaf(br_get(row + d), key, dot[0]);
        dot[1] = fmaf(br_get(row + 8 * br_granule_stride<T, C>() + d), key, dot[1]);
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        dot[r] += __shfl_xor_sync(BR_FULL_WARP, dot[r], 1);
        dot[r] += __shfl_xor_sync(BR_FULL_WARP, dot[r], 2);
        m->top[r] = fmaf(dot[r], p.scale, br_logarithm(row, (float)(p.max_length - j.n)));
    }
}

/* A warp's place: its queries, and the keys of its team. */
template <typename T, int C, int W> struct seat {
    br_queries<T, C> query;
    desk<T, C, W>   *at;
    float            scale;
};

/* Keys k .. k + 16 G - 1 of the desk, which begin `ahead` before the warp's first query. */
template <typename T, int C, int W, int G>
static __device__ void take_keys(br_mean<C> *m, const seat<T, C, W> &s, int k, int ahead)
{
    constexpr int stride = desk<T, C, W>::STRIDE;
    float         x[G][8];

#pragma unroll
    for (int g = 0; g < G; g++)
        s.query.multiply(x[g], s.at->key + (k + g * BR_GRANULE) * stride);
    br_take_powers<T, C, G>(m, x, s.at->bias + k, s.scale, ahead);
#pragma unroll
    for (int g = 0; g < G; g++)
        br_granule_add<C>(m->out, x[g], s.at->value + (k + g * BR_GRANULE) * stride);
}

/* The desk's keys up to the diagonal, two granules at a time where two are left. */
template <typename T, int C, int W>
static __device__ void take_desk(br_mean<C> *m, const seat<T, C, W> &s, int ahead)
{
    constexpr int most = desk<T, C, W>::KEYS - BR_GRANULE;
    int           last = ahead < most ? ahead : most;
    int           k    = 0;

    if constexpr (most > 0)
        for (; k + BR_GRANULE <= last; k += 2 * BR_GRANULE)
            take_keys<T, C, W, 2>(m, s, k, ahead - k);
    if (k <= last)
        take_keys<T, C, W, 1>(m, s, k, ahead - k);
}

template <typename T, int C>
static __device__ void finish(br_mean<C> *m, const br_attention_params &p, const job &j)
{
#pragma unroll
    for (int r = 0; r < 2; r++) {
        m->sum[r] += __shfl_xor_sync(BR_FULL_WARP, m->sum[r], 1);
        m->sum[r] += __shfl_xor_sync(BR_FULL_WARP, m->sum[r], 2);
        m->sum[r] = 1.0f / m->sum[r];
    }
#pragma unroll
    for (int i = 0; i < 8 * C; i += 2) { /* two columns side by side */
        int    row = br_part<T>::row(i % 8);
        int    t   = j.t + br_lane() / 4 + 8 * row;
        int    d   = i / 8 * BR_GRANULE + br_part<T>::column(i % 8);
        float2 y =
            make_float2(m->out[i / 8][i % 8] * m->sum[row], m->out[i / 8][i % 8 + 1] * m->sum[row]);
        float *to = p.out_ED.row(j.first + t) + j.col + d;

        if (t >= j.n || d >= p.width)
            continue;
        if (p.is_whole_out) {
            *reinterpret_cast<float2 *>(to) = y;
            continue;
        }
        to[0] = y.x;
        if (d + 1 < p.width)
            to[1] = y.y;
    }
}

/* Grid: (units x heads) teams of W warps; blocks of four warps, or fewer short teams where shared
 * memory says so. Shared: a desk for each team (64 columns in bf16: 27,904 bytes for W = 4, 6,976
 * for W = 1; the largest, 256 in fp32: 99,904). A team owns W x 16 queries of a sequence's head, a
 * warp 16 of them, a lane 8 values of each 16 columns. Not yet timed on a GPU. */
template <typename T, int C, int W>
static __global__ void __launch_bounds__(BLOCK, desk<T, C, W>::BLOCKS)
    attention_kernel(br_attention_params p, const br_unit *unit, int64_t n_teams)
{
    BR_DYNAMIC_SHARED(unsigned char, memory);
    int           own   = (int)threadIdx.x / (W * BR_WARP);
    int64_t       team  = (int64_t)blockIdx.x * (blockDim.x / (W * BR_WARP)) + own;
    int           warp  = (int)threadIdx.x / BR_WARP % W;
    seat<T, C, W> s     = {{}, reinterpret_cast<desk<T, C, W> *>(memory) + own, p.scale};
    T            *query = s.at->query + warp * BR_GRANULE * s.at->STRIDE;
    br_mean<C>    m;
    job           j;
    int           n_keys;

    if (team >= n_teams)
        return;
    unit += team / p.n_heads;
    j.first = p.offset_B1[unit->b];
    j.n     = (int)(p.offset_B1[unit->b + 1] - j.first);
    j.t     = (unit->tile * W + warp) * BR_GRANULE;
    j.col   = (int)(team % p.n_heads) * p.width;
    n_keys  = (unit->tile + 1) * W * BR_GRANULE;
    n_keys  = n_keys < j.n ? n_keys : j.n;
    load_rows<T, C, BR_WARP>(query, p, p.qkv_E3D.row(j.first + j.t) + j.col, BR_GRANULE, j.n - j.t);
    __syncwarp();
    s.query.load(query);
    begin<T, C>(&m, p, j, query);
    for (int k0 = 0; k0 < n_keys; k0 += s.at->KEYS) {
        team_sync<W>(); /* the last keys are done with */
        load_keys(s.at, p, j, k0);
        team_sync<W>();
        if (j.t < j.n)
            take_desk(&m, s, j.t - k0);
    }
    finish<T, C>(&m, p, j);
}

template <typename T, int C>
static br_status run(br_dev *dev, const br_attention_params &p, const br_units &units)
{
    br_status st      = BR_OK;
    int64_t   n_long  = units.n_long * p.n_heads;
    int64_t   n_short = (units.n - units.n_long) * p.n_heads;
    size_t    bytes   = sizeof(desk<T, C, 1>);
    unsigned  n_teams = (unsigned)(SHORT_SHARED / bytes);

    n_teams = n_teams < BLOCK / BR_WARP ? n_teams : BLOCK / BR_WARP;
    BR_TRY(st, BR_LAUNCH(dev, (attention_kernel<T, C, 4>), (unsigned)n_long, BLOCK,
                         (sizeof(desk<T, C, 4>)), p, units.at, n_long));
    BR_TRY(st, BR_LAUNCH(dev, (attention_kernel<T, C, 1>), br_cuda_blocks(n_short, n_teams),
                         n_teams * BR_WARP, n_teams * bytes, p, units.at + units.n_long, n_short));
done:
    return st;
}

template <typename T>
static br_status run_width(br_dev *dev, const br_attention_params &p, const br_units &units)
{
    if (p.width <= 16)
        return run<T, 1>(dev, p, units);
    if (p.width <= 32)
        return run<T, 2>(dev, p, units);
    if (p.width <= 64)
        return run<T, 4>(dev, p, units);
    if (p.width <= 128)
        return run<T, 8>(dev, p, units);
    return run<T, 16>(dev, p, units);
}

br_attention_params br_attention_params_of(const br_attention_args *args)
{
    const double        log2_e = 1.44269504088896340736;
    br_attention_params p      = {};

    p.offset_B1   = br_mat_i32(args->seqs->offset_B1);
    p.weight_E    = br_mat_f32(args->seqs->weight_E);
    p.qkv_E3D     = br_view_of<const float>(args->qkv_E3D);
    p.pad_key_D   = br_mat_f32(args->pad_key_1D);
    p.pad_value_D = br_mat_f32(args->pad_value_1D);
    p.out_ED      = br_view_of<float>(args->out_ED);
    p.max_length  = args->max_length;
    p.n_heads     = args->n_heads;
    p.n_cols      = args->out_ED.n_cols;
    p.width       = (int32_t)(p.n_cols / p.n_heads);
    p.scale =
        (float)((args->precision == BR_PRECISION_BF16 ? log2_e : 1.0) / sqrt((double)p.width));
    p.is_whole     = br_is_whole(args->qkv_E3D, p.width, 4);
    p.is_whole_out = br_is_whole(args->out_ED, p.width, 2);
    return p;
}

br_status br_cuda_attention(br_dev *dev, const br_attention_args *args)
{
    br_status           st    = BR_OK;
    br_attention_params p     = br_attention_params_of(args);
    br_units            units = {};

    if (p.width > BR_WIDEST_HEAD)
        return br_cuda_attention_wide(dev, args);
    BR_TRY(st, br_cuda_units(dev, args->seqs, BR_UNITS_TILES, &units));
    if (args->precision == BR_PRECISION_BF16)
        BR_TRY(st, run_width<__nv_bfloat16>(dev, p, units));
    else
        BR_TRY(st, run_width<float>(dev, p, units));
done:
    return st;
}
