/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a run directory: lock, identity, what is left of an interrupted run. Called once per
 * run. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/fault.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/io/run/audit.h"
#include "host/io/run/json_fields.h"
#include "host/io/run/lock.h"
#include "host/io/run/run_state.h"

#define MAX_RUN_BYTES ((size_t)64 << 20)

static br_status make_folder(const char *path)
{
    br_status   st = BR_OK;
    struct stat found;

    if (mkdir(path, 0700) == 0)
        BR_TRY(st, br_fault_point(BR_FAULT_FOLDER_MADE, path));
    else if (errno != EEXIST)
        BR_FAIL(st, BR_E_IO, "%s: cannot make this folder: %s", path, strerror(errno));
    if (stat(path, &found) != 0)
        BR_FAIL(st, BR_E_IO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(found.st_mode))
        BR_FAIL(st, BR_E_USAGE, "%s: is there and is no folder", path);
    if (access(path, R_OK | W_OK | X_OK) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot be written to: %s", path, strerror(errno));
    /* also one that was there: whoever made it may have ended before its name was on disk */
    BR_TRY(st, br_publish_sync_folder_of(path));
done:
    return st;
}

static br_status set_path(br_run *run, const char *path)
{
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0 || n + BR_RUN_NAME_BYTES >= PATH_MAX)
        return br_fail(BR_E_USAGE, "run directory: a path of %zu bytes", n);
    (void)snprintf(run->path, sizeof run->path, "%.*s", (int)n, path);
    return BR_OK;
}

static br_status run_text(const br_run *run, const char *identity_json, const char *config_json,
                          br_strbuf *out)
{
    if (!br_fields_is_object(identity_json, strlen(identity_json)) ||
        !br_fields_is_object(config_json, strlen(config_json)))
        return br_fail(BR_E_SELFCHECK, "%s: identity or config is no JSON object", run->path);
    br_strbuf_add(out,
                  "{\n  \"format\": \"batchrank-run\",\n  \"version\": 1,\n  \"units\": "
                  "%" PRId64 ",\n  \"identity\": %s,\n  \"config\": %s\n}\n",
                  run->n_units, identity_json, config_json);
    return br_strbuf_check(out);
}

/* BR_E_USAGE listing each field in which the run in the directory is another one. */
static br_status compare_runs(const br_run *run, const br_strbuf *expected)
{
    br_status   st      = BR_OK;
    br_strbuf   lines   = {0};
    size_t      n_found = 0, n_wanted = 0, n_units;
    const char *found  = br_fields_find(run->run_json.data, "identity", &n_found);
    const char *wanted = br_fields_find(expected->data, "identity", &n_wanted);
    const char *units  = br_fields_find(run->run_json.data, "units", &n_units);

    if (found == NULL || units == NULL ||
        !br_fields_is_object(run->run_json.data, run->run_json.n_bytes))
        BR_FAIL(st, BR_E_USAGE, "%s/" BR_RUN_IDENTITY ": is not the record of a run", run->path);
    BR_TRY(st, br_fields_differences(found, n_found, wanted, n_wanted, &lines));
    if (strtoll(units, NULL, 10) != run->n_units)
        br_strbuf_add(&lines, "; units: found %.*s, expected %" PRId64, (int)n_units, units,
                      run->n_units);
    BR_TRY(st, br_strbuf_check(&lines));
    if (lines.n_bytes > 0)
        BR_FAIL(st, BR_E_USAGE,
                "%s: holds another run%.3500s. Choose another directory, or delete this one",
                run->path, lines.data);
done:
    br_strbuf_free(&lines);
    return st;
}

/* run.json: made once and for all, or the same run as asked for. */
static br_status settle_identity(br_run *run, const br_strbuf *wanted)
{
    br_status st = BR_OK;
    char      path[PATH_MAX];
    bool      existed;

    BR_TRY(st, br_run_join(run->path, BR_RUN_IDENTITY, path));
    BR_TRY(st, br_publish_new_file(path, wanted->data, wanted->n_bytes, &existed));
    BR_TRY(st, br_text_read(path, MAX_RUN_BYTES, &run->run_json));
    if (!existed)
        return BR_OK;
    BR_TRY(st, compare_runs(run, wanted));
    BR_TRY(st,
           br_publish_sync_folder_of(path)); /* before other names: without it they are strange */
done:
    return st;
}

/* config.json is the config that the run began with, as run.json keeps it. */
static br_status settle_folders(br_run *run)
{
    br_status   st   = BR_OK;
    br_strbuf   text = {0};
    char        path[PATH_MAX];
    size_t      n_config;
    const char *config = br_fields_find(run->run_json.data, "config", &n_config);

    BR_TRY(st, br_run_join(run->path, BR_RUN_CONFIG, path));
    if (config == NULL)
        BR_FAIL(st, BR_E_USAGE, "%s/" BR_RUN_IDENTITY ": has no `config`", run->path);
    if (access(path, F_OK) != 0) {
        br_strbuf_add_bytes(&text, config, n_config);
        br_strbuf_add_bytes(&text, "\n", 1);
        BR_TRY(st, br_strbuf_check(&text));
        BR_TRY(st, br_publish_file(path, text.data, text.n_bytes));
    }
    BR_TRY(st, br_run_join(run->path, BR_RUN_PARTS, path));
    BR_TRY(st, make_folder(path));
    BR_TRY(st, br_run_join(run->path, BR_RUN_RECEIPTS, path));
    BR_TRY(st, make_folder(path));
done:
    br_strbuf_free(&text);
    return st;
}

