/* SPDX-License-Identifier: Apache-2.0
 *
 * The twins of kernels/cuda/hopper/async.cuh: what they do and notice is in hopper/hopper.h. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_HOPPER_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_HOPPER_H

#include <cuda_runtime.h>

#include "tests/cuda_on_cpu/hopper/hopper.h"

static inline void br_mbarrier_init(br_mbarrier *barrier, uint32_t n_arrivals, BR_SITE_ARGS)
{
    emulator_mbarrier_init(BR_SITE("br_mbarrier_init"), barrier, n_arrivals);
}

static inline void br_mbarriers_made(void)
{
}

static inline void br_mbarrier_arrive(br_mbarrier *barrier, BR_SITE_ARGS)
{
    emulator_mbarrier_arrive(BR_SITE("br_mbarrier_arrive"), barrier, 0);
    emulator_pause();
}

static inline void br_mbarrier_expect(br_mbarrier *barrier, uint32_t bytes, BR_SITE_ARGS)
{
    emulator_mbarrier_arrive(BR_SITE("br_mbarrier_expect"), barrier, bytes);
    emulator_pause();
}

/* A box in the order of the swizzle, which is of addresses; zeros outside. */
static inline void br_load_box(const emulator_load *l)
{
    const CUtensorMap *map = static_cast<const CUtensorMap *>(l->map);

    for (int64_t r = 0; r < BR_BOX_ROWS; r++)
        for (int64_t piece = 0; piece < BR_BOX_BYTES / 16; piece++) {
            int64_t        row = l->row + r, byte = l->byte + piece * 16;
            unsigned char *to =
                static_cast<unsigned char *>(l->to) + r * BR_BOX_BYTES + (piece ^ r % 8) * 16;
            uint4 value = {0, 0, 0, 0};

            if (row >= 0 && row < map->n_rows && byte >= 0 && byte < map->row_bytes)
                value = *reinterpret_cast<const uint4 *>(map->from + row * map->row_bytes + byte);
            *reinterpret_cast<uint4 *>(to) = value;
        }
}

static inline void br_mbarrier_wait(br_mbarrier *barrier, uint32_t parity, BR_SITE_ARGS)
{
    emulator_load load;

    do
        while (emulator_load_take(barrier, &load)) {
            br_load_box(&load);
            emulator_load_done(&load);
        }
    while (!emulator_mbarrier_wait(BR_SITE("br_mbarrier_wait"), barrier, parity));
}

static inline void br_tensor_load(void *to, const br_tensor_map *map, int32_t byte, int32_t row,
                                  br_mbarrier *barrier, BR_SITE_ARGS)
{
    const emulator_load load = {to, map, byte, row, barrier, BR_BOX_ROWS * BR_BOX_BYTES};

    emulator_require(reinterpret_cast<uint64_t>(to) % 1024 == 0,
                     BR_SITE("br_tensor_load, a box not aligned to 1,024"));
    emulator_load_later(BR_SITE("br_tensor_load"), &load);
}

static inline void br_put_shared(uint32_t *at, uint32_t is_there, uint32_t step, int32_t value)
{
    if (is_there == 0)
        return;
    *reinterpret_cast<int32_t *>(static_cast<unsigned char *>(emulator_shared()) + *at) = value;
    *at += step;
}

static inline void br_shared_fence(void)
{
    emulator_shared_fence();
}

static inline void br_named_wait(int id, int n_threads, BR_SITE_ARGS)
{
    emulator_named(BR_SITE("br_named_wait"), id, n_threads, 1);
}

static inline void br_named_arrive(int id, int n_threads, BR_SITE_ARGS)
{
    emulator_named(BR_SITE("br_named_arrive"), id, n_threads, 0);
}

template <int N> static inline void br_registers_take(void)
{
    static_assert(N % 8 == 0 && N >= 24 && N <= 256, "registers come by eights, 24 to 256");
}

template <int N> static inline void br_registers_give(void)
{
    static_assert(N % 8 == 0 && N >= 24 && N <= 256, "registers come by eights, 24 to 256");
}

#endif
