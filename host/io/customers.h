/* SPDX-License-Identifier: Apache-2.0
 *
 * customers.h5, read in work units (docs/FORMATS.md). Opening checks every object's type and
 * shape; reading checks the values of the rows read. Any breach is BR_E_INPUT naming file,
 * dataset, row, what was found and what was expected. */
#ifndef BR_HOST_IO_CUSTOMERS_H
#define BR_HOST_IO_CUSTOMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/names.h"
#include "host/base/status.h"
#include "host/io/keys.h"

#define BR_CUSTOMERS_MAX_MODALITIES 32
#define BR_CUSTOMERS_MAX_COLUMNS    256
#define BR_CUSTOMERS_NAME_BYTES     64

typedef struct br_customers br_customers;

typedef struct br_customers_modality {
    char    name[BR_CUSTOMERS_NAME_BYTES];
    char    vocabulary[BR_CUSTOMERS_NAME_BYTES]; /* "catalogue" or a group of /vocabulary */
    int64_t n_events;
    bool    has_type;
    bool    has_weight;
} br_customers_modality;

typedef struct br_customers_info {
    int64_t               n_customers;
    bool                  key_is_number;
    int32_t               key_width_bytes;
    int32_t               n_modalities;
    br_customers_modality modality[BR_CUSTOMERS_MAX_MODALITIES];
    int32_t               n_statics;
    char                  static_name[BR_CUSTOMERS_MAX_COLUMNS][BR_CUSTOMERS_NAME_BYTES];
    int32_t               n_aggregates;
    char                  aggregate_name[BR_CUSTOMERS_MAX_COLUMNS][BR_CUSTOMERS_NAME_BYTES];
    int32_t               n_channels;
    char                  channel[BR_CUSTOMERS_MAX_COLUMNS][BR_CUSTOMERS_NAME_BYTES];
    bool                  has_segment;
    bool                  has_exclude;
    bool                  has_contact;
    int32_t               vector_dim; /* 0: no /vector */
} br_customers_info;

/* `n_items`: rows of the catalogue, the range of catalogue events and of /exclude; -1: unchecked.
 * `denied`: objects (br_input_column_objects) that are as good as absent: never opened, whatever
 * they hold; NULL: none. */
br_status br_customers_open(const char *path, int64_t n_items, const br_names *denied,
                            br_customers **out);
void      br_customers_close(br_customers **customers);
const br_customers_info *br_customers_info_of(const br_customers *customers);
/* Datasets opened so far (h5/access.h). */
const br_names          *br_customers_opened(const br_customers *customers);

/* From now on an event type of n_types or more is an input error: a model's table has no row. */
void br_customers_limit_types(br_customers *customers, int32_t modality, int32_t n_types);

/* Keys of one of the file's own vocabularies, or the category keys of a static column. */
br_status br_customers_vocabulary(br_customers *customers, const char *name, br_keys *out);
br_status br_customers_static_keys(br_customers *customers, const char *name, br_keys *out);

/* The row of the customer whose key a person wrote (numbers in decimal). Reads keys until it is
 * found: a second for some ten million. BR_E_USAGE with the nearest key where there is none; then
 * all are read twice. */
br_status br_customers_find(br_customers *customers, const char *key, int64_t *row);

/* Splits the rows into work units: unit i is rows start[i] .. start[i+1]-1, in input order, ending
 * before max_customers or max_events (over the named modalities) would be passed; never empty.
 * Scans the offsets in blocks and checks them. *start has *n_units + 1 entries (br_free). */
br_status br_customers_plan(br_customers *customers, int64_t max_customers, int64_t max_events,
                            int64_t **start, int64_t *n_units);

/* What to read of a unit, and where it goes. Arrays are grown as needed and reused. */
typedef struct br_timeline {
    int64_t  n_events;
    int64_t *offset_B1; /* from 0 */
    int32_t *item_E;
    int64_t *time_E;
    uint8_t *type_E;   /* NULL when the file has none */
    float   *weight_E; /* NULL when the file has none */
} br_timeline;

typedef struct br_customers_request {
    int32_t n_modalities;
    int32_t modality[BR_CUSTOMERS_MAX_MODALITIES]; /* indices into info.modality */
    int32_t n_statics;
    int32_t statics[BR_CUSTOMERS_MAX_COLUMNS];
    int32_t n_aggregates;
    int32_t aggregate[BR_CUSTOMERS_MAX_COLUMNS];
    int32_t channel; /* -1 none */
    bool    wants_segment;
    bool    wants_exclude;
    bool    wants_contact;
    bool    wants_vector;
} br_customers_request;

typedef struct br_unit {
    int64_t     first_row;
    int64_t     n_rows;
    br_keys     key;
    br_timeline timeline[BR_CUSTOMERS_MAX_MODALITIES]; /* by place in the request */
    int32_t    *static_BC;                             /* [n_rows][n_statics], -1 missing */
    float      *aggregate_BA;                          /* [n_rows][n_aggregates], NaN missing */
    uint8_t    *consent_B;
    uint64_t   *segment_B;
    int64_t    *exclude_offset_B1;
    int32_t    *exclude_item_S; /* as stored: any order */
    br_timeline contact;        /* past exposures of catalogue items */
    float      *vector_BD;
    int64_t     capacity_bytes[2 * BR_CUSTOMERS_MAX_MODALITIES + 64]; /* the reader's own book */
} br_unit;

br_status br_customers_read(br_customers *customers, const br_customers_request *request,
                            int64_t first_row, int64_t n_rows, br_unit *unit);
void      br_unit_free(br_unit *unit);

#endif
