/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys: text, and the join of two files' rows by an open-addressing hash. The join runs once per
 * table (vocabulary, catalogue), not per batch. */
#include "host/io/keys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/hash.h"
#include "host/base/memory.h"
#include "host/base/nearest.h"

typedef struct slot_table {
    int64_t  mask;
    int64_t *row; /* -1 free */
} slot_table;

void br_keys_free(br_keys *keys)
{
    br_free(&keys->data);
    *keys = (br_keys){0};
}

static const uint8_t *key_at(const br_keys *keys, int64_t row)
{
    return keys->data + row * keys->width_bytes;
}

/* The key without its padding, so that S8 and S16 columns join. */
static size_t key_bytes(const br_keys *keys, int64_t row)
{
    if (keys->is_number)
        return sizeof(uint64_t);
    return strnlen((const char *)key_at(keys, row), (size_t)keys->width_bytes);
}

const char *br_keys_bytes(const br_keys *keys, int64_t row, char digits[BR_KEY_TEXT_BYTES],
                          size_t *n_bytes)
{
    const char *bytes =
        keys->is_number ? br_keys_text(keys, row, digits) : (const char *)key_at(keys, row);

    *n_bytes = keys->is_number ? strlen(bytes) : key_bytes(keys, row);
    return bytes;
}

bool br_keys_is_empty(const br_keys *keys, int64_t row)
{
    return !keys->is_number && key_bytes(keys, row) == 0;
}

const char *br_keys_text(const br_keys *keys, int64_t row, char text[BR_KEY_TEXT_BYTES])
{
    size_t n_bytes = key_bytes(keys, row);
    size_t at      = 0;

    if (keys->is_number) {
        uint64_t number;
        memcpy(&number, key_at(keys, row), sizeof number);
        snprintf(text, BR_KEY_TEXT_BYTES, "%llu", (unsigned long long)number);
        return text;
    }
    text[0] = '\0';
    for (size_t i = 0; i < n_bytes; i++) {
        uint8_t byte = key_at(keys, row)[i];
        if (at + 8 > BR_KEY_TEXT_BYTES) { /* room for one \xNN, "..." and NUL */
            strcpy(text + at, "...");
            break;
        }
        if (byte < 0x20 || byte > 0x7e || byte == '\\') {
            at += (size_t)sprintf(text + at, "\\x%02x", byte);
        } else {
            text[at++] = (char)byte;
            text[at]   = '\0';
        }
    }
    return text;
}

/* Mixed, as the low bits choose the slot. */
static uint64_t hash_key(const br_keys *keys, int64_t row)
{
    return br_hash_mix(br_hash_bytes(key_at(keys, row), key_bytes(keys, row)));
}

static bool is_same(const br_keys *a, int64_t a_row, const br_keys *b, int64_t b_row)
{
    size_t n_bytes = key_bytes(a, a_row);

    return n_bytes == key_bytes(b, b_row) &&
           memcmp(key_at(a, a_row), key_at(b, b_row), n_bytes) == 0;
}

/* The slot that holds the key, or the free one where it belongs. */
static int64_t *find_slot(const slot_table *slots, const br_keys *table, const br_keys *keys,
                          int64_t row)
{
    int64_t at = (int64_t)(hash_key(keys, row) & (uint64_t)slots->mask);

    while (slots->row[at] >= 0 && !is_same(table, slots->row[at], keys, row))
        at = (at + 1) & slots->mask;
    return &slots->row[at];
}

static br_status fill_slots(slot_table *slots, const br_keys *table, const char *table_name,
                            int64_t first_row)
{
    br_status st     = BR_OK;
    int64_t   n_rows = 16;
    char      text[BR_KEY_TEXT_BYTES];

    while (n_rows < 2 * table->n_keys)
        n_rows *= 2;
    BR_ALLOC(st, slots->row, n_rows, "key table");
    memset(slots->row, 0xff, (size_t)n_rows * sizeof *slots->row);
    slots->mask = n_rows - 1;
    for (int64_t row = 0; row < table->n_keys; row++) {
        int64_t *slot;
        if (br_keys_is_empty(table, row))
            continue;
        slot = find_slot(slots, table, table, row);
        if (*slot >= 0)
            BR_FAIL(st, BR_E_INPUT, "%s: key '%s' is in rows %lld and %lld; expected once",
                    table_name, br_keys_text(table, row, text), (long long)(first_row + *slot),
                    (long long)(first_row + row));
        *slot = row;
    }
done:
    return st;
}

