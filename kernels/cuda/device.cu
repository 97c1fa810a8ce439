/* SPDX-License-Identifier: Apache-2.0
 *
 * Lanes are streams of the current device: the first that CUDA_VISIBLE_DEVICES leaves (choose.c).
 * Opened once per lane; memory is taken before the first batch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/block/block.cuh"
#include "kernels/cuda/fault.cuh"
#include "kernels/cuda/gemm.cuh"
#include "kernels/cuda/graph.cuh"
#include "kernels/cuda/transfer.cuh"

#define OLDEST_MAJOR 8 /* mma.sync of bf16 and s8, cp.async */

br_status br_cuda_status(cudaError_t error, const char *what)
{
    cudaDeviceProp about;
    int            device = -1;
    const char    *name   = "unknown";

    if (error == cudaSuccess)
        return BR_OK;
    if (cudaGetDevice(&device) == cudaSuccess &&
        cudaGetDeviceProperties(&about, device) == cudaSuccess)
        name = about.name;
    (void)cudaGetLastError(); /* the next call starts clean, if the device can */
    return br_fail(error == cudaErrorMemoryAllocation ? BR_E_MEMORY : BR_E_DEVICE,
                   "cuda device %d (%s): %s: %s", device, name, what, cudaGetErrorString(error));
}

bool br_cuda_is_there(void)
{
    cudaDeviceProp about;
    int            count = 0, device = 0;
    cudaError_t    found = cudaGetDeviceCount(&count);

    if (found == cudaErrorNoDevice || found == cudaErrorInsufficientDriver ||
        found == cudaErrorStubLibrary || (found == cudaSuccess && count == 0))
        return false;
    return cudaGetDevice(&device) != cudaSuccess ||
           cudaGetDeviceProperties(&about, device) != cudaSuccess || about.major >= OLDEST_MAJOR;
}

static br_status describe(br_dev *dev, br_cuda_lane *lane)
{
    br_status      st = BR_OK;
    cudaDeviceProp about;
    const char    *visible = getenv("CUDA_VISIBLE_DEVICES");
    int            count   = 0;
    cudaError_t    found   = cudaGetDeviceCount(&count);

    if (found == cudaErrorNoDevice || (found == cudaSuccess && count == 0))
        BR_FAIL(st, BR_E_DEVICE, "cuda: no device found%s%s",
                visible != NULL ? " among CUDA_VISIBLE_DEVICES=" : "",
                visible != NULL ? visible : "");
    BR_CUDA(st, cudaGetDeviceCount(&count)); /* says what else is wrong */
    BR_CUDA(st, cudaGetDevice(&lane->device));
    BR_CUDA(st, cudaGetDeviceProperties(&about, lane->device));
    if (about.major < OLDEST_MAJOR)
        BR_FAIL(st, BR_E_DEVICE, "cuda device %d (%s): compute capability %d.%d, expected %d.0",
                lane->device, about.name, about.major, about.minor, OLDEST_MAJOR);
    lane->major       = about.major;
    lane->n_sms       = about.multiProcessorCount;
    lane->most_shared = about.sharedMemPerBlockOptin;
    /* part of a run's identity: x_u has other bits by fused blocks */
    snprintf(dev->description, sizeof dev->description, "cuda: %s, sm_%d%d, %d SMs, %.1f GiB%s",
             about.name, about.major, about.minor, about.multiProcessorCount,
             static_cast<double>(about.totalGlobalMem) / (1 << 30),
             br_block_is_asked_for(dev) ? ", fused blocks in bf16" : "");
    for (size_t i = 0; i < sizeof about.uuid.bytes; i++)
        snprintf(dev->identity + 2 * i, 3, "%02x",
                 static_cast<unsigned>(static_cast<unsigned char>(about.uuid.bytes[i])));
done:
    return st;
}

static br_status reset_faults(br_cuda_lane *lane)
{
    br_status st = BR_OK;

    memset(lane->host_faults, 0xFF, sizeof *lane->host_faults);
    BR_CUDA(st, cudaMemcpyAsync(lane->faults, lane->host_faults, sizeof *lane->faults,
                                cudaMemcpyHostToDevice, lane->stream));
    BR_CUDA(st, cudaStreamSynchronize(lane->stream));
done:
    return st;
}

br_status br_cuda_open(br_dev *dev)
{
    br_status     st   = BR_OK;
    br_cuda_lane *lane = NULL;

    BR_ALLOC(st, lane, 1, "lane of the cuda backend");
    dev->native = lane;
    BR_TRY(st, describe(dev, lane));
    BR_CUDA(st, cudaStreamCreateWithFlags(&lane->stream, cudaStreamNonBlocking));
    BR_CUDA(st, cudaMalloc(reinterpret_cast<void **>(&lane->faults), sizeof *lane->faults));
    BR_CUDA(st,
            cudaMallocHost(reinterpret_cast<void **>(&lane->host_faults), sizeof *lane->faults));
    BR_CUDA(st, cudaMallocHost(reinterpret_cast<void **>(&lane->words), BR_CUDA_WORDS));
    BR_TRY(st, br_cuda_graphs_open(lane));
    BR_TRY(st, reset_faults(lane));
done:
    return st;
}

