/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of a run: which are done, publishing one, reading one. Called once per work unit. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/fault.h"
#include "host/base/hash.h"
#include "host/base/inject/flip.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/io/run/run_state.h"

static br_status delete_file(const char *path, int64_t *n_deleted)
{
    if (unlink(path) == 0) {
        (*n_deleted)++;
        return br_fault_point(BR_FAULT_RESUME_DELETED, path);
    }
    if (errno != ENOENT)
        return br_fail(BR_E_IO, "%s: cannot remove this unfinished file: %s", path,
                       strerror(errno));
    return BR_OK;
}

/* Does the part hold what the receipt says? Only trouble of ours is a failure. */
static br_status is_part_right(const char *path, const br_receipt *receipt, bool *is_right)
{
    br_status   st;
    struct stat found;
    char        sha256[BR_DIGEST_TEXT_BYTES];

    *is_right = false;
    if (lstat(path, &found) != 0 || !S_ISREG(found.st_mode) || found.st_size != receipt->n_bytes)
        return BR_OK;
    st = br_digest_file(path, sha256);
    if (st == BR_OK)
        *is_right = strcmp(sha256, receipt->sha256) == 0;
    return st;
}

static br_status accept_unit(br_run *run, int64_t unit, int64_t *n_deleted)
{
    br_status   st      = BR_OK;
    br_receipt *receipt = &run->receipt_U[unit];
    char        name[BR_RUN_NAME_BYTES], part[PATH_MAX], paper[PATH_MAX];
    bool        is_right = false;

    br_run_part_name(unit, name);
    BR_TRY(st, br_run_join(run->path, name, part));
    br_run_receipt_name(unit, name);
    BR_TRY(st, br_run_join(run->path, name, paper));
    if (access(paper, F_OK) == 0) {
        st = br_receipt_read(paper, unit, receipt);
        if (st != BR_OK && st != BR_E_INPUT)
            goto done;
        if (st == BR_OK)
            BR_TRY(st, is_part_right(part, receipt, &is_right));
    }
    st               = BR_OK;
    receipt->is_done = is_right;
    if (is_right)
        return br_fault_point(BR_FAULT_RESUME_ACCEPTED, part);
    BR_TRY(st, delete_file(paper, n_deleted));
    BR_TRY(st, delete_file(part, n_deleted));
done:
    return st;
}

br_status br_run_accept_units(br_run *run, int64_t *n_done, int64_t *n_deleted)
{
    br_status st = BR_OK;

    *n_done    = 0;
    *n_deleted = 0;
    for (int64_t unit = 0; unit < run->n_units; unit++) {
        BR_TRY(st, accept_unit(run, unit, n_deleted));
        *n_done += run->receipt_U[unit].is_done;
    }
done:
    return st;
}

bool br_run_unit_is_done(const br_run *run, int64_t unit)
{
    return unit >= 0 && unit < run->n_units && (run->is_complete || run->receipt_U[unit].is_done);
}

static br_status publish_receipt(const br_run *run, const br_receipt *receipt)
{
    br_status st   = BR_OK;
    br_strbuf text = {0};
    char      name[BR_RUN_NAME_BYTES], path[PATH_MAX];

    br_run_receipt_name(receipt->unit, name);
    BR_TRY(st, br_run_join(run->path, name, path));
    BR_TRY(st, br_receipt_write(receipt, &text));
    BR_TRY(st, br_publish_file(path, text.data, text.n_bytes));
done:
    br_strbuf_free(&text);
    return st;
}

/* A name that is taken: this call failed before, after the part had its name. The same bytes are
 * the same part. */
static br_status publish_part(const char *path, const void *image, const br_receipt *receipt)
{
    br_status st = BR_OK;
    bool      existed, is_same;

    BR_TRY(st, br_publish_new_file(path, image, (size_t)receipt->n_bytes, &existed));
    if (!existed)
        return BR_OK;
    BR_TRY(st, is_part_right(path, receipt, &is_same));
    if (!is_same)
        BR_FAIL(st, BR_E_SELFCHECK, "%s: was published before with other bytes", path);
    BR_TRY(st, br_publish_sync_folder_of(path));
done:
    return st;
}

/* ---- looking once more ---- */

uint64_t br_run_seed(const br_run *run)
{
    return br_hash_bytes(run->run_json.data, run->run_json.n_bytes);
}

void br_run_trust(br_run *run)
{
    run->is_trusted = true;
}

