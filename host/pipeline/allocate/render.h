/* SPDX-License-Identifier: Apache-2.0
 *
 * An allocation in words and figures. */
#ifndef BR_HOST_PIPELINE_ALLOCATE_RENDER_H
#define BR_HOST_PIPELINE_ALLOCATE_RENDER_H

#include <stdio.h>

#include "host/base/strbuf.h"
#include "host/pipeline/allocate/fleet.h"

/* "allocation": {...}, of stats.json. */
void br_fleet_render(const br_fleet *fleet, br_strbuf *json);
/* What each constraint is worth, as a table. */
void br_fleet_print(const br_fleet *fleet, FILE *out);

#endif
