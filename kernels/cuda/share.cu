/* SPDX-License-Identifier: Apache-2.0
 *
 * hash, and what host/comm needs of a stream. Called a few times per job. */
#include "kernels/cuda/warp.cuh"
#include "kernels/hash.h"

#define HASH_THREADS 256
#define HASH_BLOCKS  8 /* per multiprocessor */

typedef struct hash_params {
    const unsigned char *x;
    int64_t              n_bytes;
    unsigned long long  *out; /* 0 at first */
} hash_params;

/* Grid: as many blocks as the device holds, or fewer; a thread owns every (grid)th word, a warp
 * adds its sum once. The last word may be of fewer than 4 bytes. */
static __global__ void __launch_bounds__(HASH_THREADS) hash_kernel(hash_params p)
{
    int64_t            first  = (int64_t)blockIdx.x * HASH_THREADS + threadIdx.x;
    int64_t            step   = (int64_t)gridDim.x * HASH_THREADS;
    int64_t            n_full = p.n_bytes / 4;
    unsigned long long sum    = first == 0 ? br_hash_word((uint64_t)p.n_bytes, 0) : 0;

    for (int64_t i = first; i < n_full; i += step)
        sum += br_hash_word(reinterpret_cast<const uint32_t *>(p.x)[i], (uint64_t)i + 1);
    if (first == 0 && p.n_bytes > 4 * n_full) {
        uint32_t word = 0;

        for (int64_t b = 4 * n_full; b < p.n_bytes; b++)
            word |= (uint32_t)p.x[b] << 8 * (b - 4 * n_full);
        sum += br_hash_word(word, (uint64_t)n_full + 1);
    }
    sum = br_warp_sum(sum);
    if (br_lane() == 0)
        atomicAdd(p.out, sum);
}

br_status br_cuda_hash(br_dev *dev, br_mat x_RC, br_mat out_11)
{
    br_status   st      = BR_OK;
    int64_t     n_bytes = x_RC.n_rows * x_RC.n_cols * (int64_t)br_dtype_bytes(x_RC.dtype);
    unsigned    blocks  = br_cuda_blocks(n_bytes / 4 + 1, HASH_THREADS);
    unsigned    most    = (unsigned)br_cuda_lane_of(dev)->n_sms * HASH_BLOCKS;
    hash_params p       = {static_cast<const unsigned char *>(br_mat_at(x_RC)), n_bytes,
                           static_cast<unsigned long long *>(br_mat_at(out_11))};

    BR_CUDA(st, cudaMemsetAsync(p.out, 0, sizeof *p.out, br_cuda_lane_of(dev)->stream));
    BR_TRY(st, BR_LAUNCH(dev, hash_kernel, blocks < most ? blocks : most, HASH_THREADS, 0, p));
done:
    return st;
}

void *br_cuda_stream(const br_dev *dev)
{
    return br_cuda_lane_of(dev)->stream;
}

br_status br_cuda_poll(br_dev *dev, bool *is_done)
{
    cudaError_t error = cudaStreamQuery(br_cuda_lane_of(dev)->stream);

    *is_done = error == cudaSuccess;
    if (error != cudaErrorNotReady)
        return br_cuda_status(error, "what was enqueued");
    (void)cudaGetLastError(); /* no failure, but kept as one */
    return BR_OK;
}
