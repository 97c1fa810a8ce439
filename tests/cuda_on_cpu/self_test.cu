/* SPDX-License-Identifier: Apache-2.0
 *
 * The emulated device held to its promises: the instructions of mma.cuh against plain loops, warp
 * functions by their definitions, rounding over all fp16, and planted bugs, each of which must end
 * the process with the right words. One case per run: self_test CASE; self_test.py runs them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/warp.cuh"

#define N 64

static float *device_floats(int64_t n)
{
    void *memory = NULL;

    if (cudaMalloc(&memory, (size_t)n * sizeof(float)) != cudaSuccess)
        abort();
    return static_cast<float *>(memory);
}

/* Prints and ends with 1 where the device's floats are not as wanted. */
static void expect(const float *device, int64_t n, float (*want)(int64_t))
{
    float *got = static_cast<float *>(malloc((size_t)n * sizeof *got));

    (void)cudaMemcpy(got, device, (size_t)n * sizeof *got, cudaMemcpyDeviceToHost);
    for (int64_t i = 0; i < n; i++)
        if (!(got[i] == want(i))) {
            printf("element %d is %g, expected %g\n", (int)i, (double)got[i], (double)want(i));
            exit(1);
        }
    free(got);
}

static void launch(void (*kernel)(float *), float *out)
{
    if (BR_LAUNCH(NULL, kernel, 2, N, 0, out) != BR_OK)
        exit(2);
}

static float index_of(int64_t i)
{
    return (float)(i % N);
}

/* ---- planted bugs ---------------------------------------------------------------------------- */

static __global__ void good_kernel(float *out)
{
    __shared__ float part[N];

    part[N - 1 - threadIdx.x] = (float)threadIdx.x;
    __syncthreads();
    out[blockIdx.x * N + threadIdx.x] = part[N - 1 - threadIdx.x];
}

static __global__ void out_of_bounds_kernel(float *out)
{
    out[blockIdx.x * N + threadIdx.x + 1] = (float)threadIdx.x;
}

static __global__ void shared_bounds_kernel(float *out)
{
    __shared__ float part[N];

    part[threadIdx.x + (out == NULL ? 0 : 1)] = 0.0f;
    __syncthreads();
    out[blockIdx.x * N + threadIdx.x] = part[threadIdx.x];
}

static __global__ void no_barrier_kernel(float *out)
{
    __shared__ float part[N];

    part[N - 1 - threadIdx.x]         = (float)(N - 1 - threadIdx.x);
    out[blockIdx.x * N + threadIdx.x] = part[threadIdx.x];
}

static __global__ void unwritten_shared_kernel(float *out)
{
    __shared__ float part[N];

    if (threadIdx.x != 5)
        part[threadIdx.x] = (float)threadIdx.x;
    __syncthreads();
    out[blockIdx.x * N + threadIdx.x] = part[threadIdx.x];
}

static __global__ void unwritten_output_kernel(float *out)
{
    if (threadIdx.x != 7)
        out[blockIdx.x * N + threadIdx.x] = (float)threadIdx.x;
}

static __global__ void divergent_barrier_kernel(float *out)
{
    if (threadIdx.x < 3)
        __syncthreads();
    else
        __syncwarp(threadIdx.x < 32 ? 0xFFFFFFF8u : 0xFFFFFFFFu);
    if (threadIdx.x >= 3)
        __syncthreads();
    out[blockIdx.x * N + threadIdx.x] = (float)threadIdx.x;
}

static __global__ void divergent_shuffle_kernel(float *out)
{
    float value = (float)threadIdx.x;

    if (threadIdx.x % 2 == 0)
        value = __shfl_xor_sync(BR_FULL_WARP, value, 2);
    out[blockIdx.x * N + threadIdx.x] = value;
}

static __global__ void no_wait_kernel(float *out)
{
    __shared__ __align__(16) float part[4 * N];
    float                         *mine = part + 4 * threadIdx.x;

    br_copy_async(mine, out, false);
    br_copy_commit();
    out[blockIdx.x * N + threadIdx.x] = mine[0] + (float)threadIdx.x;
}

