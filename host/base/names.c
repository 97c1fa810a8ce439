/* SPDX-License-Identifier: Apache-2.0
 *
 * A sorted array of texts. Called when inputs are opened. */
#include "host/base/names.h"

#include <string.h>

#include "host/base/memory.h"

/* The first place whose name is not before `name`. */
static int32_t place_of(const br_names *names, const char *name)
{
    int32_t lo = 0, hi = names->n;

    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;

        if (strcmp(names->name[mid], name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static br_status grow(br_names *names)
{
    br_status st       = BR_OK;
    int32_t   capacity = names->capacity == 0 ? 16 : 2 * names->capacity;
    char    **name     = NULL;

    BR_ALLOC(st, name, capacity, "names");
    if (names->n > 0)
        memcpy(name, names->name, (size_t)names->n * sizeof *name);
    br_free(&names->name);
    names->name     = name;
    names->capacity = capacity;
done:
    return st;
}

br_status br_names_add(br_names *names, const char *name)
{
    br_status st   = BR_OK;
    char     *copy = NULL;
    int32_t   at   = place_of(names, name);

    if (at < names->n && strcmp(names->name[at], name) == 0)
        return BR_OK;
    if (names->n == names->capacity)
        BR_TRY(st, grow(names));
    BR_ALLOC(st, copy, (int64_t)strlen(name) + 1, "name");
    strcpy(copy, name);
    memmove(names->name + at + 1, names->name + at, (size_t)(names->n - at) * sizeof *names->name);
    names->name[at] = copy;
    names->n++;
done:
    return st;
}

br_status br_names_add_all(br_names *names, const br_names *more)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < more->n; i++)
        BR_TRY(st, br_names_add(names, more->name[i]));
done:
    return st;
}

bool br_names_has(const br_names *names, const char *name)
{
    int32_t at = place_of(names, name);

    return at < names->n && strcmp(names->name[at], name) == 0;
}

void br_names_free(br_names *names)
{
    for (int32_t i = 0; i < names->n; i++)
        br_free(&names->name[i]);
    br_free(&names->name);
    *names = (br_names){0};
}
