/* SPDX-License-Identifier: Apache-2.0
 *
 * Boxes of 16 KB from the second-level cache into shared memory, each to 1, 2 or 4 blocks of a
 * cluster at a time: what a catalogue's stream may cost. And float32 rows gathered at random, as a
 * rescoring does, from more memory than the cache holds. */
#include "bench/ladder/ladder.cuh"
#include "kernels/cuda/hopper/async.cuh"
#include "kernels/cuda/warp.cuh"

#define BOX    (BR_BOX_ROWS * BR_BOX_BYTES)
#define RING   8
#define ROUNDS 256
#define N_ROWS (64 * 1024) /* of 128 bytes: 8 MB */

static __device__ __forceinline__ void meet(int blocks)
{
    if (blocks > 1)
        asm volatile("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;" ::: "memory");
    else
        __syncthreads();
}

/* To the same place in all blocks of the cluster, and to the barrier in each. */
static __device__ __forceinline__ void load_for_all(void *to, const br_tensor_map *map, int32_t row,
                                                    br_mbarrier *barrier, int blocks)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes"
                 ".multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(br_shared_address(to)),
                 "l"(map), "r"(0), "r"(row), "r"(br_shared_address(barrier)),
                 "h"((uint16_t)((1u << blocks) - 1))
                 : "memory");
}

/* Grid: a block per multiprocessor, in clusters of BLOCKS; one warp. Box i of the ring is asked for
 * by the block whose turn it is. */
template <int BLOCKS>
static __global__ void __launch_bounds__(BR_WARP) __cluster_dims__(BLOCKS, 1, 1)
    box_kernel(const __grid_constant__ br_tensor_map map, int64_t *clocks)
{
#ifdef BR_HOPPER_CODE
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_mbarrier *full = reinterpret_cast<br_mbarrier *>(shared + RING * BOX);
    int          rank = (int)blockIdx.x % BLOCKS;
    int64_t      from;

    if (threadIdx.x == 0) {
        for (int i = 0; i < RING; i++)
            br_mbarrier_init(&full[i], 1);
        br_mbarriers_made();
    }
    meet(BLOCKS);
    from = clock64();
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < RING && threadIdx.x == 0; i++)
            br_mbarrier_expect(&full[i], BOX);
        meet(BLOCKS); /* all expect, and have read the last round */
        for (int i = 0; i < RING && threadIdx.x == 0; i++) {
            int32_t row = (round * RING + i) * BR_BOX_ROWS % N_ROWS;

            if (BLOCKS == 1)
                br_tensor_load(shared + i * BOX, &map, 0, row, &full[i]);
            else if (i % BLOCKS == rank)
                load_for_all(shared + i * BOX, &map, row, &full[i], BLOCKS);
        }
        for (int i = 0; i < RING; i++)
            br_mbarrier_wait(&full[i], (uint32_t)round % 2);
    }
    if (threadIdx.x == 0)
        clocks[2 * blockIdx.x] = clock64() - from;
    meet(BLOCKS);
#else
    __trap();
#endif
}

template <int BLOCKS> static br_status launch_boxes(ladder *l, void *context)
{
    unsigned n = (unsigned)(l->n_sms / BLOCKS * BLOCKS);

    return BR_LAUNCH(l->dev, box_kernel<BLOCKS>, n, BR_WARP, RING * BOX + RING * 8,
                     *static_cast<br_tensor_map *>(context), l->clocks);
}

static void measure_boxes(ladder *l, ladder_fn fn, const char *what, br_tensor_map *map)
{
    ladder_time t;

    if (ladder_run(l, fn, map, &t) != BR_OK)
        ladder_fail(l, what);
    else
        ladder_row(l, what, (double)ROUNDS * RING * BOX / t.clocks[0], "bytes/clock", 0.0, t.us);
}

/* ---- gathered rows --------------------------------------------------------------------------- */

#define GATHERED   (1 << 22)
#define GATHER_DIM 128
#define TABLE_ROWS (1 << 20) /* of 512 bytes: 512 MB */

/* Grid: a warp per eight rows. */
static __global__ void __launch_bounds__(BR_ROW_THREADS)
    gather_kernel(const float4 *row_ND, float *sink)
{
    float sum = 0.0f;

#pragma unroll
    for (int i = 0; i < 8; i++) {
        uint32_t at = (uint32_t)(br_row() * 8 + i) * 2654435761u % TABLE_ROWS;
        float4   x  = row_ND[(int64_t)at * (GATHER_DIM / 4) + br_lane()];

        sum += x.x + x.y + x.z + x.w;
    }
    if (sum == -12345.0f)
        sink[threadIdx.x] = sum;
}

static br_status launch_gather(ladder *l, void *context)
{
    return BR_LAUNCH(l->dev, gather_kernel, br_row_blocks(GATHERED / 8), BR_ROW_THREADS, 0,
                     static_cast<const float4 *>(context), l->sink);
}

void ladder_copies(ladder *l)
{
    br_status     st     = BR_OK;
    void         *memory = NULL;
    br_tensor_map map;
    ladder_time   t;

    BR_TRY(st, br_cuda_allocate((size_t)TABLE_ROWS * GATHER_DIM * 4, &memory));
    BR_TRY(st, br_tensor_map_make(memory, N_ROWS, BR_BOX_BYTES, &map));
    measure_boxes(l, launch_boxes<1>, "boxes to one block", &map);
    measure_boxes(l, launch_boxes<2>, "boxes to two blocks at a time", &map);
    measure_boxes(l, launch_boxes<4>, "boxes to four blocks at a time", &map);
    BR_TRY(st, ladder_run(l, launch_gather, memory, &t));
    ladder_row(l, "rows of 512 bytes, gathered", 1e-3 * GATHERED * GATHER_DIM * 4.0 / t.us, "GB/s",
               0.0, t.us);
done:
    if (st != BR_OK)
        ladder_fail(l, "copies");
    br_cuda_release(memory);
}
