/* SPDX-License-Identifier: Apache-2.0
 *
 * Typed fields of model.json. Called a few hundred times per model. */
#include "host/io/bundle/object.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/base/strbuf.h"

/* "a.b: " in front of a sentence, or "b: " at the top */
static const char *dot(const br_object *object)
{
    return object->place[0] == '\0' ? "" : ".";
}

static br_status fail_field(const br_object *object, const char *name, const br_json_node *found,
                            const char *expected)
{
    if (found == NULL)
        return br_fail(BR_E_INPUT, "%s: %s%s%s is missing, expected %s", object->file,
                       object->place, dot(object), name, expected);
    return br_fail(BR_E_INPUT, "%s: %s%s%s: found %s, expected %s", object->file, object->place,
                   dot(object), name, br_json_type_name(found), expected);
}

br_status br_object_check_names(const br_object *object, const char *const *names, int32_t n_names)
{
    for (const br_json_node *n = br_json_first(object->node); n != NULL; n = br_json_next(n)) {
        const char *name     = br_json_name(n);
        const char *nearest  = br_nearest(name, names, n_names);
        bool        is_known = false;

        for (int32_t i = 0; i < n_names; i++)
            is_known |= strcmp(name, names[i]) == 0;
        if (!is_known && nearest != NULL)
            return br_fail(BR_E_INPUT, "%s: %s%s%.60s: unknown key, did you mean '%s'?",
                           object->file, object->place, dot(object), name, nearest);
        if (!is_known)
            return br_fail(BR_E_INPUT, "%s: %s%s%.60s: unknown key", object->file, object->place,
                           dot(object), name);
    }
    return BR_OK;
}

static bool is_absent(const br_json_node *node)
{
    return node == NULL || br_json_type_of(node) == BR_JSON_NULL;
}

br_status br_object_open(const br_object *parent, const char *name, br_need need, br_object *out)
{
    const br_json_node *node = br_json_member(parent->node, name);

    *out = (br_object){.file = parent->file};
    (void)snprintf(out->place, sizeof out->place, "%.80s%s%s", parent->place, dot(parent), name);
    if (is_absent(node) && need == BR_OPTIONAL)
        return BR_OK;
    if (node == NULL || br_json_type_of(node) != BR_JSON_OBJECT)
        return fail_field(parent, name, node, "an object");
    out->node = node;
    return BR_OK;
}

br_status br_object_array(const br_object *parent, const char *name, br_need need,
                          int32_t max_count, const br_json_node **out)
{
    const br_json_node *node = br_json_member(parent->node, name);

    *out = NULL;
    if (is_absent(node) && need == BR_OPTIONAL)
        return BR_OK;
    if (node == NULL || br_json_type_of(node) != BR_JSON_ARRAY)
        return fail_field(parent, name, node, "an array");
    if (br_json_count(node) > max_count)
        return br_fail(BR_E_INPUT, "%s: %s%s%s: found %d elements, expected at most %d",
                       parent->file, parent->place, dot(parent), name, (int)br_json_count(node),
                       (int)max_count);
    *out = node;
    return BR_OK;
}

br_status br_object_element(const br_object *parent, const char *name, int32_t i,
                            const br_json_node *element, br_object *out)
{
    *out = (br_object){.file = parent->file, .node = element};
    (void)snprintf(out->place, sizeof out->place, "%.80s%s%s[%d]", parent->place, dot(parent), name,
                   (int)i);
    if (br_json_type_of(element) != BR_JSON_OBJECT)
        return br_fail(BR_E_INPUT, "%s: %s: found %s, expected an object", out->file, out->place,
                       br_json_type_name(element));
    return BR_OK;
}

br_status br_object_int(const br_object *object, br_number_rule rule, int32_t *out)
{
    const br_json_node *node = br_json_member(object->node, rule.name);
    int64_t             value;

    *out = (int32_t)rule.absent;
    if (node == NULL && rule.need == BR_OPTIONAL)
        return BR_OK;
    if (node == NULL || br_json_type_of(node) != BR_JSON_NUMBER)
        return fail_field(object, rule.name, node, "a whole number");
    if (!br_json_integer(node, &value) || (double)value < rule.lo || (double)value > rule.hi)
        return br_fail(BR_E_INPUT, "%s: %s%s%s: found %.17g, expected a whole number in %.0f..%.0f",
                       object->file, object->place, dot(object), rule.name, br_json_number(node),
                       rule.lo, rule.hi);
    *out = (int32_t)value;
    return BR_OK;
}

