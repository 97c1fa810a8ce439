/* SPDX-License-Identifier: Apache-2.0
 *
 * Checksums of the screen: the sums of a tile add up to the product of two sums, that of the
 * customers' units and that of the items', which was taken when the catalogue was prepared. Codes
 * are whole numbers, so both sides are the same 32 bits; floats agree within a bound of their
 * roundings. One tile in BR_PROOF_EVERY is checked, the same ones for a stretch of panels. */
#ifndef BR_KERNELS_CPU_TOPK_PROOF_H
#define BR_KERNELS_CPU_TOPK_PROOF_H

#include "kernels/cpu/fetch.h"
#include "kernels/cpu/topk/tile.h"

#define BR_PROOF_EVERY        16 /* tiles; bench_witness measures what it costs */
#define BR_PROOF_STRETCH      32 /* panels */
#define BR_PROOF_MOST_NUMBERS (1024 + 32)
#define BR_PROOF_TILES        (BR_TILE_ROWS / BR_SCREEN_ROWS)

typedef struct br_proof {
    bool              is_on;
    uint64_t          seed;
    int64_t           shift;     /* of the stretch: whose turn it is */
    int64_t           n_numbers; /* of a vector's units */
    br_screen_number *sum_TD;    /* [BR_PROOF_TILES][n_numbers] of a tile's customers */
    double            norm_T[BR_PROOF_TILES]; /* the sum of their |x| */
    bool              is_summed_T[BR_PROOF_TILES];
    br_witness        witness;
} br_proof;

/* Numbers of a vector's units: one each, or the codes in it. */
static inline int64_t br_proof_numbers(const br_cpu_items *items)
{
    return items->n_units * items->kernel->dims;
}

/* Asks for a panel's sums, which are read soon. */
static inline void br_proof_fetch(const br_cpu_items *items, int64_t panel)
{
    int64_t n = br_proof_numbers(items);

    br_fetch_bytes(items->proof_PD + panel * n, n * 4);
}

/* items->proof_PD of a panel whose units were just written. */
void br_proof_panel(br_cpu_items *items, int64_t panel);

/* A block of customers begins: which of its tiles are checked depends on its first vector. */
void br_proof_begin(br_proof *proof, const br_tile *tile);

/* Places changed: tiles hold other customers. */
void br_proof_forget(br_proof *proof);

void br_proof_enter_panel(br_proof *proof, int64_t panel);

/* Is the tile whose first customer stands at `place` one of those that are checked? */
static inline bool br_proof_wants(const br_proof *proof, int64_t place)
{
    return proof->is_on && (place / BR_SCREEN_ROWS + proof->shift) % BR_PROOF_EVERY == 0;
}

/* Who stands in a tile: n rows of the block from a place on. */
typedef struct br_proof_place {
    int64_t        panel;
    int64_t        place;
    const int32_t *row_R;
    int64_t        n;
} br_proof_place;

/* Compares all sums of a tile. Customers whose sums are wrong become slow: the definition scores
 * them. */
void br_proof_check(br_proof *proof, br_tile *tile, const br_proof_place *at,
                    const br_screen_tile *sums);

#endif
