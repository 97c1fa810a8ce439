/* SPDX-License-Identifier: Apache-2.0
 *
 * The product loop of the screen and of the log-sum-exp: a block keeps the codes of ROWS customers
 * in shared memory, streams panels of 128 items past them in slices of 64 bytes, three of them
 * under way, and hands every finished tile of sums to its epilogue in registers.
 *
 * Rows in shared memory are 16 bytes longer than their codes, so that eight of them lie in
 * different banks: no conflicts. A warp owns 32 rows by 8 * BLOCKS columns: two fragments of A,
 * BLOCKS of B. A split product has three parts, one after the other in the same sums,
 * the small ones first, since sums are cut at their size: code x below + below x code + code x
 * code. */
#ifndef BR_KERNELS_CUDA_TOPK_TILE_CUH
#define BR_KERNELS_CUDA_TOPK_TILE_CUH

#include "kernels/cuda/topk/kind.cuh"
#include "kernels/cuda/topk/topk.cuh"

#define BR_STAGES       3
#define BR_COPY         16 /* bytes of an asynchronous copy */
#define BR_PRODUCT      32 /* bytes of a row that one product takes */
#define BR_STRIDE       (BR_SLICE + BR_COPY)
#define BR_SHARED_ALIGN 1024 /* lost between static and dynamic shared memory, at most */

typedef struct br_stage {
    unsigned char code[BR_PANEL][BR_STRIDE];
    float         bias[BR_PANEL]; /* with a panel's last slice */
} br_stage;

template <typename K, int ROWS> struct br_tile {
    static const int WARPS_M = ROWS / 32;
    static const int WARPS_N = BR_TOPK_WARPS / WARPS_M;
    static const int COLS    = BR_PANEL / WARPS_N; /* of a warp */
    static const int BLOCKS  = COLS / 8;
    typename K::sum  sum[2][BLOCKS][4];

    /* Of thread's row `half` (0: lane / 4, 1: 8 more) of fragment m; the row in the tile. */
    static __device__ int row_of(int m, int half)
    {
        return (int)threadIdx.x / BR_WARP % WARPS_M * 32 + m * 16 + half * 8 + br_lane() / 4;
    }
    /* The first of the thread's two columns in block n. */
    static __device__ int col_of(int n)
    {
        return (int)threadIdx.x / BR_WARP / WARPS_M * COLS + n * 8 + br_lane() % 4 * 2;
    }
};

typedef struct br_stream {
    const br_cuda_items *items;
    const unsigned char *code_RD;
    const unsigned char *below_RD; /* not NULL: a product of three parts */
    const int32_t       *row_L;    /* rows of the chunk; NULL: in order */
    int32_t              first_row;
    int32_t              n_rows;
    int32_t              first_panel;
    int32_t              last_panel;
} br_stream;

/* Shared bytes: customers, then stages. */
static __host__ __device__ inline size_t br_customer_bytes(int64_t row_bytes, bool is_split)
{
    return (size_t)(row_bytes * (is_split ? 2 : 1) + BR_COPY);
}

static inline size_t br_tile_bytes(int rows, int64_t row_bytes, bool is_split)
{
    return (size_t)rows * br_customer_bytes(row_bytes, is_split) + BR_STAGES * sizeof(br_stage);
}

/* The row of the chunk at a place of the tile, or -1. */
static __device__ inline int32_t br_stream_row(const br_stream &s, int place)
{
    int32_t at = s.first_row + place;

    if (at >= s.n_rows)
        return -1;
    return s.row_L == NULL ? at : s.row_L[at];
}

template <int ROWS>
static __device__ inline void br_copy_customers(const br_stream &s, unsigned char *customer)
{
    int64_t bytes  = s.items->row_bytes;
    int     pieces = (int)bytes / BR_COPY;
    size_t  stride = br_customer_bytes(bytes, s.below_RD != NULL);

    for (int i = (int)threadIdx.x; i < ROWS * pieces; i += BR_TOPK_THREADS) {
        int            place = i / pieces, piece = i % pieces * BR_COPY;
        int32_t        row  = br_stream_row(s, place);
        int64_t        from = (row < 0 ? 0 : row) * bytes + piece;
        unsigned char *to   = customer + (size_t)place * stride + piece;

        br_copy_async(to, s.code_RD + from, row >= 0);
        if (s.below_RD != NULL)
            br_copy_async(to + bytes, s.below_RD + from, row >= 0);
    }
}

/* A place in the stream: panel, part of the product, slice; and the stage that holds it. */
typedef struct br_step {
    int32_t panel;
    int     part;
    int     byte; /* of the row */
    int     stage;
} br_step;

static __device__ inline bool br_is_last_step(const br_stream &s, const br_step &step)
{
    return step.part == (s.below_RD != NULL ? 2 : 0) && step.byte + BR_SLICE == s.items->row_bytes;
}

