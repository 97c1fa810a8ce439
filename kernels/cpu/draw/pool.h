/* SPDX-License-Identifier: Apache-2.0
 *
 * Under quotas: perturbed items among which a list is looked for (block.h). */
#ifndef BR_KERNELS_CPU_DRAW_POOL_H
#define BR_KERNELS_CPU_DRAW_POOL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct br_perturbed {
    double  y;
    int32_t item;
    float   score;
} br_perturbed;

/* Under quotas: one customer's perturbed items, all whose y is not below the floor. */
typedef struct br_draw_pool {
    int64_t       n;
    int64_t       most;
    double        floor;
    int64_t       next;   /* so many: the floor is raised by the list that there is */
    bool          is_cut; /* the floor rose as it was full */
    br_perturbed *place;
} br_draw_pool;

/* A group that a slot (from 0) filled. */
typedef struct br_draw_full {
    int32_t group;
    int32_t slot;
} br_draw_full;

void br_draw_pool_begin(br_draw_pool *pool, double floor);
void br_draw_pool_add(br_draw_pool *pool, int32_t item, float score, double y);

/* After a walk: items below the floor leave, if it rises; `more` may come before the next one. */
void br_draw_pool_raise(br_draw_pool *pool, double floor, int64_t more);

#endif
