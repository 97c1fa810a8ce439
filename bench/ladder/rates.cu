/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes a clock of the instructions that a filter on sums is made of, by 8 warps with eight chains
 * each, alone and beside two warpgroups that multiply without a pause; and what these lose. */
#include "bench/ladder/ladder.cuh"
#include "bench/ladder/shapes.cuh"

#define OP_THREADS  256
#define MMA_THREADS 256
#define CHAINS      8
#define OP_LOOPS    2048
#define MMA_LOOPS   512 /* times eight products of 64 clocks, of two warpgroups */

enum op { MAX, MAX3, COMPARE, STORE, EX2, FMA };

/* One instruction on chain c; MAX3 takes two numbers in. */
template <op O> static __device__ __forceinline__ void do_one(float x[CHAINS], int c, uint32_t at)
{
    if (O == MAX)
        asm volatile("max.f32 %0, %0, %1;" : "+f"(x[c]) : "f"(x[(c + 1) % CHAINS]));
    if (O == MAX3) {
        int32_t v = __vimax3_s32(__float_as_int(x[c]), __float_as_int(x[(c + 1) % CHAINS]),
                                 __float_as_int(x[(c + 2) % CHAINS]));
        x[c]      = __int_as_float(v);
        asm volatile("" : "+f"(x[c]));
    }
    if (O == COMPARE) /* and a select, so that the result is wanted: two instructions */
        asm volatile("{.reg .pred p; setp.ge.f32 p, %0, %1; selp.f32 %0, %0, %1, p;}"
                     : "+f"(x[c])
                     : "f"(x[(c + 1) % CHAINS]));
    if (O == STORE) /* compare, and a store that never happens */
        asm volatile(
            "{.reg .pred p; setp.gt.f32 p, %0, %1; @p st.shared.f32 [%2], %0;}" ::"f"(x[c]),
            "f"(x[(c + 1) % CHAINS]), "r"(at)
            : "memory");
    if (O == EX2)
        asm volatile("ex2.approx.ftz.f32 %0, %0;" : "+f"(x[c]));
    if (O == FMA)
        asm volatile("fma.rn.f32 %0, %0, %1, %1;" : "+f"(x[c]) : "f"(x[(c + 1) % CHAINS]));
}

template <op O> static __device__ void do_ops(float *sink, int64_t *clocks, uint32_t at)
{
    float   x[CHAINS];
    int64_t from;

    for (int c = 0; c < CHAINS; c++)
        x[c] = 1.0f;
    from = clock64();
    for (int i = 0; i < OP_LOOPS; i++)
#pragma unroll
        for (int c = 0; c < CHAINS; c++)
            do_one<O>(x, c, at);
    if (threadIdx.x == MMA_THREADS)
        clocks[0] = clock64() - from;
    for (int c = 0; c < CHAINS; c++)
        if (x[c] == -12345.0f)
            sink[threadIdx.x] = x[c];
}

static __device__ void do_products(float *sink, int64_t *clocks, uint32_t box)
{
    float    d[BR_WGMMA_SUMS];
    uint32_t a[4] = {};
    uint64_t b    = br_wgmma_box(box, 0);
    int64_t  from = clock64();

    for (int i = 0; i < BR_WGMMA_SUMS; i++)
        d[i] = 0.0f;
    for (int i = 0; i < MMA_LOOPS; i++) {
        br_wgmma_hold(d);
        br_wgmma_fence();
#pragma unroll
        for (int k = 0; k < 8; k++)
            fp16_128(d, a, 0, b + k % 4 * 2);
        br_wgmma_commit();
        br_wgmma_wait<0>();
        br_wgmma_hold(d);
    }
    if (threadIdx.x == 0)
        clocks[1] = clock64() - from;
    for (int i = 0; i < BR_WGMMA_SUMS; i++)
        if (d[i] == -12345.0f)
            sink[threadIdx.x] = d[i];
}

/* Grid: a block per multiprocessor; two warpgroups multiply, eight warps do the rest. */
template <op O>
static __global__ void __launch_bounds__(MMA_THREADS + OP_THREADS, 1)
    rate_kernel(float *sink, int64_t *clocks, bool has_ops, bool has_products)
{
#ifdef BR_HOPPER_CODE
    BR_DYNAMIC_SHARED(float, shared);
    uint32_t at = br_shared_address(shared);

    for (int i = (int)threadIdx.x; i < BR_BOX_ROWS * BR_BOX_BYTES / 4; i += blockDim.x)
        shared[i] = 0.0f;
    br_shared_fence();
    __syncthreads();
    if (threadIdx.x >= MMA_THREADS && has_ops)
        do_ops<O>(sink, clocks + 2 * blockIdx.x, at);
    if (threadIdx.x < MMA_THREADS && has_products)
        do_products(sink, clocks + 2 * blockIdx.x, at);
#else
    __trap();
#endif
}

typedef struct rate_case {
    bool has_ops, has_products;
} rate_case;

template <op O> static br_status launch(ladder *l, void *context)
{
    rate_case *c = static_cast<rate_case *>(context);

    return BR_LAUNCH(l->dev, rate_kernel<O>, (unsigned)l->n_sms, MMA_THREADS + OP_THREADS,
                     BR_BOX_ROWS * BR_BOX_BYTES, l->sink, l->clocks, c->has_ops, c->has_products);
}

template <op O> static void measure(ladder *l, const char *name, double of)
{
    const double ops   = (double)OP_LOOPS * CHAINS * OP_THREADS;
    rate_case    alone = {true, false}, mma = {false, true}, both = {true, true};
    ladder_time  t[3];
    char         what[80];

    if (ladder_run(l, launch<O>, &alone, &t[0]) != BR_OK ||
        ladder_run(l, launch<O>, &mma, &t[1]) != BR_OK ||
        ladder_run(l, launch<O>, &both, &t[2]) != BR_OK) {
        ladder_fail(l, name);
        return;
    }
    snprintf(what, sizeof what, "%s, alone", name);
    ladder_row(l, what, ops / t[0].clocks[0], "lanes/clock", of, t[0].us);
    snprintf(what, sizeof what, "%s, beside products", name);
    ladder_row(l, what, ops / t[2].clocks[0], "lanes/clock", of, t[2].us);
    snprintf(what, sizeof what, "products beside %s", name);
    ladder_row(l, what, t[1].clocks[1] / t[2].clocks[1], "of alone", 1.0, t[2].us);
}

void ladder_rates(ladder *l)
{
    measure<MAX>(l, "max of two floats", 64.0);
    measure<MAX3>(l, "max of three whole numbers", 64.0);
    measure<COMPARE>(l, "compare and select", 32.0);
    measure<STORE>(l, "compare and a store that is not made", 64.0);
    measure<EX2>(l, "2^x", 16.0);
    measure<FMA>(l, "multiply-add", 128.0);
}
