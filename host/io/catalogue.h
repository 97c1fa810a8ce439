/* SPDX-License-Identifier: Apache-2.0
 *
 * catalogue.h5, read whole (docs/FORMATS.md). Checked like customers.h5. */
#ifndef BR_HOST_IO_CATALOGUE_H
#define BR_HOST_IO_CATALOGUE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/names.h"
#include "host/base/status.h"
#include "host/io/keys.h"

#define BR_CATALOGUE_MAX_COLUMNS 32
#define BR_CATALOGUE_NAME_BYTES  64

typedef struct br_catalogue {
    int64_t   n_items;
    br_keys   key;
    br_keys   name; /* n_keys 0: absent */
    int32_t   n_groups;
    char      group_name[BR_CATALOGUE_MAX_COLUMNS][BR_CATALOGUE_NAME_BYTES];
    int32_t  *group_N[BR_CATALOGUE_MAX_COLUMNS];   /* -1: none */
    br_keys   group_key[BR_CATALOGUE_MAX_COLUMNS]; /* n_keys 0: unnamed groups */
    int32_t   n_values;
    char      value_name[BR_CATALOGUE_MAX_COLUMNS][BR_CATALOGUE_NAME_BYTES];
    float    *value_N[BR_CATALOGUE_MAX_COLUMNS];
    uint64_t *segment_N;  /* required bits; NULL: absent */
    int64_t  *valid_N2;   /* [from, to) seconds; NULL: absent */
    int64_t  *capacity_N; /* -1 none; NULL: absent */
    int32_t   vector_dim; /* 0: no vectors */
    float    *vector_ND;
    float    *bias_N; /* NULL: absent */
    br_names  opened; /* datasets (h5/access.h) */
} br_catalogue;

/* `denied`: objects (br_input_column_objects) that are as good as absent: never opened, whatever
 * they hold; NULL: none. */
br_status br_catalogue_read(const char *path, const br_names *denied, br_catalogue *out);
/* The row of the item whose key a person wrote; BR_E_USAGE with the nearest key where there is
 * none. `path` names the file. */
br_status br_catalogue_find(const br_catalogue *catalogue, const char *path, const char *key,
                            int64_t *row);
void      br_catalogue_free(br_catalogue *catalogue);

#endif