static void host_reads(float *out)
{
    printf("%g\n", (double)out[0]);
}

/* A graph that was recorded with memory that has gone since: a copy of it, or a kernel on it. */
static void replay_stale(float *out, bool is_copy)
{
    cudaStream_t    stream = NULL;
    cudaGraph_t     graph  = NULL;
    cudaGraphExec_t exec   = NULL;
    float          *gone   = device_floats(N);

    (void)cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    (void)cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    if (is_copy)
        (void)cudaMemcpyAsync(out, gone, 4, cudaMemcpyDeviceToDevice, stream);
    else
        emulate("good_kernel", {1, N}, 0, stream, [=] { good_kernel(gone); });
    if (cudaStreamEndCapture(stream, &graph) != cudaSuccess ||
        cudaGraphInstantiate(&exec, graph, 0) != cudaSuccess)
        exit(2);
    (void)cudaFree(gone);
    (void)cudaGraphLaunch(exec, stream);
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* Small integers, so that every sum is exact: A[m][k] = (3m + k) % 7 - 3, B[k][n] likewise. */
static int a_at(int m, int k)
{
    return (3 * m + k) % 7 - 3;
}

static int b_at(int k, int n)
{
    return (k + 2 * n) % 5 - 2;
}

static uint32_t half_bits(int value, bool is_bf16)
{
    return is_bf16 ? __bfloat16_as_ushort(__float2bfloat16_rn((float)value))
                   : __half_as_ushort(__float2half_rn((float)value));
}

static __device__ void put(float *out, const float d[4], int factor)
{
    int g = br_lane() / 4, t = br_lane() % 4;

    for (int i = 0; i < 4; i++)
        out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i] * (float)factor;
}

/* A through shared memory and br_load_matrices, B by hand; block y: bf16 or fp16. */
static __global__ void half_product_kernel(float *out)
{
    __shared__ __align__(16) uint16_t a_MK[16][24]; /* rows 48 bytes apart */
    bool                              is_bf16 = blockIdx.x == 0;
    int                               l = br_lane(), g = l / 4, t = l % 4;
    float                             d[4] = {};
    uint32_t                          a[4], b[2];

    for (int i = l; i < 256; i += BR_WARP)
        a_MK[i / 16][i % 16] = (uint16_t)half_bits(a_at(i / 16, i % 16), is_bf16);
    __syncwarp();
    /* matrices: rows 0-7 and 8-15 of columns 0-7, then of columns 8-15 */
    br_load_matrices(a, &a_MK[l % 16][l / 16 * 8]);
    for (int i = 0; i < 2; i++)
        b[i] = half_bits(b_at(2 * t + 8 * i, g), is_bf16) |
               half_bits(b_at(2 * t + 1 + 8 * i, g), is_bf16) << 16;
    if (is_bf16)
        br_mma_bf16(d, a, b);
    else
        br_mma_fp16(d, a, b);
    put(out + blockIdx.x * 128, d, 1);
}

static float half_product(int64_t i)
{
    int sum = 0;

    for (int k = 0; k < 16; k++)
        sum += a_at((int)(i % 128 / 8), k) * b_at(k, (int)(i % 8));
    return (float)sum;
}

static __global__ void byte_product_kernel(float *out)
{
    int      g = br_lane() / 4, t = br_lane() % 4;
    int32_t  d[4] = {1, 1, 1, 1};
    uint32_t a[4] = {}, b[2] = {};
    float    f[4];

    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            a[i] |= (uint32_t)(uint8_t)a_at(g + i % 2 * 8, 4 * t + j + i / 2 * 16) << (8 * j);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            b[i] |= (uint32_t)(uint8_t)b_at(4 * t + j + i * 16, g) << (8 * j);
    br_mma_s8(d, a, b);
    for (int i = 0; i < 4; i++)
        f[i] = (float)d[i];
    put(out, f, 1);
}

static float byte_product(int64_t i)
{
    int sum = 1;

    for (int k = 0; k < 32; k++)
        sum += a_at((int)(i / 8), k) * b_at(k, (int)(i % 8));
    return (float)sum;
}

