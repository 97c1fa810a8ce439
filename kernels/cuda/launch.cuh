/* SPDX-License-Identifier: Apache-2.0
 *
 * What every .cu of the backend starts from: the lane, checked calls and launches, views, faults.
 *
 * Compiled by nvcc, or by a host compiler with tests/cuda_on_cpu/include first on its path, where
 * the same kernels run on an emulated device (BR_CUDA_ON_CPU). So kernels are static, launch by
 * BR_LAUNCH, take dynamic shared memory by BR_DYNAMIC_SHARED, and keep PTX in mma.cuh.
 *
 * Arithmetic: built with --fmad=false (-ffp-contract=off on the host): what is written is what is
 * computed, on both, so + - * / sqrt have ref's bits. Where a fused multiply-add is wanted it is
 * written fmaf or fma. */
#ifndef BR_KERNELS_CUDA_LAUNCH_CUH
#define BR_KERNELS_CUDA_LAUNCH_CUH

#include <cuda_runtime.h>

#include "kernels/cuda/cuda.h"

/* ---- the lane ------------------------------------------------------------------------------- */

struct br_cuda_gemm_lane; /* gemm.cu's own */
struct br_cuda_ring;      /* transfer.cu's */
struct br_cuda_graphs;    /* graph.cu's */
struct br_cuda_faults;

/* Device memory of a lane that grows to the largest op of a run and stays: nothing is allocated
 * once each op has been seen. A slot holds its bytes until the lane's next op that asks for it. */
typedef enum {
    BR_WORK_WEIGHT,
    BR_WORK_VALUE,
    BR_WORK_OPERAND,
    BR_WORK_SUM,
    BR_WORK_UNITS,
    BR_WORK_TOPK,
    BR_WORK_DRAW,
    BR_WORK_SLOW,
    BR_WORK_PLACE, /* where linear's rows lie */
    BR_N_WORKS
} br_cuda_work;

typedef struct br_cuda_lane {
    cudaStream_t              stream;
    int                       device;
    int                       major; /* of its compute capability */
    int                       n_sms;
    size_t                    most_shared; /* bytes that a block may have */
    struct br_cuda_faults    *faults;      /* on the device */
    struct br_cuda_faults    *host_faults; /* pinned */
    struct br_cuda_ring      *ring;        /* NULL until the first copy */
    struct br_cuda_gemm_lane *gemm;        /* NULL until the first product */
    struct br_cuda_graphs    *graphs;      /* NULL: launches are not recorded */
    int64_t                  *recording;   /* kernels of the graph in the making; NULL: none is */
    br_launches               launches;
    unsigned char            *words;    /* pinned, BR_CUDA_WORDS: what the host asks for */
    uint64_t                  n_proofs; /* chunks of score_topk so far */
    void                     *work[BR_N_WORKS];
    size_t                    work_bytes[BR_N_WORKS];
} br_cuda_lane;

static inline br_cuda_lane *br_cuda_lane_of(const br_dev *dev)
{
    return static_cast<br_cuda_lane *>(dev->native);
}

br_status br_cuda_workspace(br_dev *dev, br_cuda_work slot, size_t bytes, void **out);

#define BR_CUDA_WORDS 256
/* Waits for the lane, then *to is what lies at `from`: at most BR_CUDA_WORDS bytes. Fails as
 * br_cuda_sync does. */
br_status br_cuda_fetch(br_dev *dev, const void *from, size_t bytes, void *to);

/* ---- checked calls -------------------------------------------------------------------------- */

/* BR_OK, or a failure that names the device and `what`: BR_E_MEMORY when there is none left. */
br_status br_cuda_status(cudaError_t error, const char *what);

#define BR_CUDA(st, call) BR_TRY(st, br_cuda_status((call), #call))

/* ---- launches ------------------------------------------------------------------------------- */

typedef struct br_cuda_shape {
    dim3   grid;
    dim3   block;
    size_t shared_bytes; /* dynamic */
} br_cuda_shape;

#ifdef BR_CUDA_ON_CPU
#define BR_DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(emulator_shared())
#else
#define BR_DYNAMIC_SHARED(type, name)                                                              \
    extern __shared__ __align__(1024) unsigned char br_dynamic_shared[];                           \
    type *name = reinterpret_cast<type *>(br_dynamic_shared)
#endif

/* dev NULL: a test's, on no stream of ours. */
static inline cudaStream_t br_cuda_stream_of(const br_dev *dev)
{
    return dev == NULL ? NULL : br_cuda_lane_of(dev)->stream;
}

static inline void br_cuda_count_launch(br_dev *dev)
{
    br_cuda_lane *lane = dev == NULL ? NULL : br_cuda_lane_of(dev);

    if (lane != NULL)
        (*(lane->recording != NULL ? lane->recording : &lane->launches.n_single))++;
}

/* Enqueues a kernel; an empty grid is no work. The arguments become the parameters' types. */
template <typename... P>
static inline br_status br_cuda_launch(br_dev *dev, const char *name, void (*kernel)(P...),
                                       const br_cuda_shape &shape, P... args)
{
    if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0)
        return BR_OK;
    if (shape.shared_bytes > 48 * 1024) { /* more than that is asked for */
        br_status st =
            br_cuda_status(cudaFuncSetAttribute(reinterpret_cast<const void *>(kernel),
                                                cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                static_cast<int>(shape.shared_bytes)),
                           name);
        if (st != BR_OK)
            return st;
    }
    br_cuda_count_launch(dev);
#ifdef BR_CUDA_ON_CPU
    emulate(name, {shape.grid, shape.block}, shape.shared_bytes, br_cuda_stream_of(dev),
            [=] { kernel(args...); });
#else
    kernel<<<shape.grid, shape.block, shape.shared_bytes, br_cuda_stream_of(dev)>>>(args...);
#endif
    return br_cuda_status(cudaGetLastError(), name);
}

/* BR_LAUNCH(dev, kernel, grid, block, shared_bytes, arguments...) is a br_status. A template with
 * several arguments goes in parentheses: (kernel<int, 4>). */
#define BR_LAUNCH(dev, kernel, grid, block, shared_bytes, ...)                                     \
    br_cuda_enqueue(kernel,                                                                        \
                    br_cuda_request{dev, #kernel, {dim3(grid), dim3(block), shared_bytes}},        \
                    __VA_ARGS__)

typedef struct br_cuda_request {
    br_dev       *dev;
    const char   *name;
    br_cuda_shape shape;
} br_cuda_request;

template <typename... P, typename... A>
static inline br_status br_cuda_enqueue(void (*kernel)(P...), const br_cuda_request &r, A... args)
{
    return br_cuda_launch<P...>(r.dev, r.name, kernel, r.shape, static_cast<P>(args)...);
}

/* Blocks that cover n things, per_block each. */
static inline unsigned br_cuda_blocks(int64_t n, int64_t per_block)
{
    return static_cast<unsigned>((n + per_block - 1) / per_block);
}

/* ---- views ---------------------------------------------------------------------------------- */

/* A matrix as kernels see it; absent when at == NULL. */
template <typename T> struct br_view {
    T      *at;
    int64_t ld;

    __host__ __device__ T *row(int64_t r) const
    {
        return at + r * ld;
    }
};

template <typename T> static inline br_view<T> br_view_of(br_mat mat)
{
    return {static_cast<T *>(br_mat_at(mat)), mat.ld};
}

#endif
