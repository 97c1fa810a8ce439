/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder of files for other systems that appears whole or not at all: it is filled under a
 * temporary name beside it (".NAME.tmp-publish"), fsynced, then renamed. What an interrupted
 * attempt left there is deleted by the next. Folders are 0700 and files 0600: they hold people's
 * lists. Called once per publication. */
#ifndef BR_HOST_IO_EXPORT_FOLDER_H
#define BR_HOST_IO_EXPORT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/io/publish.h"

#define BR_EXPORT_NAME_BYTES 64
#define BR_EXPORT_PAPER      "publication.json" /* says what the others are; written last */

typedef struct br_export_folder br_export_folder;

typedef struct br_export_file {
    char    name[BR_EXPORT_NAME_BYTES];
    int64_t n_rows;
    int64_t n_bytes;
    char    sha256[BR_DIGEST_TEXT_BYTES];
} br_export_file;

/* `path` is new or empty. What is there is BR_E_USAGE, unless `replaces` and it is an earlier
 * publication, which is then replaced in one step by br_export_commit. The place may not be
 * inside `run_path`. BR_E_USAGE too when another process publishes there. */
br_status br_export_begin(const char *path, const char *run_path, bool replaces,
                          br_export_folder **out);
/* From here on the folder has its name. */
br_status br_export_commit(br_export_folder *folder);
/* Closes; what was not committed is deleted. */
void      br_export_drop(br_export_folder **folder);

/* The files that are finished, in order of name. */
int64_t               br_export_n_files(const br_export_folder *folder);
const br_export_file *br_export_file_at(const br_export_folder *folder, int64_t at);

/* Rows that become one file (STEM.EXTENSION), or with split_bytes > 0 files of at most so many
 * bytes (STEM-00001.EXTENSION, ...), each beginning with the header. */
typedef struct br_export_series br_export_series;

typedef struct br_export_kind {
    const char *stem; /* one of the stems that folder.c knows */
    const char *extension;
    int64_t     split_bytes; /* 0: one file */
} br_export_kind;

/* The folder outlives the series. The header's bytes are copied. */
br_status br_export_open(br_export_folder *folder, br_export_kind kind, const char *header,
                         size_t header_bytes, br_export_series **out);
/* A record of n_rows rows, never cut. BR_E_USAGE when header and record exceed split_bytes. */
br_status br_export_add(br_export_series *series, const char *record, size_t n_bytes,
                        int64_t n_rows);
/* Flushes the last file (there is one even without records) and tells the records of all. */
br_status br_export_finish(br_export_series *series, int64_t *n_records);
void      br_export_close(br_export_series **series);

#endif
