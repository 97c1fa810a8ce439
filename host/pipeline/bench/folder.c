/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders for what a bench makes. Called once per suite, or per pass. */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/pipeline/bench/bench.h"

#define MAX_OPEN 16

br_status br_bench_folder_make(const char *parent, char out[BR_BENCH_PATH_BYTES])
{
    if (snprintf(out, BR_BENCH_PATH_BYTES, "%s/batchrank-bench-XXXXXX", parent) >=
        BR_BENCH_PATH_BYTES)
        return br_fail(BR_E_USAGE, "bench: --work: the path is too long: %s", parent);
    if (mkdtemp(out) == NULL) {
        out[0] = '\0';
        return br_fail(BR_E_IO, "bench: --work %s: cannot make a folder: %s", parent,
                       strerror(errno));
    }
    return BR_OK;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    (void)remove(path);
    return 0;
}

void br_bench_folder_remove(const char *path)
{
    if (path[0] != '\0')
        (void)nftw(path, remove_one, MAX_OPEN, FTW_DEPTH | FTW_PHYS);
}
