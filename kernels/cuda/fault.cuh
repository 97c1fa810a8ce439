/* SPDX-License-Identifier: Apache-2.0
 *
 * Indices that lie outside their table, found by kernels: the first place of each kind is kept on
 * the device, and the lane's next sync or download fails with it. The kernel goes on with row 0. */
#ifndef BR_KERNELS_CUDA_FAULT_CUH
#define BR_KERNELS_CUDA_FAULT_CUH

#include "kernels/cuda/launch.cuh"

#define BR_FAULT_MAP(X)                                                                            \
    X(EMBED_ITEM, "embed: item_E")                                                                 \
    X(EMBED_TYPE, "embed: type_E")                                                                 \
    X(GRU_ITEM, "gru: item_E")                                                                     \
    X(DECAY_ITEM, "decay_pool: item_E")                                                            \
    X(GATHER_ROW, "gather_rows: row_B")                                                            \
    X(PAIRS_ITEM, "score_pairs")                                                                   \
    X(PAIR_MLP, "pair_mlp")

typedef enum {
#define X(name, text) BR_FAULT_##name,
    BR_FAULT_MAP(X)
#undef X
        BR_N_FAULTS
} br_fault;

/* first: index << 32 | row, the smallest there was; all ones: none. */
struct br_cuda_faults {
    unsigned long long first[BR_N_FAULTS];
    long long          n_rows[BR_N_FAULTS];
};

/* The row if it is one of the table's, else 0 and a fault. Indices are below 2^31. */
static __device__ inline int64_t br_checked_row(br_cuda_faults *faults, br_fault kind,
                                                int64_t index, int32_t row, int64_t n_rows)
{
    if (row >= 0 && row < n_rows)
        return row;
    atomicMin(&faults->first[kind], (unsigned long long)index << 32 | (unsigned)row);
    atomicExch(reinterpret_cast<unsigned long long *>(&faults->n_rows[kind]),
               (unsigned long long)n_rows);
    return 0;
}

static inline br_cuda_faults *br_faults_of(const br_dev *dev)
{
    return br_cuda_lane_of(dev)->faults;
}

#endif
