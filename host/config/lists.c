/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that hold arrays: names, numbers, objects. Called once per key. */
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/config/table.h"

/* Any br_config_<record>_list. */
typedef struct objects {
    int32_t n;
    void   *item;
} objects;

bool br_key_is_list(const br_key *key)
{
    return key->kind == BR_KIND_NAMES || key->kind == BR_KIND_NUMBERS ||
           key->kind == BR_KIND_OBJECTS;
}

/* The pointer is copied as bytes: its type differs from record to record. */
void *br_key_objects(const void *field, int32_t *n)
{
    void *item;

    memcpy(n, field, sizeof *n);
    memcpy(&item, (const char *)field + offsetof(objects, item), sizeof item);
    return item;
}

static void put_objects(void *field, int32_t n, void *item)
{
    memcpy(field, &n, sizeof n);
    memcpy((char *)field + offsetof(objects, item), &item, sizeof item);
}

static void clear_objects(const br_record *record, void *field)
{
    int32_t n;
    char   *item = br_key_objects(field, &n);

    for (int32_t i = 0; i < n; i++)
        br_record_clear(record, item + (size_t)i * record->bytes);
    br_free(&item);
    put_objects(field, 0, NULL);
}

void br_key_clear(const br_key *key, void *field)
{
    br_config_list *names = field;

    switch (key->kind) {
    case BR_KIND_PATH:
    case BR_KIND_TEXT:
        free(*(char **)field);
        *(char **)field = NULL;
        break;
    case BR_KIND_NAMES:
        for (int32_t i = 0; i < names->n; i++)
            free(names->item[i]);
        names->n = 0;
        break;
    case BR_KIND_NUMBERS:
        ((br_config_numbers *)field)->n = 0;
        break;
    case BR_KIND_OBJECTS:
        clear_objects(key->record, field);
        break;
    default:
        break;
    }
}

static br_status set_names(const br_target *target, const br_json_node *node)
{
    br_config_list *list = target->field;

    for (const br_json_node *n = br_json_first(node); n != NULL; n = br_json_next(n)) {
        const char *name = br_json_string(n);

        if (name == NULL || name[0] == '\0') {
            br_config_problem(target->config, target->path,
                              "element %d: found %s, expected a string that is not empty", list->n,
                              br_json_type_name(n));
            return BR_OK;
        }
        if (br_config_has(list, name) || list->n == BR_CONFIG_MAX_NAMES) {
            br_config_problem(target->config, target->path, "\"%s\" %s", name,
                              br_config_has(list, name) ? "is there twice" : "is one too many");
            return BR_OK;
        }
        list->item[list->n] = strdup(name);
        if (list->item[list->n] == NULL)
            return br_fail(BR_E_MEMORY, "%s: out of memory", target->path);
        list->n++;
    }
    return BR_OK;
}

static br_status set_numbers(const br_target *target, const br_json_node *node)
{
    br_status          st      = BR_OK;
    br_config_numbers *numbers = target->field;
    br_key             element = *target->key;

    element.kind = BR_KIND_NUMBER;
    for (const br_json_node *n = br_json_first(node); n != NULL; n = br_json_next(n)) {
        char      path[256];
        br_target place = {target->config, &element, &numbers->item[numbers->n], path};

        (void)snprintf(path, sizeof path, "%.200s[%d]", target->path, numbers->n);
        BR_TRY(st, br_key_set(&place, n));
        numbers->n++;
    }
done:
    return st;
}

/* A required key must be there and, if a string, not be empty. */
static void check_required(br_config *config, const br_record *record, const char *path,
                           const br_json_node *object)
{
    for (int32_t i = 0; i < record->n_keys; i++) {
        const br_key       *key    = &record->key[i];
        const br_json_node *member = br_json_member(object, key->name);
        char                whole[320];

        if (!(key->flags & BR_KEY_REQUIRED))
            continue;
        if (member != NULL && (br_json_string(member) == NULL || br_json_string(member)[0] != '\0'))
            continue;
        (void)snprintf(whole, sizeof whole, "%s.%s", path, key->name);
        br_config_problem(config, whole, "is missing");
    }
}

static void check_names(const br_target *target)
{
    const br_record *record = target->key->record;
    const br_key    *key    = br_record_find(record, "name");
    int32_t          n;
    const char      *item = br_key_objects(target->field, &n);

    for (int32_t i = 1; key != NULL && i < n; i++)
        for (int32_t j = 0; j < i; j++) {
            const char *name = *(char **)br_key_field(key, item + (size_t)i * record->bytes);
            char        path[256];

            if (name[0] == '\0' ||
                strcmp(name, *(char **)br_key_field(key, item + (size_t)j * record->bytes)) != 0)
                continue;
            (void)snprintf(path, sizeof path, "%.200s[%d].name", target->path, i);
            br_config_problem(target->config, path, "\"%s\" is there twice", name);
            break;
        }
}

/* The records hang on the field before they are filled, so that they are freed with it. */
static br_status set_objects(const br_target *target, const br_json_node *node)
{
    br_status        st     = BR_OK;
    const br_record *record = target->key->record;
    int32_t          n      = br_json_count(node);
    int32_t          i      = 0;
    char            *item   = NULL;

    BR_TRY(st, br_alloc(n, record->bytes, target->path, (void **)&item));
    put_objects(target->field, n, item);
    for (const br_json_node *o = br_json_first(node); o != NULL; o = br_json_next(o), i++) {
        char path[256];

        (void)snprintf(path, sizeof path, "%.200s[%d]", target->path, i);
        BR_TRY(st, br_record_set_defaults(target->config, record, item));
        if (br_json_type_of(o) == BR_JSON_OBJECT) {
            BR_TRY(st,
                   br_record_set_members(target->config, record, item, path, strlen(path) + 1, o));
            check_required(target->config, record, path, o);
        } else {
            br_config_problem(target->config, path, "found %s, expected an object",
                              br_json_type_name(o));
        }
        item += record->bytes;
    }
    check_names(target);
done:
    return st;
}

br_status br_key_set_list(const br_target *target, const br_json_node *node)
{
    static const char *const of[] = {
        [BR_KIND_NAMES] = "strings", [BR_KIND_NUMBERS] = "numbers", [BR_KIND_OBJECTS] = "objects"};
    const br_key *key = target->key;
    int32_t       n   = br_json_count(node);
    int32_t       hi  = key->kind == BR_KIND_OBJECTS ? (int32_t)key->hi : BR_CONFIG_MAX_NUMBERS;

    br_key_clear(key, target->field);
    if (br_json_type_of(node) != BR_JSON_ARRAY)
        br_config_problem(target->config, target->path, "found %s, expected an array of %s",
                          br_json_type_name(node), of[key->kind]);
    else if (key->kind == BR_KIND_NAMES)
        return set_names(target, node);
    else if (n > hi)
        br_config_problem(target->config, target->path, "found %d %s, at most %d", n, of[key->kind],
                          hi);
    else
        return key->kind == BR_KIND_NUMBERS ? set_numbers(target, node) : set_objects(target, node);
    return BR_OK;
}
