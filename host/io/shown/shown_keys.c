/* SPDX-License-Identifier: Apache-2.0
 *
 * Customers and items of a log: read in blocks of whole lists, checked, not kept. */
#include <string.h>

#include "host/base/hash.h"
#include "host/base/memory.h"
#include "host/io/shown/inner.h"

#define TABLE_SLOTS 4096 /* a power of two, well above BR_SHOWN_MAX_POSITION */

/* A set of items, emptied by moving on to the next stamp. */
typedef struct item_set {
    int64_t stamp;
    int64_t stamp_T[TABLE_SLOTS];
    int64_t row_T[TABLE_SLOTS];
} item_set;

/* The row of the same list that has this item already, or -1. */
static int64_t find_or_add(item_set *set, const br_keys *item, int64_t row)
{
    const uint8_t *key = item->data + row * item->width_bytes;
    uint64_t       at  = br_hash_mix(br_hash_bytes(key, (size_t)item->width_bytes)) % TABLE_SLOTS;

    for (; set->stamp_T[at] == set->stamp; at = (at + 1) % TABLE_SLOTS)
        if (memcmp(key, item->data + set->row_T[at] * item->width_bytes,
                   (size_t)item->width_bytes) == 0)
            return set->row_T[at];
    set->stamp_T[at] = set->stamp;
    set->row_T[at]   = row;
    return -1;
}

static br_status check_row(const br_shown_file *file, const br_keys *customer, const br_keys *item,
                           int64_t block_row, int64_t row)
{
    char text[BR_KEY_TEXT_BYTES];

    if (br_keys_is_empty(customer, row) || br_keys_is_empty(item, row))
        return br_fail(BR_E_INPUT, "%s: %s: row %lld: empty key; expected what was shown to whom",
                       br_h5_path(file->h5),
                       br_keys_is_empty(item, row) ? "/shown/item" : "/shown/customer",
                       (long long)(block_row + row));
    if (file->log.position_R[block_row + row] > 1 && file->log.longest > 1 &&
        memcmp(customer->data + row * customer->width_bytes,
               customer->data + (row - 1) * customer->width_bytes,
               (size_t)customer->width_bytes) != 0)
        return br_fail(BR_E_INPUT,
                       "%s: /shown/customer: row %lld: found '%s', expected the customer of the "
                       "row above: a list belongs to one",
                       br_h5_path(file->h5), (long long)(block_row + row),
                       br_keys_text(customer, row, text));
    return BR_OK;
}

/* Lists [l, end) whose keys are in customer and item. */
static br_status check_lists(const br_shown_file *file, const br_keys *customer,
                             const br_keys *item, item_set *set, const int64_t span[2])
{
    br_status      st       = BR_OK;
    const int64_t *first_L1 = file->log.first_L1;
    int64_t        before   = first_L1[span[0]];
    char           text[BR_KEY_TEXT_BYTES];

    for (int64_t l = span[0]; l < span[1]; l++) {
        set->stamp = l + 1;
        for (int64_t row = first_L1[l] - before; row < first_L1[l + 1] - before; row++) {
            int64_t twin = find_or_add(set, item, row);

            BR_TRY(st, check_row(file, customer, item, before, row));
            if (twin >= 0)
                BR_FAIL(st, BR_E_INPUT,
                        "%s: /shown/item: row %lld: '%s' is in the list already, at row %lld",
                        br_h5_path(file->h5), (long long)(before + row),
                        br_keys_text(item, row, text), (long long)(before + twin));
        }
    }
done:
    return st;
}

static br_status open_keys(br_shown_file *file, const char *path, br_h5_dataset **out)
{
    const br_h5_want want = {.path    = path,
                             .type    = BR_H5_KEY,
                             .rank    = 1,
                             .n_rows  = file->log.n_rows,
                             .rows_of = "/shown/position"};

    (void)br_h5_find(file->h5, path);
    return br_h5_dataset_open(file->h5, &want, out);
}

br_status br_shown_check_keys(br_shown_file *file)
{
    br_status      st           = BR_OK;
    const int64_t *first_L1     = file->log.first_L1;
    br_h5_dataset *customer_set = NULL, *item_set_of_file = NULL;
    br_keys        customer = {0}, item = {0};
    item_set      *set     = NULL;
    int64_t        span[2] = {0, 0};

    BR_TRY(st, open_keys(file, "/shown/customer", &customer_set));
    BR_TRY(st, open_keys(file, "/shown/item", &item_set_of_file));
    BR_ALLOC(st, set, 1, "items of a list");
    for (; span[0] < file->log.n_lists; span[0] = span[1]) {
        int64_t row = first_L1[span[0]];

        for (span[1] = span[0] + 1; span[1] < file->log.n_lists; span[1]++)
            if (first_L1[span[1] + 1] - row > BR_SHOWN_BLOCK)
                break;
        BR_TRY(st, br_h5_read_keys(customer_set, row, first_L1[span[1]] - row, &customer));
        BR_TRY(st, br_h5_read_keys(item_set_of_file, row, first_L1[span[1]] - row, &item));
        BR_TRY(st, check_lists(file, &customer, &item, set, span));
    }
done:
    br_free(&set);
    br_keys_free(&item);
    br_keys_free(&customer);
    br_h5_dataset_close(&item_set_of_file);
    br_h5_dataset_close(&customer_set);
    return st;
}
