/* SPDX-License-Identifier: Apache-2.0
 *
 * The shape that a configuration asks for (docs/RULES.md), joined to the catalogue and to the
 * columns of the customers. Plain data. */
#ifndef BR_HOST_PIPELINE_SETUP_SHAPE_H
#define BR_HOST_PIPELINE_SETUP_SHAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/shape.h"

#define BR_SHAPE_MAX_PINS 64

struct br_setup;

typedef struct br_shape_plan {
    bool     is_on; /* false: the best items are the list, or what is drawn, by quotas if there are
                       any; and popularity alone falls back */
    br_quota quota[BR_SHAPE_MAX_QUOTAS];
    int32_t *group_N[BR_SHAPE_MAX_QUOTAS]; /* of listed items: what the quotas read */
    br_pin   pin[BR_SHAPE_MAX_PINS];       /* listed rows; without vectors */
    br_shape shape;
    int32_t  category_place; /* of list.fallback_group in the request; -1: not asked for */
    int32_t  n_categories;
} br_shape_plan;

/* BR_E_USAGE where a group, an item or a column is not there. A pinned item that is not valid at
 * run.as_of, or that rules forbid to everyone, is warned of and left out. Items must have been
 * joined. */
br_status br_setup_join_shape(struct br_setup *setup);
void      br_shape_plan_free(br_shape_plan *plan);

#endif