static void check_products(void)
{
    float *out = device_floats(256);

    if (BR_LAUNCH(NULL, half_product_kernel, 2, BR_WARP, 0, out) != BR_OK)
        exit(2);
    expect(out, 256, half_product);
    if (BR_LAUNCH(NULL, byte_product_kernel, 1, BR_WARP, 0, out) != BR_OK)
        exit(2);
    expect(out, 128, byte_product);
    (void)cudaFree(out);
}

/* Each lane's results folded into one number that a plain loop knows. */
static __global__ void warp_kernel(float *out)
{
    int      l    = br_lane();
    unsigned odd  = __ballot_sync(BR_FULL_WARP, l % 2);
    unsigned same = __match_any_sync(BR_FULL_WARP, l % 4);
    int      sum  = __reduce_add_sync(BR_FULL_WARP, l - 16);
    int      ok   = odd == 0xAAAAAAAAu && same == 0x11111111u << (l % 4) && sum == -16;

    ok &= __shfl_up_sync(BR_FULL_WARP, l, 1) == (l == 0 ? 0 : l - 1);
    ok &= __shfl_down_sync(BR_FULL_WARP, l, 3, 8) == (l % 8 < 5 ? l + 3 : l);
    ok &= __shfl_sync(BR_FULL_WARP, l, 2, 8) == l / 8 * 8 + 2;
    ok &= __shfl_xor_sync(BR_FULL_WARP, (double)l, 5) == (double)(l ^ 5);
    ok &= __reduce_max_sync(BR_FULL_WARP, -l) == 0 && __any_sync(BR_FULL_WARP, l == 3);
    ok &= __syncthreads_count(l == 1) == N / BR_WARP && !__syncthreads_and(l != 9);
    out[blockIdx.x * N + threadIdx.x] = ok ? (float)threadIdx.x : -1.0f;
}

/* Every fp16 there and back, and the ties between neighbours go to the even one. */
static void check_rounding(void)
{
    for (unsigned bits = 0; bits < 0x7C00; bits++) {
        float    here = __half2float(__ushort_as_half((unsigned short)bits));
        float    next = __half2float(__ushort_as_half((unsigned short)(bits + 1)));
        unsigned tie  = bits + bits % 2;

        if (bits == 0x7BFF)
            next = 65536.0f;
        if (__half_as_ushort(__float2half_rn(here)) != bits ||
            __half_as_ushort(__float2half_rn((here + next) / 2.0f)) != tie) {
            printf("fp16 %04x is rounded to another\n", bits);
            exit(1);
        }
    }
}

typedef struct test_case {
    const char *name;
    void (*kernel)(float *);
    void (*host)(void);
} test_case;

static const test_case cases[] = {
    {"good", good_kernel, NULL},
    {"out_of_bounds", out_of_bounds_kernel, NULL},
    {"shared_bounds", shared_bounds_kernel, NULL},
    {"no_barrier", no_barrier_kernel, NULL},
    {"unwritten_shared", unwritten_shared_kernel, NULL},
    {"unwritten_output", unwritten_output_kernel, NULL},
    {"divergent_barrier", divergent_barrier_kernel, NULL},
    {"divergent_shuffle", divergent_shuffle_kernel, NULL},
    {"no_wait", no_wait_kernel, NULL},
    {"warp", warp_kernel, NULL},
    {"products", NULL, check_products},
    {"rounding", NULL, check_rounding},
};

int main(int argc, char **argv)
{
    float *out = device_floats(2 * N);

    if (argc == 2 && strcmp(argv[1], "host_reads") == 0)
        host_reads(out);
    if (argc == 2 && strncmp(argv[1], "stale_", 6) == 0)
        replay_stale(out, strcmp(argv[1], "stale_copy") == 0);
    for (size_t i = 0; argc == 2 && i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) != 0)
            continue;
        if (cases[i].host != NULL) {
            cases[i].host();
        } else {
            launch(cases[i].kernel, out);
            expect(out, 2 * N, index_of);
        }
        (void)cudaFree(out);
        puts("as expected");
        return 0;
    }
    return 2;
}
