/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration may say: the JSON Schema, and the keys in --help. Called once per process.
 */
#include <string.h>

#include "host/config/table.h"

static void kind_text(const br_key *key, char out[96])
{
    static const char *const text[] = {
        [BR_KIND_PATH] = "path",       [BR_KIND_TEXT] = "text",
        [BR_KIND_NAMES] = "names",     [BR_KIND_BOOL] = "bool",
        [BR_KIND_INT] = "int",         [BR_KIND_NUMBER] = "number",
        [BR_KIND_NUMBERS] = "numbers", [BR_KIND_SIZE] = "bytes or \"4GiB\"",
        [BR_KIND_TIME] = "time",       [BR_KIND_OBJECTS] = "objects"};
    char lo[32], hi[32];

    if (key->kind == BR_KIND_CHOICE)
        (void)snprintf(out, 96, "%s", key->choices);
    else if (key->kind == BR_KIND_OBJECTS)
        (void)snprintf(out, 96, "at most %.0f objects", key->hi);
    else if (key->lo < key->hi)
        (void)snprintf(out, 96, "%s %s..%s", text[key->kind], br_number_text(key->lo, lo),
                       br_number_text(key->hi, hi));
    else
        (void)snprintf(out, 96, "%s", text[key->kind]);
}

static void print_keys(const br_record *record, int indent, FILE *out)
{
    for (int32_t i = 0; i < record->n_keys; i++) {
        const br_key *key = &record->key[i];
        char          kind[96];

        kind_text(key, kind);
        (void)fprintf(out, "%*s%s  (%s%s%s%s)\n%*s%s\n", indent, "", key->name, kind,
                      key->flags & BR_KEY_REQUIRED ? ", required" : ", default ",
                      key->flags & BR_KEY_REQUIRED ? "" : key->def,
                      key->flags & BR_KEY_REQUIRED || key->def[0] != '\0' ? "" : "empty",
                      indent + 4, "", key->help);
        if (key->kind == BR_KIND_OBJECTS)
            print_keys(key->record, indent + 6, out);
    }
}

void br_config_print_help(FILE *out)
{
    (void)fprintf(out, "\nKeys of a configuration (JSON, \"section\": {\"key\": value}):\n");
    print_keys(&br_record_config, 2, out);
}

static void add_object(br_strbuf *t, const br_key *keys, int32_t n_keys, int indent);

static void add_bounds(br_strbuf *t, const br_key *key)
{
    char lo[32], hi[32];

    br_strbuf_add(t, ", \"minimum\": %s, \"maximum\": %s", br_number_text(key->lo, lo),
                  br_number_text(key->hi, hi));
}

static void add_type(br_strbuf *t, const br_key *key, int indent)
{
    static const char *const type[] = {
        [BR_KIND_PATH]    = "\"type\": \"string\", \"minLength\": 1",
        [BR_KIND_TEXT]    = "\"type\": \"string\"",
        [BR_KIND_NAMES]   = "\"type\": \"array\", \"items\": {\"type\": \"string\"}, "
                            "\"uniqueItems\": true",
        [BR_KIND_BOOL]    = "\"type\": \"boolean\"",
        [BR_KIND_INT]     = "\"type\": \"integer\"",
        [BR_KIND_NUMBER]  = "\"type\": \"number\"",
        [BR_KIND_NUMBERS] = "\"type\": \"array\", \"items\": {\"type\": \"number\"",
        [BR_KIND_SIZE]    = "\"type\": [\"integer\", \"string\"]",
        [BR_KIND_TIME]    = "\"type\": [\"integer\", \"string\"]",
        [BR_KIND_CHOICE]  = "\"enum\": [",
        [BR_KIND_OBJECTS] = "\"type\": \"array\", \"items\": "};
    char word[32];

    br_strbuf_add(t, "%s", type[key->kind]);
    if (key->kind == BR_KIND_TEXT && (key->flags & BR_KEY_REQUIRED))
        br_strbuf_add(t, ", \"minLength\": 1");
    if (key->kind == BR_KIND_INT || key->kind == BR_KIND_NUMBER || key->kind == BR_KIND_NUMBERS)
        add_bounds(t, key);
    if (key->kind == BR_KIND_NUMBERS)
        br_strbuf_add(t, "}, \"maxItems\": %d", BR_CONFIG_MAX_NUMBERS);
    for (int32_t n = 0; key->kind == BR_KIND_CHOICE && br_choice_at(key->choices, n, word); n++)
        br_strbuf_add(t, "%s\"%s\"", n ? ", " : "", word);
    if (key->kind == BR_KIND_CHOICE)
        br_strbuf_add(t, "]");
    if (key->kind == BR_KIND_OBJECTS) {
        add_object(t, key->record->key, key->record->n_keys, indent);
        br_strbuf_add(t, ", \"maxItems\": %.0f", key->hi);
    }
}

static bool has_required(const br_key *keys, int32_t n_keys)
{
    for (int32_t i = 0; i < n_keys; i++)
        if (keys[i].flags & BR_KEY_REQUIRED)
            return true;
    return false;
}

/* The keys of a section or a record. */
static void add_object(br_strbuf *t, const br_key *keys, int32_t n_keys, int indent)
{
    br_strbuf_add(t,
                  "{\n%*s\"type\": \"object\",\n%*s\"additionalProperties\": false,\n"
                  "%*s\"properties\": {\n",
                  indent + 2, "", indent + 2, "", indent + 2, "");
    for (int32_t i = 0; i < n_keys; i++) {
        br_strbuf_add(t, "%*s\"%s\": {", indent + 4, "", br_key_short(&keys[i]));
        add_type(t, &keys[i], indent + 4);
        br_strbuf_add(t, ", \"description\": ");
        br_strbuf_add_string(t, keys[i].help);
        br_strbuf_add(t, i + 1 < n_keys ? "},\n" : "}\n");
    }
    br_strbuf_add(t, "%*s}", indent + 2, "");
    if (has_required(keys, n_keys)) {
        br_strbuf_add(t, ",\n%*s\"required\": [", indent + 2, "");
        for (int32_t i = 0; i < n_keys; i++)
            if (keys[i].flags & BR_KEY_REQUIRED)
                br_strbuf_add(t, "\"%s\", ", br_key_short(&keys[i]));
        br_strbuf_drop_comma(t);
        br_strbuf_add(t, "]");
    }
    br_strbuf_add(t, "\n%*s}", indent, "");
}

br_status br_config_schema(char **out)
{
    br_strbuf        t = {0}, required = {0};
    const br_record *record = &br_record_config;

    br_strbuf_add(&t, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                      "  \"title\": \"batchrank configuration\",\n  \"type\": \"object\",\n"
                      "  \"additionalProperties\": false,\n  \"properties\": {\n");
    for (int32_t at = 0, n; at < record->n_keys; at += n) {
        const br_key *keys    = &record->key[at];
        int           n_bytes = (int)strcspn(keys->name, ".");

        n = br_config_section(at);
        br_strbuf_add(&t, "    \"%.*s\": ", n_bytes, keys->name);
        add_object(&t, keys, n, 4);
        br_strbuf_add(&t, at + n < record->n_keys ? ",\n" : "\n");
        if (has_required(keys, n))
            br_strbuf_add(&required, "\"%.*s\", ", n_bytes, keys->name);
    }
    br_strbuf_drop_comma(&required);
    br_strbuf_add(&t, "  },\n  \"required\": [%s]\n}\n", required.data ? required.data : "");
    br_strbuf_free(&required);
    return br_strbuf_take(&t, out);
}
