/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes a run this run: two commands with the same identity give the same bytes. */
#ifndef BR_HOST_PIPELINE_SETUP_IDENTITY_H
#define BR_HOST_PIPELINE_SETUP_IDENTITY_H

#include "host/base/status.h"
#include "host/io/publish.h"
#include "host/pipeline/setup/setup.h"

/* A JSON object: SHA-256 of every input file, the configuration keys that shape the result, build
 * and device. br_free it. */
br_status br_identity_text(const br_setup *setup, char **out);
/* The same in two steps: the hashes of input files, which take the time, as ranks of one machine
 * hand them to each other; then everything, on each rank. */
/* What is known of the customers' file: where it has the same inode, size and time on another
 * machine it is the same file of a shared file system, and is not read through again. */
typedef struct br_known_file {
    int64_t inode;
    int64_t n_bytes;
    int64_t time_ns;
    char    digest[BR_DIGEST_TEXT_BYTES]; /* "": not known */
} br_known_file;
br_status br_identity_digests(const br_setup *setup, br_known_file *customers, char **out);
br_status br_identity_with(const br_setup *setup, const char *digests, char **out);

/* The member that says which prices shortlists were taken at. */
#define BR_IDENTITY_PRICES       "\"prices\": "
#define BR_IDENTITY_PRICES_BYTES 32
void br_identity_prices(const float *price_N, int64_t n, char out[BR_IDENTITY_PRICES_BYTES]);

#endif
