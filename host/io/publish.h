/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are either whole under their final name or not there: a temporary file beside it,
 * written, fsynced, renamed, and the folder fsynced. */
#ifndef BR_HOST_IO_PUBLISH_H
#define BR_HOST_IO_PUBLISH_H

#include <stddef.h>

#include "host/base/status.h"

/* BR_E_IO with path and reason (disk full, permission, ...); no temporary file stays behind.
 * An existing file of that name is replaced in one step. */
br_status br_publish_file(const char *path, const void *data, size_t n_bytes);

/* SHA-256 as 64 hexadecimal digits and NUL. */
#define BR_DIGEST_TEXT_BYTES 65
br_status br_digest_bytes(const void *data, size_t n_bytes, char out[BR_DIGEST_TEXT_BYTES]);
br_status br_digest_file(const char *path, char out[BR_DIGEST_TEXT_BYTES]);

#endif
