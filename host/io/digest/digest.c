/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 of memory and of files, by OpenSSL. Called once per file read or published. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "host/base/files/open.h"
#include "host/base/inputs/stand_in.h"
#include "host/base/memory.h"
#include "host/base/watch/watch.h"
#include "host/io/publish.h"

#define BLOCK_BYTES ((size_t)1 << 20)

struct br_digest {
    EVP_MD_CTX *context;
};

static br_status hash_file(EVP_MD_CTX *context, int fd, const char *path, int64_t *n_bytes)
{
    br_status      st    = BR_OK;
    unsigned char *block = NULL;

    *n_bytes = 0;
    BR_ALLOC(st, block, (int64_t)BLOCK_BYTES, "block to hash");
    for (;;) {
        ssize_t n = read(fd, block, BLOCK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            BR_FAIL(st, BR_E_IO, "%s: cannot read: %s", path, strerror(errno));
        if (n == 0)
            break;
        if (EVP_DigestUpdate(context, block, (size_t)n) != 1)
            BR_FAIL(st, BR_E_MEMORY, "%s: SHA-256 failed", path);
        *n_bytes += n;
        br_watch_tick();
    }
done:
    br_free(&block);
    return st;
}

static br_status hash_start(EVP_MD_CTX **context)
{
    *context = EVP_MD_CTX_new();
    if (*context == NULL || EVP_DigestInit_ex(*context, EVP_sha256(), NULL) != 1)
        return br_fail(BR_E_MEMORY, "SHA-256 cannot be started");
    return BR_OK;
}

static br_status hash_end(EVP_MD_CTX *context, unsigned char out[BR_DIGEST_BYTES])
{
    unsigned int n = 0;

    if (EVP_DigestFinal_ex(context, out, &n) != 1 || n != BR_DIGEST_BYTES)
        return br_fail(BR_E_MEMORY, "SHA-256 failed");
    return BR_OK;
}

void br_digest_text(const unsigned char hash[BR_DIGEST_BYTES], char out[BR_DIGEST_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < BR_DIGEST_BYTES; i++) {
        out[2 * i]     = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[2 * BR_DIGEST_BYTES] = '\0';
}

br_status br_digest_start(br_digest **out)
{
    br_status  st     = BR_OK;
    br_digest *digest = NULL;

    *out = NULL;
    BR_ALLOC(st, digest, 1, "digest");
    BR_TRY(st, hash_start(&digest->context));
    *out   = digest;
    digest = NULL;
done:
    br_digest_drop(&digest);
    return st;
}

br_status br_digest_add(br_digest *digest, const void *data, size_t n_bytes)
{
    if (n_bytes > 0 && EVP_DigestUpdate(digest->context, data, n_bytes) != 1)
        return br_fail(BR_E_MEMORY, "SHA-256 failed");
    return BR_OK;
}

br_status br_digest_end_raw(br_digest **digest, unsigned char out[BR_DIGEST_BYTES])
{
    br_status st = hash_end((*digest)->context, out);

    br_digest_drop(digest);
    return st;
}

br_status br_digest_end(br_digest **digest, char out[BR_DIGEST_TEXT_BYTES])
{
    br_status     st = BR_OK;
    unsigned char hash[BR_DIGEST_BYTES];

    BR_TRY(st, br_digest_end_raw(digest, hash));
    br_digest_text(hash, out);
done:
    return st;
}

void br_digest_drop(br_digest **digest)
{
    if (*digest == NULL)
        return;
    EVP_MD_CTX_free((*digest)->context);
    br_free(digest);
}

br_status br_digest_bytes(const void *data, size_t n_bytes, char out[BR_DIGEST_TEXT_BYTES])
{
    br_status  st     = BR_OK;
    br_digest *digest = NULL;

    BR_TRY(st, br_digest_start(&digest));
    BR_TRY(st, br_digest_add(digest, data, n_bytes));
    BR_TRY(st, br_digest_end(&digest, out));
done:
    br_digest_drop(&digest);
    return st;
}

br_status br_digest_file_sized(const char *path, char out[BR_DIGEST_TEXT_BYTES], int64_t *n_bytes)
{
    br_status     st      = BR_OK;
    EVP_MD_CTX   *context = NULL;
    int64_t       n_read  = 0;
    unsigned char hash[BR_DIGEST_BYTES];
    int           fd;

    fd = br_open(br_stand_in(path), O_RDONLY);
    if (fd < 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    BR_TRY(st, hash_start(&context));
    BR_TRY(st, hash_file(context, fd, path, &n_read));
    BR_TRY(st, hash_end(context, hash));
    br_digest_text(hash, out);
    if (n_bytes != NULL)
        *n_bytes = n_read;
done:
    EVP_MD_CTX_free(context);
    if (fd >= 0)
        (void)close(fd);
    return st;
}

br_status br_digest_file(const char *path, char out[BR_DIGEST_TEXT_BYTES])
{
    return br_digest_file_sized(path, out, NULL);
}
