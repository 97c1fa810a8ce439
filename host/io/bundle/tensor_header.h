/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON header of a safetensors file as a checked table. Called once per model. */
#ifndef BR_HOST_IO_BUNDLE_TENSOR_HEADER_H
#define BR_HOST_IO_BUNDLE_TENSOR_HEADER_H

#include "models/model.h"

typedef enum { BR_STORED_F32, BR_STORED_F16, BR_STORED_BF16, BR_STORED_F64 } br_stored_type;

typedef struct br_tensor_entry {
    char           name[BR_TENSOR_NAME_BYTES];
    br_stored_type type;
    int32_t        rank;
    int64_t        dim[4];
    int64_t        n_values;
    int64_t        begin; /* bytes from the start of the data */
    int64_t        end;
} br_tensor_entry;

int64_t br_stored_bytes(br_stored_type type);

/* The header's tensors in order of their place; together they cover data_bytes exactly.
 * *entries: br_free. */
br_status br_tensor_header_read(const char *path, const char *text, int64_t text_bytes,
                                int64_t data_bytes, br_tensor_entry **entries, int32_t *n_entries);

#endif
