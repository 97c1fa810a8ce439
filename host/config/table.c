/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of the key table and what is told from them: help, schema, dump. Called once per process. */
#include "host/config/table.h"

#include <string.h>

const br_key br_key_table[] = {
#define X(kind, name, field, def, lo, hi, flags, help, choices)                                    \
    {BR_KIND_##kind, name, offsetof(br_config, field), def, lo, hi, flags, help, choices},
    BR_CONFIG_KEYS(X)
#undef X
};

const int32_t br_n_keys = (int32_t)(sizeof br_key_table / sizeof br_key_table[0]);

const br_key *br_key_find(const char *name, size_t n_bytes)
{
    for (int32_t i = 0; i < br_n_keys; i++)
        if (strlen(br_key_table[i].name) == n_bytes &&
            memcmp(br_key_table[i].name, name, n_bytes) == 0)
            return &br_key_table[i];
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

static const char *kind_text(const br_key *key, char out[96])
{
    static const char *const text[] = {
        [BR_KIND_PATH] = "path", [BR_KIND_TEXT] = "text", [BR_KIND_NAMES] = "names",
        [BR_KIND_BOOL] = "bool", [BR_KIND_INT] = "int",   [BR_KIND_SIZE] = "bytes or \"4GiB\"",
        [BR_KIND_TIME] = "time", [BR_KIND_CHOICE] = ""};

    if (key->kind == BR_KIND_INT)
        (void)snprintf(out, 96, "int %lld..%lld", (long long)key->lo, (long long)key->hi);
    else
        (void)snprintf(out, 96, "%s", key->kind == BR_KIND_CHOICE ? key->choices : text[key->kind]);
    return out;
}

void br_config_print_help(FILE *out)
{
    (void)fprintf(out, "\nKeys of a configuration (JSON, \"section\": {\"key\": value}):\n");
    for (int32_t i = 0; i < br_n_keys; i++) {
        const br_key *key = &br_key_table[i];
        char          kind[96];

        (void)fprintf(out, "  %s  (%s%s%s%s)\n      %s\n", key->name, kind_text(key, kind),
                      key->flags & BR_KEY_REQUIRED ? ", required" : ", default ",
                      key->flags & BR_KEY_REQUIRED ? "" : key->def,
                      key->flags & BR_KEY_REQUIRED || key->def[0] != '\0' ? "" : "empty",
                      key->help);
    }
}

/* Rows of one section stand together: calls fn for each key with its name inside the section. */
static size_t section_bytes(const br_key *key)
{
    return (size_t)(strchr(key->name, '.') - key->name);
}

static bool opens_section(int32_t i)
{
    size_t n = section_bytes(&br_key_table[i]);

    return i == 0 || section_bytes(&br_key_table[i - 1]) != n ||
           memcmp(br_key_table[i - 1].name, br_key_table[i].name, n) != 0;
}

static bool closes_section(int32_t i)
{
    return i + 1 == br_n_keys || opens_section(i + 1);
}

/* A run's configuration lies in its own folder and says nothing of one command's habits. */
static bool print_for_run(const br_key *key, br_strbuf *t)
{
    bool is_text = key->kind == BR_KIND_CHOICE;

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
    br_strbuf t = {0};

    br_strbuf_add(&t, "{\n");
    for (int32_t i = 0; i < br_n_keys; i++) {
        const br_key *key = &br_key_table[i];
        size_t        n   = section_bytes(key);

        if (opens_section(i))
            br_strbuf_add(&t, "  \"%.*s\": {\n", (int)n, key->name);
        br_strbuf_add(&t, "    \"%s\": ", key->name + n + 1);
        if (!is_for_run || !print_for_run(key, &t))
            br_key_print(config, key, &t);
        br_strbuf_add(&t, closes_section(i) ? "\n  }" : ",\n");
        if (closes_section(i))
            br_strbuf_add(&t, i + 1 == br_n_keys ? "\n" : ",\n");
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
    for (int32_t i = 0; i < br_n_keys; i++) {
        if (!(br_key_table[i].flags & BR_KEY_SHAPING))
            continue;
        br_strbuf_add(&t, "\"%s\": ", br_key_table[i].name);
        br_key_print(config, &br_key_table[i], &t);
        br_strbuf_add(&t, ", ");
    }
    br_strbuf_drop_comma(&t);
    br_strbuf_add(&t, "}");
    return br_strbuf_take(&t, out);
}

static void add_schema_type(br_strbuf *t, const br_key *key)
{
    static const char *const type[] = {
        [BR_KIND_PATH]   = "\"type\": \"string\", \"minLength\": 1",
        [BR_KIND_TEXT]   = "\"type\": \"string\"",
        [BR_KIND_NAMES]  = "\"type\": \"array\", \"items\": {\"type\": \"string\"}, "
                           "\"uniqueItems\": true",
        [BR_KIND_BOOL]   = "\"type\": \"boolean\"",
        [BR_KIND_INT]    = "\"type\": \"integer\"",
        [BR_KIND_SIZE]   = "\"type\": [\"integer\", \"string\"]",
        [BR_KIND_TIME]   = "\"type\": [\"integer\", \"string\"]",
        [BR_KIND_CHOICE] = "\"enum\": ["};
    char word[32];

    br_strbuf_add(t, "%s", type[key->kind]);
    if (key->kind == BR_KIND_INT)
        br_strbuf_add(t, ", \"minimum\": %lld, \"maximum\": %lld", (long long)key->lo,
                      (long long)key->hi);
    for (int32_t n = 0; key->kind == BR_KIND_CHOICE && br_choice_at(key->choices, n, word); n++)
        br_strbuf_add(t, "%s\"%s\"", n ? ", " : "", word);
    if (key->kind == BR_KIND_CHOICE)
        br_strbuf_add(t, "]");
}

/* "required" of a section, and whether the section itself is required. */
static bool add_required(br_strbuf *t, int32_t i)
{
    bool has_any = false;

    while (i > 0 && !opens_section(i))
        i--;
    for (;; i++) {
        const br_key *key = &br_key_table[i];

        if (key->flags & BR_KEY_REQUIRED) {
            br_strbuf_add(t, "%s\"%s\"", has_any ? ", " : ",\n      \"required\": [",
                          key->name + section_bytes(key) + 1);
            has_any = true;
        }
        if (closes_section(i))
            break;
    }
    if (has_any)
        br_strbuf_add(t, "]");
    return has_any;
}

br_status br_config_schema(char **out)
{
    br_strbuf t = {0}, sections = {0};

    br_strbuf_add(&t, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                      "  \"title\": \"batchrank configuration\",\n  \"type\": \"object\",\n"
                      "  \"additionalProperties\": false,\n  \"properties\": {\n");
    for (int32_t i = 0; i < br_n_keys; i++) {
        const br_key *key = &br_key_table[i];
        size_t        n   = section_bytes(key);

        if (opens_section(i))
            br_strbuf_add(&t,
                          "    \"%.*s\": {\n      \"type\": \"object\",\n      "
                          "\"additionalProperties\": false,\n      \"properties\": {\n",
                          (int)n, key->name);
        br_strbuf_add(&t, "        \"%s\": {", key->name + n + 1);
        add_schema_type(&t, key);
        br_strbuf_add(&t, ", \"description\": ");
        br_strbuf_add_string(&t, key->help);
        br_strbuf_add(&t, closes_section(i) ? "}\n      }" : "},\n");
        if (!closes_section(i))
            continue;
        if (add_required(&t, i))
            br_strbuf_add(&sections, "\"%.*s\", ", (int)n, key->name);
        br_strbuf_add(&t, "\n    }%s\n", i + 1 == br_n_keys ? "" : ",");
    }
    br_strbuf_drop_comma(&sections);
    br_strbuf_add(&t, "  },\n  \"required\": [%s]\n}\n", sections.data ? sections.data : "");
    br_strbuf_free(&sections);
    return br_strbuf_take(&t, out);
}