static const char *kind_text(const br_keys *keys)
{
    return keys->is_number ? "u64 numbers" : "bytes";
}

br_status br_keys_join(const br_keys *table, const char *table_name, const br_keys *wanted,
                       const char *wanted_name, int64_t *row_of)
{
    br_status  st    = BR_OK;
    slot_table slots = {0};

    if (table->is_number != wanted->is_number && table->n_keys > 0 && wanted->n_keys > 0)
        BR_FAIL(st, BR_E_INPUT, "%s has keys that are %s, %s has %s; expected the same kind",
                table_name, kind_text(table), wanted_name, kind_text(wanted));
    BR_TRY(st, fill_slots(&slots, table, table_name, 0));
    for (int64_t i = 0; i < wanted->n_keys; i++)
        row_of[i] = table->n_keys == 0 || br_keys_is_empty(wanted, i)
                        ? -1
                        : *find_slot(&slots, table, wanted, i);
done:
    br_free(&slots.row);
    return st;
}

br_status br_keys_check_unique(const br_keys *keys, const char *name, int64_t first_row)
{
    br_status  st    = BR_OK;
    slot_table slots = {0};

    for (int64_t row = 0; row < keys->n_keys; row++)
        if (br_keys_is_empty(keys, row))
            BR_FAIL(st, BR_E_INPUT, "%s: row %lld: the key is empty; expected 1 byte or more", name,
                    (long long)(first_row + row));
    BR_TRY(st, fill_slots(&slots, keys, name, first_row));
done:
    br_free(&slots.row);
    return st;
}

bool br_keys_parse_number(const char *text, uint64_t *number)
{
    char *end;

    errno   = 0;
    *number = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

br_status br_keys_find_text(const br_keys *keys, const char *text, int64_t *row)
{
    br_status st     = BR_OK;
    uint64_t  number = 0;
    br_keys   wanted = {false, (int32_t)strlen(text), 1, (uint8_t *)text};

    *row = -1;
    if (keys->is_number) {
        if (!br_keys_parse_number(text, &number))
            BR_FAIL(st, BR_E_USAGE, "key '%.64s': expected a number in [0, %" PRIu64 "]", text,
                    UINT64_MAX);
        wanted = (br_keys){true, sizeof number, 1, (uint8_t *)&number};
    }
    for (int64_t i = 0; i < keys->n_keys && *row < 0; i++)
        if (is_same(keys, i, &wanted, 0))
            *row = i;
done:
    return st;
}

br_status br_keys_nearest(const br_keys *keys, const char *text, char best[BR_KEY_TEXT_BYTES])
{
    br_status    st                  = BR_OK;
    const char **name_K              = NULL;
    char(*text_K)[BR_KEY_TEXT_BYTES] = NULL;
    const char *nearest;

    BR_ALLOC(st, name_K, keys->n_keys + 1, "keys as text");
    BR_ALLOC(st, text_K, keys->n_keys + 1, "keys as text");
    memcpy(text_K[0], best, BR_KEY_TEXT_BYTES);
    name_K[0] = text_K[0];
    for (int64_t i = 0; i < keys->n_keys; i++)
        name_K[i + 1] = br_keys_text(keys, i, text_K[i + 1]);
    nearest = best[0] == '\0' ? br_nearest(text, name_K + 1, (int32_t)keys->n_keys)
                              : br_nearest(text, name_K, (int32_t)keys->n_keys + 1);
    if (nearest != NULL)
        memcpy(best, nearest, BR_KEY_TEXT_BYTES);
done:
    br_free(&name_K);
    br_free(&text_K);
    return st;
}

/* Bytes of the UTF-8 sequence that starts at `at` (RFC 3629), 0 when there is none. */
static int64_t utf8_bytes(const uint8_t *at, const uint8_t *end)
{
    int64_t n = *at < 0x80 ? 1 : *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;

    if (n == 0 || *at > 0xf4 || n > end - at)
        return 0;
    for (int64_t i = 1; i < n; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0; /* longer than needed, a surrogate, beyond U+10FFFF */
    return n;
}

bool br_keys_is_utf8(const void *bytes, size_t n_bytes)
{
    const uint8_t *at  = bytes;
    const uint8_t *end = at + n_bytes;

    while (at < end) {
        int64_t n = utf8_bytes(at, end);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}
