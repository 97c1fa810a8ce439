/* SPDX-License-Identifier: Apache-2.0
 *
 * attention_last in tiles of BR_GEMM_ROWS sequences and as many heads as their rows leave room for:
 * the absorbed key projection of each head's queries is a product (gemm.cuh), then a warp per
 * sequence and head streams the events eight at a time, and the value projection is a product
 * again. Called once per chunk, in an encoder's last layer. */
#include <math.h>

#include "kernels/cuda/encoder/columns.cuh"
#include "kernels/cuda/encoder/units.cuh"
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/warp.cuh"

#define EVENTS    8               /* taken at a time */
#define ROW_BYTES ((int64_t)2048) /* of one sequence's u, of all heads of a tile, about */

typedef struct last_params {
    const br_unit       *unit; /* sequences of the tile, the longest first */
    int64_t              n_seqs;
    const int32_t       *offset_B1; /* of the tile */
    const float         *weight_E;
    br_view<const float> query_BD; /* of the tile's sequences and heads */
    br_view<const float> x_ED;
    const float         *key_bias_D; /* of the tile's heads */
    const float         *pad_x_D;
    int32_t              max_length;
    int32_t              n_heads; /* in the tile */
    int32_t              width;
    int32_t              n_cols;
    int64_t              ld; /* of u and c: n_cols padded */
    float                scale;
    const float         *u_HRD; /* W_k^T q: [n_heads, BR_GEMM_ROWS, ld] */
    void                *c_HRD; /* sum p_t x_t, as the next product reads it */
    bool                 is_half;
} last_params;

/* Up to 8 events in a row. */
typedef struct events {
    const float *x_D; /* the first one's */
    int64_t      ld;
    const float *weight; /* NULL: each counts n_times */
    float        n_times;
    int          n;
} events;

/* A warp's softmax over the events so far. */
typedef struct softmax {
    const float *u_D;
    float        q_bias; /* q . b_k */
    float        top;    /* largest logit */
    float        sum;    /* of the powers */
} softmax;

/* logit[t] of up to 8 events, -inf beyond; gives the largest so far. */
static __device__ float find_logits(float logit[EVENTS], const softmax &s, const last_params &p,
                                    const events &e)
{
    float top = s.top;

#pragma unroll
    for (int t = 0; t < EVENTS; t++)
        logit[t] = 0.0f;
    for (int d = br_lane(); d < p.n_cols; d += BR_WARP) {
        float u = s.u_D[d];

#pragma unroll
        for (int t = 0; t < EVENTS; t++)
            if (t < e.n)
                logit[t] = fmaf(u, e.x_D[t * e.ld + d], logit[t]);
    }
#pragma unroll
    for (int t = 0; t < EVENTS; t++) {
        if (t >= e.n) {
            logit[t] = -INFINITY;
            continue;
        }
        logit[t] = fmaf(br_warp_sum(logit[t]) + s.q_bias, p.scale,
                        logf(e.weight == NULL ? e.n_times : e.weight[t]));
        top      = logit[t] > top ? logit[t] : top;
    }
    return top;
}

/* The mean over events so far and up to 8 more: what was before shrinks with the largest logit. */
template <int N>
static __device__ void take_events(float mean[N], softmax *s, const last_params &p, const events &e)
{
    float power[EVENTS];
    float top  = find_logits(power, *s, p, e);
    float kept = expf(s->top - top);
    int   d0   = (int)blockIdx.y * N * BR_WARP + br_lane();

    s->top = top;
    s->sum *= kept;
#pragma unroll
    for (int t = 0; t < EVENTS; t++) {
        power[t] = expf(power[t] - top);
        s->sum += power[t];
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        mean[i] *= kept;
#pragma unroll
        for (int t = 0; t < EVENTS; t++)
            if (d0 + i * BR_WARP < p.n_cols && t < e.n)
                mean[i] = fmaf(power[t], e.x_D[t * e.ld + d0 + i * BR_WARP], mean[i]);
    }
}

