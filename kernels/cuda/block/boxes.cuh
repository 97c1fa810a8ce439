/* SPDX-License-Identifier: Apache-2.0
 *
 * A block's weights in shared memory, as boxes of 128 outputs by 64 inputs (tensor_map.cuh). Every
 * tile of rows meets the same boxes in the same order. What fits stays there for good; the others
 * come again for every tile through a ring, spread evenly between those that stay, so that the
 * cache is asked all the time and never for much. */
#ifndef BR_KERNELS_CUDA_BLOCK_BOXES_CUH
#define BR_KERNELS_CUDA_BLOCK_BOXES_CUH

#include "kernels/cuda/hopper/async.cuh"
#include "kernels/cuda/hopper/wgmma.cuh"

#define BR_BOX_SIZE (BR_BOX_ROWS * BR_BOX_BYTES) /* bytes */
#define BR_BOX_IN   (BR_BOX_BYTES / 2)           /* inputs, bf16 */
#define BR_BOX_OUT  BR_BOX_ROWS
#define BR_BOX_STEP (BR_BOX_BYTES / BR_WGMMA_BYTES) /* products of a box */

/* The boxes of a tile; slots 0 .. n - n_streamed - 1 hold those that stay, a ring follows. */
typedef struct br_box_plan {
    int32_t n;
    int32_t n_streamed;
} br_box_plan;

/* n boxes where there is room for n_slots. */
static inline br_box_plan br_box_plan_of(int32_t n, int32_t n_slots, int32_t n_ring)
{
    return {n, n <= n_slots ? 0 : n - (n_slots - n_ring)};
}

/* Where a thread is among the boxes, RING slots in the ring; who brings them and who reads them
 * walk alike. */
template <int RING> struct br_box_walk {
    int32_t  due    = 0; /* streamed boxes so far, times n, modulo n */
    int32_t  stays  = 0; /* boxes so far that stay */
    int32_t  at     = 0; /* of the ring */
    uint32_t parity = 0; /* of the phase in which it is filled */
    int32_t  slot   = 0;
    bool     is_streamed;

    /* The next box: its slot, and whether it came through the ring. */
    __device__ __forceinline__ void step(const br_box_plan &p)
    {
        due += p.n_streamed;
        is_streamed = due >= p.n;
        due -= is_streamed ? p.n : 0;
        slot = is_streamed ? p.n - p.n_streamed + at : stays;
        stays += is_streamed ? 0 : 1;
    }

    /* The box is done with. */
    __device__ __forceinline__ void leave(void)
    {
        if (!is_streamed)
            return;
        at++;
        if (at == RING) {
            at = 0;
            parity ^= 1;
        }
    }
};

/* N slots of shared memory, up to RING of them a ring; full: its box has come, empty: all warps
 * have left it. */
template <int N, int RING> struct br_boxes {
    unsigned char box[N][BR_BOX_SIZE];
    br_mbarrier   full[N], empty[N];
};

/* By one thread, which calls br_mbarriers_made then. */
template <int N, int RING>
static __device__ void br_boxes_init(br_boxes<N, RING> *boxes, uint32_t n_warps)
{
    for (int i = 0; i < N; i++) {
        br_mbarrier_init(&boxes->full[i], 1);
        br_mbarrier_init(&boxes->empty[i], n_warps);
    }
}

/* The one thread that asks for them. */
template <int N, int RING> struct br_box_feeder {
    br_boxes<N, RING> *boxes;
    br_box_plan        plan;
    br_box_walk<RING>  walk;
    bool               is_first; /* tile of the block: boxes that stay come too */

    /* The next box, from (row, byte) of the map. */
    __device__ void load(const br_tensor_map *map, int32_t byte, int32_t row)
    {
        br_mbarrier *full;

        walk.step(plan);
        full = &boxes->full[walk.slot];
        if (walk.is_streamed)
            br_mbarrier_wait(&boxes->empty[walk.slot], walk.parity ^ 1);
        if (walk.is_streamed || is_first) {
            br_mbarrier_expect(full, BR_BOX_SIZE);
            br_tensor_load(boxes->box[walk.slot], map, byte, row, full);
        }
        walk.leave();
    }

    __device__ void end_tile(void)
    {
        is_first   = false;
        walk.stays = 0;
    }
};

/* A warpgroup's reading of them. */
template <int N, int RING> struct br_box_reader {
    br_boxes<N, RING> *boxes;
    br_box_plan        plan;
    br_box_walk<RING>  walk;
    bool               is_first; /* tile */
    int                before;   /* slot of the ring that products under way read */

    /* Waits for the next box: where it is. Products may follow. */
    __device__ __forceinline__ uint64_t open(void)
    {
        walk.step(plan);
        if (walk.is_streamed || is_first)
            br_mbarrier_wait(&boxes->full[walk.slot], walk.is_streamed ? walk.parity : 0);
        br_wgmma_fence();
        return br_wgmma_box(br_shared_address(boxes->box[walk.slot]), 0);
    }

    /* Its products are under way; those of the box before are done. */
    __device__ __forceinline__ void close(void)
    {
        br_wgmma_commit();
        br_wgmma_wait<1>();
        give_back();
        before = walk.is_streamed ? walk.slot : -1;
        walk.leave();
    }

    /* All products are done. */
    __device__ __forceinline__ void settle(void)
    {
        br_wgmma_wait<0>();
        give_back();
        before = -1;
    }

    /* is_first_tile: of the block; the boxes that stay are waited for. */
    __device__ __forceinline__ void begin_tile(bool is_first_tile)
    {
        is_first   = is_first_tile;
        walk.stays = 0;
    }

    __device__ __forceinline__ void give_back(void)
    {
        if (before >= 0 && br_lane() == 0)
            br_mbarrier_arrive(&boxes->empty[before]);
    }
};

#endif
