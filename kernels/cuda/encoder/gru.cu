/* SPDX-License-Identifier: Apache-2.0
 *
 * gru: a block owns 16, 32 or 64 sequences of about one length and runs through their events. W_hh
 * stays in shared memory where it fits (H up to 176 in bf16, 128 in fp32 on sm_90), else it comes
 * through the second-level cache at every step; the bits are the same, as they are for any
 * grouping: a sequence's sums are its own. The state is fp32; what a product reads is kept twice,
 * of this step and of the next. Called once per layer and chunk. */
#include "kernels/cuda/encoder/gru.cuh"
#include "kernels/cuda/encoder/units.cuh"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/gemm.cuh"

/* Sequences per SM up to which a block takes 16. Tests on the emulated device lower both, so that
 * small shapes go every way. */
#ifndef BR_GRU_FEW_SEQS
#define BR_GRU_FEW_SEQS 32
#endif
#ifndef BR_GRU_SHARED
#define BR_GRU_SHARED ((size_t)1 << 20) /* bytes that a block takes at most: what there is */
#endif

#define BLOCK        256
#define N_WARPS      (BLOCK / BR_WARP)
#define STATIC_BYTES ((size_t)4096) /* of a block's own arrays, at most */

typedef struct gru_params {
    const br_unit       *unit; /* the longest first */
    int64_t              n_seqs;
    const int32_t       *offset_B1;
    const int32_t       *item_E;   /* NULL: gates by event */
    const float         *weight_E; /* NULL: all 1 */
    br_view<const float> gate;     /* of events or items */
    int64_t              n_items;
    bool                 is_whole; /* gates may be read two at a time */
    const void          *weight_3HH;
    int                  n_in; /* H padded */
    int                  n;    /* H */
    const float         *bias_3H;
    br_view<const float> start_BH;
    br_view<float>       state_EH;
    br_view<float>       last_BH;
    void                *space; /* NULL: states lie in shared memory */
    br_cuda_faults      *faults;
} gru_params;

/* A block's sequences, and the gates' rows (-1: ended) and weights of this step and the next. */
template <int SEQS> struct roster {
    int64_t first[SEQS];
    int32_t n[SEQS];
    int32_t b[SEQS]; /* -1: none */
    int64_t row[2][SEQS];
    float   weight[2][SEQS];
};

/* Where W_hh (or nothing) and the states lie; sizes in bytes. */
template <typename T> struct layout {
    int    stride;
    int    n_units; /* H in whole tiles */
    size_t weight, operand, state;

    __host__ __device__ layout(int n, int n_seqs, bool is_resident)
    {
        stride  = br_gru_stride(static_cast<const T *>(NULL), n);
        n_units = (n + BR_GRU_UNITS - 1) / BR_GRU_UNITS * BR_GRU_UNITS;
        weight  = is_resident ? (size_t)3 * n_units * stride * sizeof(T) : 0;
        operand = (size_t)n_seqs * stride * sizeof(T);
        state   = sizeof(T) == sizeof(float) ? 0 : (size_t)n_seqs * n_units * sizeof(float);
    }
    __host__ __device__ size_t states(void) const
    {
        return 2 * operand + state;
    }
};

/* A block's states: as the next product reads them, and in fp32 (which may be the same). */
template <typename T> struct states {
    T     *operand; /* of even steps, then of odd ones */
    int    turn;    /* elements of one */
    float *state;
    int    stride;
    int    ld;

    __device__ T *at(int step) const
    {
        return operand + step % 2 * turn;
    }
    __device__ float get(const float *, int step, int s, int j) const
    {
        return at(step)[s * stride + j];
    }
    __device__ float get(const __nv_bfloat16 *, int, int s, int j) const
    {
        return state[s * ld + j];
    }
    __device__ void put(float *to, int s, int j, float h) const
    {
        to[s * stride + j] = h;
    }
    __device__ void put(__nv_bfloat16 *to, int s, int j, float h) const
    {
        state[s * ld + j]  = h;
        to[s * stride + j] = __float2bfloat16_rn(h);
    }
};