static __device__ float bias_of_head(const last_params &p, const float *query_D, int head)
{
    float sum = 0.0f;

    if (p.key_bias_D == NULL)
        return 0.0f;
    for (int d = br_lane(); d < p.width; d += BR_WARP)
        sum = fmaf(query_D[head * p.width + d], p.key_bias_D[head * p.width + d], sum);
    return br_warp_sum(sum);
}

/* Row `row` of c: the mean rounded, zeros where it is padded or there was no event. */
template <int N>
static __device__ void put_mean(const float mean[N], float sum, const last_params &p, int64_t row)
{
    int64_t d0    = (int64_t)blockIdx.y * N * BR_WARP + br_lane();
    float   scale = sum == 0.0f ? 0.0f : 1.0f / sum;

#pragma unroll
    for (int i = 0; i < N; i++) {
        int64_t d = d0 + i * BR_WARP;
        float   c = mean[i] * scale;

        if (d < p.ld && p.is_half)
            static_cast<__nv_bfloat16 *>(p.c_HRD)[row * p.ld + d] = __float2bfloat16_rn(c);
        else if (d < p.ld)
            static_cast<float *>(p.c_HRD)[row * p.ld + d] = c;
    }
}

/* Grid: (sequences x heads of the tile, a warp each; N * 32 columns of the mean each). A warp finds
 * its logits from all columns; a lane owns N columns of the mean. */
template <int N>
static __global__ void __launch_bounds__(BR_ROW_THREADS, 6) last_kernel(last_params p)
{
    int64_t at   = br_row();
    int     head = (int)(at % p.n_heads);
    int64_t b, row, first, n;
    float   mean[N] = {};
    softmax s       = {};

    if (at >= p.n_seqs * p.n_heads)
        return;
    b        = p.unit[at / p.n_heads].b;
    row      = (int64_t)head * BR_GEMM_ROWS + b;
    first    = p.offset_B1[b];
    n        = p.offset_B1[b + 1] - first;
    s.u_D    = p.u_HRD + row * p.ld;
    s.top    = -INFINITY;
    s.q_bias = bias_of_head(p, p.query_BD.row(b), head);
    if (n > 0 && p.pad_x_D != NULL && n < p.max_length)
        take_events<N>(mean, &s, p, {p.pad_x_D, 0, NULL, (float)(p.max_length - n), 1});
    for (int64_t t = 0; t < n; t += EVENTS)
        take_events<N>(mean, &s, p,
                       {p.x_ED.row(first + t), p.x_ED.ld,
                        p.weight_E == NULL ? NULL : p.weight_E + first + t, 1.0f,
                        (int)(n - t < EVENTS ? n - t : EVENTS)});
    put_mean<N>(mean, s.sum, p, row);
}

typedef struct finish_params {
    const float   *sum_RW; /* W_v c of one head */
    int64_t        ld_sum;
    const float   *bias_W;
    const int32_t *offset_B1;
    int64_t        n_rows;
    int64_t        width;
    br_view<float> out_BW;
} finish_params;

/* Grid: 256 elements of the head's output per block, one per thread. */
static __global__ void __launch_bounds__(256) finish_kernel(finish_params p)
{
    int64_t at = (int64_t)blockIdx.x * 256 + threadIdx.x;
    int64_t b = at / p.width, d = at % p.width;

    if (b >= p.n_rows)
        return;
    p.out_BW.row(b)[d] = p.offset_B1[b] == p.offset_B1[b + 1]
                             ? 0.0f
                             : p.sum_RW[b * p.ld_sum + d] + (p.bias_W == NULL ? 0.0f : p.bias_W[d]);
}

/* One call: its weights, and room for a tile. */
typedef struct plan {
    const br_attention_last_args *args;
    br_cuda_weight                key;   /* per head: width inputs, D outputs */
    br_cuda_weight                value; /* per head: D inputs, width outputs */
    int64_t                       width;
    int64_t                       most_heads; /* in a tile */
    char                         *operand;    /* a head's queries, then all heads' c */
    float                        *sum;        /* all heads' u, then a head's W_v c */
} plan;

