/* SPDX-License-Identifier: Apache-2.0
 *
 * Items never to be listed for a customer, as a group of an HDF5 file: `offset` u64[U+1] and `item`
 * i32, in any order. */
#ifndef BR_HOST_IO_NEVER_LISTS_H
#define BR_HOST_IO_NEVER_LISTS_H

#include <stdint.h>

#include "host/base/status.h"

typedef struct br_never_lists {
    int64_t  n_items;
    int64_t *offset_U1;
    int32_t *item_S; /* ascending within a customer */
} br_never_lists;

/* `where` is "file.h5:/group". BR_E_INPUT names dataset and row. */
br_status br_never_lists_read(const char *where, int64_t n_customers, int64_t n_items,
                              br_never_lists *out);
void      br_never_lists_free(br_never_lists *lists);

#endif
