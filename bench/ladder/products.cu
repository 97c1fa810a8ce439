/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks of products in every shape that a screen could be made of, two warpgroups at a time: the
 * share of the tensor cores' rate that a design cannot exceed. And how far sums of fp16 codes are
 * from exact ones. */
#include <math.h>
#include <string.h>

#include "bench/ladder/ladder.cuh"
#include "bench/ladder/shapes.cuh"
#include "host/base/memory.h"
#include "kernels/cuda/topk/kind.cuh"

#define THREADS 256
#define LOOPS   512
#define STEPS   8      /* products of a group */
#define BOXES   8      /* of 16 KB in shared memory, taken in turn: 128 KB */
#define FLOPS   4096.0 /* a clock of a multiprocessor, in fp16; int8 twice */

typedef void (*float_product)(float *, const uint32_t *, uint64_t, uint64_t);
typedef void (*whole_product)(int32_t *, const uint32_t *, uint64_t, uint64_t);

/* Grid: a block per multiprocessor, of two warpgroups. */
template <typename T, int SUMS, void (*PRODUCT)(T *, const uint32_t *, uint64_t, uint64_t)>
static __global__ void __launch_bounds__(THREADS, 1) product_kernel(float *sink, int64_t *clocks)
{
#ifdef BR_HOPPER_CODE
    BR_DYNAMIC_SHARED(uint32_t, shared);
    T        d[SUMS];
    uint32_t a[STEPS][4];
    int64_t  from;

    for (int i = (int)threadIdx.x; i < BOXES * BR_BOX_ROWS * BR_BOX_BYTES / 4; i += THREADS)
        shared[i] = 0x3C003C00u; /* ones in fp16 */
    for (int i = 0; i < 4 * STEPS; i++)
        a[i / 4][i % 4] = 0x3C003C00u + (uint32_t)i;
    for (int i = 0; i < SUMS; i++)
        d[i] = 0;
    br_shared_fence();
    __syncthreads();
    from = clock64();
    for (int i = 0; i < LOOPS; i++) {
        uint32_t box = br_shared_address(shared) +
                       (uint32_t)(i * 2 % (BOXES - 2)) * BR_BOX_ROWS * BR_BOX_BYTES;

        br_wgmma_fence();
#pragma unroll
        for (int k = 0; k < STEPS; k++)
            PRODUCT(d, a[k], br_wgmma_box(box, k % 4 * 32), br_wgmma_box(box, k % 4 * 32));
        br_wgmma_commit();
        br_wgmma_wait<0>();
    }
    if (threadIdx.x == 0)
        clocks[2 * blockIdx.x] = clock64() - from;
    for (int i = 0; i < SUMS; i++)
        if (d[i] == (T)-12345)
            sink[threadIdx.x] = (float)d[i];
#else
    __trap();
#endif
}

template <typename T, int SUMS, void (*PRODUCT)(T *, const uint32_t *, uint64_t, uint64_t)>
static br_status launch(ladder *l, void *)
{
    return BR_LAUNCH(l->dev, (product_kernel<T, SUMS, PRODUCT>), (unsigned)l->n_sms, THREADS,
                     BOXES * BR_BOX_ROWS * BR_BOX_BYTES, l->sink, l->clocks);
}

static void measure(ladder *l, ladder_fn fn, const char *what, int columns, bool is_whole)
{
    double      bytes = 32.0 / (is_whole ? 1.0 : 2.0); /* codes of a row in a product */
    double      flops = 2.0 * LOOPS * STEPS * 64.0 * columns * bytes * THREADS / BR_WARPGROUP;
    ladder_time t;

    if (ladder_run(l, fn, NULL, &t) != BR_OK)
        ladder_fail(l, what);
    else
        ladder_row(l, what, flops / t.clocks[0], "ops/clock", is_whole ? 2.0 * FLOPS : FLOPS, t.us);
}

void ladder_products(ladder *l)
{
    measure(l, launch<float, 64, fp16_128>, "fp16 n128, A in registers (the screen)", 128, false);
    measure(l, launch<float, 96, fp16_192>, "fp16 n192, A in registers", 192, false);
    measure(l, launch<float, 128, fp16_256>, "fp16 n256, A in registers", 256, false);
    measure(l, launch<float, 64, fp16_128_shared>, "fp16 n128, A in shared memory", 128, false);
    measure(l, launch<float, 96, fp16_192_shared>, "fp16 n192, A in shared memory", 192, false);
    measure(l, launch<float, 128, fp16_256_shared>, "fp16 n256, A in shared memory", 256, false);
    measure(l, launch<int32_t, 64, s8_128>, "int8 n128, A in registers (the screen)", 128, true);
    measure(l, launch<int32_t, 128, s8_256>, "int8 n256, A in registers", 256, true);
    measure(l, launch<int32_t, 128, s8_256_shared>, "int8 n256, A in shared memory", 256, true);
}

/* ---- how far sums are cut -------------------------------------------------------------------- */

#define COLUMNS 128

