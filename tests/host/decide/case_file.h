/* SPDX-License-Identifier: Apache-2.0
 *
 * Cases that a Python test wrote for a program: one file of little-endian arrays, each padded to 8
 * bytes, read in order; the answers are written in the same way. */
#ifndef BR_TESTS_HOST_DECIDE_CASE_FILE_H
#define BR_TESTS_HOST_DECIDE_CASE_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "host/base/status.h"

typedef struct case_file {
    uint8_t *data;
    size_t   n_bytes;
    size_t   at;
    FILE    *out;
} case_file;

br_status case_open(const char *in, const char *out, case_file *cases);
/* The status to end with: `st`, or that the answers could not be written. */
br_status case_close(case_file *cases, br_status st);

/* The next array, inside the file's bytes; ends the program when the file is too short. */
const void *case_take(case_file *cases, int64_t n, size_t unit);
int64_t     case_number(case_file *cases);
void        case_put(case_file *cases, const void *data, int64_t n, size_t unit);

#endif
