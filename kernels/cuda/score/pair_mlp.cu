/* SPDX-License-Identifier: Apache-2.0
 *
 * pair_mlp layer by layer: a block owns 32 items of a customer and 64 outputs, their sums in
 * registers as ref's fp64 chains; weights (folded with the customer's x on the way) and inputs pass
 * through shared memory 32 at a time. Customers go in groups, so that what lies between layers
 * stays within bounds. Called once per pair head and tile of customers. */
#include "kernels/canonical.h"
#include "kernels/cuda/fault.cuh"

#ifdef BR_CUDA_ON_CPU
#define GROUP_BYTES ((int64_t)1 << 12) /* small shapes make several groups */
#else
#define GROUP_BYTES ((int64_t)32 << 20)
#endif

#define ITEMS   32 /* of a block, four per thread */
#define OUTPUTS 64 /* of a block, four per thread */
#define STEP    32 /* inputs at a time */
#define THREADS (ITEMS / 4 * (OUTPUTS / 4))
#define LD_I    (ITEMS + 4) /* a warp writes 32 inputs of one item: banks 4 apart */
#define LD_O    (OUTPUTS + 4)

/* A group of customers. */
typedef struct pair_params {
    int64_t                n_rows;
    int64_t                k;
    int64_t                n_items;
    int64_t                dim;
    int64_t                first_row; /* in the call, for faults */
    br_view<const float>   query_BD;
    br_view<const float>   item_ND;
    br_view<const float>   bias_N;
    br_view<const int32_t> item_BK;
    br_view<float>         logit_BK;
    br_cuda_faults        *faults;
} pair_params;

/* One layer of it: weight columns from first_col on meet the inputs. */
typedef struct pair_layer {
    int64_t              n_in;
    int64_t              n_out;
    br_view<const float> weight_OI;
    const float         *bias_O;
    const float         *in_PI;    /* [B K, n_in]; NULL in the first layer, which reads vectors */
    const double        *start_BO; /* of the first layer: bias and columns of x */
    float               *out_PO;
} pair_layer;

/* The row of a slot's item; -1 where there is none. */
static __device__ int64_t item_of(const pair_params &p, int64_t b, int64_t j)
{
    int32_t item = j < p.k ? p.item_BK.row(b)[j] : -1;

    return item == -1
               ? -1
               : br_checked_row(p.faults, BR_FAULT_PAIR_MLP, p.first_row + b, item, p.n_items);
}

/* Where the first layer's sums begin. Grid: 128 (customer, output) pairs a block; a thread owns
 * one. */
static __global__ void __launch_bounds__(128)
    pair_start_kernel(pair_params p, pair_layer l, double *start_BO)
{
    int64_t      at = (int64_t)blockIdx.x * 128 + threadIdx.x;
    int64_t      b = at / l.n_out, o = at % l.n_out;
    const float *x_D, *w_D;
    double       sum;

    if (b >= p.n_rows)
        return;
    x_D = p.query_BD.row(b);
    w_D = l.weight_OI.row(o);
    sum = (double)l.bias_O[o];
    for (int64_t d = 0; d < p.dim; d++)
        sum += (double)w_D[d] * (double)x_D[d];
    start_BO[at] = sum;
}

/* A step of weights into shared memory, [STEP][LD_O]: a warp reads 32 inputs of an output. */
template <bool IS_FIRST>
static __device__ void take_weights(const pair_params &p, const pair_layer &l, int64_t b,
                                    int64_t first_out, int64_t i, float *w_IO)
{
    int64_t at = i + threadIdx.x % STEP;

    for (int o = (int)threadIdx.x / STEP; o < OUTPUTS; o += THREADS / STEP) {
        bool  is_in = at < l.n_in && first_out + o < l.n_out;
        float w     = 0.0f;

        if (is_in && IS_FIRST) {
            const float *row = l.weight_OI.row(first_out + o) + p.dim;

            w = br_pair_fold(row[at], row[p.dim + at], p.query_BD.row(b)[at]);
        } else if (is_in) {
            w = l.weight_OI.row(first_out + o)[at];
        }
        w_IO[threadIdx.x % STEP * LD_O + o] = w;
    }
}

