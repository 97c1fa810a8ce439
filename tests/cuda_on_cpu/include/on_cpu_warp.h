/* SPDX-License-Identifier: Apache-2.0
 *
 * Barriers, shuffles, votes, matches and reductions. Each lane offers a value; the last to arrive
 * gives every lane of the mask its result. Only __syncthreads and __syncwarp order memory, as on a
 * device. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_WARP_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_WARP_H

#include <string.h>

/* The caller's line, as default arguments of what a kernel calls. */
#define BR_SITE_ARGS const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define BR_SITE(what)                                                                              \
    {                                                                                              \
        what, file, line                                                                           \
    }
/* What other lanes offer is read by a lane that settles for all: no access of the kernel's own. */
#define BR_UNWATCHED __attribute__((no_sanitize("thread")))

static inline void __syncthreads(BR_SITE_ARGS)
{
    emulator_barrier(BR_SITE("__syncthreads"), 0);
}

static inline int __syncthreads_count(int is_true, BR_SITE_ARGS)
{
    return emulator_barrier(BR_SITE("__syncthreads_count"), is_true != 0);
}

static inline int __syncthreads_or(int is_true, BR_SITE_ARGS)
{
    return emulator_barrier(BR_SITE("__syncthreads_or"), is_true != 0) != 0;
}

static inline int __syncthreads_and(int is_true, BR_SITE_ARGS)
{
    return emulator_barrier(BR_SITE("__syncthreads_and"), is_true == 0) == 0;
}

static inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, BR_SITE_ARGS)
{
    const emulator_collective c = {BR_SITE("__syncwarp"), mask, nullptr, 1};
    emulator_collect(&c, nullptr);
}

/* One lane's part: bits of what it offers, whose it wants, bits of what it gets. */
struct br_offer {
    uint64_t value;
    int      from;
    uint64_t result;
};

BR_UNWATCHED static inline uint64_t br_collect(emulator_site site, unsigned mask,
                                               emulator_resolve resolve, uint64_t value,
                                               int from = 0)
{
    br_offer                  lane = {value, from, 0};
    const emulator_collective c    = {site, mask, resolve, 0};

    emulator_collect(&c, &lane);
    return lane.result;
}

#define BR_EACH_LANE(i, mask)                                                                      \
    for (int i = 0; i < 32; i++)                                                                   \
        if (((mask) >> i) & 1)
#define BR_LANE(lane, i) (static_cast<br_offer *>((lane)[i]))

BR_UNWATCHED static inline void br_resolve_shuffle(void *lane[32], uint32_t mask)
{
    BR_EACH_LANE(i, mask)
    {
        int from = BR_LANE(lane, i)->from;
        /* of a lane outside the mask: undefined, so something that no kernel can use */
        BR_LANE(lane, i)->result = lane[from] ? BR_LANE(lane, from)->value : 0xFFFFFFFFFFFFFFFFu;
    }
}

template <typename T>
static inline T br_shuffle(emulator_site site, unsigned mask, T value, int from)
{
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    uint64_t bits = 0;

    memcpy(&bits, &value, sizeof value);
    bits = br_collect(site, mask, br_resolve_shuffle, bits, from);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The lane at `to` if it lies in this lane's segment of `width`, else this lane. */
static inline int br_in_segment(int to, int width)
{
    int lane = emulator_lane();
    return to >= 0 && to / width == lane / width ? to : lane;
}

template <typename T>
static inline T __shfl_sync(unsigned mask, T value, int from, int width = 32, BR_SITE_ARGS)
{
    int base = emulator_lane() / width * width;
    return br_shuffle(BR_SITE("__shfl_sync"), mask, value, base + (from & (width - 1)));
}

template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T value, int by, int width = 32, BR_SITE_ARGS)
{
    int to = emulator_lane() ^ by;
    /* lower segments may be read, as on a device */
    to = to / width <= emulator_lane() / width ? to : emulator_lane();
    return br_shuffle(BR_SITE("__shfl_xor_sync"), mask, value, to);
}

template <typename T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32, BR_SITE_ARGS)
{
    int to = br_in_segment(emulator_lane() - (int)by, width);
    return br_shuffle(BR_SITE("__shfl_up_sync"), mask, value, to);
}

template <typename T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32, BR_SITE_ARGS)
{
    int to = br_in_segment(emulator_lane() + (int)by, width);
    return br_shuffle(BR_SITE("__shfl_down_sync"), mask, value, to);
}

#include "tests/cuda_on_cpu/include/on_cpu_votes.h"

#endif
