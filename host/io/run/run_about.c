/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at a run directory without touching it. Called by `info` and `verify`. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/io/run/json_fields.h"
#include "host/io/run/run_state.h"

#define MAX_RUN_BYTES      ((size_t)64 << 20)
#define MAX_MANIFEST_BYTES ((size_t)1 << 30)

void br_run_about_free(br_run_about *about)
{
    free(about->identity_json);
    free(about->inputs_json);
    memset(about, 0, sizeof *about);
}

br_status br_run_part_path(const char *path, int64_t unit, char out[BR_RUN_PATH_BYTES])
{
    char name[BR_RUN_NAME_BYTES];

    br_run_part_name(unit, name);
    return br_run_join(path, name, out);
}

static br_status describe_unit(const char *path, int64_t unit, br_run_about *out)
{
    br_status   st = BR_OK;
    char        name[BR_RUN_NAME_BYTES], file[PATH_MAX];
    br_receipt  receipt;
    struct stat found;

    br_run_receipt_name(unit, name);
    BR_TRY(st, br_run_join(path, name, file));
    if (access(file, F_OK) != 0)
        return BR_OK;
    BR_TRY(st, br_receipt_read(file, unit, &receipt));
    BR_TRY(st, br_run_part_path(path, unit, file));
    if (lstat(file, &found) != 0 || found.st_size != receipt.n_bytes)
        return BR_OK;
    out->n_done++;
    out->n_rows += receipt.n_rows;
    out->n_bytes += receipt.n_bytes;
done:
    return st;
}

static br_status read_identity(const char *path, br_run_about *out)
{
    br_status   st   = BR_OK;
    br_strbuf   text = {0};
    char        file[PATH_MAX];
    size_t      n_identity, n_units;
    const char *identity, *units;

    BR_TRY(st, br_run_join(path, BR_RUN_IDENTITY, file));
    BR_TRY(st, br_text_read(file, MAX_RUN_BYTES, &text));
    identity = br_fields_find(text.data, "identity", &n_identity);
    units    = br_fields_find(text.data, "units", &n_units);
    if (identity == NULL || units == NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: is not the record of a run", file);
    out->n_units = strtoll(units, NULL, 10);
    if (out->n_units < 0 || out->n_units > BR_RUN_MAX_UNITS)
        BR_FAIL(st, BR_E_INPUT, "%s: `units` is %" PRId64 ", expected 0 to %d", file, out->n_units,
                BR_RUN_MAX_UNITS);
    out->identity_json = strndup(identity, n_identity);
    if (out->identity_json == NULL)
        BR_FAIL(st, BR_E_MEMORY, "%s: cannot allocate %zu bytes", file, n_identity);
done:
    br_strbuf_free(&text);
    return st;
}

static br_status read_inputs(const char *manifest, br_run_about *out)
{
    br_status   st   = BR_OK;
    br_strbuf   text = {0};
    size_t      n_bytes;
    const char *inputs;

    BR_TRY(st, br_text_read(manifest, MAX_MANIFEST_BYTES, &text));
    inputs = br_fields_find(text.data, "inputs", &n_bytes);
    if (inputs == NULL)
        goto done;
    out->inputs_json = strndup(inputs, n_bytes);
    if (out->inputs_json == NULL)
        BR_FAIL(st, BR_E_MEMORY, "%s: cannot allocate %zu bytes", manifest, n_bytes);
done:
    br_strbuf_free(&text);
    return st;
}

br_status br_run_describe(const char *path, br_run_about *out)
{
    br_status st = BR_OK;
    char      file[PATH_MAX];

    memset(out, 0, sizeof *out);
    BR_TRY(st, read_identity(path, out));
    for (int64_t unit = 0; unit < out->n_units; unit++)
        BR_TRY(st, describe_unit(path, unit, out));
    BR_TRY(st, br_run_join(path, BR_RUN_MANIFEST, file));
    out->is_complete = access(file, F_OK) == 0;
    if (out->is_complete)
        BR_TRY(st, read_inputs(file, out));
done:
    if (st != BR_OK)
        br_run_about_free(out);
    return st;
}
