/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass of a block of customers through the catalogue. score_topk.c drives it. */
#ifndef BR_KERNELS_CPU_TOPK_SCAN_H
#define BR_KERNELS_CPU_TOPK_SCAN_H

#include "kernels/cpu/topk/foretell.h"
#include "kernels/cpu/topk/logsumexp.h"
#include "kernels/cpu/topk/proof.h"
#include "kernels/cpu/topk/tile.h"

/* The customers still under way, close together; places count among them. */
typedef struct br_scan {
    br_tile           tile;
    br_checkpoints    checkpoints;
    br_lse            lse; /* tile.lse is it, where it is wanted */
    br_proof          proof;
    uint32_t          eligible; /* items of the panel, where customers are alike */
    int64_t           n_live;
    int32_t          *row_L;       /* place -> row of the block */
    float            *threshold_L; /* rounded down */
    float            *norm_L;
    float            *residual_L;
    float            *inverse_L; /* 1 / scale of the customer's codes */
    int32_t          *offset_L;
    uint64_t         *have_L;
    br_lse_row      **lse_L;
    br_screen_number *least_L; /* what a sum of this panel must reach to pass */
    int32_t          *unit_LU; /* [tiles][n_units][12] */
} br_scan;

/* All live customers (row_L[0 .. n_live-1]) through the whole catalogue; leaves none live. */
br_status br_scan_pass(br_scan *scan);

#endif