/* One warpgroup: 64 rows of 16 codes by 128 of them, once. a: words of fragments, [4][128]. */
static __global__ void __launch_bounds__(BR_WARPGROUP)
    cut_kernel(const uint32_t *a, const __grid_constant__ br_tensor_map map, float *out)
{
#ifdef BR_HOPPER_CODE
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_mbarrier *barrier = reinterpret_cast<br_mbarrier *>(shared + BR_BOX_ROWS * BR_BOX_BYTES);
    uint32_t     own[4];
    float        d[BR_WGMMA_SUMS];

    for (int i = 0; i < 4; i++)
        own[i] = a[i * BR_WARPGROUP + threadIdx.x];
    if (threadIdx.x == 0) {
        br_mbarrier_init(barrier, 1);
        br_mbarriers_made();
        br_mbarrier_expect(barrier, BR_BOX_ROWS * BR_BOX_BYTES);
        br_tensor_load(shared, &map, 0, 0, barrier);
    }
    __syncthreads();
    br_mbarrier_wait(barrier, 0);
    for (int i = 0; i < BR_WGMMA_SUMS; i++)
        d[i] = 0.0f;
    br_wgmma_hold(d);
    br_wgmma_fence();
    br_wgmma_fp16(d, own, br_wgmma_box(br_shared_address(shared), 0), false);
    br_wgmma_commit();
    br_wgmma_wait<0>();
    br_wgmma_hold(d);
    for (int i = 0; i < BR_WGMMA_SUMS; i++)
        out[i * BR_WARPGROUP + threadIdx.x] = d[i];
#else
    __trap();
#endif
}

typedef struct cut_case {
    __half   a[64][16], b[COLUMNS][BR_BOX_BYTES / 2];
    uint32_t word[4][BR_WARPGROUP];
    float    out[BR_WGMMA_SUMS][BR_WARPGROUP];
} cut_case;

/* Codes of very different sizes: what is small beside the largest product is what gets cut. */
static void fill(cut_case *c, uint32_t seed)
{
    auto next = [&seed] {
        seed = seed * 1664525u + 1013904223u;
        return __float2half_rn(ldexpf(1.0f + (float)(seed >> 9) * 0x1p-23f, (int)(seed % 15)) *
                               (seed & 0x100 ? -1.0f : 1.0f));
    };

    for (int i = 0; i < 64 * 16; i++)
        c->a[i / 16][i % 16] = next();
    for (int i = 0; i < COLUMNS * 16; i++)
        c->b[i / 16][i % 16] = next();
    for (int t = 0; t < BR_WARPGROUP; t++)
        for (int i = 0; i < 4; i++)
            memcpy(&c->word[i][t],
                   &c->a[t / 32 * 16 + t % 32 / 4 + i % 2 * 8][t % 4 * 2 + i / 2 * 8], 4);
}

/* The largest |sum - exact| of the largest product. */
static double largest_cut(const cut_case *c)
{
    double found = 0.0;

    for (int at = 0; at < BR_WGMMA_SUMS * BR_WARPGROUP; at++) {
        int    i = at / BR_WARPGROUP, t = at % BR_WARPGROUP;
        int    m = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8, n = i / 4 * 8 + t % 4 * 2 + i % 2;
        double sum = 0.0, most = 0.0;

        for (int k = 0; k < 16; k++) {
            double p = (double)__half2float(c->a[m][k]) * (double)__half2float(c->b[n][k]);

            sum += p;
            most = fmax(most, fabs(p));
        }
        found = fmax(found, fabs((double)c->out[i][t] - sum) / fmax(most, fabs(sum)));
    }
    return found;
}

static br_status run_cut(ladder *l, cut_case *c, void *device)
{
    br_status     st = BR_OK;
    br_tensor_map map;
    auto         *words = static_cast<uint32_t *>(device);
    auto         *out   = reinterpret_cast<float *>(words + 4 * BR_WARPGROUP);
    void         *b     = out + BR_WGMMA_SUMS * BR_WARPGROUP;

    BR_CUDA(st, cudaMemcpy(words, c->word, sizeof c->word, cudaMemcpyHostToDevice));
    BR_CUDA(st, cudaMemcpy(b, c->b, sizeof c->b, cudaMemcpyHostToDevice));
    BR_TRY(st, br_tensor_map_make(b, BR_BOX_ROWS, BR_BOX_BYTES, &map));
    BR_TRY(st, BR_LAUNCH(l->dev, cut_kernel, 1, BR_WARPGROUP, BR_BOX_ROWS * BR_BOX_BYTES + 8, words,
                         map, out));
    BR_TRY(st, br_dev_sync(l->dev));
    BR_CUDA(st, cudaMemcpy(c->out, out, sizeof c->out, cudaMemcpyDeviceToHost));
done:
    return st;
}

/* 17 numbers make a sum of 16 products and its start: at most 19 cuts, each below 2^-22. */
void ladder_cuts(ladder *l)
{
    br_status st     = BR_OK;
    cut_case *c      = NULL;
    void     *device = NULL;
    double    most   = 0.0;

    BR_ALLOC(st, c, 1, "a product and its sums");
    BR_TRY(st, br_cuda_allocate(sizeof *c, &device));
    for (uint32_t seed = 1; seed <= 64; seed++) {
        fill(c, seed);
        BR_TRY(st, run_cut(l, c, device));
        most = fmax(most, largest_cut(c));
    }
    ladder_check(l, "sums of 16 products: what is cut, of the most", most, 19 * 0x1p-22);
done:
    if (st != BR_OK)
        ladder_fail(l, "sums of 16 products");
    br_cuda_release(device);
    br_free(&c);
}
