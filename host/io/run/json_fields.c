/* SPDX-License-Identifier: Apache-2.0
 *
 * A scanner over JSON text that finds where members begin and end. Called when a run directory is
 * opened or verified. */
#include "host/io/run/json_fields.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH  32
#define PATH_BYTES 256
#define SHOWN      80

typedef struct span {
    const char *at;
    const char *end;
} span;

static void skip_space(span *s)
{
    while (s->at < s->end && strchr(" \t\r\n", *s->at) != NULL && *s->at != '\0')
        s->at++;
}

static bool take(span *s, char c)
{
    skip_space(s);
    if (s->at >= s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool skip_string(span *s)
{
    if (!take(s, '"'))
        return false;
    while (s->at < s->end && *s->at != '"')
        s->at += *s->at == '\\' ? 2 : 1;
    return s->at < s->end && *s->at++ == '"';
}

static bool skip_scalar(span *s)
{
    const char *from = s->at;

    while (s->at < s->end &&
           (*s->at == '+' || *s->at == '-' || *s->at == '.' || (*s->at >= '0' && *s->at <= '9') ||
            (*s->at >= 'a' && *s->at <= 'z') || *s->at == 'E'))
        s->at++;
    return s->at > from;
}

/* Past one value; brackets are matched without recursion. */
static bool skip_value(span *s)
{
    int depth = 0;

    do {
        skip_space(s);
        if (s->at >= s->end)
            return false;
        if (*s->at == '"') {
            if (!skip_string(s))
                return false;
        } else if (strchr("{[", *s->at) != NULL) {
            depth++;
            s->at++;
        } else if (strchr("}]", *s->at) != NULL) {
            depth--;
            s->at++;
        } else if (strchr(",:", *s->at) != NULL) {
            s->at++;
        } else if (!skip_scalar(s)) {
            return false;
        }
    } while (depth > 0);
    return depth == 0;
}

/* The next member of an object whose bracket is open; false at its end or at nonsense. */
static bool next_member(span *s, span *name, span *value)
{
    (void)take(s, ',');
    skip_space(s);
    name->at = s->at + 1;
    if (!skip_string(s))
        return false;
    name->end = s->at - 1;
    if (!take(s, ':'))
        return false;
    skip_space(s);
    value->at = s->at;
    if (!skip_value(s))
        return false;
    value->end = s->at;
    return true;
}

const char *br_fields_find(const char *text, const char *name, size_t *n_bytes)
{
    span s = {text, text + strlen(text)}, key, value;

    *n_bytes = 0;
    if (!take(&s, '{'))
        return NULL;
    while (next_member(&s, &key, &value)) {
        if ((size_t)(key.end - key.at) != strlen(name) || memcmp(key.at, name, strlen(name)) != 0)
            continue;
        *n_bytes = (size_t)(value.end - value.at);
        return value.at;
    }
    return NULL;
}

const char *br_fields_element(const char *array, const char **at, size_t *n_bytes)
{
    const char *from = *at != NULL ? *at : array;
    span        s    = {from, from + strlen(from)};
    const char *value;

    *n_bytes = 0;
    if (*at == NULL ? !take(&s, '[') : !take(&s, ','))
        return NULL;
    skip_space(&s);
    value = s.at;
    if (value >= s.end || *value == ']' || !skip_value(&s))
        return NULL;
    *at      = s.at;
    *n_bytes = (size_t)(s.at - value);
    return value;
}

bool br_fields_is_object(const char *text, size_t n_bytes)
{
    span s = {text, text + n_bytes};

    skip_space(&s);
    if (s.at >= s.end || *s.at != '{' || !skip_value(&s))
        return false;
    skip_space(&s);
    return s.at == s.end;
}

typedef struct field {
    char path[PATH_BYTES];
    span value;
} field;

typedef struct fields {
    field  *field;
    int64_t n, capacity;
} fields;

static br_status add_field(fields *list, const char *path, span value)
{
    if (list->n == list->capacity) {
        int64_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        field  *grown    = realloc(list->field, (size_t)capacity * sizeof *grown);
        if (grown == NULL)
            return br_fail(BR_E_MEMORY, "identity: cannot allocate %lld fields",
                           (long long)capacity);
        list->field    = grown;
        list->capacity = capacity;
    }
    (void)snprintf(list->field[list->n].path, PATH_BYTES, "%s", path);
    list->field[list->n++].value = value;
    return BR_OK;
}

static br_status collect(span value, const char *path, int depth, fields *list)
{
    br_status st = BR_OK;
    span      s  = value, name, member;
    char      below[PATH_BYTES];

    if (depth == MAX_DEPTH || !take(&s, '{'))
        return add_field(list, path, value);
    while (next_member(&s, &name, &member)) {
        if (snprintf(below, sizeof below, "%s%s%.*s", path, path[0] == '\0' ? "" : ".",
                     (int)(name.end - name.at), name.at) >= PATH_BYTES)
            return br_fail(BR_E_INPUT, "identity: a field name is longer than %d bytes",
                           PATH_BYTES);
        BR_TRY(st, collect(member, below, depth + 1, list));
    }
done:
    return st;
}

static const field *find(const fields *list, const char *path)
{
    for (int64_t i = 0; i < list->n; i++)
        if (strcmp(list->field[i].path, path) == 0)
            return &list->field[i];
    return NULL;
}

static int shown(span value)
{
    ptrdiff_t n = value.end - value.at;

    return n < SHOWN ? (int)n : SHOWN;
}

static br_status compare(const fields *found, const fields *expected, br_strbuf *out)
{

    for (int64_t i = 0; i < expected->n; i++) {
        const field *want = &expected->field[i];
        const field *have = find(found, want->path);
        if (have != NULL && have->value.end - have->value.at == want->value.end - want->value.at &&
            memcmp(have->value.at, want->value.at, (size_t)(want->value.end - want->value.at)) == 0)
            continue;
        br_strbuf_add(out, "; %s: found %.*s, expected %.*s", want->path,
                      have == NULL ? 7 : shown(have->value),
                      have == NULL ? "nothing" : have->value.at, shown(want->value),
                      want->value.at);
    }
    for (int64_t i = 0; i < found->n; i++)
        if (find(expected, found->field[i].path) == NULL)
            br_strbuf_add(out, "; %s: found %.*s, expected nothing", found->field[i].path,
                          shown(found->field[i].value), found->field[i].value.at);
    return br_strbuf_check(out);
}

br_status br_fields_differences(const char *found, size_t n_found, const char *expected,
                                size_t n_expected, br_strbuf *out)
{
    br_status st   = BR_OK;
    fields    have = {0}, want = {0};

    BR_TRY(st, collect((span){found, found + n_found}, "", 0, &have));
    BR_TRY(st, collect((span){expected, expected + n_expected}, "", 0, &want));
    BR_TRY(st, compare(&have, &want, out));
done:
    free(have.field);
    free(want.field);
    return st;
}
