/* SPDX-License-Identifier: Apache-2.0
 *
 * Records: tables of keys, and structs filled by them. Called a few times per process. */
#include "host/config/table.h"

#include <string.h>

#include "host/base/nearest.h"

#define BR_BASE br_config
BR_RECORD_TABLE(config, BR_CONFIG_KEYS);
#undef BR_BASE

const br_key *br_record_find(const br_record *record, const char *name)
{
    for (int32_t i = 0; i < record->n_keys; i++)
        if (strcmp(record->key[i].name, name) == 0)
            return &record->key[i];
    return NULL;
}

bool br_choice_at(const char *choices, int32_t n, char out[32])
{
    for (; n > 0; n--) {
        choices = strchr(choices, '|');
        if (choices == NULL)
            return false;
        choices++;
    }
    (void)snprintf(out, 32, "%.*s", (int)strcspn(choices, "|"), choices);
    return true;
}

bool br_config_has(const br_config_list *list, const char *name)
{
    for (int32_t i = 0; i < list->n; i++)
        if (strcmp(list->item[i], name) == 0)
            return true;
    return false;
}

void *br_key_field(const br_key *key, const void *base)
{
    return (char *)(uintptr_t)base + key->offset;
}

int32_t br_config_section(int32_t at)
{
    const br_key *key     = br_record_config.key;
    size_t        n_bytes = strcspn(key[at].name, ".") + 1;
    int32_t       n       = 1;

    while (at + n < br_record_config.n_keys &&
           strncmp(key[at].name, key[at + n].name, n_bytes) == 0)
        n++;
    return n;
}

const char *br_key_short(const br_key *key)
{
    const char *dot = strchr(key->name, '.');

    return dot != NULL ? dot + 1 : key->name;
}

/* What is required has no default, but a string is never NULL. */
br_status br_record_set_defaults(br_config *config, const br_record *record, void *base)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < record->n_keys; i++) {
        const br_key *key     = &record->key[i];
        bool          is_text = key->kind == BR_KIND_PATH || key->kind == BR_KIND_TEXT;
        br_target     target  = {config, key, br_key_field(key, base), key->name};

        if (is_text || !(key->flags & BR_KEY_REQUIRED))
            BR_TRY(st, br_key_set_text(&target, key->def));
    }
done:
    return st;
}

void br_record_unknown_key(br_config *config, const br_record *record, const char *path,
                           size_t skip)
{
    const char *names[BR_RECORD_MAX_KEYS];
    const char *nearest;

    for (int32_t i = 0; i < record->n_keys; i++)
        names[i] = record->key[i].name;
    nearest = br_nearest(path + skip, names, record->n_keys);
    br_config_problem(config, path, "unknown key%s%s", nearest ? ", did you mean " : "",
                      nearest ? nearest : "");
}

br_status br_record_set_members(br_config *config, const br_record *record, void *base,
                                const char *prefix, size_t skip, const br_json_node *object)
{
    br_status st = BR_OK;

    for (const br_json_node *n = br_json_first(object); n != NULL; n = br_json_next(n)) {
        char      path[256];
        br_target target = {config, NULL, NULL, path};

        (void)snprintf(path, sizeof path, "%.120s.%.120s", prefix, br_json_name(n));
        target.key = br_record_find(record, path + skip);
        if (target.key == NULL) {
            br_record_unknown_key(config, record, path, skip);
            continue;
        }
        target.field = br_key_field(target.key, base);
        BR_TRY(st, br_key_set(&target, n));
    }
done:
    return st;
}

void br_record_clear(const br_record *record, void *base)
{
    for (int32_t i = 0; i < record->n_keys; i++)
        br_key_clear(&record->key[i], br_key_field(&record->key[i], base));
}
