/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of keys: from JSON or text into fields, and back. Called once per key. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/base/memory.h"
#include "host/config/table.h"

#define END_OF_TIMES_S 7258118400 /* 2200-01-01, as in customers.h5 */

static void *field_of(const br_config *config, const br_key *key)
{
    return (char *)(uintptr_t)config + key->offset;
}

bool br_key_is_string(const br_key *key)
{
    return key->kind != BR_KIND_NAMES && key->kind != BR_KIND_BOOL && key->kind != BR_KIND_INT;
}

static bool set_choice(const br_key *key, const char *value, int32_t *field)
{
    char word[32];

    for (int32_t n = 0; br_choice_at(key->choices, n, word); n++)
        if (strcmp(word, value) == 0) {
            *field = n;
            return true;
        }
    return false;
}

static bool set_size(const char *value, int64_t *field)
{
    static const struct {
        const char *unit;
        int         shift;
    } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    char     *end;
    long long n;

    errno = 0;
    n     = strtoll(value, &end, 10);
    if (end == value || errno != 0 || n < 0)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(end, units[i].unit) == 0 && n <= (INT64_MAX >> units[i].shift)) {
            *field = (int64_t)n << units[i].shift;
            return true;
        }
    return false;
}

/* Times beyond are milliseconds, or a slip. */
static bool is_time(int64_t seconds)
{
    return seconds >= 0 && seconds < END_OF_TIMES_S;
}

static bool set_time(const char *value, int64_t *field)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ"};
    char                    *end;
    long long                seconds;

    if (value[0] == '\0') {
        *field = INT64_MAX;
        return true;
    }
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm   t    = {0}, back;
        const char *rest = strptime(value, forms[i], &t);
        int         day  = t.tm_mday;

        if (rest == NULL || *rest != '\0')
            continue;
        *field = (int64_t)timegm(&t);
        return gmtime_r(&(time_t){(time_t)*field}, &back) != NULL && back.tm_mday == day &&
               is_time(*field);
    }
    errno   = 0;
    seconds = strtoll(value, &end, 10);
    *field  = seconds;
    return end != value && *end == '\0' && errno == 0 && is_time(seconds);
}

/* Absolute and without "." and ".." as far as the folders exist. */
static char *resolve_path(const br_config *config, const char *value)
{
    char joined[PATH_MAX], *last, *real;

    if (value[0] == '/')
        (void)snprintf(joined, sizeof joined, "%s", value);
    else
        (void)snprintf(joined, sizeof joined, "%s/%s", config->folder, value);
    for (last = joined + strlen(joined); last > joined + 1 && last[-1] == '/'; last--)
        last[-1] = '\0';
    real = realpath(joined, NULL);
    if (real != NULL)
        return real;
    /* the last part may not exist yet */
    last = strrchr(joined, '/');
    if (last != NULL && last != joined && strcmp(last, "/..") != 0) {
        char whole[PATH_MAX];

        *last = '\0';
        real  = realpath(joined, NULL);
        (void)snprintf(whole, sizeof whole, "%s/%.*s", real != NULL ? real : joined,
                       (int)(PATH_MAX - strlen(joined) - 2), last + 1);
        free(real);
        return strdup(whole);
    }
    return strdup(joined);
}

bool br_key_set_string(br_config *config, const br_key *key, const char *value, char *problem,
                       size_t problem_bytes)
{
    void *field = field_of(config, key);
    bool  is_ok = true;
    char *text;

    switch (key->kind) {
    case BR_KIND_PATH:
    case BR_KIND_TEXT:
        text = key->kind == BR_KIND_PATH && value[0] != '\0' ? resolve_path(config, value)
                                                             : strdup(value);
        free(*(char **)field);
        *(char **)field = text;
        return true;
    case BR_KIND_CHOICE:
        is_ok = set_choice(key, value, field);
        break;
    case BR_KIND_SIZE:
        is_ok = set_size(value, field);
        break;
    default:
        is_ok = set_time(value, field);
        break;
    }
    if (!is_ok)
        (void)snprintf(problem, problem_bytes, "found \"%s\", expected %s", value,
                       key->kind == BR_KIND_CHOICE ? key->choices
                       : key->kind == BR_KIND_SIZE ? "bytes such as 4294967296 or \"4GiB\""
                                                   : "\"2017-12-01\", \"2017-12-01T08:30:00Z\" or "
                                                     "seconds since 1970, before 2200");
    return is_ok;
}

