/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a run: the view, the figures, the manifest, the pointer beside the directory. Called
 * once per run. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/fault.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/io/lists/lists_view.h"
#include "host/io/run/audit.h"
#include "host/io/run/json_fields.h"
#include "host/io/run/run_state.h"

static br_status check_units(const br_run *run)
{
    int64_t row = 0;

    for (int64_t unit = 0; unit < run->n_units; unit++) {
        const br_receipt *receipt = &run->receipt_U[unit];
        if (!receipt->is_done)
            return br_fail(BR_E_SELFCHECK, "%s: unit %" PRId64 " is not done", run->path, unit);
        if (receipt->first_row != row)
            return br_fail(BR_E_SELFCHECK,
                           "%s: unit %" PRId64 " begins at row %" PRId64 ", expected %" PRId64,
                           run->path, unit, receipt->first_row, row);
        row += receipt->n_rows;
    }
    return BR_OK;
}

static br_status publish_view(const br_run *run, const br_keys *item_key)
{
    br_status     st    = BR_OK;
    br_lists_view view  = {.folder = run->path, .n_parts = run->n_units, .item_key = item_key};
    void         *image = NULL;
    size_t        n_bytes;
    char          path[PATH_MAX];

    BR_ALLOC(st, view.part, run->n_units, "parts of the view");
    for (int64_t unit = 0; unit < run->n_units; unit++) {
        br_run_part_name(unit, view.part[unit].name);
        view.part[unit].n_rows = run->receipt_U[unit].n_rows;
    }
    BR_TRY(st, br_lists_view_image(&view, &image, &n_bytes));
    BR_TRY(st, br_run_join(run->path, BR_RUN_VIEW, path));
    BR_TRY(st, br_publish_file(path, image, n_bytes));
done:
    br_free(&image);
    br_free(&view.part);
    return st;
}

static br_status publish_text(const br_run *run, const char *name, const char *text)
{
    br_status st = BR_OK;
    char      path[PATH_MAX];

    BR_TRY(st, br_run_join(run->path, name, path));
    BR_TRY(st, br_publish_file(path, text, strlen(text)));
done:
    return st;
}

static br_status add_file(const br_run *run, const char *name, br_manifest *manifest)
{
    br_status        st   = BR_OK;
    br_manifest_file file = {.n_rows = -1};
    char             path[PATH_MAX];

    (void)snprintf(file.name, sizeof file.name, "%s", name);
    BR_TRY(st, br_run_join(run->path, name, path));
    BR_TRY(st, br_digest_file_sized(path, file.sha256, &file.n_bytes));
    BR_TRY(st, br_manifest_add(manifest, &file));
done:
    return st;
}

/* Parts are not read again: the receipt's digest is that of the bytes written. */
static br_status add_unit(const br_run *run, int64_t unit, br_manifest *manifest)
{
    br_status         st      = BR_OK;
    const br_receipt *receipt = &run->receipt_U[unit];
    br_manifest_file  file    = {.n_rows = receipt->n_rows, .n_bytes = receipt->n_bytes};
    char              name[BR_RUN_NAME_BYTES];

    br_run_part_name(unit, file.name);
    memcpy(file.sha256, receipt->sha256, sizeof file.sha256);
    BR_TRY(st, br_manifest_add(manifest, &file));
    br_run_receipt_name(unit, name);
    BR_TRY(st, add_file(run, name, manifest));
done:
    return st;
}

