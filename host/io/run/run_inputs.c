/* SPDX-License-Identifier: Apache-2.0
 *
 * What a manifest says of the inputs. Called by `info` and `verify`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/io/h5/access.h"
#include "host/io/run/json_fields.h"
#include "host/io/run/run_state.h"

#define MAX_NAME 1500 /* bytes of a path in an HDF5 file, with the name of a column */

/* Bytes of the escape at `at`, its meaning in *to; 0: none that br_strbuf_add_string writes. */
static size_t take_escape(const char *at, const char *end, char *to)
{
    if (end - at >= 2 && (at[1] == '"' || at[1] == '\\')) {
        *to = at[1];
        return 2;
    }
    if (end - at < 6 || strncmp(at, "\\u00", 4) != 0)
        return 0;
    *to = (char)strtol((char[]){at[4], at[5], '\0'}, NULL, 16);
    return 6;
}

/* A JSON string of this program without its quotes and escapes. */
static bool take_text(const char *raw, size_t n_bytes, char *to, size_t to_bytes)
{
    const char *end = raw + n_bytes - 1;
    size_t      n   = 0;

    if (n_bytes < 2 || raw[0] != '"')
        return false;
    for (const char *at = raw + 1; at < end && n + 1 < to_bytes; n++) {
        size_t n_taken = 1;

        to[n] = *at;
        if (*at == '\\')
            n_taken = take_escape(at, end, to + n);
        if (n_taken == 0)
            return false;
        at += n_taken;
    }
    to[n] = '\0';
    return n + 1 < to_bytes;
}

static br_status take_names(const char *path, const char *object, const char *member, br_names *out)
{
    br_status   st = BR_OK;
    size_t      n_bytes;
    const char *array = br_fields_find(object, member, &n_bytes), *at = NULL, *raw;
    char        name[MAX_NAME];

    if (array == NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: an element of `inputs` has no `%s`", path, member);
    while ((raw = br_fields_element(array, &at, &n_bytes)) != NULL) {
        if (!take_text(raw, n_bytes, name, sizeof name))
            BR_FAIL(st, BR_E_INPUT, "%s: inputs: %s: found %.60s, expected a name", path, member,
                    raw);
        BR_TRY(st, br_names_add(out, name));
    }
done:
    return st;
}

br_status br_run_inputs(const char *path, const char *inputs_json,
                        br_run_input input[BR_RUN_MAX_INPUTS], int32_t *n)
{
    br_status   st = BR_OK;
    size_t      n_bytes, n_file;
    const char *at = NULL, *raw, *file;

    *n = 0;
    memset(input, 0, BR_RUN_MAX_INPUTS * sizeof *input);
    while (inputs_json != NULL && (raw = br_fields_element(inputs_json, &at, &n_bytes)) != NULL) {
        br_run_input *to;

        if (*n == BR_RUN_MAX_INPUTS)
            BR_FAIL(st, BR_E_INPUT, "%s: more than %d inputs", path, BR_RUN_MAX_INPUTS);
        to   = &input[(*n)++];
        file = br_fields_find(raw, "file", &n_file);
        if (file == NULL || !take_text(file, n_file, to->file, sizeof to->file))
            BR_FAIL(st, BR_E_INPUT, "%s: inputs[%d] has no `file`", path, *n - 1);
        BR_TRY(st, take_names(path, raw, "denied", &to->denied));
        BR_TRY(st, take_names(path, raw, "read", &to->read));
    }
done:
    for (int32_t i = 0; st != BR_OK && i < *n; i++)
        br_run_input_free(&input[i]);
    *n = st == BR_OK ? *n : 0;
    return st;
}

void br_run_input_free(br_run_input *input)
{
    br_names_free(&input->denied);
    br_names_free(&input->read);
}

br_status br_run_check_inputs(const char *path, const char *inputs_json)
{
    br_status    st = BR_OK;
    br_run_input input[BR_RUN_MAX_INPUTS];
    int32_t      n;

    BR_TRY(st, br_run_inputs(path, inputs_json, input, &n));
    for (int32_t i = 0; i < n; i++)
        for (int32_t r = 0; st == BR_OK && r < input[i].read.n; r++)
            if (br_h5_covers(&input[i].denied, input[i].read.name[r]))
                st = br_fail(BR_E_INPUT, "%s: of %s it was denied, but opened: %s", path,
                             input[i].file, input[i].read.name[r]);
    for (int32_t i = 0; i < n; i++)
        br_run_input_free(&input[i]);
done:
    return st;
}
