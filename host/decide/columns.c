/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking columns up by name, when rules are compiled. */
#include "host/decide/columns.h"

#include <string.h>

#include "host/base/nearest.h"

int32_t br_columns_find(const br_columns *columns, const char *name)
{
    int32_t found = BR_COLUMN_UNKNOWN;

    for (int32_t c = 0; c < columns->n_columns; c++)
        if (strcmp(columns->column[c].name, name) == 0)
            return c;
    for (int32_t c = 0; c < columns->n_columns; c++) {
        const char *dot = strchr(columns->column[c].name, '.');

        if (dot == NULL || strcmp(dot + 1, name) != 0)
            continue;
        if (found >= 0)
            return BR_COLUMN_AMBIGUOUS;
        found = c;
    }
    return found;
}

const char *br_columns_nearest(const br_columns *columns, const char *name)
{
    const char *nearest = NULL;

    for (int32_t c = 0; c < columns->n_columns; c++) {
        const char *full = columns->column[c].name, *dot = strchr(full, '.');
        const char *names[3] = {full, dot != NULL ? dot + 1 : full, nearest};

        nearest = br_nearest(name, names, nearest != NULL ? 3 : 2);
    }
    return nearest;
}

const char *br_column_kind_text(br_column_kind kind)
{
    static const char *const texts[BR_N_COLUMN_KINDS] = {
        [BR_COLUMN_CATEGORY] = "a category",
        [BR_COLUMN_NUMBER]   = "a number",
        [BR_COLUMN_BITS]     = "a set of bits",
        [BR_COLUMN_KEY]      = "a key",
    };

    return texts[kind];
}
