/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the weight table: what is declared, and its match with a bundle's tensors. */
#ifndef BR_MODELS_WEIGHTS_MATCH_H
#define BR_MODELS_WEIGHTS_MATCH_H

#include "models/weights.h"

typedef struct br_home br_home;

/* A view on the device, of one tensor or several. */
struct br_home {
    br_mat     *slot;
    br_mat      mat;
    int64_t     n_rows;
    int64_t     n_cols;
    bool        is_matrix; /* one whole tensor, which other homes may share */
    br_home    *same_as;
    const char *name; /* of its first tensor */
};

typedef struct br_weight br_weight;

struct br_weight {
    char             name[BR_TENSOR_NAME_BYTES];
    int32_t          rank;
    int64_t          dim[4];
    int32_t          home; /* -1: host_slot */
    int64_t          row;
    int64_t          col;
    float           *host_slot;
    const br_tensor *tensor; /* found by br_weights_match */
    const br_weight *twin;   /* the first weight that reads the same tensor, or NULL */
};

struct br_weights {
    int32_t    capacity;
    int32_t    n_weights;
    br_weight *weight;
    int32_t    n_homes;
    br_home   *home;
};

br_status br_weights_match(br_weights *weights, const char *model, const br_tensor *tensors,
                           int32_t n_tensors);

#endif
