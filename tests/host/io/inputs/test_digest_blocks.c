/* SPDX-License-Identifier: Apache-2.0
 *
 * Hashes of inputs by blocks: the same for any threads and ranks, sha256sum's where there is one
 * block, every byte counts, files that change are refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/io/digest/blocks.h"
#include "host/io/publish.h"

#define BLOCK 4096
#define MOST  (5 * BLOCK)

static char path[] = "digest-blocks-XXXXXX";

static unsigned char bytes[MOST];

static void write_file(size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void digest(int n_ranks, int n_threads, char out[BR_INPUT_DIGEST_BYTES])
{
    br_digest_blocks all, one;

    assert_int_equal(br_digest_blocks_open(path, BLOCK, &all), BR_OK);
    for (int r = 0; r < n_ranks; r++) {
        assert_int_equal(br_digest_blocks_open(path, BLOCK, &one), BR_OK);
        assert_int_equal(br_digest_blocks_hash(&one, r, n_ranks, n_threads), BR_OK);
        for (int64_t i = 0; i < all.n * BR_BLOCK_DIGEST_WORDS; i++)
            all.hash_N4[i] += one.hash_N4[i];
        br_digest_blocks_close(&one);
    }
    assert_int_equal(br_digest_blocks_text(&all, out), BR_OK);
    br_digest_blocks_close(&all);
}

/* As docs/FORMATS.md says, from whole hashes of its pieces. */
static void expect(size_t n, char out[BR_INPUT_DIGEST_BYTES])
{
    unsigned char hashes[MOST / BLOCK][BR_DIGEST_BYTES];
    size_t        n_blocks = 0;
    char          text[BR_DIGEST_TEXT_BYTES];
    br_digest    *d;

    for (size_t at = 0; at < n; at += BLOCK) {
        assert_int_equal(br_digest_start(&d), BR_OK);
        assert_int_equal(br_digest_add(d, bytes + at, n - at < BLOCK ? n - at : BLOCK), BR_OK);
        assert_int_equal(br_digest_end_raw(&d, hashes[n_blocks++]), BR_OK);
    }
    assert_int_equal(br_digest_bytes(n > BLOCK ? (void *)hashes : (void *)bytes,
                                     n > BLOCK ? n_blocks * BR_DIGEST_BYTES : n, text),
                     BR_OK);
    (void)snprintf(out, BR_INPUT_DIGEST_BYTES, n > BLOCK ? "%s of SHA-256s of 4096 bytes" : "%s",
                   text);
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, MOST - 7, MOST};
    char                found[BR_INPUT_DIGEST_BYTES], expected[BR_INPUT_DIGEST_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_file(sizes[i]);
        expect(sizes[i], expected);
        for (int n_ranks = 1; n_ranks <= 7; n_ranks += 2)
            for (int n_threads = 1; n_threads <= 3; n_threads++) {
                digest(n_ranks, n_threads, found);
                assert_string_equal(found, expected);
            }
    }
}

static void test_every_bit(void **state)
{
    char found[BR_INPUT_DIGEST_BYTES], whole[BR_INPUT_DIGEST_BYTES];

    (void)state;
    write_file(MOST);
    digest(1, 2, whole);
    for (size_t at = 0; at < MOST; at += 977) {
        bytes[at] ^= (unsigned char)(1u << at % 8);
        write_file(MOST);
        bytes[at] ^= (unsigned char)(1u << at % 8);
        digest(2, 1, found);
        assert_string_not_equal(found, whole);
    }
}

static void test_of_input(void **state)
{
    char found[BR_INPUT_DIGEST_BYTES], plain[BR_DIGEST_TEXT_BYTES];

    (void)state;
    write_file(MOST);
    assert_int_equal(br_digest_input(path, found), BR_OK);
    assert_int_equal(br_digest_file(path, plain), BR_OK);
    assert_string_equal(found, plain);
}

static void test_changing(void **state)
{
    br_digest_blocks blocks;

    (void)state;
    for (int longer = 0; longer < 2; longer++) {
        write_file(3 * BLOCK);
        assert_int_equal(br_digest_blocks_open(path, BLOCK, &blocks), BR_OK);
        write_file(longer ? 4 * BLOCK : 2 * BLOCK + 9);
        assert_int_equal(br_digest_blocks_hash(&blocks, 0, 1, 1), BR_E_IO);
        assert_non_null(strstr(br_error_last()->text, longer ? "it is changing" : "it was cut"));
        assert_non_null(strstr(br_error_last()->text, longer ? "found 16384 bytes, expected 12288"
                                                             : "found 8201 bytes, expected 12288"));
        br_digest_blocks_close(&blocks);
    }
    assert_int_equal(br_digest_blocks_open("no such file", BLOCK, &blocks), BR_E_IO);
    br_digest_blocks_close(&blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_of_input), cmocka_unit_test(test_changing)};
    int fd = mkstemp(path), n_failed;

    if (fd < 0)
        return 1;
    (void)close(fd);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 251);
    n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return n_failed;
}
