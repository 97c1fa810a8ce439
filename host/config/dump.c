/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration as JSON again. Called once per process. */
#include <stdlib.h>
#include <string.h>

#include "host/config/table.h"

const char *br_number_text(double value, char out[32])
{
    for (int n = 15; n <= 17; n++) {
        (void)snprintf(out, 32, "%.*g", n, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return out;
}

static void print_object(const br_record *record, const void *base, br_strbuf *text)
{
    br_strbuf_add(text, "{");
    for (int32_t i = 0; i < record->n_keys; i++) {
        br_strbuf_add(text, "%s\"%s\": ", i ? ", " : "", record->key[i].name);
        br_key_print(&record->key[i], br_key_field(&record->key[i], base), text);
    }
    br_strbuf_add(text, "}");
}

static void print_list(const br_key *key, const void *field, br_strbuf *text)
{
    int32_t     n;
    const char *item = NULL;
    char        digits[32];

    if (key->kind == BR_KIND_OBJECTS)
        item = br_key_objects(field, &n);
    else
        memcpy(&n, field, sizeof n);
    br_strbuf_add(text, "[");
    for (int32_t i = 0; i < n; i++) {
        br_strbuf_add(text, i ? ", " : "");
        if (key->kind == BR_KIND_NAMES)
            br_strbuf_add_string(text, ((const br_config_list *)field)->item[i]);
        else if (key->kind == BR_KIND_NUMBERS)
            br_strbuf_add(text, "%s",
                          br_number_text(((const br_config_numbers *)field)->item[i], digits));
        else
            print_object(key->record, item + (size_t)i * key->record->bytes, text);
    }
    br_strbuf_add(text, "]");
}

void br_key_print(const br_key *key, const void *field, br_strbuf *text)
{
    char word[32];

    if (br_key_is_list(key)) {
        print_list(key, field, text);
    } else if (key->kind == BR_KIND_PATH || key->kind == BR_KIND_TEXT) {
        br_strbuf_add_string(text, *(char *const *)field);
    } else if (key->kind == BR_KIND_BOOL) {
        br_strbuf_add(text, *(const bool *)field ? "true" : "false");
    } else if (key->kind == BR_KIND_NUMBER) {
        br_strbuf_add(text, "%s", br_number_text(*(const double *)field, word));
    } else if (key->kind == BR_KIND_CHOICE) {
        (void)br_choice_at(key->choices, *(const int32_t *)field, word);
        br_strbuf_add(text, "\"%s\"", word);
    } else if (key->kind == BR_KIND_TIME && *(const int64_t *)field == INT64_MAX) {
        br_strbuf_add(text, "\"\"");
    } else {
        br_strbuf_add(text, "%lld", (long long)*(const int64_t *)field);
    }
}

/* Defaults are written as they are printed, strings without quotes. */
bool br_key_is_default(const br_key *key, const void *base)
{
    br_strbuf text = {0};
    bool      is_equal;
    size_t    n = strlen(key->def);

    br_key_print(key, br_key_field(key, base), &text);
    is_equal =
        !text.has_failed &&
        (text.data[0] == '"' ? text.n_bytes == n + 2 && memcmp(text.data + 1, key->def, n) == 0
                             : strcmp(text.data, key->def) == 0);
    br_strbuf_free(&text);
    return is_equal;
}

/* A run's configuration lies in its own folder and says nothing of one command's habits. */
static bool print_for_run(const br_key *key, br_strbuf *t)
{
    bool is_text =
        key->kind == BR_KIND_CHOICE || key->kind == BR_KIND_PATH || key->kind == BR_KIND_TEXT;

    if (strcmp(key->name, "output.path") == 0)
        br_strbuf_add(t, "\".\"");
    else if (key->flags & BR_KEY_LOCAL)
        br_strbuf_add(t, is_text ? "\"%s\"" : "%s", key->def);
    else
        return false;
    return true;
}

static br_status dump(const br_config *config, bool is_for_run, char **out)
{
    br_strbuf        t      = {0};
    const br_record *record = &br_record_config;

    br_strbuf_add(&t, "{\n");
    for (int32_t at = 0, n; at < record->n_keys; at += n) {
        const char *name = record->key[at].name;

        n = br_config_section(at);
        br_strbuf_add(&t, "  \"%.*s\": {\n", (int)strcspn(name, "."), name);
        for (int32_t i = at; i < at + n; i++) {
            const br_key *key = &record->key[i];

            br_strbuf_add(&t, "    \"%s\": ", br_key_short(key));
            if (!is_for_run || !print_for_run(key, &t))
                br_key_print(key, br_key_field(key, config), &t);
            br_strbuf_add(&t, i + 1 < at + n ? ",\n" : "\n  }");
        }
        br_strbuf_add(&t, at + n < record->n_keys ? ",\n" : "\n");
    }
    br_strbuf_add(&t, "}\n");
    return br_strbuf_take(&t, out);
}

br_status br_config_dump(const br_config *config, char **out)
{
    return dump(config, false, out);
}

br_status br_config_dump_for_run(const br_config *config, char **out)
{
    return dump(config, true, out);
}

br_status br_config_dump_shaping(const br_config *config, char **out)
{
    br_strbuf t = {0};

    br_strbuf_add(&t, "{");
    for (int32_t i = 0; i < br_record_config.n_keys; i++) {
        const br_key *key = &br_record_config.key[i];

        if (!(key->flags & BR_KEY_SHAPING))
            continue;
        br_strbuf_add(&t, "\"%s\": ", key->name);
        br_key_print(key, br_key_field(key, config), &t);
        br_strbuf_add(&t, ", ");
    }
    br_strbuf_drop_comma(&t);
    br_strbuf_add(&t, "}");
    return br_strbuf_take(&t, out);
}
