/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of br_setup_open: which timelines and columns of the customers feed what. */
#ifndef BR_HOST_PIPELINE_SETUP_SETUP_FEEDS_H
#define BR_HOST_PIPELINE_SETUP_SETUP_FEEDS_H

#include "host/pipeline/setup/setup.h"

/* Fills feed[] and the request's modalities: encoders in the order of the model, then exclusion
 * and popularity timelines. */
br_status br_setup_join_feeds(br_setup *setup);

/* Fills static_row[] and the request's statics and aggregates, by name. */
/* The place among the feeds of a timeline of catalogue items, added if need be; BR_E_USAGE where
 * there is none. `where` names the key of the configuration. */
br_status br_setup_catalogue_feed(br_setup *setup, const char *where, const char *name,
                                  int32_t *feed);

/* A feed's events of a unit; -1: the contacts. */
const br_timeline *br_setup_events_of(const br_setup *setup, const br_unit *raw, int32_t feed);

br_status br_setup_join_columns(br_setup *setup);

#endif