template <int SEQS> static __device__ void enrol(roster<SEQS> *r, const gru_params &p)
{
    int64_t at = (int64_t)blockIdx.x * SEQS + threadIdx.x;
    int     s  = (int)threadIdx.x;

    if (s >= SEQS)
        return;
    r->b[s]     = at < p.n_seqs ? p.unit[at].b : -1;
    r->first[s] = at < p.n_seqs ? p.offset_B1[r->b[s]] : 0;
    r->n[s]     = at < p.n_seqs ? (int32_t)(p.offset_B1[r->b[s] + 1] - r->first[s]) : 0;
}

/* Which gates step t adds. */
template <int SEQS> static __device__ void look_up(roster<SEQS> *r, const gru_params &p, int32_t t)
{
    int     s = (int)threadIdx.x;
    int64_t e, row = -1;

    if (s >= SEQS)
        return;
    e = r->first[s] + t;
    if (t < r->n[s]) {
        row = e;
        if (p.item_E != NULL)
            row = br_checked_row(p.faults, BR_FAULT_GRU_ITEM, e, p.item_E[e], p.n_items);
        r->weight[t % 2][s] = p.weight_E == NULL ? 1.0f : p.weight_E[e];
    }
    r->row[t % 2][s] = row;
}

/* Step 0's states; zeros behind them in both turns. */
template <typename T, int SEQS>
static __device__ void begin(const states<T> &h, const roster<SEQS> &r, const gru_params &p)
{
    for (int i = (int)threadIdx.x; i < SEQS * h.stride; i += BLOCK) {
        int   s = i / h.stride, j = i % h.stride;
        bool  is_there = j < p.n && r.b[s] >= 0 && p.start_BH.at != NULL;
        float start    = is_there ? p.start_BH.row(r.b[s])[j] : 0.0f;

        h.at(1)[i] = T();
        if (j < p.n)
            h.put(h.at(0), s, j, start);
        else
            h.at(0)[i] = T();
    }
}

template <typename T>
static __device__ void load_weight(T *to, const gru_params &p, const layout<T> &l)
{
    constexpr int piece   = 16 / (int)sizeof(T);
    const T      *from    = static_cast<const T *>(p.weight_3HH);
    int           n_piece = l.stride / piece;

    for (int i = (int)threadIdx.x; i < 3 * l.n_units * n_piece; i += BLOCK) {
        int  row = i / n_piece, column = i % n_piece * piece;
        int  gate = row / l.n_units, unit = row % l.n_units;
        bool is_there = unit < p.n && column < p.n_in;

        br_copy_async(to + row * l.stride + column,
                      is_there ? from + (int64_t)(gate * p.n + unit) * p.n_in + column : from,
                      is_there);
    }
    br_copy_commit();
    br_copy_wait<0>();
}

/* Value i of a lane: its sequence in the block and its unit. */
static __device__ __forceinline__ int sequence_of(int i)
{
    return i / 4 * 16 + br_lane() / 4 + i / 2 % 2 * 8;
}
static __device__ __forceinline__ int unit_of(int tile, int i)
{
    return tile * BR_GRU_UNITS + br_lane() % 4 * 2 + i % 2;
}

/* A warp's units of one step. */
template <typename T, int M> struct step {
    const gru_params     *p;
    const states<T>      *h;
    const roster<16 * M> *r;
    int                   tile;
    int32_t               t;
};

template <typename T, int M>
static __device__ __forceinline__ void read_gates(float x[3][4 * M], const step<T, M> &k)
{
#pragma unroll
    for (int i = 0; i < 12 * M; i += 2) { /* two units side by side */
        int          gate = i / (4 * M), at = i % (4 * M);
        int          j    = unit_of(k.tile, at);
        int64_t      row  = k.r->row[k.t % 2][sequence_of(at)];
        const float *from = k.p->gate.row(row) + gate * k.p->n + j;
        float2       two  = make_float2(0.0f, 0.0f);

        if (row >= 0 && j < k.p->n && k.p->is_whole)
            two = *reinterpret_cast<const float2 *>(from);
        else if (row >= 0 && j < k.p->n)
            two = make_float2(from[0], j + 1 < k.p->n ? from[1] : 0.0f);
        x[gate][at]     = two.x;
        x[gate][at + 1] = two.y;
    }
}