/* A step of inputs, [STEP][LD_I]. */
template <bool IS_FIRST>
static __device__ void take_inputs(const pair_params &p, const pair_layer &l, int64_t b,
                                   int64_t first_item, int64_t i, float *x_II)
{
    int64_t at = i + threadIdx.x % STEP;

    for (int t = (int)threadIdx.x / STEP; t < ITEMS; t += THREADS / STEP) {
        int64_t j = first_item + t;
        float   x = 0.0f;

        if (IS_FIRST) {
            int64_t item = item_of(p, b, j);

            x = at < l.n_in && item >= 0 ? p.item_ND.row(item)[at] : 0.0f;
        } else if (at < l.n_in && j < p.k) {
            x = l.in_PI[(b * p.k + j) * l.n_in + at];
        }
        x_II[threadIdx.x % STEP * LD_I + t] = x;
    }
}

static __device__ void add_step(const float *w_IO, const float *x_II, int64_t n,
                                double (&sum)[4][4])
{
    const float *w = w_IO + threadIdx.x % (OUTPUTS / 4) * 4;
    const float *x = x_II + threadIdx.x / (OUTPUTS / 4) * 4;

    for (int64_t i = 0; i < n; i++, w += LD_O, x += LD_I) {
        double w4[4], x4[4];

#pragma unroll
        for (int c = 0; c < 4; c++) {
            w4[c] = (double)w[c];
            x4[c] = (double)x[c];
        }
#pragma unroll
        for (int r = 0; r < 4; r++)
#pragma unroll
            for (int c = 0; c < 4; c++)
                sum[r][c] = fma(x4[r], w4[c], sum[r][c]);
    }
}

/* A hidden layer. Grid: x tiles of items of every customer, y tiles of outputs; a thread owns four
 * items by four outputs. Inputs behind the last are not added. */
template <bool IS_FIRST>
static __global__ void __launch_bounds__(THREADS) pair_layer_kernel(pair_params p, pair_layer l)
{
    __shared__ float w_IO[STEP * LD_O];
    __shared__ float x_II[STEP * LD_I];
    int64_t          n_tiles = (p.k + ITEMS - 1) / ITEMS, b = blockIdx.x / n_tiles;
    int64_t          first_item = blockIdx.x % n_tiles * ITEMS, first_out = blockIdx.y * OUTPUTS;
    int64_t          my_out  = first_out + threadIdx.x % (OUTPUTS / 4) * 4;
    int64_t          my_item = first_item + threadIdx.x / (OUTPUTS / 4) * 4;
    double           sum[4][4];

#pragma unroll
    for (int c = 0; c < 4; c++) {
        int64_t o     = my_out + c < l.n_out ? my_out + c : 0;
        double  start = IS_FIRST ? l.start_BO[b * l.n_out + o] : (double)l.bias_O[o];

#pragma unroll
        for (int r = 0; r < 4; r++)
            sum[r][c] = start;
    }
    for (int64_t i = 0; i < l.n_in; i += STEP) {
        take_weights<IS_FIRST>(p, l, b, first_out, i, w_IO);
        take_inputs<IS_FIRST>(p, l, b, first_item, i, x_II);
        __syncthreads();
        add_step(w_IO, x_II, l.n_in - i < STEP ? l.n_in - i : STEP, sum);
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 4; r++)
#pragma unroll
        for (int c = 0; c < 4; c++)
            if (my_item + r < p.k && my_out + c < l.n_out)
                l.out_PO[(b * p.k + my_item + r) * l.n_out + my_out + c] = br_pair_relu(sum[r][c]);
}

/* Grid: 128 pairs a block; a thread owns one logit. */
static __global__ void __launch_bounds__(128) pair_logit_kernel(pair_params p, pair_layer l)
{
    int64_t at = (int64_t)blockIdx.x * 128 + threadIdx.x;
    int64_t b = at / p.k, j = at % p.k, item;
    double  sum;

    if (b >= p.n_rows)
        return;
    item = item_of(p, b, j);
    sum  = (double)l.bias_O[0];
    if (item < 0) {
        p.logit_BK.row(b)[j] = NAN;
        return;
    }
    if (p.bias_N.at != NULL)
        sum += (double)*p.bias_N.row(item);
    for (int64_t i = 0; i < l.n_in; i++)
        sum = fma((double)l.weight_OI.row(0)[i], (double)l.in_PI[at * l.n_in + i], sum);
    p.logit_BK.row(b)[j] = br_pair_round(sum);
}

/* Between layers, for a group of customers: starts of the first, two layers in turn. */
typedef struct pair_room {
    double *start_BO;
    float  *layer_PI[2];
} pair_room;

