/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are either whole under their final name or not there: a temporary file beside it,
 * written, fsynced, renamed, and the folder fsynced. Files are 0600: they hold people's lists.
 * Called once per part and a few times per run. */
#ifndef BR_HOST_IO_PUBLISH_H
#define BR_HOST_IO_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

/* BR_E_IO with path and reason (disk full, permission, ...); no temporary file stays behind.
 * An existing file of that name is replaced in one step. */
br_status br_publish_file(const char *path, const void *data, size_t n_bytes);
/* The same, but a name that is taken stays as it is: *existed tells (and nothing is written). */
br_status br_publish_new_file(const char *path, const void *data, size_t n_bytes, bool *existed);
/* Deletes what killed attempts at publishing files whose path begins with `path` left behind. */
br_status br_publish_delete_temporaries(const char *path);
/* Makes `path` a symbolic link to `target` in one step; an older link is replaced. One process at a
 * time links to a target. */
br_status br_publish_link(const char *path, const char *target);
/* fsyncs the folder that holds `path`. */
br_status br_publish_sync_folder_of(const char *path);
/* True for the names that publishing gives to its temporary files (".NAME.tmp-..."). */
bool      br_publish_is_temporary(const char *name);
/* BR_E_IO unless `folder` can be written to and has `wanted_bytes` free. Asked before long work;
 * no promise, as others may fill the disk meanwhile. */
br_status br_publish_check_space(const char *folder, int64_t wanted_bytes);

/* Is the SHA-256 of the file the one that was written? Pages of it that memory holds are dropped
 * first, where the system does so, and the disk is asked. BR_E_SELFCHECK with both. */
br_status br_publish_read_back(const char *path, const char *sha256);
/* The same by the bytes that were written. */
br_status br_publish_read_bytes_back(const char *path, const void *data, size_t n_bytes);

/* Asked before long work: BR_E_USAGE when `path` is a folder, a device or the same file as one of
 * the inputs (NULL entries are passed over), BR_E_IO when its folder is missing or closed to us. */
br_status br_publish_check_target(const char *path, const char *const *inputs, int32_t n_inputs);

/* SHA-256, and as 64 hexadecimal digits and NUL. */
#define BR_DIGEST_BYTES      32
#define BR_DIGEST_TEXT_BYTES 65
void br_digest_text(const unsigned char hash[BR_DIGEST_BYTES], char out[BR_DIGEST_TEXT_BYTES]);

/* Of bytes that come one after another; `end` or `end_raw` (or `drop`) frees it. */
typedef struct br_digest br_digest;
br_status                br_digest_start(br_digest **out);
br_status                br_digest_add(br_digest *digest, const void *data, size_t n_bytes);
br_status                br_digest_end(br_digest **digest, char out[BR_DIGEST_TEXT_BYTES]);
br_status                br_digest_end_raw(br_digest **digest, unsigned char out[BR_DIGEST_BYTES]);
void                     br_digest_drop(br_digest **digest);

br_status br_digest_bytes(const void *data, size_t n_bytes, char out[BR_DIGEST_TEXT_BYTES]);
br_status br_digest_file(const char *path, char out[BR_DIGEST_TEXT_BYTES]);
/* Also tells how many bytes were hashed (n_bytes may be NULL). */
br_status br_digest_file_sized(const char *path, char out[BR_DIGEST_TEXT_BYTES], int64_t *n_bytes);

#endif