static br_status remove_unit(const br_run *run, int64_t unit)
{
    br_status st = BR_OK;
    char      name[BR_RUN_NAME_BYTES], path[PATH_MAX];
    int64_t   n_deleted = 0;

    br_run_receipt_name(unit, name);
    BR_TRY(st, br_run_join(run->path, name, path));
    BR_TRY(st, delete_file(path, &n_deleted));
    br_run_part_name(unit, name);
    BR_TRY(st, br_run_join(run->path, name, path));
    BR_TRY(st, delete_file(path, &n_deleted));
done:
    return st;
}

br_status br_run_withdraw_unit(br_run *run, int64_t unit)
{
    if (unit < 0 || unit >= run->n_units || run->is_complete)
        return br_fail(BR_E_SELFCHECK, "%s: unit %" PRId64 " cannot be withdrawn", run->path, unit);
    run->receipt_U[unit].is_done = false;
    return remove_unit(run, unit);
}

/* A test program flips a bit of what is on the disk. */
static void flip_file(const char *path, int64_t n_bytes)
{
    size_t        bit;
    unsigned char byte;
    int           fd;

    if (!br_flip_is_due("file", (size_t)n_bytes, &bit))
        return;
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, (off_t)(bit / 8)) != 1)
        return;
    byte ^= (unsigned char)(1u << bit % 8);
    (void)!pwrite(fd, &byte, 1, (off_t)(bit / 8));
    (void)close(fd);
}

/* The image as the lists make it again, then the file as the disk has it: it is that image. */
static br_status look_at_part(const char *path, const br_lists *lists, const br_receipt *receipt)
{
    br_status st    = BR_OK;
    void     *image = NULL;
    size_t    n_bytes;
    char      sha256[BR_DIGEST_TEXT_BYTES];

    BR_TRY(st, br_lists_image(lists, NULL, &image, &n_bytes));
    BR_TRY(st, br_digest_bytes(image, n_bytes, sha256));
    if (strcmp(sha256, receipt->sha256) != 0)
        BR_FAIL(st, BR_E_SELFCHECK,
                "%s: made again it has SHA-256 %s, expected %s: memory or libhdf5 erred", path,
                sha256, receipt->sha256);
    BR_TRY(st, br_publish_read_bytes_back(path, image, n_bytes));
done:
    br_free(&image);
    return st;
}

/* Its own failure stays the one that is told. */
static void withdraw_wrong(const br_run *run, int64_t unit)
{
    br_error error;

    br_error_take(&error);
    if (remove_unit(run, unit) != BR_OK)
        br_log(BR_LOG_ERROR, "io", "%s", br_error_last()->text);
    (void)br_error_put(&error);
}

br_status br_run_publish_unit(br_run *run, int64_t unit, const br_lists *lists)
{
    br_status  st    = BR_OK;
    void      *image = NULL;
    size_t     n_bytes;
    char       name[BR_RUN_NAME_BYTES], path[PATH_MAX];
    br_receipt receipt = {.unit = unit, .first_row = lists->first_row, .n_rows = lists->n_rows};

    if (unit < 0 || unit >= run->n_units || br_run_unit_is_done(run, unit))
        BR_FAIL(st, BR_E_SELFCHECK, "%s: unit %" PRId64 " of %" PRId64 " is done or is none",
                run->path, unit, run->n_units);
    br_run_part_name(unit, name);
    BR_TRY(st, br_run_join(run->path, name, path));
    BR_TRY(st, br_lists_image(lists, NULL, &image, &n_bytes));
    br_flip_memory("image", image, n_bytes);
    receipt.n_bytes = (int64_t)n_bytes;
    BR_TRY(st, br_digest_bytes(image, n_bytes, receipt.sha256));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_IMAGED, path));
    br_flip_memory("written image", image, n_bytes);
    BR_TRY(st, publish_part(path, image, &receipt));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_PARTED, path));
    flip_file(path, receipt.n_bytes);
    br_free(&image);
    if (!run->is_trusted)
        st = look_at_part(path, lists, &receipt);
    if (st == BR_E_SELFCHECK)
        withdraw_wrong(run, unit);
    if (st != BR_OK)
        goto done;
    BR_TRY(st, publish_receipt(run, &receipt));
    receipt.is_done      = true;
    run->receipt_U[unit] = receipt;
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_DONE, path));
done:
    br_free(&image);
    return st;
}

br_status br_run_read_unit(const br_run *run, int64_t unit, br_lists *out)
{
    br_status st = BR_OK;
    char      name[BR_RUN_NAME_BYTES], path[PATH_MAX];

    memset(out, 0, sizeof *out);
    if (!br_run_unit_is_done(run, unit))
        BR_FAIL(st, BR_E_SELFCHECK, "%s: unit %" PRId64 " is not done", run->path, unit);
    br_run_part_name(unit, name);
    BR_TRY(st, br_run_join(run->path, name, path));
    BR_TRY(st, br_lists_read(path, out));
done:
    return st;
}
