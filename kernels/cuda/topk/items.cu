/* SPDX-License-Identifier: Apache-2.0
 *
 * A catalogue made ready for the tensor-core screen: scattered (order.h), coded panel by panel,
 * measured. Called once per run; takes half as much memory again as the vectors (a quarter in int8;
 * as much, where a log-sum-exp is wanted), and 8 bytes an item, 16 with segments. */
#include "kernels/cuda/hopper/screen.cuh"
#include "kernels/cuda/topk/bounds.cuh"
#include "kernels/cuda/topk/code.cuh"
#include "kernels/cuda/topk/order.h"

typedef struct panel_params {
    br_cuda_items           to;
    int64_t                 step;
    double                  bound_of_sums;
    br_view<const float>    item_ND;
    br_view<const float>    bias_N;
    br_view<const uint64_t> require_N;
} panel_params;

/* Norms and biases are not negative, so their bits are ordered as they are; NaN is above all. */
static __device__ void raise(unsigned long long *bits, double size)
{
    atomicMax(bits, (unsigned long long)__double_as_longlong(fabs(size)));
}

/* A thread's item of the panel: where its row, bias and segments stand. Returns its bias. */
static __device__ float place_item(const panel_params &p, int64_t position)
{
    bool    is_there = position < p.to.N;
    int32_t row      = is_there ? br_scatter_row(position, p.step, p.to.N) : -1;
    float   bias     = -INFINITY;

    if (is_there) {
        bias                 = p.bias_N.at == NULL ? 0.0f : *p.bias_N.row(row);
        p.to.row_N[position] = row;
        raise(&p.to.size_2[1], (double)bias);
    }
    p.to.bias_N[position] = bias;
    if (p.to.require_N != NULL)
        p.to.require_N[position] = is_there ? *p.require_N.row(row) : 0;
    return bias;
}

typedef struct panel_sizes {
    float  element;
    float  bias;
    double norm;
    double residual;
    double code_norm;
} panel_sizes;

/* The largest of each over the block's warps, for all threads. */
static __device__ panel_sizes largest(panel_sizes own, panel_sizes *of_warp)
{
    __syncthreads();
    if (br_lane() == 0)
        of_warp[threadIdx.x / BR_WARP] = own;
    __syncthreads();
    for (int w = 0; w < BR_TOPK_WARPS; w++) {
        own.element   = fmaxf(own.element, of_warp[w].element);
        own.bias      = fmaxf(own.bias, of_warp[w].bias);
        own.norm      = fmax(own.norm, of_warp[w].norm);
        own.residual  = fmax(own.residual, of_warp[w].residual);
        own.code_norm = fmax(own.code_norm, of_warp[w].code_norm);
    }
    return own;
}

static __device__ const float *item_at(const panel_params &p, int64_t position)
{
    return position < p.to.N ? p.item_ND.row(br_scatter_row(position, p.step, p.to.N)) : NULL;
}

/* Grid: a block per panel; a warp measures, then codes, every eighth item. */
template <typename K>
static __global__ void __launch_bounds__(BR_TOPK_THREADS) panel_kernel(panel_params p)
{
    __shared__ panel_sizes of_warp[BR_TOPK_WARPS];
    int64_t                first = (int64_t)blockIdx.x * BR_PANEL;
    int                    warp  = (int)threadIdx.x / BR_WARP;
    panel_sizes            most  = {};
    float                  scale;

    most.bias = threadIdx.x < BR_PANEL ? place_item(p, first + threadIdx.x) : -INFINITY;
    most.bias = br_warp_max(most.bias);
    for (int i = warp; i < BR_PANEL && first + i < p.to.N; i += BR_TOPK_WARPS) {
        br_measured m = br_measure(item_at(p, first + i), p.to.dim);

        most.element = fmaxf(most.element, m.element);
        most.norm    = fmax(most.norm, m.norm);
    }
    most  = largest(most, of_warp);
    scale = K::scale(most.element);
    for (int i = warp; i < BR_PANEL; i += BR_TOPK_WARPS) {
        br_code_target<K> to = br_code_place<K>(p.to.code_ND, p.to.below_ND, first + i, p.to.width);
        br_coded          c  = br_encode(item_at(p, first + i), p.to.dim, scale, to);

        most.residual  = fmax(most.residual, c.residual);
        most.code_norm = fmax(most.code_norm, c.norm);
    }
    most = largest(most, of_warp);
    if (threadIdx.x == 0) {
        double lost = most.residual + p.bound_of_sums * most.code_norm;

        raise(&p.to.size_2[0], most.norm);
        p.to.panel_P[blockIdx.x] = {scale, 1.0f / scale,
                                    br_bound_up(lost + BR_CANONICAL_ERROR * most.norm),
                                    br_bound_up(most.code_norm), most.bias};
    }
}

/* Grid: a block per panel, whose codes are there; a thread adds up every 256th column of them.
 * Codes are multiples of one number and few: exact in float64, rounded once. */
template <typename K>
static __global__ void __launch_bounds__(BR_TOPK_THREADS) add_codes_kernel(br_cuda_items to)
{
    const auto *code_ND = reinterpret_cast<const typename K::code *>(
        to.code_ND + (int64_t)blockIdx.x * BR_PANEL * to.row_bytes);

    for (int64_t d = threadIdx.x; d < to.width; d += BR_TOPK_THREADS) {
        double sum = 0.0;

        for (int i = 0; i < BR_PANEL; i++)
            sum += (double)K::value_of(code_ND[i * to.width + d]);
        to.proof_PD[(int64_t)blockIdx.x * to.width + d] = (float)sum;
    }
}

