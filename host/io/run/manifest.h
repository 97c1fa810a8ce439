/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest.json: the last file of a run. Its presence means complete; it names every other file
 * with size and SHA-256. Written once per run, read by `verify`. */
#ifndef BR_HOST_IO_RUN_MANIFEST_H
#define BR_HOST_IO_RUN_MANIFEST_H

#include <stdint.h>

#include "host/io/publish.h"
#include "host/io/run/read_text.h"

#define BR_MANIFEST_NAME_BYTES 64

typedef struct br_manifest_file {
    char    name[BR_MANIFEST_NAME_BYTES]; /* relative to the run directory */
    int64_t n_bytes;
    int64_t n_rows; /* -1: no part */
    char    sha256[BR_DIGEST_TEXT_BYTES];
} br_manifest_file;

typedef struct br_manifest {
    int64_t           n_units;
    int64_t           version;  /* 1: without inputs */
    br_strbuf         identity; /* raw JSON */
    br_strbuf         inputs;   /* raw JSON: what was opened of each input (docs/GOVERNANCE.md) */
    int64_t           n_files;
    int64_t           capacity;
    br_manifest_file *file;
} br_manifest;

#define BR_MANIFEST_VERSION 2

void      br_manifest_free(br_manifest *manifest);
br_status br_manifest_add(br_manifest *manifest, const br_manifest_file *file);
/* The one text of a manifest: the same run gives the same bytes. */
br_status br_manifest_write(const br_manifest *manifest, br_strbuf *out);
/* BR_E_INPUT unless the file holds exactly the text of a manifest; BR_E_IO: cannot be read. */
br_status br_manifest_read(const char *path, br_manifest *out);

#endif
