/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a complete run. Called once per part. */
#include "host/io/export/run_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/memory.h"
#include "host/io/h5.h"
#include "host/io/run/run_state.h"

struct br_run_reader {
    char        path[PATH_MAX];
    char        name[NAME_MAX + 1];
    char        item_place[PATH_MAX + 32];
    char        identity[BR_DIGEST_TEXT_BYTES];
    char        manifest_digest[BR_DIGEST_TEXT_BYTES];
    br_manifest manifest;
    br_keys     item_key;
    int64_t     n_rows;
    int64_t     next_row;
};

/* run.json, config.json, then a part and a receipt per unit, then the view: see run_commit.c. */
static int64_t part_entry(int64_t unit)
{
    return 2 + 2 * unit;
}

static br_status check_entry(const br_run_reader *r, int64_t at, const char *name)
{
    br_status               st   = BR_OK;
    const br_manifest_file *file = &r->manifest.file[at];

    if (at >= r->manifest.n_files || strcmp(file->name, name) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s/" BR_RUN_MANIFEST ": entry %" PRId64 " is %s, expected %s",
                r->path, at, at < r->manifest.n_files ? file->name : "missing", name);
    BR_TRY(st, br_run_verify_file(r->path, file));
done:
    return st;
}

static br_status read_manifest(br_run_reader *r)
{
    br_status   st = BR_OK;
    char        file[PATH_MAX];
    struct stat found;

    BR_TRY(st, br_run_join(r->path, BR_RUN_MANIFEST, file));
    if (stat(r->path, &found) != 0)
        BR_FAIL(st, BR_E_IO, "%s: %s", r->path, strerror(errno));
    if (lstat(file, &found) != 0 && errno == ENOENT)
        BR_FAIL(st, BR_E_INPUT,
                "%s: has no " BR_RUN_MANIFEST ": the run is not complete: run its command again "
                "first",
                r->path);
    BR_TRY(st, br_manifest_read(file, &r->manifest));
    if (r->manifest.n_units < 0 || r->manifest.n_files != part_entry(r->manifest.n_units) + 3)
        BR_FAIL(st, BR_E_INPUT, "%s: %" PRId64 " entries for %" PRId64 " units", file,
                r->manifest.n_files, r->manifest.n_units);
    BR_TRY(st, br_digest_file(file, r->manifest_digest));
    BR_TRY(st,
           br_digest_bytes(r->manifest.identity.data, r->manifest.identity.n_bytes, r->identity));
    for (int64_t i = 0; i < r->manifest.n_files; i++)
        r->n_rows += r->manifest.file[i].n_rows > 0 ? r->manifest.file[i].n_rows : 0;
done:
    return st;
}

static br_status read_item_keys(br_run_reader *r)
{
    br_status      st   = BR_OK;
    br_h5_file    *file = NULL;
    br_h5_dataset *set  = NULL;
    char           path[PATH_MAX];
    br_h5_want     want = {.path = "/item/key", .type = BR_H5_KEY, .rank = 1, .n_rows = -1};

    BR_TRY(st, check_entry(r, part_entry(r->manifest.n_units), BR_RUN_VIEW));
    BR_TRY(st, br_run_join(r->path, BR_RUN_VIEW, path));
    BR_TRY(st, br_h5_open(path, &file));
    BR_TRY(st, br_h5_dataset_open(file, &want, &set));
    BR_TRY(st, br_h5_read_keys(set, 0, set->n_rows, &r->item_key));
    (void)snprintf(r->item_place, sizeof r->item_place, "%s: %s", path, want.path);
done:
    br_h5_dataset_close(&set);
    br_h5_close(&file);
    return st;
}

static br_status find_name(br_run_reader *r)
{
    char *real = realpath(r->path, NULL);

    if (real == NULL)
        return br_fail(BR_E_IO, "%s: %s", r->path, strerror(errno));
    (void)snprintf(r->name, sizeof r->name, "%s", strrchr(real, '/') + 1);
    free(real);
    return BR_OK;
}

