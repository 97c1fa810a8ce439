/* SPDX-License-Identifier: Apache-2.0
 *
 * "Did you mean": the name with the smallest edit distance. Called when an error is reported. */
#include "host/base/nearest.h"

#include <string.h>

#define MAX_LENGTH 64

static int smallest(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein distance; long names are compared by their first MAX_LENGTH characters. */
static int edit_distance(const char *a, const char *b)
{
    int n_a = (int)strnlen(a, MAX_LENGTH), n_b = (int)strnlen(b, MAX_LENGTH);
    int row[MAX_LENGTH + 1];

    for (int j = 0; j <= n_b; j++)
        row[j] = j;
    for (int i = 1; i <= n_a; i++) {
        int diagonal = row[0];

        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            int above = row[j];

            row[j]   = smallest(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n_b];
}

const char *br_nearest(const char *name, const char *const *names, int32_t n_names)
{
    const char *best  = NULL;
    int         least = (int)strnlen(name, MAX_LENGTH) / 2 + 1;

    for (int32_t i = 0; i < n_names; i++) {
        int distance = edit_distance(name, names[i]);
        if (distance < least) {
            least = distance;
            best  = names[i];
        }
    }
    return best;
}
