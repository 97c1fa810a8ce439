/* SPDX-License-Identifier: Apache-2.0
 *
 * A complete run, read part by part: each file is checked against the manifest's size and SHA-256
 * before it is used. Called by `publish` and `explain`; holds the item keys and, for the caller,
 * one part. */
#ifndef BR_HOST_IO_EXPORT_RUN_READER_H
#define BR_HOST_IO_EXPORT_RUN_READER_H

#include <stdint.h>

#include "host/base/status.h"
#include "host/io/lists.h"
#include "host/io/publish.h"

typedef struct br_run_reader br_run_reader;

/* BR_E_INPUT: no manifest (the run is not complete), or a file is not as the manifest says. */
br_status br_run_reader_open(const char *path, br_run_reader **out);
void      br_run_reader_close(br_run_reader **reader);

int64_t        br_run_reader_n_units(const br_run_reader *reader);
int64_t        br_run_reader_n_rows(const br_run_reader *reader); /* by the manifest */
const br_keys *br_run_reader_item_key(const br_run_reader *reader);
const char *br_run_reader_item_place(const br_run_reader *reader); /* "RUN/lists.h5: /item/key" */
/* The last name of the run's real path: "2031-03-02". */
const char *br_run_reader_name(const br_run_reader *reader);
/* SHA-256 of the identity as it stands in the manifest, and of the manifest. */
const char *br_run_reader_identity(const br_run_reader *reader);
const char *br_run_reader_manifest(const br_run_reader *reader);

/* The identity itself, JSON. */
const char *br_run_reader_identity_text(const br_run_reader *reader);

/* Goes to the unit that holds a row, so that it is the next to read. */
br_status br_run_reader_seek(br_run_reader *reader, int64_t row, int64_t *unit);
/* The lists of a part, br_lists_free them: the rows the manifest promises, following those of the
 * part before (units are read in order, from 0), every item in the catalogue. */
br_status br_run_reader_unit(br_run_reader *reader, int64_t unit, br_lists *out);
/* From unit 0 again. */
void      br_run_reader_rewind(br_run_reader *reader);

#endif
