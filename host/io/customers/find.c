/* SPDX-License-Identifier: Apache-2.0
 *
 * One customer by key: a scan in blocks. Called once per process, by `explain`. */
#include "host/io/customers/inner.h"

#define BLOCK_ROWS 65536

static int64_t block_rows(const br_customers *c, int64_t first)
{
    int64_t left = c->info.n_customers - first;

    return left < BLOCK_ROWS ? left : BLOCK_ROWS;
}

static br_status find_nearest(br_customers *c, const char *key, char best[BR_KEY_TEXT_BYTES])
{
    br_status st   = BR_OK;
    br_keys   keys = {0};

    best[0] = '\0';
    for (int64_t first = 0; first < c->info.n_customers; first += BLOCK_ROWS) {
        BR_TRY(st, br_h5_read_keys(c->key, first, block_rows(c, first), &keys));
        BR_TRY(st, br_keys_nearest(&keys, key, best));
    }
done:
    br_keys_free(&keys);
    return st;
}

br_status br_customers_find(br_customers *c, const char *key, int64_t *row)
{
    br_status st   = BR_OK;
    br_keys   keys = {0};
    char      best[BR_KEY_TEXT_BYTES];

    *row = -1;
    for (int64_t first = 0; first < c->info.n_customers && *row < 0; first += BLOCK_ROWS) {
        BR_TRY(st, br_h5_read_keys(c->key, first, block_rows(c, first), &keys));
        BR_TRY(st, br_keys_find_text(&keys, key, row));
        if (*row >= 0)
            *row += first;
    }
    if (*row >= 0)
        goto done;
    BR_TRY(st, find_nearest(c, key, best));
    BR_FAIL(st, BR_E_USAGE, "%s: no customer has the key '%.64s'%s%s", br_h5_path(c->file), key,
            best[0] == '\0' ? "" : ", did you mean ", best);
done:
    br_keys_free(&keys);
    return st;
}
