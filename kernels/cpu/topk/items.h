/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cpu screen knows of a catalogue: its items in the order they are scanned in, as units in
 * panels of 32, and bounds for each panel. Positions count in that order. */
#ifndef BR_KERNELS_CPU_TOPK_ITEMS_H
#define BR_KERNELS_CPU_TOPK_ITEMS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernels/backend.h"
#include "kernels/cpu/screen/codes.h"

#define BR_REACHES 4 /* norms that panel->reach_rest is known for */

/* Bounds are rounded up: docs/EXACTNESS.md. */
typedef struct br_panel {
    float    scale;     /* z is about scale * code; 1 for fp32 */
    float    inverse;   /* 1 / scale */
    float    residual;  /* times |x|: the part of the error that comes from the items */
    float    code_norm; /* times the customer's residual: the rest of it */
    float    bias_most;
    float    norm_most; /* largest |z| of the panel */
    float    norm_rest; /* largest |z| of this and all later panels */
    float    bias_rest; /* largest bias of this and all later panels */
    /* Most that an item of this and all later panels scores, for customers of norms query_norm
     * times 1/2, 1, 3/2 and 2: convex in the norm, so straight lines between lie above. */
    float    reach_rest[BR_REACHES];
    uint64_t require_all; /* segment bits that every item of the panel requires */
    uint64_t require_any; /* that some item requires */
} br_panel;

typedef struct br_cpu_items {
    const br_screen_kernel *kernel;
    int64_t                 N;
    int64_t                 n_panels;
    int64_t                 n_units;  /* of a vector */
    int64_t                 n_sample; /* the first positions are a fair sample; N: all are */
    bool                    is_rotated;
    bool                    has_bias;
    bool                    has_lock;
    atomic_bool             is_packed;  /* panel_P, unit_PUC and what is by position are there */
    pthread_mutex_t         lock;       /* of whoever packs */
    double                  query_norm; /* what customers' norms are, about; 0: not known */
    uint64_t                relevant;   /* segment bits that some item requires */
    double                  norm_most;  /* largest |z| */
    double                  bias_size;  /* largest |b| */
    int32_t                *row_N;      /* position -> item row */
    float                  *bias_N;     /* by position */
    uint64_t               *require_N; /* by position, of whole panels; NULL: nothing is required */
    br_panel               *panel_P;
    int32_t                *unit_PUC; /* [n_panels][n_units][32] */
    br_screen_number       *proof_PD; /* proof.h; NULL: no checksums */
} br_cpu_items;

/* order.c: fills row_N, n_sample and relevant from norm_N (by item row), query_norm and the items'
 * biases and segments. */
br_status br_cpu_items_order(const br_items *items, const double *norm_N, br_cpu_items *to);

/* plan.c: the kernel, and whether vectors are rotated, from N, D, k and the norms, in row_N's
 * order; says in the log which and why. */
void br_cpu_items_plan(const br_items *items, const double *norm_N, br_cpu_items *to);

/* items.c: packs the items where that was put off (query_norm), by the norms of these customers.
 * Called with every call of score_topk, by several lanes at once. BR_E_MEMORY: nothing is packed;
 * the next call tries again. */
br_status br_cpu_items_settle(const br_items *items, br_mat query_BD);

/* The items of a panel, one bit each, that a customer with `have` may be shown. */
uint32_t br_cpu_items_eligible(const br_cpu_items *items, int64_t panel, uint64_t have);

/* The norm of customers that panel->reach_rest[j] is for. */
static inline double br_reach_norm(const br_cpu_items *items, int j)
{
    return items->query_norm * (0.5 + 0.5 * j);
}

/* Vector of the item at a position. */
static inline const float *br_cpu_item_at(const br_items *items, const br_cpu_items *prepared,
                                          int64_t position)
{
    return br_mat_f32(items->item_ND) + prepared->row_N[position] * items->item_ND.ld;
}

#endif