static __device__ inline br_step br_next_step(const br_stream &s, br_step step)
{
    bool is_last = br_is_last_step(s, step);

    step.stage = step.stage + 1 == BR_STAGES ? 0 : step.stage + 1;
    step.byte += BR_SLICE;
    if (step.byte == s.items->row_bytes) {
        step.byte = 0;
        step.part = is_last ? 0 : step.part + 1;
    }
    step.panel += is_last;
    return step;
}

/* Always closes a group, so that groups count steps. Returns the next step. */
static __device__ inline br_step br_copy_items(const br_stream &s, br_step step, br_stage *stages)
{
    const int            pieces   = BR_SLICE / BR_COPY;
    bool                 is_below = s.below_RD != NULL && step.part == 0;
    const unsigned char *code     = is_below ? s.items->below_ND : s.items->code_ND;
    br_stage            *stage    = stages + step.stage;

    if (step.panel < s.last_panel) {
        code += (int64_t)step.panel * BR_PANEL * s.items->row_bytes + step.byte;
        for (int i = (int)threadIdx.x; i < BR_PANEL * pieces; i += BR_TOPK_THREADS)
            br_copy_async(&stage->code[i / pieces][i % pieces * BR_COPY],
                          code + i / pieces * s.items->row_bytes + i % pieces * BR_COPY, true);
        if (br_is_last_step(s, step) && threadIdx.x < BR_PANEL / 4)
            br_copy_async(&stage->bias[threadIdx.x * 4],
                          s.items->bias_N + (int64_t)step.panel * BR_PANEL + threadIdx.x * 4, true);
    }
    br_copy_commit();
    return br_next_step(s, step);
}

/* One slice: a product's bytes at a time. customer: the tile's, at the slice's first byte. */
template <typename K, int ROWS>
static __device__ inline void br_multiply_slice(br_tile<K, ROWS> &t, const unsigned char *customer,
                                                size_t stride, const br_stage *stage)
{
    typedef br_tile<K, ROWS> tile;
    int                      lane  = br_lane();
    int                      warp  = (int)threadIdx.x / BR_WARP;
    int                      a_row = warp % tile::WARPS_M * 32 + lane % 16;
    int                      b_row = warp / tile::WARPS_M * tile::COLS + lane / 16 * 8 + lane % 8;
    const unsigned char *a_at = customer + (size_t)a_row * stride + lane / 16 * (BR_PRODUCT / 2);
    const unsigned char *b_at = &stage->code[b_row][lane / 8 % 2 * (BR_PRODUCT / 2)];

#pragma unroll
    for (int k = 0; k < BR_SLICE; k += BR_PRODUCT) {
        uint32_t a[2][4];

        br_load_matrices(a[0], a_at + k);
        br_load_matrices(a[1], a_at + 16 * stride + k);
#pragma unroll
        for (int n = 0; n < tile::BLOCKS; n += 2) {
            uint32_t b[4];

            br_load_matrices(b, b_at + n * 8 * BR_STRIDE + k);
#pragma unroll
            for (int m = 0; m < 2; m++) {
                K::multiply(t.sum[m][n], a[m], b);
                K::multiply(t.sum[m][n + 1], a[m], b + 2);
            }
        }
    }
}

template <typename K, int ROWS> static __device__ inline void br_clear(br_tile<K, ROWS> &t)
{
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < br_tile<K, ROWS>::BLOCKS; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                t.sum[m][n][i] = 0;
}

/* The stream's panels, one after the other: end(panel, tile, biases) for each, by all threads.
 * Returns behind a barrier, with nothing under way. */
template <typename K, int ROWS, typename E>
static __device__ inline void br_stream_run(const br_stream &s, unsigned char *shared, E &end)
{
    int64_t          bytes  = s.items->row_bytes;
    size_t           stride = br_customer_bytes(bytes, s.below_RD != NULL);
    br_stage        *stage  = reinterpret_cast<br_stage *>(shared + ROWS * stride);
    br_tile<K, ROWS> t;

    br_step now   = {s.first_panel, 0, 0, 0};
    br_step ahead = now;

    br_clear(t);
    br_copy_customers<ROWS>(s, shared); /* in the first step's group */
    for (int i = 0; i < BR_STAGES - 1; i++)
        ahead = br_copy_items(s, ahead, stage);
    while (true) {
        br_copy_wait<BR_STAGES - 2>();
        __syncthreads();
        if (now.panel >= s.last_panel)
            return;
        ahead = br_copy_items(s, ahead, stage);
        br_multiply_slice(t, shared + (now.part == 1 ? bytes : 0) + now.byte, stride,
                          stage + now.stage);
        if (br_is_last_step(s, now)) {
            end(now.panel, t, stage[now.stage].bias);
            br_clear(t);
        }
        now = br_next_step(s, now);
    }
}

#endif
