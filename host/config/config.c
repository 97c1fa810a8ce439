/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading, setting and closing a configuration. Called once per process. */
#include "host/config/config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/base/memory.h"
#include "host/config/table.h"

void br_config_problem(br_config *config, const char *path, const char *fmt, ...)
{
    char    problem[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(problem, sizeof problem, fmt, args);
    va_end(args);
    br_strbuf_add(&config->problems, "%s%s: %s", config->problems.n_bytes > 0 ? "\n  " : "", path,
                  problem);
}

static bool is_section(const char *name)
{
    size_t n = strlen(name);

    for (int32_t i = 0; i < br_record_config.n_keys; i++) {
        const char *key = br_record_config.key[i].name;

        if (strncmp(key, name, n) == 0 && key[n] == '.')
            return true;
    }
    return false;
}

static br_status take_root(br_config *config, const br_json_node *root)
{
    br_status st = BR_OK;

    for (const br_json_node *n = br_json_first(root); n != NULL; n = br_json_next(n)) {
        const char *name = br_json_name(n);

        if (strcmp(name, "$schema") == 0)
            continue;
        if (!is_section(name))
            br_record_unknown_key(config, &br_record_config, name, 0);
        else if (br_json_type_of(n) != BR_JSON_OBJECT)
            br_config_problem(config, name, "found %s, expected an object", br_json_type_name(n));
        else
            BR_TRY(st, br_record_set_members(config, &br_record_config, config, name, 0, n));
    }
done:
    return st;
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
    BR_TRY(st, br_record_set_defaults(config, &br_record_config, config));
    BR_TRY(st, take_root(config, br_json_root(json)));
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
br_status br_config_set(br_config *config, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    char       *folder = config->folder;
    char       *here;
    char        name[256];
    br_target   target = {config, NULL, NULL, name};
    br_status   st     = BR_OK;

    if (equals == NULL || equals == assignment)
        return br_fail(BR_E_USAGE, "--set %s: expected KEY=VALUE, e.g. list.k=50", assignment);
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - assignment), assignment);
    target.key = br_record_find(&br_record_config, name);
    if (target.key == NULL) {
        br_record_unknown_key(config, &br_record_config, name, 0);
        return BR_OK;
    }
    target.field   = br_key_field(target.key, config);
    here           = getcwd(NULL, 0);
    config->folder = here != NULL ? here : folder;
    st             = br_key_set_text(&target, equals + 1);
    config->folder = folder;
    free(here);
    return st;
}

void br_config_close(br_config **config)
{
    if (*config == NULL)
        return;
    br_record_clear(&br_record_config, *config);
    free((*config)->folder);
    br_strbuf_free(&(*config)->problems);
    br_free(config);
}
