/* SPDX-License-Identifier: Apache-2.0
 *
 * A job's inputs, opened, checked against each other and joined by key: which timeline feeds which
 * encoder, which embedding row a token means, which items can be listed. Built once per job, before
 * any device is touched; read-only afterwards. `check` stops here. */
#ifndef BR_HOST_PIPELINE_SETUP_SETUP_H
#define BR_HOST_PIPELINE_SETUP_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/config/config.h"
#include "host/io/bundle.h"
#include "host/io/catalogue.h"
#include "host/io/customers.h"
#include "host/pipeline/rules/rulebook.h"
#include "host/pipeline/setup/governance.h"
#include "host/pipeline/setup/objective.h"
#include "host/pipeline/setup/shape.h"
#include "models/spec.h"

/* One timeline that the job reads. The encoders' come first, in the order of the model; then
 * timelines read only for exclusion or popularity. */
typedef struct br_feed {
    char     name[BR_NAME_BYTES];
    int32_t  place;        /* in the reading request; -1: the file has no such timeline */
    bool     is_catalogue; /* its tokens are catalogue rows */
    bool     is_excluded;  /* its items are never listed again */
    bool     is_popular;   /* its events count for popularity */
    int64_t  n_tokens;
    int32_t *row_of_token; /* embedding row of each token, -1 unknown; NULL: no encoder */
} br_feed;

/* Rows of a file, or of a batch. */
typedef struct br_rows {
    int64_t first;
    int64_t n;
} br_rows;

typedef struct br_setup {
    const br_config     *config; /* borrowed */
    br_governance        governance;
    br_customers        *customers;
    br_catalogue         catalogue;
    br_bundle           *bundle; /* NULL: ready-made vectors */
    const br_model_spec *spec;   /* NULL: ready-made vectors */
    int32_t              dim;    /* D of x_u and z_i */
    int64_t              as_of;  /* INT64_MAX: everything counts */
    int32_t              n_encoders;
    int32_t              n_feeds;
    br_feed              feed[BR_CUSTOMERS_MAX_MODALITIES];
    int32_t             *static_row[BR_MAX_STATICS]; /* category -> table row; 0 unknown */
    int64_t              n_categories[BR_MAX_STATICS];
    int32_t static_place[BR_MAX_STATICS];       /* of the model's columns in the request; -1: */
    int32_t aggregate_place[BR_MAX_AGGREGATES]; /* denied, missing for everyone */
    br_customers_request request;
    int64_t              n_listed;      /* items that can be listed */
    int32_t             *catalogue_row; /* [n_listed] ascending */
    int32_t             *listed_row;    /* [n_items], -1: cannot be listed */
    int32_t             *table_row;     /* [n_listed] row of the model's item table; NULL: the
                                           catalogue's vectors */
    int64_t              n_unscorable;
    int64_t              n_invalid; /* outside their validity at as_of */
    int32_t              n_heads;   /* item heads to write */
    int32_t              head[BR_MAX_HEADS];
    int32_t              n_curves; /* survival heads to write */
    int32_t              curve[BR_MAX_HEADS];
    int32_t              n_periods; /* of all of these */
    br_objective         objective;
    int32_t              n_weightings;
    br_weighting        *weighting;
    bool                 is_sweep; /* the weightings' terms are wanted, nothing is published */
    br_rulebook          rulebook;
    br_shape_plan        shape;
    const uint64_t      *require_N; /* bits that items require, by catalogue row; NULL: none */
    int64_t             *popular_N; /* [n_listed] what ranks counted together; NULL: not yet */
    br_rows             *unit_rows; /* [n_units] rows of the customers' file */
    int64_t              n_units;
} br_setup;

/* BR_E_USAGE, BR_E_INPUT or BR_E_IO with everything needed to mend it. */
br_status br_setup_open(const br_config *config, br_setup **out);
void      br_setup_close(br_setup **setup);

/* Work units, planned by a scan of the offsets; then what rules need to know of all customers. */
br_status br_setup_plan_units(br_setup *setup);

#endif
