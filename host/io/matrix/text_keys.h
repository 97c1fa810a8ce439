/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys from a plain text file, one a line: the simplest way to name the rows of a matrix. */
#ifndef BR_HOST_IO_MATRIX_TEXT_KEYS_H
#define BR_HOST_IO_MATRIX_TEXT_KEYS_H

#include "host/io/keys.h"

/* Bytes keys as wide as the longest line. Lines end with \n or \r\n, the last one may lack it.
 * BR_E_IO: unreadable; BR_E_INPUT naming file and line: an empty line, more than 255 bytes, a
 * control character, bytes that are not UTF-8. br_keys_free it. */
br_status br_text_keys_read(const char *path, br_keys *out);

#endif
