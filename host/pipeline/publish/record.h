/* SPDX-License-Identifier: Apache-2.0
 *
 * One customer as text, in each of the formats. Called for every customer of a run. */
#ifndef BR_HOST_PIPELINE_PUBLISH_RECORD_H
#define BR_HOST_PIPELINE_PUBLISH_RECORD_H

#include "host/base/strbuf.h"
#include "host/io/export/cell.h"
#include "host/io/export/run_reader.h"
#include "host/pipeline/publish/publish.h"

#define BR_CONFIG_HASH_DIGITS 16 /* of the run's identity: enough to tell runs apart */

typedef struct br_record {
    const br_publication *what;
    const br_run_reader  *run;
    const char           *run_id;
    const br_lists       *lists;
    int64_t               b; /* the customer's row in `lists` */
    br_export_key         customer;
    br_strbuf             key, value; /* scratch of RESP */
} br_record;

/* The key of the item in slot j. */
br_status br_record_item(const br_record *r, int32_t j, br_export_key *out);
/* "model", "popularity", or the number of a source without a word. */
void      br_record_source(const br_record *r, int32_t j, br_strbuf *out);

/* The main file. Rows are of customers that have a list. */
void      br_csv_header(const br_record *r, br_strbuf *out);
br_status br_csv_row(const br_record *r, br_strbuf *out);
br_status br_json_row(const br_record *r, br_strbuf *out);
br_status br_resp_row(br_record *r, br_strbuf *out);
/* Removes what an earlier publication of the same version set. */
void      br_resp_delete(br_record *r, br_strbuf *out);
/* SET PREFIX:current VERSION: the pointer that readers follow. */
void      br_resp_current(br_record *r, br_strbuf *out);

/* Beside it. */
void      br_reject_header(const br_record *r, br_strbuf *out);
void      br_reject_row(const br_record *r, br_strbuf *out);
void      br_holdout_header(const br_record *r, br_strbuf *out);
void      br_holdout_row(const br_record *r, br_strbuf *out);
void      br_exposure_header(const br_record *r, br_strbuf *out);
br_status br_exposure_rows(const br_record *r, br_strbuf *out);

#endif
