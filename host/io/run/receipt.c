/* SPDX-License-Identifier: Apache-2.0
 *
 * Receipts as text. Called once per part, and once per part when a run is resumed. */
#include "host/io/run/receipt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_BYTES 4096
#define FORM(scan_or_print_i64, sha)                                                               \
    "{\"format\": \"batchrank-receipt\", \"version\": 1, \"unit\": %" scan_or_print_i64            \
    ", \"first_row\": %" scan_or_print_i64 ", \"rows\": %" scan_or_print_i64                       \
    ", \"bytes\": %" scan_or_print_i64 ", \"sha256\": \"%" sha "\"}\n"

br_status br_receipt_write(const br_receipt *receipt, br_strbuf *out)
{
    br_strbuf_add(out, FORM(PRId64, "s"), receipt->unit, receipt->first_row, receipt->n_rows,
                  receipt->n_bytes, receipt->sha256);
    return br_strbuf_check(out);
}

br_status br_receipt_read(const char *path, int64_t unit, br_receipt *out)
{
    br_status st    = BR_OK;
    br_strbuf found = {0}, again = {0};

    memset(out, 0, sizeof *out);
    BR_TRY(st, br_text_read(path, MAX_BYTES, &found));
    if (found.data == NULL ||
        sscanf(found.data, FORM(SCNd64, "64[0-9a-f]"), &out->unit, &out->first_row, &out->n_rows,
               &out->n_bytes, out->sha256) != 5)
        BR_FAIL(st, BR_E_INPUT, "%s: is no receipt", path);
    /* what was read must write the same text: nothing is overlooked */
    BR_TRY(st, br_receipt_write(out, &again));
    if (again.n_bytes != found.n_bytes || memcmp(again.data, found.data, found.n_bytes) != 0 ||
        out->unit != unit || out->first_row < 0 || out->n_rows < 0)
        BR_FAIL(st, BR_E_INPUT, "%s: is no receipt of unit %" PRId64, path, unit);
done:
    br_strbuf_free(&found);
    br_strbuf_free(&again);
    return st;
}
