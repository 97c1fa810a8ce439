/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes a run this run: two commands with the same identity give the same bytes. */
#ifndef BR_HOST_PIPELINE_SETUP_IDENTITY_H
#define BR_HOST_PIPELINE_SETUP_IDENTITY_H

#include "host/base/status.h"
#include "host/pipeline/setup/setup.h"

/* A JSON object: SHA-256 of every input file, the configuration keys that shape the result, build
 * and device. br_free it. */
br_status br_identity_text(const br_setup *setup, char **out);
/* The same in two steps: hashes of input files, that of the customers (br_digest_input) given, as
 * ranks of one machine hand them to each other; then everything, on each rank. */
br_status br_identity_digests(const br_setup *setup, const char *customers, char **out);
br_status br_identity_with(const br_setup *setup, const char *digests, char **out);

/* The member that says which prices shortlists were taken at. */
#define BR_IDENTITY_PRICES       "\"prices\": "
#define BR_IDENTITY_PRICES_BYTES 32
void br_identity_prices(const float *price_N, int64_t n, char out[BR_IDENTITY_PRICES_BYTES]);

#endif
