/* SPDX-License-Identifier: Apache-2.0
 *
 * May a customer be shown an item? Asked for candidates only. */
#ifndef BR_KERNELS_CUDA_TOPK_RULES_CUH
#define BR_KERNELS_CUDA_TOPK_RULES_CUH

#include "kernels/cuda/warp.cuh"

/* Rows count from the chunk's first. */
typedef struct br_topk_rules {
    br_view<const uint64_t> require_N; /* by item row; absent: no segments */
    br_view<const uint64_t> have_B;    /* absent: all bits */
    br_view<const uint8_t>  wanted_B;  /* absent: all rows; of others nothing is eligible */
    const int64_t          *never_offset_B1;
    const int32_t          *never_S; /* NULL: no never-lists */
} br_topk_rules;

static __device__ inline uint64_t br_have(const br_topk_rules &rules, int64_t row)
{
    return rules.have_B.at == NULL ? ~(uint64_t)0 : *rules.have_B.row(row);
}

static __device__ inline bool br_is_wanted(const br_topk_rules &rules, int64_t row)
{
    return rules.wanted_B.at == NULL || *rules.wanted_B.row(row) != 0;
}

static __device__ inline bool br_has_segments(const br_topk_rules &rules, int64_t row, int64_t item)
{
    uint64_t require = rules.require_N.at == NULL ? 0 : *rules.require_N.row(item);

    return (br_have(rules, row) & require) == require;
}

static __device__ inline bool br_is_never(const br_topk_rules &rules, int64_t row, int32_t item)
{
    int64_t lo, hi;

    if (rules.never_S == NULL)
        return false;
    lo = rules.never_offset_B1[row];
    hi = rules.never_offset_B1[row + 1];
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (rules.never_S[mid] == item)
            return true;
        if (rules.never_S[mid] < item)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}

static __device__ inline bool br_is_allowed(const br_topk_rules &rules, int64_t row, int32_t item)
{
    return br_is_wanted(rules, row) && br_has_segments(rules, row, item) &&
           !br_is_never(rules, row, item);
}

#endif