/* Sequences and heads that are done together. */
typedef struct tile {
    br_seqs seqs;
    int64_t first;
    int64_t n_rows;
    int64_t head;
    int64_t n_heads;
} tile;

static br_cuda_product product_of(const br_cuda_weight *weight, int64_t head, int64_t n_rows)
{
    br_cuda_product product = {};

    product.weight_OI =
        static_cast<const char *>(weight->values) +
        (size_t)(head * weight->n_out * weight->n_in) * br_cuda_operand_bytes(weight->precision);
    product.n_in      = weight->n_in;
    product.n_out     = weight->n_out;
    product.n_rows    = n_rows;
    product.precision = weight->precision;
    return product;
}

/* u of the tile's heads */
static br_status project_queries(br_dev *dev, const plan *p, const tile *t)
{
    br_status st    = BR_OK;
    br_mat    query = br_mat_rows(p->args->query_BD, t->first, t->n_rows);

    for (int64_t i = 0; i < t->n_heads; i++) {
        br_cuda_product      product = product_of(&p->key, t->head + i, t->n_rows);
        br_mat               head    = br_mat_cols(query, (t->head + i) * p->width, p->width);
        br_cuda_operand_args from    = {br_cuda_rows_of(head), NULL, 0};

        product.x_RI   = p->operand;
        product.sum_RO = p->sum + i * BR_GEMM_ROWS * p->key.n_out;
        BR_TRY(st, br_cuda_operand(dev, &from, &p->key, p->operand));
        BR_TRY(st, br_cuda_multiply(dev, &product));
    }
done:
    return st;
}

/* c of the tile's heads */
static br_status attend(br_dev *dev, const plan *p, const tile *t, const br_units *units)
{
    br_status                     st   = BR_OK;
    const br_attention_last_args *args = p->args;
    int64_t                       col  = t->head * p->width;
    last_params                   k    = {};
    unsigned                      n_blocks;

    k.unit      = units->at;
    k.n_seqs    = t->n_rows;
    k.offset_B1 = br_mat_i32(t->seqs.offset_B1);
    k.weight_E  = br_mat_f32(args->seqs->weight_E);
    k.query_BD  = br_view_of<const float>(
        br_mat_cols(br_mat_rows(args->query_BD, t->first, t->n_rows), col, p->width));
    k.x_ED       = br_view_of<const float>(args->x_ED);
    k.key_bias_D = args->key_bias_1D.buf == NULL ? NULL : br_mat_f32(args->key_bias_1D) + col;
    k.pad_x_D    = br_mat_f32(args->pad_x_1D);
    k.max_length = args->max_length;
    k.n_heads    = (int32_t)t->n_heads;
    k.width      = (int32_t)p->width;
    k.n_cols     = (int32_t)args->x_ED.n_cols;
    k.ld         = p->value.n_in;
    k.scale      = (float)(1.0 / sqrt((double)p->width));
    k.u_HRD      = p->sum;
    k.c_HRD      = p->operand;
    k.is_half    = p->value.precision == BR_PRECISION_BF16;
    n_blocks     = br_row_blocks(t->n_rows * t->n_heads);
    if (k.ld <= 4 * BR_WARP)
        BR_TRY(st, BR_LAUNCH(dev, last_kernel<4>, n_blocks, BR_ROW_THREADS, 0, k));
    else
        BR_TRY(st,
               BR_LAUNCH(dev, last_kernel<16>, dim3(n_blocks, br_cuda_blocks(k.ld, 16 * BR_WARP)),
                         BR_ROW_THREADS, 0, k));
done:
    return st;
}