static int64_t widest_of(const br_pair_mlp_args *args)
{
    int64_t widest = 1;

    for (int32_t l = 0; l < args->n_layers; l++)
        widest = args->weight_OI[l].n_rows > widest ? args->weight_OI[l].n_rows : widest;
    return widest;
}

static pair_layer layer_of(const br_pair_mlp_args *args, const pair_room &room, int32_t l)
{
    pair_layer out = {};

    out.n_in      = l == 0 ? args->item_ND.n_cols : args->weight_OI[l].n_cols;
    out.n_out     = args->weight_OI[l].n_rows;
    out.weight_OI = br_view_of<const float>(args->weight_OI[l]);
    out.bias_O    = static_cast<const float *>(br_mat_at(args->bias_1O[l]));
    out.in_PI     = l == 0 ? NULL : room.layer_PI[(l + 1) % 2];
    out.start_BO  = room.start_BO;
    out.out_PO    = room.layer_PI[l % 2];
    return out;
}

static br_status run_group(br_dev *dev, const br_pair_mlp_args *args, const pair_room &room,
                           const pair_params &p)
{
    br_status st      = BR_OK;
    int64_t   n_tiles = p.n_rows * ((p.k + ITEMS - 1) / ITEMS);

    for (int32_t l = 0; l < args->n_layers; l++) {
        const pair_layer layer = layer_of(args, room, l);
        const dim3       grid((unsigned)n_tiles, br_cuda_blocks(layer.n_out, OUTPUTS));

        if (l == 0) {
            BR_TRY(st,
                   BR_LAUNCH(dev, pair_start_kernel, br_cuda_blocks(p.n_rows * layer.n_out, 128),
                             128, 0, p, layer, room.start_BO));
            BR_TRY(st, BR_LAUNCH(dev, pair_layer_kernel<true>, grid, THREADS, 0, p, layer));
        } else {
            BR_TRY(st, BR_LAUNCH(dev, pair_layer_kernel<false>, grid, THREADS, 0, p, layer));
        }
    }
    BR_TRY(st, BR_LAUNCH(dev, pair_logit_kernel, br_cuda_blocks(p.n_rows * p.k, 128), 128, 0, p,
                         layer_of(args, room, args->n_layers)));
done:
    return st;
}

static pair_params group_of(br_dev *dev, const br_pair_mlp_args *args, int64_t first, int64_t n)
{
    pair_params p = {};

    p.n_rows    = n;
    p.k         = args->item_BK.n_cols;
    p.n_items   = args->item_ND.n_rows;
    p.dim       = args->item_ND.n_cols;
    p.first_row = first;
    p.query_BD  = br_view_of<const float>(br_mat_rows(args->query_BD, first, n));
    p.item_ND   = br_view_of<const float>(args->item_ND);
    p.bias_N    = br_view_of<const float>(args->bias_N);
    p.item_BK   = br_view_of<const int32_t>(br_mat_rows(args->item_BK, first, n));
    p.logit_BK  = br_view_of<float>(br_mat_rows(args->logit_BK, first, n));
    p.faults    = br_faults_of(dev);
    return p;
}

br_status br_cuda_pair_mlp(br_dev *dev, const br_pair_mlp_args *args)
{
    br_status st     = BR_OK;
    int64_t   n_rows = args->query_BD.n_rows, k = args->item_BK.n_cols;
    int64_t   widest  = widest_of(args);
    int64_t   per_row = widest * (8 + 2 * 4 * k);
    int64_t   n_group = GROUP_BYTES / per_row > 0 ? GROUP_BYTES / per_row : 1;
    pair_room room;
    void     *memory;

    if (n_rows == 0 || k == 0)
        return BR_OK;
    n_group = n_group < n_rows ? n_group : n_rows;
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_VALUE, (size_t)(n_group * per_row), &memory));
    room.start_BO    = static_cast<double *>(memory);
    room.layer_PI[0] = reinterpret_cast<float *>(room.start_BO + n_group * widest);
    room.layer_PI[1] = room.layer_PI[0] + n_group * k * widest;
    for (int64_t first = 0; first < n_rows; first += n_group) {
        int64_t n = n_rows - first < n_group ? n_rows - first : n_group;

        BR_TRY(st, run_group(dev, args, room, group_of(dev, args, first, n)));
    }
done:
    return st;
}
