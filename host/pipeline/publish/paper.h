/* SPDX-License-Identifier: Apache-2.0
 *
 * publication.json: what the files of a publication are, and that every customer is in one. Its
 * text holds no times: the same command gives the same bytes. Called once. */
#ifndef BR_HOST_PIPELINE_PUBLISH_PAPER_H
#define BR_HOST_PIPELINE_PUBLISH_PAPER_H

#include "host/io/export/folder.h"
#include "host/pipeline/publish/record.h"

/* Customers by fate. */
typedef struct br_balance {
    int64_t n_customers; /* of the run */
    int64_t n_rows;      /* in the main file */
    int64_t n_unchanged; /* left out by --changed-since */
    int64_t n_rejects;
    int64_t n_held_out;
    int64_t n_deletes; /* of the rejects and hold-outs: RESP commands that remove an older list */
} br_balance;

typedef struct br_paper {
    const br_publication   *what;
    const br_run_reader    *run;
    const char             *run_id;
    const char             *changed_since; /* SHA-256 of a manifest, or NULL */
    const br_balance       *balance;
    const br_export_folder *folder;
} br_paper;

extern const char *const br_publish_words[]; /* by br_publish_to: "csv", ... */
extern const char *const br_column_words[];  /* by br_publish_column: "items", ... */

void br_paper_text(const br_paper *paper, br_strbuf *out);

#endif
