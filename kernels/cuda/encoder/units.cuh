/* SPDX-License-Identifier: Apache-2.0
 *
 * Work lists over packed sequences, the longest work first: a block takes the unit of its index, so
 * that short sequences fill the machine while long ones end. The host counts (it has the offsets),
 * the device fills, nobody waits. Units of one bucket come in any order: no result may depend on
 * it. */
#ifndef BR_KERNELS_CUDA_ENCODER_UNITS_CUH
#define BR_KERNELS_CUDA_ENCODER_UNITS_CUH

#include "kernels/cuda/launch.cuh"

#define BR_SHORT_LENGTH 32 /* events: up to these a warp takes 16 queries, beyond a block 64 */
#define BR_SHORT_TILE   16
#define BR_LONG_TILE    64
#define BR_MOST_SLOT    64 /* rows; then 32 and 16 */
#define BR_N_SLOTS      3

typedef enum {
    BR_UNITS_TILES, /* tiles of queries, of long sequences and then of short ones */
    BR_UNITS_SEQS,  /* sequences, empty ones too */
    BR_UNITS_SLOTS  /* sequences of 1 .. BR_MOST_SLOT events, by the slot they fit in */
} br_unit_rule;

typedef struct br_unit {
    int32_t b;    /* sequence */
    int32_t tile; /* of its queries */
} br_unit;

/* Valid until the lane's next list. */
typedef struct br_units {
    const br_unit *at;
    int64_t        n_long;             /* the first ones */
    int32_t        n_slot[BR_N_SLOTS]; /* of BR_UNITS_SLOTS: of 64 rows first, then of 32, of 16 */
    int64_t        n;
} br_units;

br_status br_cuda_units(br_dev *dev, const br_seqs *seqs, br_unit_rule rule, br_units *out);

/* The sequence that owns an event: the last one that begins at or before it. */
static __device__ inline int64_t br_sequence_of(const int32_t *offset_B1, int64_t n_seqs, int64_t e)
{
    int64_t lo = 0, hi = n_seqs;

    while (hi - lo > 1) {
        int64_t mid = (lo + hi) / 2;

        if (offset_B1[mid] <= e)
            lo = mid;
        else
            hi = mid;
    }
    return lo;
}

#endif
