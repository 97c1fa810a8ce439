/* SPDX-License-Identifier: Apache-2.0
 *
 * A few pairs of paths. Looked up when a file is opened. */
#include "host/base/inputs/stand_in.h"

#include <stdlib.h>
#include <string.h>

static struct {
    char *path;
    char *place;
} pair[BR_MAX_STAND_INS];
static int n_pairs;

const char *br_stand_in(const char *path)
{
    for (int i = 0; i < n_pairs; i++)
        if (strcmp(pair[i].path, path) == 0)
            return pair[i].place;
    return path;
}

br_status br_stand_in_set(const char *path, const char *place)
{
    if (n_pairs == BR_MAX_STAND_INS)
        return br_fail(BR_E_SELFCHECK, "%s: more than %d files have a stand-in", path,
                       BR_MAX_STAND_INS);
    pair[n_pairs].path  = strdup(path);
    pair[n_pairs].place = strdup(place);
    n_pairs++;
    if (pair[n_pairs - 1].path == NULL || pair[n_pairs - 1].place == NULL) {
        br_stand_in_drop_all();
        return br_fail(BR_E_MEMORY, "%s: no memory for a path", path);
    }
    return BR_OK;
}

void br_stand_in_drop_all(void)
{
    while (n_pairs > 0) {
        n_pairs--;
        free(pair[n_pairs].path);
        free(pair[n_pairs].place);
    }
}
