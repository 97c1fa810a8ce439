/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape of one customer's list: quotas per group, pinned items, diversity, fallbacks
 * (docs/RULES.md, "Shape of a list"). From the exact best candidates to the exact list: where they
 * do not suffice, `needs_more` says so. Called once per customer; nothing is allocated there. */
#ifndef BR_HOST_DECIDE_SHAPE_H
#define BR_HOST_DECIDE_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/source.h"

#define BR_SHAPE_MAX_QUOTAS 16

/* At most `max` items of one group in a list. */
typedef struct br_quota {
    const char    *name;
    const int32_t *group_N; /* 0 .. n_groups-1; -1: in no group */
    int32_t        n_groups;
    int32_t        max;
} br_quota;

/* `item` stands at `slot` (from 0) of every customer's list for whom it is eligible. */
typedef struct br_pin {
    int32_t      item;
    int32_t      slot;
    const float *vector_D; /* with diversity only */
} br_pin;

typedef struct br_shape {
    int32_t         k;
    int64_t         n_items; /* N */
    int32_t         n_quotas;
    const br_quota *quota;
    int32_t         n_pins;
    const br_pin   *pin;    /* slots ascending */
    double          lambda; /* (0, 1]: weight of the score against diversity; 1: no diversity */
    int32_t         window; /* diversity chooses among so many best candidates; >= k */
    int32_t         D;      /* width of the vectors, with diversity */
} br_shape;

/* BR_E_USAGE naming what no list can have (two pins on one slot, a window below k, ...), BR_E_INPUT
 * for a group outside its column's range. Once per job. */
br_status br_shape_check(const br_shape *shape);

/* The scratch of one thread, for one shape that was checked. Borrows the shape. */
typedef struct br_shape_work br_shape_work;

br_status br_shape_work_create(const br_shape *shape, br_shape_work **out);
void      br_shape_work_destroy(br_shape_work **work);
size_t    br_shape_work_bytes(const br_shape *shape);

/* An ordered supply for slots that the model could not fill. */
typedef struct br_ladder {
    br_list_source source;
    int64_t        n;
    const int32_t *item;
    const float   *score;
} br_ladder;

/* One customer. Candidates are the customer's best eligible items in the order of the list (pinned
 * items among them or not), none twice. */
typedef struct br_shape_input {
    int64_t             n; /* M */
    const int32_t      *item_M;
    const float        *score_M;
    const float *const *vector_M; /* with diversity: of the first min(M, window); else unused */
    bool                is_all;   /* no other item is eligible */
    const bool         *pin_is_eligible_P;
    const float        *pin_score_P;
    int32_t             n_ladders;
    const br_ladder    *ladder;
    /* May the customer get this item of a ladder? Quotas and repetition are the list's business. */
    bool (*is_eligible)(const void *context, int32_t item);
    const void *context;
} br_shape_input;

typedef enum {
    BR_SHORT_QUOTA   = 1 << 0, /* an eligible item was left out, as its group was full */
    BR_SHORT_NO_MORE = 1 << 1  /* too few items are eligible, quotas or not */
} br_short_reason;

/* One list. The arrays have k entries and are the caller's; slots from n on hold -1, NaN, 0. */
typedef struct br_shaped {
    int32_t *item_K;
    float   *score_K;
    uint8_t *source_K; /* br_list_source */
    int32_t  n;
    bool     needs_more; /* not a result: ask again with more candidates, or all */
    uint32_t short_reason;
    int64_t  n_passed_over;  /* eligible items met whose group was full */
    int32_t  n_pins_dropped; /* eligible pins that other pins' quotas shut out */
} br_shaped;

/* Pins, then candidates (by diversity within the window, else in order), then ladders in order;
 * slots left open in front of a pin are closed up. `out` is the same for any M that suffices:
 * with diversity, M >= window unless is_all. */
void br_shape_list(br_shape_work *work, const br_shape_input *in, br_shaped *out);

#endif