br_status br_object_real(const br_object *object, br_number_rule rule, double *out)
{
    const br_json_node *node = br_json_member(object->node, rule.name);

    *out = rule.absent;
    if (node == NULL && rule.need == BR_OPTIONAL)
        return BR_OK;
    if (node == NULL || br_json_type_of(node) != BR_JSON_NUMBER)
        return fail_field(object, rule.name, node, "a number");
    *out = br_json_number(node);
    if (!(*out >= rule.lo && *out <= rule.hi))
        return br_fail(BR_E_INPUT, "%s: %s%s%s: found %g, expected a number in %g..%g",
                       object->file, object->place, dot(object), rule.name, *out, rule.lo, rule.hi);
    return BR_OK;
}

br_status br_object_bool(const br_object *object, const char *name, br_need need, bool *out)
{
    const br_json_node *node = br_json_member(object->node, name);

    *out = false;
    if (node == NULL && need == BR_OPTIONAL)
        return BR_OK;
    if (node == NULL || br_json_type_of(node) != BR_JSON_BOOL)
        return fail_field(object, name, node, "true or false");
    *out = br_json_bool(node);
    return BR_OK;
}

br_status br_object_text(const br_object *object, const char *name, br_need need, char *out,
                         int32_t out_bytes)
{
    const br_json_node *node = br_json_member(object->node, name);
    const char         *text = is_absent(node) ? NULL : br_json_string(node);

    if (is_absent(node) && need == BR_OPTIONAL)
        return BR_OK;
    if (text == NULL)
        return fail_field(object, name, node, "a string");
    if (text[0] == '\0' || strlen(text) >= (size_t)out_bytes)
        return br_fail(BR_E_INPUT, "%s: %s%s%s: found %zu bytes, expected 1 to %d", object->file,
                       object->place, dot(object), name, strlen(text), (int)out_bytes - 1);
    (void)snprintf(out, (size_t)out_bytes, "%s", text);
    return BR_OK;
}

br_status br_object_name(const br_object *object, const char *name, char *out, int32_t out_bytes)
{
    br_status st = BR_OK;

    BR_TRY(st, br_object_text(object, name, BR_NEEDED, out, out_bytes));
    for (const char *c = out; *c != '\0'; c++) {
        bool is_plain = isalnum((unsigned char)*c) || *c == '_';
        if (!is_plain && (c == out || (*c != '-' && *c != '.')))
            BR_FAIL(st, BR_E_INPUT,
                    "%s: %s%s%s: found '%s', expected letters, digits, '_', '-' and '.'",
                    object->file, object->place, dot(object), name, out);
    }
done:
    return st;
}

br_status br_object_choice(const br_object *object, const char *name, br_need need,
                           br_choices choices, int32_t *out)
{
    br_status           st       = BR_OK;
    const br_json_node *node     = br_json_member(object->node, name);
    const char         *text     = node == NULL ? NULL : br_json_string(node);
    br_strbuf           expected = {0};

    if (node == NULL && need == BR_OPTIONAL)
        goto done;
    for (int32_t i = 0; i < choices.n; i++) {
        if (text != NULL && strcmp(text, choices.name[i]) == 0) {
            *out = i;
            goto done;
        }
        br_strbuf_add(&expected, "%s%s", i == 0 ? "" : ", ", choices.name[i]);
    }
    if (expected.data == NULL || text == NULL)
        st = fail_field(object, name, node, expected.data == NULL ? "a string" : expected.data);
    else
        st = br_fail(BR_E_INPUT, "%s: %s%s%s: found '%.60s', expected one of: %s", object->file,
                     object->place, dot(object), name, text, expected.data);
done:
    br_strbuf_free(&expected);
    return st;
}
