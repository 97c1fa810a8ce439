/* SPDX-License-Identifier: Apache-2.0
 *
 * Ranked lists made from a seed, for the tests of outputs. */
#ifndef BR_TESTS_HOST_IO_LISTS_FIXTURE_H
#define BR_TESTS_HOST_IO_LISTS_FIXTURE_H

#include <stdbool.h>

#include "host/io/lists.h"

typedef struct fixture_shape {
    int64_t first_row;
    int64_t n_rows;
    int32_t k;
    bool    has_number_keys;
    bool    has_all; /* heads, logging, arms, vectors, gates, counts */
} fixture_shape;

/* Valid lists: the values of a row depend on its global number and the seed only. */
void fixture_lists(fixture_shape shape, uint64_t seed, br_lists *out);
void fixture_item_keys(int64_t n_items, br_keys *out);

/* A fresh folder under the system's temporary folder; the caller removes it. */
#define FIXTURE_PATH_BYTES 4096
void fixture_folder(char path[FIXTURE_PATH_BYTES]);
void fixture_remove(const char *path);

#endif
