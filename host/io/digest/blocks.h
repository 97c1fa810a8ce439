/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash of an input, made by several threads and ranks together. A file of one block has its
 * SHA-256, as sha256sum prints it; of a longer one the blocks are hashed, and then their hashes (32
 * bytes each, in order). docs/FORMATS.md has the same by shell commands. */
#ifndef BR_HOST_IO_DIGEST_BLOCKS_H
#define BR_HOST_IO_DIGEST_BLOCKS_H

#include <stdint.h>

#include "host/base/status.h"

#define BR_BLOCK_DIGEST_WORDS 4                   /* of SHA-256 */
#define BR_INPUT_BLOCK_BYTES  ((int64_t)64 << 20) /* of an input of a run */
#define BR_INPUT_DIGEST_BYTES 96                  /* 64 digits, the size of blocks, NUL */

typedef struct br_digest_blocks {
    const char *path; /* borrowed */
    int64_t     n_bytes;
    int64_t     block_bytes;
    int64_t     n;       /* blocks; 1 of an empty file */
    int64_t    *hash_N4; /* [n][BR_BLOCK_DIGEST_WORDS], zeros until it is known */
} br_digest_blocks;

/* How many blocks there are. BR_E_IO for a file that cannot be looked at, or is no regular one. */
br_status br_digest_blocks_open(const char *path, int64_t block_bytes, br_digest_blocks *out);
void      br_digest_blocks_close(br_digest_blocks *blocks);

/* Hashes blocks first, first + step, ... by n_threads; the others stay as they are, so that the
 * sum of what `step` ranks hold is the whole. BR_E_IO, also where the file became shorter. */
br_status br_digest_blocks_hash(br_digest_blocks *blocks, int64_t first, int64_t step,
                                int n_threads);

/* "64 digits" of one block, else "64 digits of SHA-256s of N MiB" (or bytes). */
br_status br_digest_blocks_text(const br_digest_blocks *blocks, char out[BR_INPUT_DIGEST_BYTES]);

/* All of it for an input of a run, by the cores of this process; of what is no regular file, the
 * SHA-256 of its bytes. */
br_status br_digest_input(const char *path, char out[BR_INPUT_DIGEST_BYTES]);

#endif
