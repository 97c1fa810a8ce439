/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pipeline/rules/rule_columns.h"

#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"

br_status br_rule_columns_open(const char *whose, int32_t capacity, br_rule_columns *out)
{
    br_status st = BR_OK;

    *out         = (br_rule_columns){.capacity = capacity};
    out->columns = (br_columns){.whose = whose};
    BR_ALLOC(st, out->column_C, capacity, "columns of rules");
    BR_ALLOC(st, out->name_C, capacity, "columns of rules");
    BR_ALLOC(st, out->text_C, capacity, "columns of rules");
    BR_ALLOC(st, out->names_C, capacity, "columns of rules");
    BR_ALLOC(st, out->used_C, capacity, "columns of rules");
    out->columns.column = out->column_C;
done:
    return st;
}

void br_rule_columns_close(br_rule_columns *c)
{
    for (int32_t i = 0; i < c->columns.n_columns; i++) {
        br_free(&c->text_C[i]);
        br_free(&c->names_C[i]);
    }
    br_free(&c->column_C);
    br_free(&c->name_C);
    br_free(&c->text_C);
    br_free(&c->names_C);
    br_free(&c->used_C);
    *c = (br_rule_columns){0};
}

int32_t br_rule_columns_add(br_rule_columns *c, const char *prefix, const char *name,
                            br_column_kind kind)
{
    int32_t at = c->columns.n_columns++;

    (void)snprintf(c->name_C[at], BR_RULE_COLUMN_BYTES, "%s%s", prefix, name);
    c->column_C[at] = (br_column){.name = c->name_C[at], .kind = kind};
    return at;
}

void br_rule_columns_add_denied(br_rule_columns *c, const br_governance *g, br_input input)
{
    for (int32_t i = 0; i < g->column[input].n; i++) {
        const char *name = g->column[input].name[i];
        int32_t     at   = br_rule_columns_add(c, "", name, BR_COLUMN_NUMBER);

        c->column_C[at].denied_by = br_governance_denier(g, input, name);
    }
}

br_status br_rule_columns_name(br_rule_columns *c, int32_t at, const br_keys *keys, int32_t n)
{
    br_status st    = BR_OK;
    int32_t   width = keys == NULL || keys->is_number ? 21 : keys->width_bytes + 1;

    BR_ALLOC(st, c->text_C[at], (int64_t)n * width, "names of categories");
    BR_ALLOC(st, c->names_C[at], n, "names of categories");
    for (int32_t i = 0; i < n; i++) {
        char    *text   = c->text_C[at] + (int64_t)i * width;
        uint64_t number = (uint64_t)i;

        if (keys != NULL && keys->is_number)
            memcpy(&number, keys->data + (int64_t)i * 8, 8);
        if (keys != NULL && !keys->is_number)
            memcpy(text, keys->data + (int64_t)i * keys->width_bytes, (size_t)keys->width_bytes);
        else
            (void)snprintf(text, (size_t)width, "%llu", (unsigned long long)number);
        c->names_C[at][i] = text;
    }
    c->column_C[at].n_names = n;
    c->column_C[at].names_C = c->names_C[at];
done:
    return st;
}
