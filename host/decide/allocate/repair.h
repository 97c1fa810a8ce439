/* SPDX-License-Identifier: Apache-2.0
 *
 * From priced lists to lists that hold every hard cap, at the least loss found. */
#ifndef BR_HOST_DECIDE_ALLOCATE_REPAIR_H
#define BR_HOST_DECIDE_ALLOCATE_REPAIR_H

#include "host/decide/allocate/lists.h"

/* Moves or drops slots until no capacity is broken. */
br_status br_repair_relieve_items(br_lists *lists);

/* Whether chains are for this problem: few items and candidates. */
bool br_repair_is_small(const br_allocate_args *args);

/* Of small problems: optimal lists at the prices of the limits, whose capacities get
 * exact prices in dual_C [N + L]; then limits met one after the other at little loss. May leave
 * limits broken. */
br_status br_repair_priced_chains(br_lists *lists, double *dual_C);

/* Moves or drops slots until no capacity and no hard limit is broken, then tries minimum shares. */
br_status br_repair_relieve(br_lists *lists);

/* Fills free slots and moves slots to better items while that pays and fits. */
br_status br_repair_fill(br_lists *lists);

/* Chains: a slot moves to an item that another row gives up for one that ... has room. The best
 * chain first, until none pays or the work is spent. Small problems only; others stay as they are.
 */
br_status br_repair_chains(br_lists *lists);

#endif
