/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole sequences in a warpgroup's 64 rows: one of 33 to 64 events, two of up to 32, or four of up
 * to 16, each from the beginning of a slot of so many rows (units.cuh, BR_UNITS_SLOTS). */
#ifndef BR_KERNELS_CUDA_BLOCK_SLOTS_CUH
#define BR_KERNELS_CUDA_BLOCK_SLOTS_CUH

#include "kernels/cuda/encoder/units.cuh"

/* 16 rows of a slot: events first + t .. of a sequence of n; n = 0: no sequence. */
typedef struct br_slot_rows {
    int first;
    int n;
    int t;
} br_slot_rows;

/* Tiles of 64 rows with slots of 64 rows; of 32; of 16. */
static __host__ __device__ inline int br_slot_tiles(const br_units &units, int slot)
{
    return (units.n_slot[slot] + (1 << slot) - 1) >> slot;
}

/* Of row `row` (a multiple of 16) of the 64 of tile `at`. */
static __device__ inline br_slot_rows br_slot_at(const br_units &units, const int32_t *offset_B1,
                                                 int at, int row)
{
    br_slot_rows own  = {0, 0, 0};
    int          unit = 0, slot = 0;

    while (slot < BR_N_SLOTS && at >= br_slot_tiles(units, slot)) {
        at -= br_slot_tiles(units, slot);
        unit += units.n_slot[slot];
        slot++;
    }
    if (slot < BR_N_SLOTS) {
        int size = BR_MOST_SLOT >> slot;
        int i    = (at << slot) + row / size;

        own.t = row % size;
        if (i < units.n_slot[slot]) {
            int b = units.at[unit + i].b;

            own.first = offset_B1[b];
            own.n     = offset_B1[b + 1] - own.first;
        }
    }
    return own;
}

#endif
