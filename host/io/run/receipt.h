/* SPDX-License-Identifier: Apache-2.0
 *
 * Receipts: what a part must be, written after it. A part counts only with its receipt. */
#ifndef BR_HOST_IO_RUN_RECEIPT_H
#define BR_HOST_IO_RUN_RECEIPT_H

#include <stdbool.h>
#include <stdint.h>

#include "host/io/publish.h"
#include "host/io/run/read_text.h"

typedef struct br_receipt {
    bool    is_done;
    int64_t unit;
    int64_t first_row;
    int64_t n_rows;
    int64_t n_bytes;
    char    sha256[BR_DIGEST_TEXT_BYTES];
} br_receipt;

/* The one text of a receipt. */
br_status br_receipt_write(const br_receipt *receipt, br_strbuf *out);
/* BR_E_INPUT unless the file holds exactly the text of a receipt of `unit`. */
br_status br_receipt_read(const char *path, int64_t unit, br_receipt *out);

#endif
