/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading, setting and checking a configuration. Called once per process. */
#include "host/config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/memory.h"
#include "host/config/table.h"

#define PROBLEM_BYTES 512

static void add_problem(br_config *config, const char *name, const char *problem)
{
    br_strbuf_add(&config->problems, "%s%s: %s", config->problems.n_bytes > 0 ? "\n  " : "", name,
                  problem);
}

static void unknown_key(br_config *config, const char *name)
{
    const char *names[64];
    const char *nearest;
    char        problem[PROBLEM_BYTES];

    for (int32_t i = 0; i < br_n_keys; i++)
        names[i] = br_key_table[i].name;
    nearest = br_config_nearest(name, names, br_n_keys);
    (void)snprintf(problem, sizeof problem, "unknown key%s%s", nearest ? ", did you mean " : "",
                   nearest ? nearest : "");
    add_problem(config, name, problem);
}

static void set_defaults(br_config *config)
{
    char problem[PROBLEM_BYTES];

    for (int32_t i = 0; i < br_n_keys; i++) {
        const br_key *key = &br_key_table[i];

        if (br_key_is_string(key)) {
            (void)br_key_set_string(config, key, key->def, problem, sizeof problem);
            continue;
        }
        if (key->kind == BR_KIND_BOOL)
            *(bool *)((char *)config + key->offset) = strcmp(key->def, "true") == 0;
        else if (key->kind == BR_KIND_INT)
            *(int64_t *)((char *)config + key->offset) = strtoll(key->def, NULL, 10);
    }
}

static void take_section(br_config *config, const br_json_node *section)
{
    for (const br_json_node *n = br_json_first(section); n != NULL; n = br_json_next(n)) {
        char          name[256], problem[PROBLEM_BYTES];
        const br_key *key;

        (void)snprintf(name, sizeof name, "%.120s.%.120s", br_json_name(section), br_json_name(n));
        key = br_key_find(name, strlen(name));
        if (key == NULL)
            unknown_key(config, name);
        else if (!br_key_set(config, key, n, problem, sizeof problem))
            add_problem(config, name, problem);
    }
}

static bool is_section(const char *name)
{
    size_t n = strlen(name);

    for (int32_t i = 0; i < br_n_keys; i++)
        if (strncmp(br_key_table[i].name, name, n) == 0 && br_key_table[i].name[n] == '.')
            return true;
    return false;
}

static void take_root(br_config *config, const br_json_node *root)
{
    for (const br_json_node *n = br_json_first(root); n != NULL; n = br_json_next(n)) {
        char problem[PROBLEM_BYTES];

        if (strcmp(br_json_name(n), "$schema") == 0)
            continue;
        if (!is_section(br_json_name(n))) {
            unknown_key(config, br_json_name(n));
        } else if (br_json_type_of(n) != BR_JSON_OBJECT) {
            (void)snprintf(problem, sizeof problem, "found %s, expected an object",
                           br_json_type_name(n));
            add_problem(config, br_json_name(n), problem);
        } else {
            take_section(config, n);
        }
    }
}

static br_status from_json(const char *what, const br_json *json, const char *folder,
                           br_config **out)
{
    br_status  st     = BR_OK;
    br_config *config = NULL;

    if (br_json_type_of(br_json_root(json)) != BR_JSON_OBJECT)
        return br_fail(BR_E_USAGE, "%s: found %s, expected an object", what,
                       br_json_type_name(br_json_root(json)));
    BR_ALLOC(st, config, 1, "configuration");
    config->folder = realpath(folder, NULL);
    if (config->folder == NULL)
        BR_FAIL(st, BR_E_IO, "%s: %s", folder, strerror(errno));
    set_defaults(config);
    take_root(config, br_json_root(json));
    *out   = config;
    config = NULL;
done:
    br_config_close(&config);
    return st;
}

br_status br_config_read(const char *path, br_config **out)
{
    br_status st   = BR_OK;
    br_json  *json = NULL;
    char      folder[PATH_MAX];
    char     *slash;

    *out = NULL;
    BR_TRY(st, br_json_read_file(&br_json_config_limits, path, &json));
    (void)snprintf(folder, sizeof folder, "%s", path);
    slash = strrchr(folder, '/');
    if (slash == NULL)
        (void)snprintf(folder, sizeof folder, ".");
    else
        slash[slash == folder ? 1 : 0] = '\0';
    BR_TRY(st, from_json(path, json, folder, out));
done:
    br_json_close(&json);
    return st;
}

br_status br_config_parse(const char *what, const char *text, const char *folder, br_config **out)
{
    br_status st   = BR_OK;
    br_json  *json = NULL;

    *out = NULL;
    BR_TRY(st, br_json_read_text(&br_json_config_limits, what, text, strlen(text), &json));
    BR_TRY(st, from_json(what, json, folder, out));
done:
    br_json_close(&json);
    return st;
}