static br_status allocate(const br_items *items, br_cuda_items *to)
{
    br_status st       = BR_OK;
    int64_t   n_places = to->n_panels * BR_PANEL;
    size_t    code     = (size_t)(n_places * to->row_bytes);

#define TAKE(bytes, field)                                                                         \
    BR_TRY(st, br_cuda_allocate((bytes), reinterpret_cast<void **>(&to->field)))
    TAKE((size_t)n_places * sizeof(int32_t), row_N);
    TAKE((size_t)n_places * sizeof(float), bias_N);
    TAKE((size_t)to->n_panels * sizeof(br_topk_panel), panel_P);
    TAKE(2 * sizeof(unsigned long long), size_2);
    TAKE(code, code_ND);
    if (items->require_N.buf != NULL)
        TAKE((size_t)n_places * sizeof(uint64_t), require_N);
    if (items->logsumexp != BR_LSE_NONE)
        TAKE(code, below_ND);
    if (items->is_witnessed)
        TAKE((size_t)(to->n_panels * to->width) * sizeof(float), proof_PD);
#undef TAKE
done:
    return st;
}

/* The sizes, back on the host; other lanes will read all of it. What the device is, and does. */
static br_status learn(br_dev *dev, br_cuda_items *to)
{
    br_status      st     = BR_OK;
    double         size[] = {0.0, 0.0};
    cudaDeviceProp about;
    bool           is_hopper = false;

    BR_CUDA(st, cudaMemcpyAsync(size, to->size_2, sizeof size, cudaMemcpyDeviceToHost,
                                br_cuda_lane_of(dev)->stream));
    BR_TRY(st, br_cuda_sync(dev));
    to->norm_most = size[0];
    to->bias_size = size[1];
    BR_CUDA(st, cudaGetDeviceProperties(&about, br_cuda_lane_of(dev)->device));
    to->n_sms       = about.multiProcessorCount;
    to->shared_most = about.sharedMemPerBlockOptin;
    BR_TRY(st, br_topk_plan_hopper(to, &about, &is_hopper));
    if (is_hopper)
        BR_TRY(st, br_hopper_prepare(to));
done:
    return st;
}

template <typename K> static br_status code_panels(br_dev *dev, panel_params p)
{
    br_status st = BR_OK;

    p.bound_of_sums = br_bound_of_sums<K>(p.to.width);
    BR_TRY(st, BR_LAUNCH(dev, panel_kernel<K>, br_cuda_blocks(p.to.n_panels, 1), BR_TOPK_THREADS, 0,
                         p));
    if (p.to.proof_PD != NULL)
        BR_TRY(st, BR_LAUNCH(dev, add_codes_kernel<K>, br_cuda_blocks(p.to.n_panels, 1),
                             BR_TOPK_THREADS, 0, p.to));
done:
    return st;
}

br_status br_cuda_items_prepare(br_dev *dev, br_items *items)
{
    br_status      st = BR_OK;
    br_cuda_items *to = NULL;
    panel_params   p  = {};

    BR_ALLOC(st, to, 1, "prepared items on cuda");
    items->prepared = to;
    to->N           = items->item_ND.n_rows;
    to->n_panels    = (to->N + BR_PANEL - 1) / BR_PANEL;
    to->dim         = items->item_ND.n_cols;
    BR_TRY(st, br_topk_plan(dev, items, &to->kind));
    to->width     = br_topk_width(to->kind, to->dim);
    to->row_bytes = to->width * br_topk_code_bytes(to->kind);
    BR_TRY(st, allocate(items, to));
    p.to        = *to;
    p.step      = br_scatter_step(to->N);
    p.item_ND   = br_view_of<const float>(items->item_ND);
    p.bias_N    = br_view_of<const float>(items->bias_N);
    p.require_N = br_view_of<const uint64_t>(items->require_N);
    BR_TRY(st, BR_BY_KIND(to->kind, code_panels, dev, p));
    BR_TRY(st, learn(dev, to));
done:
    return st;
}

int32_t br_cuda_items_pieces(const br_items *items, br_piece piece[BR_MAX_PIECES])
{
    const br_cuda_items *p    = static_cast<const br_cuda_items *>(items->prepared);
    size_t               n    = (size_t)(p->n_panels * BR_PANEL);
    size_t               code = n * (size_t)p->row_bytes;

    piece[0] = {"the items' codes", p->code_ND, code};
    piece[1] = {"the items' order", p->row_N, (size_t)p->N * sizeof *p->row_N};
    piece[2] = {"the items' biases", p->bias_N, n * sizeof *p->bias_N};
    piece[3] = {"the panels' bounds", p->panel_P, (size_t)p->n_panels * sizeof *p->panel_P};
    piece[4] = {"the items' segments", p->require_N, n * sizeof *p->require_N};
    piece[5] = {"the items' second codes", p->below_ND, code};
    piece[6] = {"the panels' sums", p->proof_PD,
                (size_t)(p->n_panels * p->width) * sizeof *p->proof_PD};
    return 7;
}

void br_cuda_items_release(br_items *items)
{
    br_cuda_items *p = static_cast<br_cuda_items *>(items->prepared);

    if (p == NULL)
        return;
    br_cuda_release(p->row_N);
    br_cuda_release(p->bias_N);
    br_cuda_release(p->require_N);
    br_cuda_release(p->panel_P);
    br_cuda_release(p->size_2);
    br_cuda_release(p->code_ND);
    br_cuda_release(p->below_ND);
    br_cuda_release(p->proof_PD);
    br_free(&p->map);
    br_free(&p->below_map);
    br_free(&items->prepared);
}
