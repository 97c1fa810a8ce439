/* SPDX-License-Identifier: Apache-2.0
 *
 * Votes, matches and warp reductions; part of on_cpu_warp.h. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_VOTES_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_VOTES_H

#include "tests/cuda_on_cpu/include/on_cpu_warp.h"

BR_UNWATCHED static inline void br_resolve_ballot(void *lane[32], uint32_t mask)
{
    uint32_t votes = 0;

    BR_EACH_LANE(i, mask) votes |= (uint32_t)(BR_LANE(lane, i)->value != 0) << i;
    BR_EACH_LANE(i, mask) BR_LANE(lane, i)->result = votes;
}

static inline unsigned __ballot_sync(unsigned mask, int is_true, BR_SITE_ARGS)
{
    return (unsigned)br_collect(BR_SITE("__ballot_sync"), mask, br_resolve_ballot, is_true != 0);
}

static inline int __any_sync(unsigned mask, int is_true, BR_SITE_ARGS)
{
    return br_collect(BR_SITE("__any_sync"), mask, br_resolve_ballot, is_true != 0) != 0;
}

static inline int __all_sync(unsigned mask, int is_true, BR_SITE_ARGS)
{
    return br_collect(BR_SITE("__all_sync"), mask, br_resolve_ballot, is_true != 0) == mask;
}

BR_UNWATCHED static inline void br_resolve_match(void *lane[32], uint32_t mask)
{
    BR_EACH_LANE(i, mask)
    {
        uint32_t same = 0;

        BR_EACH_LANE(j, mask)
        same |= (uint32_t)(BR_LANE(lane, j)->value == BR_LANE(lane, i)->value) << j;
        BR_LANE(lane, i)->result = same;
    }
}

template <typename T> static inline uint64_t br_bits(T value)
{
    uint64_t bits = 0;

    memcpy(&bits, &value, sizeof value);
    return bits;
}

template <typename T> static inline unsigned __match_any_sync(unsigned mask, T value, BR_SITE_ARGS)
{
    return (unsigned)br_collect(BR_SITE("__match_any_sync"), mask, br_resolve_match,
                                br_bits(value));
}

template <typename T>
static inline unsigned __match_all_sync(unsigned mask, T value, int *is_all, BR_SITE_ARGS)
{
    unsigned same =
        (unsigned)br_collect(BR_SITE("__match_all_sync"), mask, br_resolve_match, br_bits(value));
    *is_all = same == mask;
    return *is_all ? mask : 0;
}

#define BR_REDUCE(name, type, expression)                                                          \
    BR_UNWATCHED static inline void br_resolve_##name(void *lane[32], uint32_t mask)               \
    {                                                                                              \
        bool is_first = true;                                                                      \
        type sum      = 0;                                                                         \
                                                                                                   \
        BR_EACH_LANE(i, mask)                                                                      \
        {                                                                                          \
            type next = (type)BR_LANE(lane, i)->value;                                             \
                                                                                                   \
            sum      = is_first ? next : (type)(expression);                                       \
            is_first = false;                                                                      \
        }                                                                                          \
        BR_EACH_LANE(i, mask) BR_LANE(lane, i)->result = (uint64_t)(unsigned)sum;                  \
    }                                                                                              \
    static inline type __##name##_sync(unsigned mask, type value, BR_SITE_ARGS)                    \
    {                                                                                              \
        return (type)br_collect(BR_SITE("__" #name "_sync"), mask, br_resolve_##name,              \
                                (uint64_t)(unsigned)value);                                        \
    }
BR_REDUCE(reduce_add, unsigned, sum + next)
BR_REDUCE(reduce_and, unsigned, sum &next)
BR_REDUCE(reduce_or, unsigned, sum | next)
BR_REDUCE(reduce_xor, unsigned, sum ^ next)
BR_REDUCE(reduce_max, unsigned, sum > next ? sum : next)
BR_REDUCE(reduce_min, unsigned, sum < next ? sum : next)
#undef BR_REDUCE

/* Signed values keep their order when the sign bit is turned. */
static inline int __reduce_max_sync(unsigned mask, int value, BR_SITE_ARGS)
{
    return (int)(__reduce_max_sync(mask, (unsigned)value ^ 0x80000000u, file, line) ^ 0x80000000u);
}

static inline int __reduce_min_sync(unsigned mask, int value, BR_SITE_ARGS)
{
    return (int)(__reduce_min_sync(mask, (unsigned)value ^ 0x80000000u, file, line) ^ 0x80000000u);
}

static inline int __reduce_add_sync(unsigned mask, int value, BR_SITE_ARGS)
{
    return (int)__reduce_add_sync(mask, (unsigned)value, file, line);
}

#endif
