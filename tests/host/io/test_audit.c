/* SPDX-License-Identifier: Apache-2.0
 *
 * The audit log after a crash or a power cut: what was cut off is told from what was changed, and
 * the next line vouches for it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/io/run/audit.h"

#define DETAILS "{\"manifest_sha256\":\"abc\"}"

static char path[64];

static int make_file(void **state)
{
    int fd;

    (void)state;
    (void)snprintf(path, sizeof path, "/tmp/batchrank-test-audit-XXXXXX");
    fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* `start`, `commit`, and then the bytes. */
static void write_log(const void *more, size_t n_bytes)
{
    FILE *file;

    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(br_audit_append(path, "start", "{\"units\":3}"), BR_OK);
    assert_int_equal(br_audit_append(path, "commit", DETAILS), BR_OK);
    file = fopen(path, "ab");
    assert_non_null(file);
    assert_int_equal(fwrite(more, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
}

static long size_of_log(void)
{
    FILE *file = fopen(path, "rb");
    long  n;

    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    n = ftell(file);
    assert_int_equal(fclose(file), 0);
    return n;
}

/* One more line makes the log whole, and the commit still stands in it. */
static void mend(void)
{
    bool found = false;

    assert_int_equal(br_audit_append(path, "resume", "{}"), BR_OK);
    assert_int_equal(br_audit_has(path, "commit", &found), BR_OK);
    assert_true(found);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_OK);
}

static void test_cut_off(void **state)
{
    static const char zeros[700], half[] = "{\"time\":\"2026", hole[] = "{\"ti\0\0\0\0\0\"}\n";

    (void)state;
    write_log("", 0);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_OK);
    write_log(half, sizeof half - 1);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_E_INTERRUPTED);
    mend();
    write_log(zeros, sizeof zeros);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_E_INTERRUPTED);
    mend();
    write_log(hole, sizeof hole - 1);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_E_INTERRUPTED);
    mend();
}

/* A line `commit` with zeros in it counts as none; the last line changed is no accident. */
static void test_torn_commit(void **state)
{
    bool found = true;
    long n;
    int  fd;

    (void)state;
    write_log("", 0);
    n  = size_of_log();
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\0\0\0\0", 4, n - 20), 4);
    assert_int_equal(br_audit_has(path, "commit", &found), BR_OK);
    assert_false(found);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_E_INTERRUPTED);
    assert_int_equal(pwrite(fd, "0000", 4, n - 20), 4);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_E_INPUT);
    assert_int_equal(close(fd), 0);
}

static void test_no_commit(void **state)
{
    (void)state;
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(br_audit_append(path, "start", "{\"units\":3}"), BR_OK);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_E_INTERRUPTED);
    assert_int_equal(br_audit_append(path, "commit", "{\"manifest_sha256\":\"abd\"}"), BR_OK);
    assert_int_equal(br_audit_verify(path, DETAILS), BR_E_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_cut_off, make_file, remove_file),
        cmocka_unit_test_setup_teardown(test_torn_commit, make_file, remove_file),
        cmocka_unit_test_setup_teardown(test_no_commit, make_file, remove_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