static br_status publish_manifest(const br_run *run, const char *inputs_json)
{
    br_status   st       = BR_OK;
    br_manifest manifest = {.n_units = run->n_units, .version = BR_MANIFEST_VERSION};
    br_strbuf   text     = {0};
    size_t      n_identity;
    const char *identity = br_fields_find(run->run_json.data, "identity", &n_identity);

    br_strbuf_add_bytes(&manifest.identity, identity, n_identity);
    BR_TRY(st, br_strbuf_check(&manifest.identity));
    br_strbuf_add(&manifest.inputs, "%s", inputs_json != NULL ? inputs_json : "[]");
    BR_TRY(st, br_strbuf_check(&manifest.inputs));
    BR_TRY(st, add_file(run, BR_RUN_IDENTITY, &manifest));
    BR_TRY(st, add_file(run, BR_RUN_CONFIG, &manifest));
    for (int64_t unit = 0; unit < run->n_units; unit++)
        BR_TRY(st, add_unit(run, unit, &manifest));
    BR_TRY(st, add_file(run, BR_RUN_VIEW, &manifest));
    BR_TRY(st, add_file(run, BR_RUN_STATS, &manifest));
    BR_TRY(st, add_file(run, BR_RUN_METRICS, &manifest));
    BR_TRY(st, br_manifest_write(&manifest, &text));
    BR_TRY(st, publish_text(run, BR_RUN_MANIFEST, text.data));
done:
    br_manifest_free(&manifest);
    br_strbuf_free(&text);
    return st;
}

/* `latest` beside the directory: a relative symbolic link. What is there and is no link stays. */
static br_status point_latest(const br_run *run)
{
    br_status   st   = BR_OK;
    char       *real = realpath(run->path, NULL);
    char       *base;
    char        path[PATH_MAX];
    struct stat found;

    if (real == NULL)
        BR_FAIL(st, BR_E_IO, "%s: cannot be resolved", run->path);
    base = strrchr(real, '/');
    if (base == NULL || base[1] == '\0' || strcmp(base + 1, BR_RUN_LATEST) == 0)
        goto done; /* a run in / or called latest: no pointer */
    *base = '\0';
    BR_TRY(st, br_run_join(real, BR_RUN_LATEST, path));
    if (lstat(path, &found) == 0 && !S_ISLNK(found.st_mode))
        br_log(BR_LOG_WARN, "io", "%s: is no symbolic link; it does not point to this run", path);
    else
        BR_TRY(st, br_publish_link(path, base + 1));
done:
    free(real);
    return st;
}

br_status br_run_announce(const br_run *run)
{
    br_status st      = BR_OK;
    br_strbuf details = {0};
    char      path[PATH_MAX], sha256[BR_DIGEST_TEXT_BYTES];
    bool      is_noted;

    BR_TRY(st, br_run_join(run->path, BR_RUN_AUDIT, path));
    BR_TRY(st, br_audit_has(path, "commit", &is_noted));
    if (is_noted)
        return BR_OK;
    if (!run->is_step)
        BR_TRY(st, point_latest(run));
    BR_TRY(st, br_run_join(run->path, BR_RUN_MANIFEST, path));
    BR_TRY(st, br_digest_file(path, sha256));
    br_strbuf_add(&details, "{\"manifest_sha256\":\"%s\"}", sha256);
    BR_TRY(st, br_strbuf_check(&details));
    BR_TRY(st, br_run_join(run->path, BR_RUN_AUDIT, path));
    BR_TRY(st, br_audit_append(path, "commit", details.data));
done:
    br_strbuf_free(&details);
    return st;
}

br_status br_run_commit(br_run *run, const br_run_summary *summary)
{
    br_status   st      = BR_OK;
    const char *stats   = summary->stats_json;
    const char *metrics = summary->metrics_text;

    if (run->is_complete)
        return br_run_announce(run);
    BR_TRY(st, check_units(run));
    BR_TRY(st, br_fault_point(BR_FAULT_COMMIT_BEGUN, NULL));
    BR_TRY(st, publish_view(run, summary->item_key));
    BR_TRY(st, br_fault_point(BR_FAULT_COMMIT_VIEWED, NULL));
    BR_TRY(st, publish_text(run, BR_RUN_STATS, stats != NULL ? stats : "{}\n"));
    BR_TRY(st, publish_text(run, BR_RUN_METRICS, metrics != NULL ? metrics : ""));
    BR_TRY(st, publish_manifest(run, summary->inputs_json)); /* from here on the run is complete */
    run->is_complete = true;
    BR_TRY(st, br_fault_point(BR_FAULT_COMMIT_DONE, NULL));
    BR_TRY(st, br_run_announce(run));
done:
    return st;
}
