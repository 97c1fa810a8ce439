/* SPDX-License-Identifier: Apache-2.0
 *
 * Small HDF5 files for the tests of host/io. Any failure ends the test. */
#ifndef BR_TESTS_HOST_IO_H5_FIXTURE_H
#define BR_TESTS_HOST_IO_H5_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <hdf5.h>

#include "host/base/status.h"

/* A new file under its final name /tmp/batchrank-test-NAME-<pid>.h5 with root attributes format
 * and version 1; `path` receives the name. */
#define FIXTURE_PATH_BYTES 128
hid_t fixture_create(const char *name, const char *format, char path[FIXTURE_PATH_BYTES]);

/* A contiguous dataset; groups on the way are made. `type` is that of file and memory. */
void fixture_put(hid_t file, const char *path, hid_t type, int rank, const hsize_t *dims,
                 const void *data);
void fixture_put_1d(hid_t file, const char *path, hid_t type, int64_t n, const void *data);
/* n strings of width_bytes, NUL-padded, one after the other. */
void fixture_keys(hid_t file, const char *path, int64_t n, size_t width_bytes, const char *data);
/* Attributes of `object` (a file, group or dataset). */
void fixture_text(hid_t object, const char *name, const char *text);
void fixture_number(hid_t object, const char *name, int64_t number);

#define ASSERT_FAILS(call, code, fragment)                                                         \
    do {                                                                                           \
        assert_int_equal((call), (code));                                                          \
        if (strstr(br_error_last()->text, (fragment)) == NULL)                                     \
            fail_msg("'%s' lacks '%s'", br_error_last()->text, (fragment));                        \
    } while (0)

#endif
