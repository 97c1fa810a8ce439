/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes of large inputs, block by block. Called once per input file of a job. */
#include "host/io/digest/blocks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "host/base/files/open.h"
#include "host/base/inputs/stand_in.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/base/watch/watch.h"
#include "host/io/publish.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define MiB         ((int64_t)1 << 20)

typedef struct hashing {
    br_digest_blocks *blocks;
    int               fd;
    int64_t           first;
    int64_t           step;
    unsigned char   **piece_L; /* of each thread */
} hashing;

br_status br_digest_blocks_open(const char *path, int64_t block_bytes, br_digest_blocks *out)
{
    br_status   st = BR_OK;
    struct stat about;

    *out = (br_digest_blocks){.path = path, .block_bytes = block_bytes, .n = 1};
    if (stat(br_stand_in(path), &about) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(about.st_mode))
        BR_FAIL(st, BR_E_IO, "%s: is no regular file", path);
    out->n_bytes = (int64_t)about.st_size;
    if (out->n_bytes > block_bytes)
        out->n = (out->n_bytes + block_bytes - 1) / block_bytes;
    BR_ALLOC(st, out->hash_N4, out->n * BR_BLOCK_DIGEST_WORDS, "hashes of blocks");
done:
    return st;
}

void br_digest_blocks_close(br_digest_blocks *blocks)
{
    br_free(&blocks->hash_N4);
}

static unsigned char *hash_of(const br_digest_blocks *b, int64_t block)
{
    return (unsigned char *)(b->hash_N4 + block * BR_BLOCK_DIGEST_WORDS);
}

/* Up to n bytes from `at` on; 0 at the end of the file. */
static br_status read_piece(const hashing *h, unsigned char *piece, size_t n, int64_t at,
                            size_t *n_read)
{
    ssize_t got;

    do
        got = pread(h->fd, piece, n, (off_t)at);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return br_fail(BR_E_IO, "%s: cannot read: %s", h->blocks->path, strerror(errno));
    *n_read = (size_t)got;
    return BR_OK;
}

static br_status hash_block(void *context, int lane, int64_t task)
{
    br_status         st     = BR_OK;
    const hashing    *h      = context;
    br_digest_blocks *b      = h->blocks;
    br_digest        *digest = NULL;
    int64_t           block  = h->first + task * h->step;
    int64_t           at     = block * b->block_bytes;
    int64_t           end    = at + b->block_bytes < b->n_bytes ? at + b->block_bytes : b->n_bytes;

    BR_TRY(st, br_digest_start(&digest));
    while (at < end) {
        size_t wanted = (size_t)(end - at) < PIECE_BYTES ? (size_t)(end - at) : PIECE_BYTES;
        size_t n      = 0;

        BR_TRY(st, read_piece(h, h->piece_L[lane], wanted, at, &n));
        if (n == 0)
            BR_FAIL(st, BR_E_IO, "%s: found %lld bytes, expected %lld as at first: it was cut",
                    b->path, (long long)at, (long long)b->n_bytes);
        BR_TRY(st, br_digest_add(digest, h->piece_L[lane], n));
        at += (int64_t)n;
        br_watch_tick();
    }
    BR_TRY(st, br_digest_end_raw(&digest, hash_of(b, block)));
done:
    br_digest_drop(&digest);
    return st;
}

static br_status check_size(const hashing *h)
{
    struct stat about;

    if (fstat(h->fd, &about) != 0)
        return br_fail(BR_E_IO, "%s: cannot read: %s", h->blocks->path, strerror(errno));
    if ((int64_t)about.st_size != h->blocks->n_bytes)
        return br_fail(BR_E_IO, "%s: found %lld bytes, expected %lld as at first: it is changing",
                       h->blocks->path, (long long)about.st_size, (long long)h->blocks->n_bytes);
    return BR_OK;
}

br_status br_digest_blocks_hash(br_digest_blocks *b, int64_t first, int64_t step, int n_threads)
{
    br_status st      = BR_OK;
    int64_t   n_tasks = first < b->n ? (b->n - first + step - 1) / step : 0;
    hashing   h       = {.blocks = b, .fd = -1, .first = first, .step = step};

    if (n_tasks == 0)
        return BR_OK;
    if (n_threads > n_tasks)
        n_threads = (int)n_tasks;
    h.fd = br_open(br_stand_in(b->path), O_RDONLY);
    if (h.fd < 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", b->path, strerror(errno));
    BR_ALLOC(st, h.piece_L, n_threads, "pieces to hash");
    for (int i = 0; i < n_threads; i++)
        BR_ALLOC(st, h.piece_L[i], (int64_t)PIECE_BYTES, "piece to hash");
    BR_TRY(st, br_parallel_for(n_threads, n_tasks, hash_block, &h, NULL));
    BR_TRY(st, check_size(&h));
done:
    for (int i = 0; h.piece_L != NULL && i < n_threads; i++)
        br_free(&h.piece_L[i]);
    br_free(&h.piece_L);
    if (h.fd >= 0)
        (void)close(h.fd);
    return st;
}

br_status br_digest_blocks_text(const br_digest_blocks *b, char out[BR_INPUT_DIGEST_BYTES])
{
    br_status st = BR_OK;
    char      text[BR_DIGEST_TEXT_BYTES];
    bool      is_mib = b->block_bytes % MiB == 0;

    if (b->n == 1) {
        br_digest_text(hash_of(b, 0), out);
        return BR_OK;
    }
    BR_TRY(st, br_digest_bytes(b->hash_N4, (size_t)b->n * BR_DIGEST_BYTES, text));
    (void)snprintf(out, BR_INPUT_DIGEST_BYTES, "%s of SHA-256s of %lld %s", text,
                   (long long)(is_mib ? b->block_bytes / MiB : b->block_bytes),
                   is_mib ? "MiB" : "bytes");
done:
    return st;
}

br_status br_digest_input(const char *path, char out[BR_INPUT_DIGEST_BYTES])
{
    br_status        st = BR_OK;
    br_digest_blocks b  = {0};
    struct stat      about;

    if (stat(br_stand_in(path), &about) == 0 && !S_ISREG(about.st_mode))
        return br_digest_file(path, out); /* to its end, wherever that is */
    BR_TRY(st, br_digest_blocks_open(path, BR_INPUT_BLOCK_BYTES, &b));
    BR_TRY(st, br_digest_blocks_hash(&b, 0, 1, br_n_cores()));
    BR_TRY(st, br_digest_blocks_text(&b, out));
done:
    br_digest_blocks_close(&b);
    return st;
}
