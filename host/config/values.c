/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of keys, from JSON or text into fields. Called once per key. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/config/table.h"

#define END_OF_TIMES_S 7258118400 /* 2200-01-01, as in customers.h5 */

bool br_key_is_string(const br_key *key)
{
    return key->kind == BR_KIND_PATH || key->kind == BR_KIND_TEXT || key->kind == BR_KIND_SIZE ||
           key->kind == BR_KIND_TIME || key->kind == BR_KIND_CHOICE;
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

/* Absolute and without "." and ".." as far as the folders exist. The folder of the configuration
 * and `value` are shorter than PATH_MAX together. */
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
        char whole[2 * PATH_MAX];

        *last = '\0';
        real  = realpath(joined, NULL);
        (void)snprintf(whole, sizeof whole, "%s/%s", real != NULL ? real : joined, last + 1);
        free(real);
        return strdup(whole);
    }
    return strdup(joined);
}

static br_status set_text(const br_target *target, const char *value)
{
    bool   is_path = target->key->kind == BR_KIND_PATH && value[0] != '\0';
    size_t n_bytes = strlen(value) + (value[0] == '/' ? 0 : strlen(target->config->folder) + 1);
    char  *text;

    if (is_path && n_bytes >= PATH_MAX) {
        br_config_problem(target->config, target->path,
                          "found a path of %zu bytes (with its folder), expected fewer than %d",
                          n_bytes, PATH_MAX);
        return BR_OK;
    }
    text = is_path ? resolve_path(target->config, value) : strdup(value);
    if (text == NULL)
        return br_fail(BR_E_MEMORY, "%s: out of memory", target->path);
    free(*(char **)target->field);
    *(char **)target->field = text;
    return BR_OK;
}

static br_status set_string(const br_target *target, const char *value)
{
    const br_key *key   = target->key;
    bool          is_ok = true;

    if (key->kind == BR_KIND_PATH || key->kind == BR_KIND_TEXT)
        return set_text(target, value);
    if (key->kind == BR_KIND_CHOICE)
        is_ok = set_choice(key, value, target->field);
    else if (key->kind == BR_KIND_SIZE)
        is_ok = set_size(value, target->field);
    else
        is_ok = set_time(value, target->field);
    if (!is_ok)
        br_config_problem(target->config, target->path, "found \"%s\", expected %s", value,
                          key->kind == BR_KIND_CHOICE ? key->choices
                          : key->kind == BR_KIND_SIZE
                              ? "bytes such as 4294967296 or \"4GiB\""
                              : "\"2017-12-01\", \"2017-12-01T08:30:00Z\" or "
                                "seconds since 1970, before 2200");
    return BR_OK;
}

static void refuse_number(const br_target *target, const char *found)
{
    char lo[32], hi[32];

    br_config_problem(target->config, target->path, "found %s, expected a %s in [%s, %s]", found,
                      target->key->kind == BR_KIND_INT ? "whole number" : "number",
                      br_number_text(target->key->lo, lo), br_number_text(target->key->hi, hi));
}

static void set_number(const br_target *target, const br_json_node *node)
{
    double  value    = br_json_number(node); /* NaN unless a number: in no bounds */
    int64_t whole    = 0;
    bool    is_whole = br_json_integer(node, &whole);
    char    digits[32];

    if (!(value >= target->key->lo && value <= target->key->hi) ||
        (target->key->kind == BR_KIND_INT && !is_whole))
        refuse_number(target,
                      isnan(value) ? br_json_type_name(node) : br_number_text(value, digits));
    else if (target->key->kind == BR_KIND_INT)
        *(int64_t *)target->field = whole;
    else
        *(double *)target->field = value;
}

br_status br_key_set(const br_target *target, const br_json_node *node)
{
    br_key_kind kind = target->key->kind;
    int64_t     whole;
    char        digits[32];

    if (br_key_is_list(target->key))
        return br_key_set_list(target, node);
    if (kind == BR_KIND_INT || kind == BR_KIND_NUMBER) {
        set_number(target, node);
        return BR_OK;
    }
    if (kind == BR_KIND_BOOL && br_json_type_of(node) == BR_JSON_BOOL) {
        *(bool *)target->field = br_json_bool(node);
        return BR_OK;
    }
    if ((kind == BR_KIND_SIZE || kind == BR_KIND_TIME) && br_json_integer(node, &whole)) {
        (void)snprintf(digits, sizeof digits, "%lld", (long long)whole);
        return set_string(target, digits);
    }
    if (kind != BR_KIND_BOOL && br_json_string(node) != NULL)
        return set_string(target, br_json_string(node));
    br_config_problem(target->config, target->path, "found %s, expected %s",
                      br_json_type_name(node), kind == BR_KIND_BOOL ? "true or false" : "a string");
    return BR_OK;
}

/* What to type instead of a value that is no JSON. */
static void no_json(const br_target *target, const char *value)
{
    static const char *const expected[] = {[BR_KIND_BOOL]    = "true or false",
                                           [BR_KIND_NAMES]   = "names: [\"one\", \"two\"]",
                                           [BR_KIND_NUMBERS] = "numbers: [1, 2.5]",
                                           [BR_KIND_OBJECTS] = "objects: [{\"key\": \"value\"}]"};
    br_key_kind              kind       = target->key->kind;
    char                     found[240];

    (void)snprintf(found, sizeof found, "\"%.200s\"", value);
    if (kind == BR_KIND_INT || kind == BR_KIND_NUMBER)
        refuse_number(target, found);
    else
        br_config_problem(target->config, target->path, "found %s, expected %s", found,
                          expected[kind]);
}

br_status br_key_set_text(const br_target *target, const char *value)
{
    br_status st   = BR_OK;
    br_json  *json = NULL;

    if (br_key_is_string(target->key))
        return set_string(target, value);
    st = br_json_read_text(&br_json_config_limits, target->path, value, strlen(value), &json);
    if (st == BR_E_USAGE) { /* no JSON; anything else is trouble of ours */
        no_json(target, value);
        return BR_OK;
    }
    if (st == BR_OK)
        BR_TRY(st, br_key_set(target, br_json_root(json)));
done:
    br_json_close(&json);
    return st;
}
