/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies in a run directory: names that belong, temporary files. Called when a run is opened
 * or verified. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/io/run/run_state.h"

#define MAX_SHOWN 8

br_status br_run_join(const char *path, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%s", path, name);

    return n > 0 && n < PATH_MAX ? BR_OK : br_fail(BR_E_IO, "%s: the path is too long", path);
}

void br_run_part_name(int64_t unit, char name[BR_RUN_NAME_BYTES])
{
    (void)snprintf(name, BR_RUN_NAME_BYTES, BR_RUN_PARTS "/part-%05" PRId64 ".h5", unit);
}

void br_run_receipt_name(int64_t unit, char name[BR_RUN_NAME_BYTES])
{
    (void)snprintf(name, BR_RUN_NAME_BYTES, BR_RUN_RECEIPTS "/%05" PRId64 ".json", unit);
}

/* Is `name` the file of a unit of the run? `form` as written by br_run_part_name. */
static bool is_unit_file(const char *folder, const char *name, int64_t n_units)
{
    char        full[BR_RUN_NAME_BYTES + 256], again[BR_RUN_NAME_BYTES];
    const char *digits = strpbrk(name, "0123456789");
    int64_t     unit   = digits == NULL ? -1 : strtoll(digits, NULL, 10);

    if (unit < 0 || unit >= n_units)
        return false;
    if (strcmp(folder, BR_RUN_PARTS) == 0)
        br_run_part_name(unit, again);
    else
        br_run_receipt_name(unit, again);
    (void)snprintf(full, sizeof full, "%s/%s", folder, name);
    return strcmp(full, again) == 0;
}

static bool belongs(const char *folder, const char *name, int64_t n_units)
{
    static const char *const before[] = {BR_RUN_LOCK};
    static const char *const root[]   = {
          BR_RUN_LOCK, BR_RUN_IDENTITY, BR_RUN_CONFIG,  BR_RUN_PARTS, BR_RUN_RECEIPTS,
          BR_RUN_VIEW, BR_RUN_STATS,    BR_RUN_METRICS, BR_RUN_AUDIT, BR_RUN_MANIFEST};
    const char *const *known   = n_units < 0 ? before : root;
    size_t             n_known = n_units < 0 ? 1 : sizeof root / sizeof root[0];

    if (br_publish_is_temporary(name))
        return true;
    if (folder[0] != '\0')
        return is_unit_file(folder, name, n_units);
    for (size_t i = 0; i < n_known; i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

typedef br_status (*visitor)(void *context, const char *folder, const char *name);

/* Each entry of path/folder ("": the directory itself); a missing folder has none. */
static br_status for_each_name(const char *path, const char *folder, visitor visit, void *context)
{
    br_status      st = BR_OK;
    char           full[PATH_MAX];
    DIR           *dir = NULL;
    struct dirent *entry;

    BR_TRY(st, br_run_join(path, folder, full));
    do
        dir = opendir(full);
    while (dir == NULL && errno == EINTR);
    if (dir == NULL && errno == ENOENT)
        return BR_OK;
    if (dir == NULL)
        BR_FAIL(st, BR_E_IO, "%s: cannot list: %s", full, strerror(errno));
    errno = 0;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            BR_TRY(st, visit(context, folder, entry->d_name));
        errno = 0;
    }
    if (errno != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot list: %s", full, strerror(errno));
done:
    if (dir != NULL)
        (void)closedir(dir);
    return st;
}

static br_status for_each_entry(const char *path, visitor visit, void *context)
{
    br_status st = BR_OK;

    BR_TRY(st, for_each_name(path, "", visit, context));
    BR_TRY(st, for_each_name(path, BR_RUN_PARTS, visit, context));
    BR_TRY(st, for_each_name(path, BR_RUN_RECEIPTS, visit, context));
done:
    return st;
}

typedef struct strangers {
    int64_t   n_units;
    int64_t   n;
    br_strbuf names;
} strangers;

static br_status note_stranger(void *context, const char *folder, const char *name)
{
    strangers *found = context;

    if (belongs(folder, name, found->n_units) || found->n++ >= MAX_SHOWN)
        return BR_OK;
    br_strbuf_add(&found->names, "%s%s%s%s", found->n > 1 ? ", " : "", folder,
                  folder[0] == '\0' ? "" : "/", name);
    return br_strbuf_check(&found->names);
}

br_status br_run_check_names(const char *path, int64_t n_units)
{
    br_status st    = BR_OK;
    strangers found = {.n_units = n_units};

    if (n_units < 0)
        BR_TRY(st, for_each_name(path, "", note_stranger, &found));
    else
        BR_TRY(st, for_each_entry(path, note_stranger, &found));
    if (found.n > 0)
        BR_FAIL(st, BR_E_USAGE, "%s: holds files that are no part of %s: %s%s", path,
                n_units < 0 ? "a run (and no run.json)" : "this run", found.names.data,
                found.n > MAX_SHOWN ? ", ..." : "");
done:
    br_strbuf_free(&found.names);
    return st;
}

static br_status delete_temporary(void *context, const char *folder, const char *name)
{
    const char *path = context;
    char        full[PATH_MAX];

    if (!br_publish_is_temporary(name))
        return BR_OK;
    if (snprintf(full, sizeof full, "%s/%s/%s", path, folder, name) >= PATH_MAX)
        return br_fail(BR_E_IO, "%s: the path is too long", path);
    if (unlink(full) != 0 && errno != ENOENT)
        return br_fail(BR_E_IO, "%s: cannot remove this temporary file: %s", full, strerror(errno));
    return BR_OK;
}

br_status br_run_delete_temporaries(const char *path)
{
    char copy[PATH_MAX];

    (void)snprintf(copy, sizeof copy, "%s", path);
    return for_each_entry(path, delete_temporary, copy);
}