/* x: the gates' inputs; sum: W_hh h */
template <typename T, int M>
static __device__ __forceinline__ void update(const float x[3][4 * M], const float sum[3][4 * M],
                                              const step<T, M> &k)
{
    const T          *kind = NULL;
    const gru_params &p    = *k.p;
    int               turn = k.t % 2;

#pragma unroll
    for (int i = 0; i < 4 * M; i++) {
        int   s = sequence_of(i), j = unit_of(k.tile, i);
        bool  is_on = k.r->row[turn][s] >= 0;
        float old, bias[3], reset, keep, next;

        if (j >= p.n)
            continue;
#pragma unroll
        for (int gate = 0; gate < 3; gate++)
            bias[gate] = p.bias_3H == NULL ? 0.0f : p.bias_3H[gate * p.n + j];
        old   = k.h->get(kind, turn, s, j);
        reset = br_sigmoid(kind, x[0][i] + (sum[0][i] + bias[0]));
        keep  = br_sigmoid(kind, x[1][i] + (sum[1][i] + bias[1]));
        next  = br_tanh(kind, x[2][i] + reset * (sum[2][i] + bias[2]));
        next  = is_on ? old + k.r->weight[turn][s] * ((1.0f - keep) * (next - old)) : old;
        k.h->put(k.h->at(turn + 1), s, j, next);
        if (is_on && p.state_EH.at != NULL)
            p.state_EH.row(k.r->first[s] + k.t)[j] = next;
    }
}

/* All steps of the block's sequences; gives how many. */
template <typename T, int M, bool IS_RESIDENT>
static __device__ int32_t run_steps(const gru_params &p, const states<T> &h, roster<16 * M> *r,
                                    const br_gru_weight<T, IS_RESIDENT> &w)
{
    int32_t n_steps = 0;

    for (int s = 0; s < 16 * M; s++)
        n_steps = r->n[s] > n_steps ? r->n[s] : n_steps;
    for (int32_t t = 0; t < n_steps; t++) {
        step<T, M> k = {&p, &h, r, (int)threadIdx.x / BR_WARP, t};

        for (; k.tile * BR_GRU_UNITS < p.n; k.tile += N_WARPS) {
            float x[3][4 * M], sum[3][4 * M] = {};

            read_gates(x, k);
            br_gru_multiply<M>(sum, w, k.tile, h.at(t), h.stride);
            update(x, sum, k);
        }
        look_up(r, p, t + 1);
        __syncthreads();
    }
    return n_steps;
}

/* Grid: 16 M sequences of the list per block. Shared: W_hh (IS_RESIDENT), then the states, unless
 * they lie in p.space (H = 128 in bf16: 110,592 bytes and 17,408 M). A warp owns 8 units of all
 * three gates at a time, a lane two of them of 2 M sequences. Not yet timed on a GPU. */
template <typename T, int M, bool IS_RESIDENT>
static __global__ void __launch_bounds__(BLOCK) gru_kernel(gru_params p)
{
    BR_DYNAMIC_SHARED(unsigned char, memory);
    __shared__ roster<16 * M>     r;
    const layout<T>               l(p.n, 16 * M, IS_RESIDENT);
    br_gru_weight<T, IS_RESIDENT> w  = {static_cast<const T *>(p.weight_3HH), p.n, p.n_in, p.n_in};
    unsigned char                *at = memory + l.weight;
    states<T>                     h;
    int32_t                       n_steps;

    if (!IS_RESIDENT && p.space != NULL)
        at = static_cast<unsigned char *>(p.space) + blockIdx.x * l.states();
    h.operand = reinterpret_cast<T *>(at);
    h.turn    = 16 * M * l.stride;
    h.state   = reinterpret_cast<float *>(at + 2 * l.operand);
    h.stride  = l.stride;
    h.ld      = l.n_units;
    enrol(&r, p);
    __syncthreads();
    if (IS_RESIDENT) {
        load_weight(reinterpret_cast<T *>(memory), p, l);
        w.at     = reinterpret_cast<const T *>(memory);
        w.stride = l.stride;
    }
    begin(h, r, p);
    look_up(&r, p, 0);
    __syncthreads();
    n_steps = run_steps<T, M, IS_RESIDENT>(p, h, &r, w);
    for (int i = (int)threadIdx.x; i < 16 * M * p.n && p.last_BH.at != NULL; i += BLOCK) {
        int s = i / p.n, j = i % p.n;

        if (r.b[s] >= 0)
            p.last_BH.row(r.b[s])[j] = h.get(h.operand, n_steps, s, j);
    }
}

