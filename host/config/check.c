/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keys of a configuration say together. Called once per process. */
#include "host/config/check.h"

#include <string.h>

#define MAX_NAME 63 /* BR_LISTS_NAME_BYTES less its NUL */

/* True when `path` is `folder` or lies in it. */
static bool is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return n > 0 && strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* True when a problem of a key that begins with `prefix` was said. */
static bool has_problem(const br_config *config, const char *prefix)
{
    const char *line = config->problems.n_bytes > 0 ? config->problems.data : NULL;
    size_t      n    = strlen(prefix);

    for (; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, "\n ");
        if (strncmp(line, prefix, n) == 0)
            return true;
    }
    return false;
}

static void check_required(br_config *config)
{
    for (int32_t i = 0; i < br_record_config.n_keys; i++) {
        const br_key *key = &br_record_config.key[i];

        if ((key->flags & BR_KEY_REQUIRED) && (*(char **)br_key_field(key, config))[0] == '\0' &&
            !has_problem(config, key->name))
            br_config_problem(config, key->name, "is missing");
    }
}

static void check_output(br_config *config)
{
    const char *const inputs[] = {config->input_customers, config->input_catalogue,
                                  config->input_model};
    const char *const names[]  = {"input.customers", "input.catalogue", "input.model"};

    if (config->output_path[0] == '\0')
        return;
    for (int i = 0; i < 3; i++)
        if (is_inside(config->output_path, inputs[i]) || is_inside(inputs[i], config->output_path))
            br_config_problem(config, "output.path",
                              "\"%.200s\" and %s \"%.200s\" are one inside the other",
                              config->output_path, names[i], inputs[i]);
}

static void check_list(br_config *config)
{
    if (config->list_heads.n > 0 && !config->list_probabilities)
        br_config_problem(config, "list.heads", "names heads, but list.probabilities is false");
    if (config->list_fallback_modality[0] != '\0' &&
        config->list_fallback != BR_FALLBACK_POPULARITY)
        br_config_problem(config, "list.fallback_modality", "is set, but list.fallback is none");
    if (config->list_fallback_group[0] != '\0' && config->list_fallback == BR_FALLBACK_NONE)
        br_config_problem(config, "list.fallback_group", "is set, but list.fallback is none");
    if (config->list_fallback_newest && config->list_fallback == BR_FALLBACK_NONE)
        br_config_problem(config, "list.fallback_newest", "is set, but list.fallback is none");
    if (config->list_fill && config->list_fallback == BR_FALLBACK_NONE)
        br_config_problem(config, "list.fill", "is set, but list.fallback is none");
}

void br_config_check_unset(br_config *config, const br_record *record, const void *base,
                           const char *path, const char *key, const char *but)
{
    char whole[256];

    if (br_key_is_default(br_record_find(record, key), base))
        return;
    (void)snprintf(whole, sizeof whole, "%s.%s", path, key);
    br_config_problem(config, whole, "is set, but %s", but);
}

void br_config_check_name(br_config *config, const char *path, const char *name)
{
    if (strchr(name, '/') != NULL || name[0] == '.' || strlen(name) > MAX_NAME)
        br_config_problem(config, path,
                          "found \"%.200s\", expected at most %d bytes without \"/\" that do not "
                          "begin with \".\"",
                          name, MAX_NAME);
}

const char *br_config_unsharded(const br_config *c)
{
    const struct {
        bool        is_set;
        const char *key;
    } whole[] = {
        {c->objective_type == BR_OBJECTIVE_EXPECTED_VALUE, "objective.type expected_value"},
        {c->shape_quotas.n > 0, "shape.quotas"},
        {c->shape_pins.n > 0, "shape.pins"},
        {c->shape_diversity > 0.0, "shape.diversity"},
        {c->list_fill, "list.fill"},
        {c->list_fallback_newest, "list.fallback_newest"},
        {c->list_fallback_group[0] != '\0', "list.fallback_group"},
        {br_config_is_constrained(c), "constraints"},
        {c->shadow_weightings.n > 0, "shadow.weightings"},
    };

    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        if (whole[i].is_set)
            return whole[i].key;
    return NULL;
}

static void check_run(br_config *config)
{
    const char *key = br_config_unsharded(config);

    if (config->run_catalogue_shards > 1 && key != NULL)
        br_config_problem(config, "run.catalogue_shards",
                          "is %lld, but %s needs the whole catalogue on every rank",
                          (long long)config->run_catalogue_shards, key);
}

br_status br_config_check(br_config *config)
{
    static const struct {
        const char *prefix;
        void (*check)(br_config *config);
    } sections[] = {
        {"output.", check_output},
        {"list.", check_list},
        {"objective.", br_config_check_objective},
        {"policy.", br_config_check_policy},
        {"constraints.", br_config_check_constraints},
        {"rules.", br_config_check_rules},
        {"shape.", br_config_check_shape},
        {"experiment.", br_config_check_experiment},
        {"shadow.", br_config_check_shadow},
        {"run.", check_run},
    };

    check_required(config);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (!has_problem(config, sections[i].prefix))
            sections[i].check(config);
    if (config->problems.n_bytes > 0)
        return br_fail(BR_E_USAGE, "configuration:\n  %s", config->problems.data);
    return BR_OK;
}