/* A path given on the command line starts at the current folder. */
static bool set_path(br_config *config, const br_key *key, const char *value)
{
    char  problem[PROBLEM_BYTES];
    char *folder = config->folder;
    char *here   = getcwd(NULL, 0);

    config->folder = here != NULL ? here : folder;
    (void)br_key_set_string(config, key, value, problem, sizeof problem);
    config->folder = folder;
    free(here);
    return true;
}

/* What to type instead of a value that is no JSON, for the kinds that --set reads as JSON. */
static void no_json(const br_key *key, const char *value, char problem[PROBLEM_BYTES])
{
    if (key->kind == BR_KIND_INT)
        (void)snprintf(problem, PROBLEM_BYTES,
                       "found \"%.200s\", expected a whole number in [%lld, %lld]", value,
                       (long long)key->lo, (long long)key->hi);
    else
        (void)snprintf(problem, PROBLEM_BYTES, "found \"%.200s\", expected %s", value,
                       key->kind == BR_KIND_BOOL ? "true or false" : "names: [\"one\", \"two\"]");
}

br_status br_config_set(br_config *config, const char *assignment)
{
    const char   *equals = strchr(assignment, '=');
    br_json      *json   = NULL;
    const br_key *key;
    char          problem[PROBLEM_BYTES], name[256];
    bool          is_ok;

    if (equals == NULL || equals == assignment)
        return br_fail(BR_E_USAGE, "--set %s: expected KEY=VALUE, e.g. list.k=50", assignment);
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - assignment), assignment);
    key = br_key_find(assignment, (size_t)(equals - assignment));
    if (key == NULL) {
        unknown_key(config, name);
        return BR_OK;
    }
    if (key->kind == BR_KIND_PATH && equals[1] != '\0') {
        is_ok = set_path(config, key, equals + 1);
    } else if (br_key_is_string(key)) {
        is_ok = br_key_set_string(config, key, equals + 1, problem, sizeof problem);
    } else if (br_json_read_text(&br_json_config_limits, name, equals + 1, strlen(equals + 1),
                                 &json) == BR_OK) {
        is_ok = br_key_set(config, key, br_json_root(json), problem, sizeof problem);
    } else {
        no_json(key, equals + 1, problem);
        is_ok = false;
    }
    if (!is_ok)
        add_problem(config, name, problem);
    br_json_close(&json);
    return BR_OK;
}

/* True when `path` is `folder` or lies in it. */
static bool is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return n > 0 && strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

static void check_output(br_config *config)
{
    const char *const inputs[] = {config->input_customers, config->input_catalogue,
                                  config->input_model};
    const char *const names[]  = {"input.customers", "input.catalogue", "input.model"};

    for (int i = 0; i < 3; i++) {
        char problem[PROBLEM_BYTES];

        if (!is_inside(config->output_path, inputs[i]) &&
            !is_inside(inputs[i], config->output_path))
            continue;
        (void)snprintf(problem, sizeof problem,
                       "\"%.200s\" and %s \"%.200s\" are one inside the "
                       "other",
                       config->output_path, names[i], inputs[i]);
        add_problem(config, "output.path", problem);
    }
}

br_status br_config_check(br_config *config)
{
    for (int32_t i = 0; i < br_n_keys; i++) {
        const br_key *key = &br_key_table[i];

        if ((key->flags & BR_KEY_REQUIRED) && (*(char **)((char *)config + key->offset))[0] == '\0')
            add_problem(config, key->name, "is missing");
    }
    if (config->output_path[0] != '\0')
        check_output(config);
    if (config->list_heads.n > 0 && !config->list_probabilities)
        add_problem(config, "list.heads", "names heads, but list.probabilities is false");
    if (config->list_fallback_modality[0] != '\0' &&
        config->list_fallback != BR_FALLBACK_POPULARITY)
        add_problem(config, "list.fallback_modality", "is set, but list.fallback is none");
    if (config->problems.n_bytes > 0)
        return br_fail(BR_E_USAGE, "configuration:\n  %s", config->problems.data);
    return BR_OK;
}

void br_config_close(br_config **config)
{
    br_config *c = *config;

    if (c == NULL)
        return;
    for (int32_t i = 0; i < br_n_keys; i++) {
        void           *field = (char *)c + br_key_table[i].offset;
        br_config_list *list  = field;

        if (br_key_table[i].kind == BR_KIND_PATH || br_key_table[i].kind == BR_KIND_TEXT)
            free(*(char **)field);
        for (int32_t j = 0; br_key_table[i].kind == BR_KIND_NAMES && j < list->n; j++)
            free(list->item[j]);
    }
    free(c->folder);
    br_strbuf_free(&c->problems);
    br_free(config);
}