br_status br_run_reader_open(const char *path, br_run_reader **out)
{
    br_status      st = BR_OK;
    br_run_reader *r  = NULL;

    *out = NULL;
    BR_ALLOC(st, r, 1, "reader of a run");
    if (snprintf(r->path, sizeof r->path, "%s", path) >= (int)sizeof r->path)
        BR_FAIL(st, BR_E_IO, "%.64s...: the path is too long", path);
    BR_TRY(st, read_manifest(r));
    BR_TRY(st, find_name(r));
    BR_TRY(st, read_item_keys(r));
    *out = r;
    r    = NULL;
done:
    br_run_reader_close(&r);
    return st;
}

void br_run_reader_close(br_run_reader **reader)
{
    if (*reader == NULL)
        return;
    br_manifest_free(&(*reader)->manifest);
    br_keys_free(&(*reader)->item_key);
    br_free(reader);
}

int64_t br_run_reader_n_units(const br_run_reader *reader)
{
    return reader->manifest.n_units;
}

int64_t br_run_reader_n_rows(const br_run_reader *reader)
{
    return reader->n_rows;
}

const br_keys *br_run_reader_item_key(const br_run_reader *reader)
{
    return &reader->item_key;
}

const char *br_run_reader_item_place(const br_run_reader *reader)
{
    return reader->item_place;
}

const char *br_run_reader_name(const br_run_reader *reader)
{
    return reader->name;
}

const char *br_run_reader_identity(const br_run_reader *reader)
{
    return reader->identity;
}

const char *br_run_reader_manifest(const br_run_reader *reader)
{
    return reader->manifest_digest;
}

const char *br_run_reader_identity_text(const br_run_reader *reader)
{
    return reader->manifest.identity.data;
}

br_status br_run_reader_seek(br_run_reader *reader, int64_t row, int64_t *unit)
{
    int64_t first = 0;

    for (int64_t u = 0; u < reader->manifest.n_units; u++) {
        int64_t n_rows = reader->manifest.file[part_entry(u)].n_rows;

        if (row >= first && row < first + n_rows) {
            reader->next_row = first;
            *unit            = u;
            return BR_OK;
        }
        first += n_rows;
    }
    return br_fail(BR_E_INPUT,
                   "%s: row %" PRId64 " is in no part: the run has %" PRId64 " customers",
                   reader->path, row, reader->n_rows);
}

static br_status check_items(const br_run_reader *r, const br_lists *l, const char *part)
{
    for (int64_t b = 0; b < l->n_rows; b++)
        for (int32_t j = 0; j < l->n_B[b]; j++) {
            int32_t item = l->item_BK[b * l->k + j];
            if (item < 0 || item >= r->item_key.n_keys)
                return br_fail(BR_E_INPUT,
                               "%s: row %" PRId64 " slot %d: item %d, expected 0 to %" PRId64, part,
                               l->first_row + b, j, item, r->item_key.n_keys - 1);
        }
    return BR_OK;
}

br_status br_run_reader_unit(br_run_reader *reader, int64_t unit, br_lists *out)
{
    br_status st = BR_OK;
    int64_t   n_rows;
    char      name[BR_RUN_NAME_BYTES], path[PATH_MAX];

    memset(out, 0, sizeof *out);
    br_run_part_name(unit, name);
    BR_TRY(st, br_run_join(reader->path, name, path));
    BR_TRY(st, check_entry(reader, part_entry(unit), name));
    BR_TRY(st, br_lists_read(path, out));
    n_rows = reader->manifest.file[part_entry(unit)].n_rows;
    if (out->n_rows != n_rows)
        BR_FAIL(st, BR_E_INPUT, "%s: %" PRId64 " customers, expected %" PRId64, path, out->n_rows,
                n_rows);
    if (out->n_rows > 0 && out->first_row != reader->next_row)
        BR_FAIL(st, BR_E_INPUT, "%s: begins at row %" PRId64 ", expected %" PRId64, path,
                out->first_row, reader->next_row);
    BR_TRY(st, check_items(reader, out, path));
    reader->next_row += n_rows;
done:
    if (st != BR_OK)
        br_lists_free(out);
    return st;
}

void br_run_reader_rewind(br_run_reader *reader)
{
    reader->next_row = 0;
}
