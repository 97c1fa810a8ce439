/* SPDX-License-Identifier: Apache-2.0
 *
 * The twins of mma.cuh's matrix loads and asynchronous copies, which are made as late as their
 * wait, so that who does not wait reads 0xFF. Included by on_cpu_mma.h. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_COPIES_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_COPIES_H

#include <cuda_runtime.h>

/* Element `column` of the row that a lane named: each lane reads what it gets. */
static inline uint32_t br_row_element(uint64_t row, int column)
{
    return reinterpret_cast<const uint16_t *>(row)[column];
}

static inline void br_load_matrices(uint32_t r[4], const void *row, BR_SITE_ARGS)
{
    int      lane    = emulator_lane();
    uint64_t address = reinterpret_cast<uint64_t>(row);

    emulator_require(address % 16 == 0, BR_SITE("br_load_matrices, a row not aligned to 16"));
    for (int m = 0; m < 4; m++) {
        uint64_t from =
            br_shuffle(BR_SITE("br_load_matrices"), 0xFFFFFFFFu, address, m * 8 + lane / 4);

        r[m] = br_row_element(from, lane % 4 * 2) | br_row_element(from, lane % 4 * 2 + 1) << 16;
    }
}

static inline void br_load_matrices_transposed(uint32_t r[4], const void *row, BR_SITE_ARGS)
{
    int      lane    = emulator_lane();
    uint64_t address = reinterpret_cast<uint64_t>(row);

    emulator_require(address % 16 == 0, BR_SITE("br_load_matrices, a row not aligned to 16"));
    for (int m = 0; m < 4; m++) {
        emulator_site site = BR_SITE("br_load_matrices_transposed");
        uint64_t      low  = br_shuffle(site, 0xFFFFFFFFu, address, m * 8 + lane % 4 * 2);
        uint64_t      high = br_shuffle(site, 0xFFFFFFFFu, address, m * 8 + lane % 4 * 2 + 1);

        r[m] = br_row_element(low, lane / 4) | br_row_element(high, lane / 4) << 16;
    }
}

static inline void br_copy_async(void *to, const void *from, bool is_there, BR_SITE_ARGS)
{
    emulator_require(reinterpret_cast<uint64_t>(to) % 16 == 0 &&
                         (!is_there || reinterpret_cast<uint64_t>(from) % 16 == 0),
                     BR_SITE("br_copy_async, an address not aligned to 16"));
    emulator_copy_later(to, is_there ? from : nullptr);
}

static inline void br_copy_commit(void)
{
    emulator_copy_commit();
}

template <int N> static inline void br_copy_wait(void)
{
    const void *from;

    while (void *to = emulator_copy_take(N, &from))
        *static_cast<uint4 *>(to) =
            from == nullptr ? uint4{0, 0, 0, 0} : *static_cast<const uint4 *>(from);
}

#endif
