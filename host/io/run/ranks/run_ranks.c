/* SPDX-License-Identifier: Apache-2.0
 *
 * A run that several ranks write: rank 0 opens it, the others attach and publish parts, rank 0
 * takes these in. A file system may show what another machine wrote some seconds late. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/base/memory.h"
#include "host/base/watch/watch.h"
#include "host/io/run/run_state.h"

#define PATIENCE_S 90 /* more than NFS remembers that a name was missing (acdirmax 60 s) */
#define LOOK_MS    50

static void pause_ms(long ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000L};

    (void)nanosleep(&pause, NULL);
}

/* Is the file there, now or soon? */
static bool comes(const char *path)
{
    for (int i = 0; i < PATIENCE_S * 1000 / LOOK_MS; i++) {
        if (access(path, R_OK) == 0)
            return true;
        br_watch_tick();
        pause_ms(LOOK_MS);
    }
    return false;
}

br_status br_run_mark(const br_run *run, char mark[BR_RUN_MARK_BYTES])
{
    br_status st = BR_OK;
    char      path[PATH_MAX];

    memset(mark, 0, BR_RUN_MARK_BYTES);
    BR_TRY(st, br_run_join(run->path, BR_RUN_AUDIT, path));
    BR_TRY(st, br_digest_file(path, mark));
done:
    return st;
}

/* The directory that rank 0 opened: its audit log ends with the line of this command. */
static br_status check_mark(const br_run *run, const char *mark)
{
    br_status st                       = BR_OK;
    char      found[BR_RUN_MARK_BYTES] = "";
    char      path[PATH_MAX];

    BR_TRY(st, br_run_join(run->path, BR_RUN_AUDIT, path));
    for (int i = 0; i < PATIENCE_S * 1000 / LOOK_MS; i++) {
        if (access(path, R_OK) == 0)
            BR_TRY(st, br_run_mark(run, found));
        if (strcmp(found, mark) == 0)
            goto done;
        br_watch_tick();
        pause_ms(LOOK_MS);
    }
    BR_FAIL(st, BR_E_USAGE,
            "%s: is another directory than the one rank 0 opened under this name (%s %.12s, "
            "expected %.12s): output.path must lie on a file system that all ranks share",
            run->path, path, found[0] == '\0' ? "is missing" : found, mark);
done:
    return st;
}

br_status br_run_attach(const char *path, int64_t n_units, const char *mark, br_run **out)
{
    br_status st  = BR_OK;
    br_run   *run = NULL;

    *out = NULL;
    BR_ALLOC(st, run, 1, "run");
    run->lock_fd = -1; /* rank 0 holds it for all */
    run->n_units = n_units;
    BR_ALLOC(st, run->receipt_U, n_units, "receipts");
    BR_TRY(st, br_run_set_path(run, path));
    BR_TRY(st, check_mark(run, mark));
    *out = run;
    run  = NULL;
done:
    br_run_close(&run);
    return st;
}

/* Its writer knew the digest of the bytes it wrote, as we know that of our own parts. */
br_status br_run_take_unit(br_run *run, int64_t unit)
{
    br_status   st      = BR_OK;
    br_receipt *receipt = &run->receipt_U[unit];
    char        name[BR_RUN_NAME_BYTES], path[PATH_MAX];
    struct stat part;

    br_run_receipt_name(unit, name);
    BR_TRY(st, br_run_join(run->path, name, path));
    if (!comes(path))
        BR_FAIL(st, BR_E_IO,
                "%s: is missing %d s after another rank wrote it: does every rank see the same "
                "file system?",
                path, PATIENCE_S);
    BR_TRY(st, br_receipt_read(path, unit, receipt));
    br_run_part_name(unit, name);
    BR_TRY(st, br_run_join(run->path, name, path));
    if (!comes(path) || lstat(path, &part) != 0 || part.st_size != receipt->n_bytes)
        BR_FAIL(st, BR_E_IO,
                "%s: is not the %" PRId64 " bytes that another rank wrote: run the same command "
                "again",
                path, receipt->n_bytes);
    receipt->is_done = true;
done:
    return st;
}
