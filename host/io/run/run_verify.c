/* SPDX-License-Identifier: Apache-2.0
 *
 * Re-hashing a complete run. Called by `verify`; changes nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/io/run/audit.h"
#include "host/io/run/json_fields.h"
#include "host/io/run/run_state.h"

br_status br_run_verify_file(const char *folder, const br_manifest_file *file)
{
    br_status   st = BR_OK;
    char        path[PATH_MAX], sha256[BR_DIGEST_TEXT_BYTES];
    int64_t     n_bytes;
    struct stat found;

    BR_TRY(st, br_run_join(folder, file->name, path));
    if (lstat(path, &found) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: is in the manifest, but: %s", path, strerror(errno));
    if (!S_ISREG(found.st_mode))
        BR_FAIL(st, BR_E_INPUT, "%s: is no regular file", path);
    if (found.st_size != file->n_bytes)
        BR_FAIL(st, BR_E_INPUT, "%s: has %lld bytes, expected %" PRId64, path,
                (long long)found.st_size, file->n_bytes);
    BR_TRY(st, br_digest_file_sized(path, sha256, &n_bytes));
    if (strcmp(sha256, file->sha256) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: has SHA-256 %s, expected %s", path, sha256, file->sha256);
done:
    return st;
}

static br_status expect_name(const br_manifest *manifest, int64_t at, const char *name)
{
    if (at < manifest->n_files && strcmp(manifest->file[at].name, name) == 0)
        return BR_OK;
    return br_fail(BR_E_INPUT, "manifest.json: entry %" PRId64 " is %s, expected %s", at,
                   at < manifest->n_files ? manifest->file[at].name : "missing", name);
}

/* Every file that a run of so many units has, in the one order. */
static br_status verify_names(const br_manifest *manifest)
{
    br_status st = BR_OK;
    char      name[BR_RUN_NAME_BYTES];
    int64_t   at = 0;

    BR_TRY(st, expect_name(manifest, at++, BR_RUN_IDENTITY));
    BR_TRY(st, expect_name(manifest, at++, BR_RUN_CONFIG));
    for (int64_t unit = 0; unit < manifest->n_units; unit++) {
        br_run_part_name(unit, name);
        BR_TRY(st, expect_name(manifest, at++, name));
        br_run_receipt_name(unit, name);
        BR_TRY(st, expect_name(manifest, at++, name));
    }
    BR_TRY(st, expect_name(manifest, at++, BR_RUN_VIEW));
    BR_TRY(st, expect_name(manifest, at++, BR_RUN_STATS));
    BR_TRY(st, expect_name(manifest, at++, BR_RUN_METRICS));
    if (at != manifest->n_files)
        BR_FAIL(st, BR_E_INPUT, "manifest.json: %" PRId64 " entries, expected %" PRId64,
                manifest->n_files, at);
done:
    return st;
}

/* The manifest says what run.json, which it names, says. */
static br_status verify_identity(const char *folder, const br_manifest *manifest)
{
    br_status   st   = BR_OK;
    br_strbuf   text = {0};
    char        path[PATH_MAX];
    size_t      n_bytes;
    const char *identity;

    BR_TRY(st, br_run_join(folder, BR_RUN_IDENTITY, path));
    BR_TRY(st, br_text_read(path, (size_t)64 << 20, &text));
    identity = br_fields_find(text.data, "identity", &n_bytes);
    if (identity == NULL || n_bytes != manifest->identity.n_bytes ||
        memcmp(identity, manifest->identity.data, n_bytes) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s/" BR_RUN_MANIFEST ": `identity` is not that of run.json",
                folder);
done:
    br_strbuf_free(&text);
    return st;
}

static br_status verify_audit(const char *folder, const char *manifest_path)
{
    br_status st = BR_OK;
    char      path[PATH_MAX], sha256[BR_DIGEST_TEXT_BYTES];

    BR_TRY(st, br_digest_file(manifest_path, sha256));
    BR_TRY(st, br_run_join(folder, BR_RUN_AUDIT, path));
    BR_TRY(st, br_audit_verify(path, sha256));
done:
    return st;
}

br_status br_run_verify_hashes(const char *path, int64_t *n_files)
{
    br_status   st       = BR_OK;
    br_manifest manifest = {0};
    char        file[PATH_MAX];
    struct stat found;

    *n_files = 0;
    BR_TRY(st, br_run_join(path, BR_RUN_MANIFEST, file));
    if (stat(path, &found) != 0)
        BR_FAIL(st, BR_E_IO, "%s: %s", path, strerror(errno));
    if (lstat(file, &found) != 0 && errno == ENOENT)
        BR_FAIL(st, BR_E_INPUT, "%s: has no " BR_RUN_MANIFEST ": the run is not complete", path);
    BR_TRY(st, br_manifest_read(file, &manifest));
    BR_TRY(st, verify_names(&manifest));
    BR_TRY(st, br_run_check_inputs(file, manifest.inputs.data));
    for (int64_t i = 0; i < manifest.n_files; i++)
        BR_TRY(st, br_run_verify_file(path, &manifest.file[i]));
    BR_TRY(st, verify_identity(path, &manifest));
    BR_TRY(st, verify_audit(path, file));
    st = br_run_check_names(path, manifest.n_units);
    if (st == BR_E_USAGE) /* found by looking, not asked for by the user */
        BR_FAIL(st, BR_E_INPUT, "%s", br_error_last()->text);
    *n_files = manifest.n_files;
done:
    br_manifest_free(&manifest);
    return st;
}