/* out of the tile's heads */
static br_status project_means(br_dev *dev, const plan *p, const tile *t)
{
    br_status    st   = BR_OK;
    const float *bias = br_mat_f32(p->args->value_bias_1D);
    br_mat       out  = br_mat_rows(p->args->out_BD, t->first, t->n_rows);
    size_t       step =
        (size_t)(BR_GEMM_ROWS * p->value.n_in) * br_cuda_operand_bytes(p->value.precision);
    finish_params end = {};

    end.sum_RW    = p->sum;
    end.ld_sum    = p->value.n_out;
    end.offset_B1 = br_mat_i32(t->seqs.offset_B1);
    end.n_rows    = t->n_rows;
    end.width     = p->width;
    for (int64_t i = 0; i < t->n_heads; i++) {
        br_cuda_product product = product_of(&p->value, t->head + i, t->n_rows);
        int64_t         col     = (t->head + i) * p->width;

        product.x_RI   = p->operand + (size_t)i * step;
        product.sum_RO = p->sum;
        end.bias_W     = bias == NULL ? NULL : bias + col;
        end.out_BW     = br_view_of<float>(br_mat_cols(out, col, p->width));
        BR_TRY(st, br_cuda_multiply(dev, &product));
        BR_TRY(st, BR_LAUNCH(dev, finish_kernel, br_cuda_blocks(t->n_rows * p->width, 256), 256, 0,
                             end));
    }
done:
    return st;
}

static br_status run_rows(br_dev *dev, const plan *p, int64_t first, int64_t n_rows)
{
    br_status      st    = BR_OK;
    const br_seqs *seqs  = p->args->seqs;
    tile           t     = {};
    br_units       units = {};

    t.first               = first;
    t.n_rows              = n_rows;
    t.seqs.n_seqs         = n_rows;
    t.seqs.host_offset_B1 = seqs->host_offset_B1 + first;
    t.seqs.offset_B1      = br_mat_rows(seqs->offset_B1, first, n_rows + 1);
    BR_TRY(st, br_cuda_units(dev, &t.seqs, BR_UNITS_SEQS, &units));
    for (t.head = 0; t.head < p->args->n_heads; t.head += p->most_heads) {
        t.n_heads = p->args->n_heads - t.head;
        t.n_heads = t.n_heads < p->most_heads ? t.n_heads : p->most_heads;
        BR_TRY(st, project_queries(dev, p, &t));
        BR_TRY(st, attend(dev, p, &t, &units));
        BR_TRY(st, project_means(dev, p, &t));
    }
done:
    return st;
}

br_status br_cuda_attention_last(br_dev *dev, const br_attention_last_args *args)
{
    br_status            st      = BR_OK;
    int64_t              n_seqs  = args->seqs->n_seqs;
    int64_t              n_heads = args->n_heads;
    const br_weight_args key     = {args->key_weight_DD, BR_PRECISION_FP32, args->n_heads, true};
    const br_weight_args value   = {args->value_weight_DD, BR_PRECISION_FP32, args->n_heads, false};
    plan                 p       = {};
    void                *operand = NULL, *sum = NULL;
    int64_t              n_values;

    p.args  = args;
    p.width = args->out_BD.n_cols / n_heads;
    BR_TRY(st, br_cuda_weight_of(dev, BR_WORK_WEIGHT, args->key_prepared, &key, &p.key));
    BR_TRY(st, br_cuda_weight_of(dev, BR_WORK_VALUE, args->value_prepared, &value, &p.value));
    p.most_heads = ROW_BYTES / (p.key.n_out * (int64_t)sizeof(float));
    p.most_heads = p.most_heads < 1 ? 1 : p.most_heads < n_heads ? p.most_heads : n_heads;
    n_values     = p.most_heads * BR_GEMM_ROWS * p.key.n_out;
    BR_TRY(st,
           br_cuda_workspace(dev, BR_WORK_OPERAND,
                             (size_t)n_values * br_cuda_operand_bytes(p.key.precision), &operand));
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_SUM, (size_t)n_values * sizeof(float), &sum));
    p.operand = static_cast<char *>(operand);
    p.sum     = static_cast<float *>(sum);
    for (int64_t b = 0; b < n_seqs; b += BR_GEMM_ROWS)
        BR_TRY(st, run_rows(dev, &p, b, n_seqs - b < BR_GEMM_ROWS ? n_seqs - b : BR_GEMM_ROWS));
done:
    return st;
}
