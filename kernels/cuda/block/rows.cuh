/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a tile in registers, in the order in which products of wgmma.cuh leave them, which is
 * also the order in which they take them. A warp has 16 rows; a thread (g = lane / 4, t = lane % 4)
 * has, of rows g and g + 8, columns 8 n + 2 t and the next; four lanes share a row. C chunks n of 8
 * columns, zeros behind the rows' width. */
#ifndef BR_KERNELS_CUDA_BLOCK_ROWS_CUH
#define BR_KERNELS_CUDA_BLOCK_ROWS_CUH

#include "kernels/cuda/encoder/columns.cuh"
#include "kernels/cuda/hopper/wgmma.cuh"

#define BR_BLOCK_MOST 256 /* columns */

/* Sums of so many chunks, panels of 128 columns at a time. */
template <int C> struct br_rows {
    float v[(C + 15) / 16][BR_WGMMA_SUMS];

    /* Chunk n of row g + 8 half, column i of two. */
    __device__ __forceinline__ float &at(int n, int half, int i)
    {
        return v[n / 16][n % 16 * 4 + half * 2 + i];
    }
};

/* What a norm does to a row. */
typedef struct br_row_norm {
    const float *gamma; /* in shared memory, zeros behind the width; NULL: no norm */
    const float *beta;
    float        eps;
    int          width;
} br_row_norm;

typedef struct br_row_moments {
    float mean[2], shift[2], scale[2]; /* of rows g, g + 8; the mean is the sum of two */
} br_row_moments;

/* The thread's first column. */
static __device__ __forceinline__ int br_column(void)
{
    return br_lane() % 4 * 2;
}

static __device__ __forceinline__ float br_quad_sum(float x)
{
    x += __shfl_xor_sync(BR_FULL_WARP, x, 1);
    return x + __shfl_xor_sync(BR_FULL_WARP, x, 2);
}

/* Rows first + g and first + g + 8 of x, zeros from n_rows on. is_even: columns by twos. */
template <int C>
static __device__ __forceinline__ void br_rows_load(br_rows<C> &to, br_view<const float> x,
                                                    int first, int n_rows, int width, bool is_even)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int          row   = first + br_lane() / 4 + 8 * half;
        const float *x_D   = x.row(row < n_rows ? row : 0) + br_column();
        int          there = row < n_rows ? width - br_column() : 0;

#pragma unroll
        for (int n = 0; n < C; n++) {
            const int d     = 8 * n;
            float2    value = make_float2(0.0f, 0.0f);

            if (is_even && d < there)
                value = *reinterpret_cast<const float2 *>(x_D + d);
            if (!is_even && d < there)
                value.x = x_D[d];
            if (!is_even && d + 1 < there)
                value.y = x_D[d + 1];
            to.at(n, half, 0) = value.x;
            to.at(n, half, 1) = value.y;
        }
    }
}

template <int C>
static __device__ __forceinline__ void br_rows_store(br_rows<C> &from, br_view<float> out,
                                                     int first, int n_rows, int width, bool is_even)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        int    row   = first + br_lane() / 4 + 8 * half;
        float *out_D = out.row(row < n_rows ? row : 0) + br_column();
        int    there = row < n_rows ? width - br_column() : 0;

#pragma unroll
        for (int n = 0; n < C; n++) {
            const int d = 8 * n;

            if (is_even && d < there)
                *reinterpret_cast<float2 *>(out_D + d) =
                    make_float2(from.at(n, half, 0), from.at(n, half, 1));
            if (!is_even && d < there)
                out_D[d] = from.at(n, half, 0);
            if (!is_even && d + 1 < there)
                out_D[d + 1] = from.at(n, half, 1);
        }
    }
}

#define BR_ROWS_BOX (64 * BR_BOX_BYTES) /* 64 rows of 64 columns in bf16, as products read them */

/* The thread's place in a box of its warpgroup's rows, for br_rows_put. The compiler takes it for a
 * new one each time: what follows from it is not kept in registers, of which there are none. */
static __device__ __forceinline__ uint32_t br_rows_place(void)
{
    uint32_t at = threadIdx.x / BR_WARP % 4 * 16 * BR_BOX_BYTES +
                  br_lane() / 4 * (BR_BOX_BYTES + 16) + br_lane() % 4 * 4;

#ifndef BR_CUDA_ON_CPU
    asm volatile("" : "+r"(at));
#endif
    return at;
}

/* Two columns of chunk n of row g + 8 half of the warp's 16, to boxes one after the other; pieces
 * of 16 bytes in the swizzle's order. */
static __device__ __forceinline__ void br_rows_put(unsigned char *boxes, uint32_t at, int n,
                                                   int half, uint32_t pair)
{
    *reinterpret_cast<uint32_t *>(boxes + n / 8 * BR_ROWS_BOX + half * 8 * BR_BOX_BYTES +
                                  (at ^ n % 8 * 16)) = pair;
}

/* Mean and 1 / sqrt(variance + eps) in fp32, centred twice: what the first mean's rounding leaves
 * is taken out of both. (layer_norm has fp64: values come to registers at an eighth of fp32's
 * rate there, and a block would wait for them.) */
template <int C>
static __device__ __forceinline__ br_row_moments br_rows_moments(br_rows<C>        &rows,
                                                                 const br_row_norm &p)
{
    float          inverse = 1.0f / (float)p.width;
    int            there   = p.width - br_column();
    br_row_moments m;

#pragma unroll
    for (int half = 0; half < 2; half++) {
        float sum = 0.0f, rest = 0.0f, square = 0.0f, mean, shift;

#pragma unroll
        for (int n = 0; n < C; n++)
            sum += rows.at(n, half, 0) + rows.at(n, half, 1);
        mean = br_quad_sum(sum) * inverse;
#pragma unroll
        for (int i = 0; i < 2 * C; i++) {
            bool  is_there = i / 2 * 8 + i % 2 < there;
            float left     = is_there ? rows.at(i / 2, half, i % 2) - mean : 0.0f;

            rest += left;
            square = fmaf(left, left, square);
        }
        shift         = br_quad_sum(rest) * inverse;
        square        = fmaxf(fmaf(br_quad_sum(square), inverse, -shift * shift), 0.0f);
        m.mean[half]  = mean;
        m.shift[half] = shift;
        m.scale[half] = 1.0f / sqrtf(square + p.eps);
    }
    return m;
}

/* Two columns of row `half`, normed. */
template <int C>
static __device__ __forceinline__ float2 br_rows_normed(br_rows<C> &rows, const br_row_norm &p,
                                                        const br_row_moments &m, int n, int half)
{
    float2 gamma = *reinterpret_cast<const float2 *>(p.gamma + br_column() + 8 * n);
    float2 beta  = *reinterpret_cast<const float2 *>(p.beta + br_column() + 8 * n);
    float2 left  = make_float2(rows.at(n, half, 0) - m.mean[half] - m.shift[half],
                               rows.at(n, half, 1) - m.mean[half] - m.shift[half]);

    return make_float2(fmaf(left.x * m.scale[half], gamma.x, beta.x),
                       fmaf(left.y * m.scale[half], gamma.y, beta.y));
}

#endif
