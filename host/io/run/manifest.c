/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest as text. Called once per run. */
#include "host/io/run/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/io/run/json_fields.h"

#define MAX_BYTES  ((size_t)1 << 30)
#define FILE_START "    {\"path\": \""

void br_manifest_free(br_manifest *manifest)
{
    br_strbuf_free(&manifest->identity);
    br_strbuf_free(&manifest->inputs);
    free(manifest->file);
    memset(manifest, 0, sizeof *manifest);
}

br_status br_manifest_add(br_manifest *manifest, const br_manifest_file *file)
{
    if (manifest->n_files == manifest->capacity) {
        int64_t           capacity = manifest->capacity == 0 ? 64 : 2 * manifest->capacity;
        br_manifest_file *grown    = realloc(manifest->file, (size_t)capacity * sizeof *grown);
        if (grown == NULL)
            return br_fail(BR_E_MEMORY, "manifest: cannot allocate %" PRId64 " files", capacity);
        manifest->file     = grown;
        manifest->capacity = capacity;
    }
    manifest->file[manifest->n_files++] = *file;
    return BR_OK;
}

br_status br_manifest_write(const br_manifest *manifest, br_strbuf *out)
{
    int64_t n_rows = 0;

    for (int64_t i = 0; i < manifest->n_files; i++)
        n_rows += manifest->file[i].n_rows > 0 ? manifest->file[i].n_rows : 0;
    br_strbuf_add(out,
                  "{\n  \"format\": \"batchrank-manifest\",\n  \"version\": %" PRId64 ",\n"
                  "  \"units\": %" PRId64 ",\n  \"rows\": %" PRId64 ",\n  \"identity\": ",
                  manifest->version, manifest->n_units, n_rows);
    br_strbuf_add_bytes(out, manifest->identity.data, manifest->identity.n_bytes);
    if (manifest->version >= 2) {
        br_strbuf_add(out, ",\n  \"inputs\": ");
        br_strbuf_add_bytes(out, manifest->inputs.data, manifest->inputs.n_bytes);
    }
    br_strbuf_add(out, ",\n  \"files\": [\n");
    for (int64_t i = 0; i < manifest->n_files; i++) {
        const br_manifest_file *file = &manifest->file[i];
        br_strbuf_add(out, FILE_START "%s\", \"bytes\": %" PRId64 ", ", file->name, file->n_bytes);
        if (file->n_rows >= 0)
            br_strbuf_add(out, "\"rows\": %" PRId64 ", ", file->n_rows);
        br_strbuf_add(out, "\"sha256\": \"%s\"}%s\n", file->sha256,
                      i + 1 < manifest->n_files ? "," : "");
    }
    br_strbuf_add(out, "  ]\n}\n");
    return br_strbuf_check(out);
}

static bool parse_file(const char *line, br_manifest_file *file)
{
    memset(file, 0, sizeof *file);
    file->n_rows = -1;
    if (sscanf(line,
               FILE_START "%63[a-z0-9./_-]\", \"bytes\": %" SCNd64 ", \"rows\": %" SCNd64
                          ", \"sha256\": \"%64[0-9a-f]\"}",
               file->name, &file->n_bytes, &file->n_rows, file->sha256) == 4)
        return true;
    file->n_rows = -1;
    return sscanf(line,
                  FILE_START "%63[a-z0-9./_-]\", \"bytes\": %" SCNd64
                             ", \"sha256\": \"%64[0-9a-f]\"}",
                  file->name, &file->n_bytes, file->sha256) == 3;
}

static br_status parse(const char *path, const char *text, br_manifest *out)
{
    br_status   st = BR_OK;
    size_t      n_identity, n_inputs, n_units;
    const char *identity = br_fields_find(text, "identity", &n_identity);
    const char *inputs   = br_fields_find(text, "inputs", &n_inputs);
    const char *version  = br_fields_find(text, "version", &n_units);
    const char *units    = br_fields_find(text, "units", &n_units);
    const char *files    = br_fields_find(text, "files", &n_units);

    if (identity == NULL || units == NULL || files == NULL || version == NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: is no manifest of a run", path);
    out->version = strtoll(version, NULL, 10);
    if (out->version < 1 || out->version > BR_MANIFEST_VERSION ||
        (out->version >= 2) != (inputs != NULL))
        BR_FAIL(st, BR_E_INPUT,
                "%s: version %" PRId64 " %s `inputs`; this program reads 1 without "
                "and %d with",
                path, out->version, inputs == NULL ? "without" : "with", BR_MANIFEST_VERSION);
    if (inputs != NULL)
        br_strbuf_add_bytes(&out->inputs, inputs, n_inputs);
    BR_TRY(st, br_strbuf_check(&out->inputs));
    out->n_units = strtoll(units, NULL, 10);
    br_strbuf_add_bytes(&out->identity, identity, n_identity);
    BR_TRY(st, br_strbuf_check(&out->identity));
    for (const char *line = strstr(files, "\n" FILE_START); line != NULL;
         line             = strstr(line + 1, "\n" FILE_START)) {
        br_manifest_file file;
        if (!parse_file(line + 1, &file))
            BR_FAIL(st, BR_E_INPUT, "%s: no file entry at \"%.80s\"", path, line + 1);
        BR_TRY(st, br_manifest_add(out, &file));
    }
done:
    return st;
}

br_status br_manifest_read(const char *path, br_manifest *out)
{
    br_status st    = BR_OK;
    br_strbuf found = {0}, again = {0};

    memset(out, 0, sizeof *out);
    BR_TRY(st, br_text_read(path, MAX_BYTES, &found));
    BR_TRY(st, parse(path, found.data, out));
    /* what was read must write the same text: nothing is overlooked */
    BR_TRY(st, br_manifest_write(out, &again));
    if (again.n_bytes != found.n_bytes || memcmp(again.data, found.data, found.n_bytes) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: is not the text that this program writes for it", path);
done:
    br_strbuf_free(&found);
    br_strbuf_free(&again);
    if (st != BR_OK)
        br_manifest_free(out);
    return st;
}