/* ---- launch ---------------------------------------------------------------------------------- */

/* With M x 16 sequences a block, if that fits; *is_done says so. */
template <typename T, int M, bool IS_RESIDENT>
static br_status try_launch(br_dev *dev, gru_params p, bool *is_done)
{
    br_status       st   = BR_OK;
    size_t          room = br_cuda_lane_of(dev)->most_shared - STATIC_BYTES;
    const layout<T> l(p.n, 16 * M, IS_RESIDENT);
    size_t          bytes    = l.weight + l.states();
    unsigned        n_blocks = br_cuda_blocks(p.n_seqs, 16 * M);

    room = room < BR_GRU_SHARED ? room : BR_GRU_SHARED;
    if (*is_done || (bytes > room && (IS_RESIDENT || M > 1)))
        goto done;
    if (bytes > room) {
        BR_TRY(st, br_cuda_workspace(dev, BR_WORK_OPERAND, n_blocks * bytes, &p.space));
        bytes = 0;
    }
    BR_TRY(st, BR_LAUNCH(dev, (gru_kernel<T, M, IS_RESIDENT>), n_blocks, BLOCK, bytes, p));
    *is_done = true;
done:
    return st;
}

/* Small blocks where sequences are few, so that they reach all SMs; W_hh in shared memory where it
 * fits beside any number of sequences. */
template <typename T> static br_status launch(br_dev *dev, const gru_params &p)
{
    br_status st      = BR_OK;
    bool      is_done = p.n_seqs == 0;
    bool      is_few  = p.n_seqs <= (int64_t)BR_GRU_FEW_SEQS * br_cuda_lane_of(dev)->n_sms;

    if (!is_few) {
        BR_TRY(st, (try_launch<T, 4, true>(dev, p, &is_done)));
        BR_TRY(st, (try_launch<T, 2, true>(dev, p, &is_done)));
    }
    BR_TRY(st, (try_launch<T, 1, true>(dev, p, &is_done)));
    if (!is_few)
        BR_TRY(st, (try_launch<T, 4, false>(dev, p, &is_done)));
    BR_TRY(st, (try_launch<T, 1, false>(dev, p, &is_done)));
done:
    return st;
}

br_status br_cuda_gru(br_dev *dev, const br_gru_args *args)
{
    br_status            st      = BR_OK;
    const br_seqs       *seqs    = args->seqs;
    bool                 by_item = args->gate_V3H.buf != NULL;
    br_mat               gate    = by_item ? args->gate_V3H : args->gate_E3H;
    const br_weight_args own     = {args->weight_hh_3HH, BR_PRECISION_FP32, 1, false};
    br_cuda_weight       weight  = {};
    br_units             units   = {};
    gru_params           p       = {};

    BR_TRY(st, br_cuda_weight_of(dev, BR_WORK_WEIGHT, args->prepared, &own, &weight));
    BR_TRY(st, br_cuda_units(dev, seqs, BR_UNITS_SEQS, &units));
    p.unit       = units.at;
    p.n_seqs     = seqs->n_seqs;
    p.offset_B1  = br_mat_i32(seqs->offset_B1);
    p.item_E     = by_item ? br_mat_i32(seqs->item_E) : NULL;
    p.weight_E   = br_mat_f32(seqs->weight_E);
    p.gate       = br_view_of<const float>(gate);
    p.n_items    = gate.n_rows;
    p.is_whole   = br_is_whole(gate, args->weight_hh_3HH.n_cols, 2);
    p.weight_3HH = weight.values;
    p.n_in       = (int)weight.n_in;
    p.n          = (int)args->weight_hh_3HH.n_cols;
    p.bias_3H    = br_mat_f32(args->bias_hh_13H);
    p.start_BH   = br_view_of<const float>(args->start_BH);
    p.state_EH   = br_view_of<float>(args->state_EH);
    p.last_BH    = br_view_of<float>(args->last_BH);
    p.faults     = br_faults_of(dev);
    if (weight.precision == BR_PRECISION_BF16)
        BR_TRY(st, launch<__nv_bfloat16>(dev, p));
    else
        BR_TRY(st, launch<float>(dev, p));
done:
    return st;
}
