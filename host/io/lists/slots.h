/* SPDX-License-Identifier: Apache-2.0
 *
 * The columns of lists that have a place per slot: of a unit's lists before they are written, and
 * of those that an allocation makes of stored ones. */
#ifndef BR_HOST_IO_LISTS_SLOTS_H
#define BR_HOST_IO_LISTS_SLOTS_H

#include "host/io/lists.h"

/* Lengths, flags and slots of n_rows lists; k, n_heads and n_terms must be set. */
br_status br_slots_alloc(br_lists *lists, int64_t n_rows);

/* Empties places [from, to) of the columns. */
void br_slots_clear(br_lists *lists, int64_t from, int64_t to);

/* Items that no score chose have no probability and no terms. */
void br_slots_forget_scores(br_lists *lists, int64_t at);

#endif