static void clear_names(br_config_list *list)
{
    for (int32_t i = 0; i < list->n; i++)
        free(list->item[i]);
    list->n = 0;
}

static bool set_names(br_config_list *list, const br_json_node *node, char *problem,
                      size_t problem_bytes)
{
    clear_names(list);
    if (br_json_type_of(node) != BR_JSON_ARRAY) {
        (void)snprintf(problem, problem_bytes, "found %s, expected an array of strings",
                       br_json_type_name(node));
        return false;
    }
    for (const br_json_node *n = br_json_first(node); n != NULL; n = br_json_next(n)) {
        const char *name = br_json_string(n);

        if (name == NULL || name[0] == '\0') {
            (void)snprintf(problem, problem_bytes,
                           "element %d: found %s, expected a string that "
                           "is not empty",
                           list->n, br_json_type_name(n));
            return false;
        }
        if (br_config_has(list, name) || list->n == BR_CONFIG_MAX_NAMES) {
            (void)snprintf(problem, problem_bytes, "\"%s\" %s", name,
                           br_config_has(list, name) ? "is there twice" : "is one too many");
            return false;
        }
        list->item[list->n++] = strdup(name);
    }
    return true;
}

static bool set_int(const br_key *key, const br_json_node *node, int64_t *field, char *problem,
                    size_t problem_bytes)
{
    int64_t value    = 0;
    bool    is_whole = br_json_integer(node, &value);

    if (is_whole && value >= key->lo && value <= key->hi) {
        *field = value;
        return true;
    }
    if (br_json_type_of(node) == BR_JSON_NUMBER)
        (void)snprintf(problem, problem_bytes,
                       "found %.9g, expected a whole number in "
                       "[%lld, %lld]",
                       br_json_number(node), (long long)key->lo, (long long)key->hi);
    else
        (void)snprintf(problem, problem_bytes,
                       "found %s, expected a whole number in "
                       "[%lld, %lld]",
                       br_json_type_name(node), (long long)key->lo, (long long)key->hi);
    return false;
}

bool br_key_set(br_config *config, const br_key *key, const br_json_node *node, char *problem,
                size_t problem_bytes)
{
    void   *field = field_of(config, key);
    int64_t whole;
    char    digits[32];

    if (key->kind == BR_KIND_NAMES)
        return set_names(field, node, problem, problem_bytes);
    if (key->kind == BR_KIND_INT)
        return set_int(key, node, field, problem, problem_bytes);
    if (key->kind == BR_KIND_BOOL && br_json_type_of(node) == BR_JSON_BOOL) {
        *(bool *)field = br_json_bool(node);
        return true;
    }
    if ((key->kind == BR_KIND_SIZE || key->kind == BR_KIND_TIME) && br_json_integer(node, &whole)) {
        (void)snprintf(digits, sizeof digits, "%lld", (long long)whole);
        return br_key_set_string(config, key, digits, problem, problem_bytes);
    }
    if (key->kind != BR_KIND_BOOL && br_json_string(node) != NULL)
        return br_key_set_string(config, key, br_json_string(node), problem, problem_bytes);
    (void)snprintf(problem, problem_bytes, "found %s, expected %s", br_json_type_name(node),
                   key->kind == BR_KIND_BOOL ? "true or false" : "a string");
    return false;
}

void br_key_print(const br_config *config, const br_key *key, br_strbuf *text)
{
    const void           *field = field_of(config, key);
    const br_config_list *list  = field;
    char                  word[32];

    if (key->kind == BR_KIND_PATH || key->kind == BR_KIND_TEXT) {
        br_strbuf_add_string(text, *(char *const *)field);
    } else if (key->kind == BR_KIND_BOOL) {
        br_strbuf_add(text, *(const bool *)field ? "true" : "false");
    } else if (key->kind == BR_KIND_CHOICE) {
        (void)br_choice_at(key->choices, *(const int32_t *)field, word);
        br_strbuf_add(text, "\"%s\"", word);
    } else if (key->kind == BR_KIND_TIME && *(const int64_t *)field == INT64_MAX) {
        br_strbuf_add(text, "\"\"");
    } else if (key->kind != BR_KIND_NAMES) {
        br_strbuf_add(text, "%lld", (long long)*(const int64_t *)field);
    } else {
        br_strbuf_add(text, "[");
        for (int32_t i = 0; i < list->n; i++) {
            br_strbuf_add(text, i ? ", " : "");
            br_strbuf_add_string(text, list->item[i]);
        }
        br_strbuf_add(text, "]");
    }
}