/* Nothing can be done about a failure here: what it hides was reported by the last sync. */
void br_cuda_close(br_dev *dev)
{
    br_cuda_lane *lane = br_cuda_lane_of(dev);

    if (lane == NULL)
        return;
    if (lane->stream != NULL)
        (void)cudaStreamSynchronize(lane->stream);
    br_cuda_graphs_close(lane);
    br_cuda_gemm_close(lane);
    br_cuda_ring_close(lane);
    for (int i = 0; i < BR_N_WORKS; i++)
        (void)cudaFree(lane->work[i]);
    (void)cudaFreeHost(lane->words);
    (void)cudaFreeHost(lane->host_faults);
    (void)cudaFree(lane->faults);
    if (lane->stream != NULL)
        (void)cudaStreamDestroy(lane->stream);
    br_free(&dev->native);
}

br_status br_cuda_allocate(size_t bytes, void **memory)
{
    br_status st = BR_OK;

    *memory = NULL;
    BR_CUDA(st, cudaMalloc(memory, bytes > 0 ? bytes : 1)); /* an empty matrix has an address */
    /* waited for here: lanes do not wait for other streams. Not for the whole device, which must
     * not be waited for while a lane records a graph */
    BR_CUDA(st, cudaMemsetAsync(*memory, 0, bytes, cudaStreamPerThread));
    BR_CUDA(st, cudaStreamSynchronize(cudaStreamPerThread));
done:
    if (st != BR_OK) {
        br_cuda_release(*memory);
        *memory = NULL;
    }
    return st;
}

void br_cuda_release(void *memory)
{
    (void)cudaFree(memory); /* waits for what still uses it */
}

br_status br_cuda_room(br_dev *dev, size_t *bytes)
{
    br_status st    = BR_OK;
    size_t    total = 0;

    (void)dev;
    BR_CUDA(st, cudaMemGetInfo(bytes, &total));
done:
    return st;
}

br_status br_cuda_workspace(br_dev *dev, br_cuda_work slot, size_t bytes, void **out)
{
    br_status     st   = BR_OK;
    br_cuda_lane *lane = br_cuda_lane_of(dev);

    if (bytes > lane->work_bytes[slot]) {
        (void)cudaFree(lane->work[slot]); /* waits for what still uses it */
        lane->work[slot]       = NULL;
        lane->work_bytes[slot] = 0;
        BR_CUDA(st, cudaMalloc(&lane->work[slot], bytes));
        lane->work_bytes[slot] = bytes;
    }
    *out = lane->work[slot];
done:
    return st;
}

static br_status report_faults(br_cuda_lane *lane)
{
    static const char *const names[] = {
#define X(name, text) text,
        BR_FAULT_MAP(X)
#undef X
    };
    const br_cuda_faults found = *lane->host_faults;
    br_status            st    = BR_OK;

    for (int kind = 0; kind < BR_N_FAULTS; kind++) {
        if (found.first[kind] == ~0ull)
            continue;
        BR_TRY(st, reset_faults(lane));
        BR_FAIL(st, BR_E_SELFCHECK, "%s: index %lld names row %d of a table of %lld rows",
                names[kind], (long long)(found.first[kind] >> 32), (int)found.first[kind],
                found.n_rows[kind]);
    }
done:
    return st;
}

br_status br_cuda_sync(br_dev *dev)
{
    br_status     st   = BR_OK;
    br_cuda_lane *lane = br_cuda_lane_of(dev);

    BR_CUDA(st, cudaMemcpyAsync(lane->host_faults, lane->faults, sizeof *lane->faults,
                                cudaMemcpyDeviceToHost, lane->stream));
    BR_CUDA(st, cudaStreamSynchronize(lane->stream));
    BR_TRY(st, report_faults(lane));
done:
    return st;
}

br_status br_cuda_fetch(br_dev *dev, const void *from, size_t bytes, void *to)
{
    br_status     st   = BR_OK;
    br_cuda_lane *lane = br_cuda_lane_of(dev);

    BR_CUDA(st, cudaMemcpyAsync(lane->words, from, bytes, cudaMemcpyDeviceToHost, lane->stream));
    BR_TRY(st, br_cuda_sync(dev));
    memcpy(to, lane->words, bytes);
done:
    return st;
}

br_launches br_cuda_launches(const br_dev *dev)
{
    return br_cuda_lane_of(dev)->launches;
}
