/* SPDX-License-Identifier: Apache-2.0
 *
 * What the sources of the customers reader share with each other; nobody else includes this. */
#ifndef BR_HOST_IO_CUSTOMERS_INNER_H
#define BR_HOST_IO_CUSTOMERS_INNER_H

#include "host/io/customers.h"
#include "host/io/h5/access.h"

typedef struct br_customers_sets {
    br_h5_dataset *offset;
    br_h5_dataset *item;
    br_h5_dataset *time;
    br_h5_dataset *type;
    br_h5_dataset *weight;
    int64_t        n_tokens; /* -1: unchecked */
    int32_t        n_types;  /* 0: unchecked */
} br_customers_sets;

struct br_customers {
    br_customers_info info;
    int64_t           n_items; /* -1: unchecked */
    br_h5_file       *file;
    br_h5_dataset    *key;
    br_customers_sets modality[BR_CUSTOMERS_MAX_MODALITIES];
    br_customers_sets exclude; /* offset, item */
    br_customers_sets contact; /* offset, item, time */
    br_h5_dataset    *statics[BR_CUSTOMERS_MAX_COLUMNS];
    int64_t           n_categories[BR_CUSTOMERS_MAX_COLUMNS];
    br_h5_dataset    *aggregate;
    br_h5_dataset    *consent[BR_CUSTOMERS_MAX_COLUMNS];
    br_h5_dataset    *segment;
    br_h5_dataset    *vector;
    int64_t           scratch_bytes;
    void             *scratch; /* one column, or all aggregates, of a unit */
};

/* The columns of /aggregate that are not denied: names, types and shape. */
br_status br_customers_open_aggregates(br_customers *customers);

/* /state/<modality>/{h, last_time}, when the file has them: types and shapes. */
br_status br_customers_check_states(br_customers *customers);

/* Values of one unit: BR_E_INPUT at the first that breaks the contract. `key` names customers. */
br_status br_customers_check_offsets(const br_h5_dataset *set, int64_t row, int64_t n_values,
                                     const uint64_t *offset_B1, int64_t n_rows);
br_status br_customers_check_timeline(const br_customers_sets *sets, const br_unit *unit,
                                      const br_timeline *timeline, int64_t first_event);
br_status br_customers_check_statics(const br_h5_dataset *set, int64_t n_categories,
                                     const br_unit *unit, const int32_t *static_B);
br_status br_customers_check_aggregates(const br_customers *customers, const br_unit *unit,
                                        const float *all_BA);
br_status br_customers_check_consent(const br_h5_dataset *set, const br_unit *unit);
br_status br_customers_check_exclude(const br_customers *customers, const br_unit *unit,
                                     int64_t first_pair);
br_status br_customers_check_vectors(const br_customers *customers, const br_unit *unit);

#endif