static br_status note_start(br_run *run, bool is_new, int64_t n_done, int64_t n_deleted)
{
    br_status st       = BR_OK;
    br_strbuf details  = {0};
    char      host[64] = "";

    (void)gethostname(host, sizeof host - 1);
    host[strcspn(host, "\"\\")] = '\0';
    br_strbuf_add(&details,
                  "{\"host\":\"%s\",\"process\":%ld,\"user\":%ld,\"build\":\"%s\","
                  "\"units\":%" PRId64 ",\"done\":%" PRId64 ",\"deleted\":%" PRId64 "}",
                  host, (long)getpid(), (long)getuid(), BR_VERSION, run->n_units, n_done,
                  n_deleted);
    BR_TRY(st, br_strbuf_check(&details));
    BR_TRY(st, br_run_audit(run, is_new ? "start" : "resume", details.data));
done:
    br_strbuf_free(&details);
    return st;
}

/* Names that an earlier process gave and did not live to flush: what is counted as done must be on
 * disk before a manifest says so. (settle_folders has flushed the names in the directory itself.)
 */
static br_status flush_names(const br_run *run)
{
    br_status st = BR_OK;
    char      path[PATH_MAX];

    BR_TRY(st, br_run_join(run->path, BR_RUN_PARTS "/.", path));
    BR_TRY(st, br_publish_sync_folder_of(path));
    BR_TRY(st, br_run_join(run->path, BR_RUN_RECEIPTS "/.", path));
    BR_TRY(st, br_publish_sync_folder_of(path));
done:
    return st;
}

/* What is left of an earlier attempt, once the lock is ours. */
static br_status take_stock(br_run *run, bool is_new)
{
    br_status st = BR_OK;
    char      path[PATH_MAX];
    int64_t   n_done, n_deleted;

    if (!is_new)
        BR_TRY(st, flush_names(run));
    BR_TRY(st, br_run_delete_temporaries(run->path));
    BR_TRY(st, br_fault_point(BR_FAULT_RESUME_CLEANED, NULL));
    BR_TRY(st, br_run_join(run->path, BR_RUN_MANIFEST, path));
    run->is_complete = access(path, F_OK) == 0;
    if (run->is_complete)
        return br_run_announce(run);
    BR_TRY(st, br_run_accept_units(run, &n_done, &n_deleted));
    BR_TRY(st, br_fault_point(BR_FAULT_RESUME_SCANNED, NULL));
    if (!is_new)
        br_log(BR_LOG_INFO, "io",
               "%s: goes on: %" PRId64 " of %" PRId64 " parts are done, %" PRId64
               " unfinished files deleted",
               run->path, n_done, run->n_units, n_deleted);
    BR_TRY(st, note_start(run, is_new, n_done, n_deleted));
done:
    return st;
}

static br_status create(int64_t n_units, bool is_step, br_run **out)
{
    br_status st = BR_OK;

    BR_ALLOC(st, *out, 1, "run");
    (*out)->lock_fd = -1;
    (*out)->n_units = n_units;
    (*out)->is_step = is_step;
done:
    return st;
}

/* *out holds `is_step` and the number of units; closed and NULL after a failure. */
static br_status open_run(br_run **out, const char *path, const char *identity_json,
                          const char *config_json)
{
    br_status st      = BR_OK;
    br_run   *run     = *out;
    int64_t   n_units = run->n_units;
    br_strbuf wanted  = {0};
    char      file[PATH_MAX];
    bool      is_new;

    if (n_units < 0 || n_units > BR_RUN_MAX_UNITS)
        BR_FAIL(st, BR_E_USAGE, "%s: %" PRId64 " work units, expected 0 to %d", path, n_units,
                BR_RUN_MAX_UNITS);
    BR_ALLOC(st, run->receipt_U, n_units, "receipts");
    BR_TRY(st, set_path(run, path));
    BR_TRY(st, run_text(run, identity_json, config_json, &wanted));
    BR_TRY(st, make_folder(run->path));
    BR_TRY(st, br_run_join(run->path, BR_RUN_IDENTITY, file));
    is_new = access(file, F_OK) != 0;
    if (is_new) /* before anything is written into a folder that may be someone else's */
        BR_TRY(st, br_run_check_names(run->path, -1));
    BR_TRY(st, br_run_join(run->path, BR_RUN_LOCK, file));
    BR_TRY(st, br_lock_take(file, &run->lock_fd));
    BR_TRY(st, br_fault_point(BR_FAULT_LOCK_TAKEN, file));
    BR_TRY(st, settle_identity(run, &wanted));
    BR_TRY(st, br_run_check_names(run->path, n_units));
    BR_TRY(st, settle_folders(run));
    BR_TRY(st, take_stock(run, is_new));
done:
    br_strbuf_free(&wanted);
    if (st != BR_OK)
        br_run_close(out);
    return st;
}

br_status br_run_open(const char *path, const char *identity_json, const char *config_json,
                      int64_t n_units, br_run **out)
{
    br_status st = create(n_units, false, out);

    return st == BR_OK ? open_run(out, path, identity_json, config_json) : st;
}

br_status br_run_open_step(const char *path, const char *identity_json, const char *config_json,
                           int64_t n_units, br_run **out)
{
    br_status st = create(n_units, true, out);

    return st == BR_OK ? open_run(out, path, identity_json, config_json) : st;
}

void br_run_close(br_run **run)
{
    if (*run == NULL)
        return;
    br_lock_drop(&(*run)->lock_fd);
    br_strbuf_free(&(*run)->run_json);
    br_free(&(*run)->receipt_U);
    br_free(run);
}

bool br_run_is_complete(const br_run *run)
{
    return run->is_complete;
}

br_status br_run_audit(br_run *run, const char *event, const char *details_json)
{
    br_status st = BR_OK;
    char      path[PATH_MAX];

    BR_TRY(st, br_run_join(run->path, BR_RUN_AUDIT, path));
    BR_TRY(st, br_audit_append(path, event, details_json));
done:
    return st;
}
