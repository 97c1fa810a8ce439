/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pipeline/allocate/origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/run_dir.h"
#include "host/pipeline/allocate/shortlists.h"

/* What may differ, put to one value. */
static br_status dump_without_constraints(br_config *config, char **out)
{
    static const char *const same[] = {
        "constraints.capacity=false",  "constraints.budgets=[]", "constraints.limits=[]",
        "constraints.shortlist=64",    "constraints.sample=0",   "constraints.fill=true",
        "constraints.floor=0",         "output.vectors=false",   "output.gates=false",
        "constraints.tolerance=0.0002"};
    br_status st = BR_OK;

    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        BR_TRY(st, br_config_set(config, same[i]));
    BR_TRY(st, br_config_dump_shaping(config, out));
done:
    return st;
}

/* The key in whose value two dumps, which have the same keys, begin to differ. */
static void first_difference(const char *a, const char *b, char key[64])
{
    size_t at = 0, from = 0, n;

    for (; a[at] != '\0' && a[at] == b[at]; at++)
        if (a[at] == '"' && at > 1 && a[at - 1] == ' ' && a[at - 2] == ',')
            from = at + 1;
    n = strcspn(a + from, "\"");
    (void)snprintf(key, 64, "%.*s", (int)(n < 63 ? n : 63), a + from);
}

static br_status check_configuration(const br_setup *setup, const char *shortlists)
{
    br_status  st     = BR_OK;
    br_config *stored = NULL, *wanted = NULL;
    char      *found = NULL, *expected = NULL;
    char       path[BR_RUN_PATH_BYTES], key[64];

    (void)snprintf(path, sizeof path, "%s/config.json", shortlists);
    BR_TRY(st, br_config_read(path, &stored));
    BR_TRY(st,
           br_shortlists_config(setup->config, (int32_t)stored->list_k, shortlists, NULL, &wanted));
    BR_TRY(st, dump_without_constraints(stored, &found));
    BR_TRY(st, dump_without_constraints(wanted, &expected));
    if (strcmp(found, expected) != 0) {
        first_difference(found, expected, key);
        BR_FAIL(st, BR_E_USAGE,
                "%s: was taken under another %s; only constraints can be other ones here: `run` "
                "takes shortlists anew",
                shortlists, key);
    }
done:
    br_config_close(&stored);
    br_config_close(&wanted);
    br_free(&found);
    br_free(&expected);
    return st;
}

/* Every line that hashes an input stands in the identity of the shortlists too. */
static br_status check_inputs(const char *identity, const char *shortlists)
{
    static const char hash[] = "  \"sha256 of ", program[] = "  \"sha256 of the program\"";
    br_status         st    = BR_OK;
    br_run_about      about = {0};

    BR_TRY(st, br_run_describe(shortlists, &about));
    for (const char *line = identity; line != NULL && *line != '\0';) {
        const char *end  = strchr(line, '\n');
        size_t      n    = end != NULL ? (size_t)(end - line) : strlen(line);
        char       *copy = NULL;
        bool        is_there;

        if (strncmp(line, hash, sizeof hash - 1) == 0 &&
            strncmp(line, program, sizeof program - 1) != 0) {
            copy = strndup(line, n);
            if (copy == NULL)
                BR_FAIL(st, BR_E_MEMORY, "%s: no memory for its identity", shortlists);
            is_there = strstr(about.identity_json, copy) != NULL;
            free(copy);
            if (!is_there)
                BR_FAIL(st, BR_E_USAGE,
                        "%s: was taken from other inputs; expected%.*s: `run` takes shortlists "
                        "anew",
                        shortlists, (int)n - 1, line + 1);
        }
        line = end != NULL ? end + 1 : NULL;
    }
done:
    br_run_about_free(&about);
    return st;
}

br_status br_origin_check(const br_setup *setup, const char *identity, const char *shortlists)
{
    br_status st = BR_OK;

    BR_TRY(st, check_configuration(setup, shortlists));
    BR_TRY(st, check_inputs(identity, shortlists));
done:
    return st;
}
