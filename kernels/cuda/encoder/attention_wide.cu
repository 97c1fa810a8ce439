/* SPDX-License-Identifier: Apache-2.0
 *
 * attention for heads of more than 256 columns, which no shipped model has: a warp per query, head
 * and 128 columns of its output takes key by key, and finds each logit anew for its columns. The
 * same arithmetic as attention.cu up to the order of sums. Called once per layer and chunk. */
#include <math.h>

#include "kernels/cuda/encoder/attention.cuh"

#define PER_LANE 4
#define COLUMNS  (PER_LANE * BR_WARP)

typedef struct query_mean {
    float top;
    float sum;
    float out[PER_LANE]; /* columns lane + 32 i of the warp's 128 */
} query_mean;

/* One key: its logit over the whole head, then the warp's columns of its value. */
template <typename T>
static __device__ void take_key(query_mean *m, const br_attention_params &p, const float *query_D,
                                const float *key_D, const float *value_D, float bias)
{
    const T *kind = NULL;
    int      d0   = (int)blockIdx.z * COLUMNS + br_lane();
    float    dot  = 0.0f, top, kept, power;

    for (int d = br_lane(); d < p.width; d += BR_WARP)
        dot = fmaf(br_rounded(kind, query_D[d]), br_rounded(kind, key_D[d]), dot);
    dot    = fmaf(br_warp_sum(dot), p.scale, bias);
    top    = dot > m->top ? dot : m->top;
    kept   = br_power(kind, m->top - top);
    power  = br_power(kind, dot - top);
    m->sum = m->sum * kept + power;
    m->top = top;
    for (int i = 0; i < PER_LANE; i++)
        if (d0 + i * BR_WARP < p.width)
            m->out[i] = fmaf(br_rounded(kind, power), br_rounded(kind, value_D[d0 + i * BR_WARP]),
                             m->out[i] * kept);
}

/* Grid: (n_events warps, heads, 128 columns of a head each). */
template <typename T>
static __global__ void __launch_bounds__(BR_ROW_THREADS)
    wide_kernel(br_attention_params p, int64_t n_seqs, int64_t n_events)
{
    const T   *kind = NULL;
    int64_t    e    = br_row();
    int64_t    col  = (int64_t)blockIdx.y * p.width;
    int        d0   = (int)blockIdx.z * COLUMNS + br_lane();
    query_mean m    = {-INFINITY, 0.0f, {}};

    if (e >= n_events)
        return;
    {
        int64_t      b       = br_sequence_of(p.offset_B1, n_seqs, e);
        int64_t      first   = p.offset_B1[b];
        int64_t      n_pads  = p.max_length - (p.offset_B1[b + 1] - first);
        const float *query_D = p.qkv_E3D.row(e) + col;

        if (p.pad_key_D != NULL && n_pads > 0)
            take_key<T>(&m, p, query_D, p.pad_key_D + col, p.pad_value_D + col,
                        br_logarithm(kind, (float)n_pads));
        for (int64_t s = first; s <= e; s++) {
            const float *key_D = p.qkv_E3D.row(s) + p.n_cols + col;

            take_key<T>(&m, p, query_D, key_D, key_D + p.n_cols,
                        p.weight_E == NULL ? 0.0f : br_logarithm(kind, p.weight_E[s]));
        }
    }
    for (int i = 0; i < PER_LANE; i++)
        if (d0 + i * BR_WARP < p.width)
            p.out_ED.row(e)[col + d0 + i * BR_WARP] = m.out[i] / m.sum;
}

br_status br_cuda_attention_wide(br_dev *dev, const br_attention_args *args)
{
    br_status           st       = BR_OK;
    br_attention_params p        = br_attention_params_of(args);
    int64_t             n_seqs   = args->seqs->n_seqs;
    int64_t             n_events = args->seqs->n_events;
    dim3 grid(br_row_blocks(n_events), (unsigned)p.n_heads, br_cuda_blocks(p.width, COLUMNS));

    if (args->precision == BR_PRECISION_BF16)
        BR_TRY(st, BR_LAUNCH(dev, wide_kernel<__nv_bfloat16>, grid, BR_ROW_THREADS, 0, p, n_seqs,
                             n_events));
    else
        BR_TRY(st,
               BR_LAUNCH(dev, wide_kernel<float>, grid, BR_ROW_THREADS, 0, p, n_seqs, n_events));
done:
    return st;
}
