/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of open objects. Pushed once per key, popped once per object. */
#include "host/config/json_keys.h"

#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"

#define FIRST_ALLOCATION 64

struct br_json_key {
    const char *name; /* in the text, or decoded */
    size_t      n_bytes;
    size_t      at;
};

static unsigned long hex4(const char *digits)
{
    char four[5] = {digits[0], digits[1], digits[2], digits[3], '\0'};

    return strtoul(four, NULL, 16);
}

static size_t put_utf8(unsigned long point, char *out)
{
    size_t n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};

    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3F));
    out[0] = (char)(lead[n] | point);
    return n;
}

/* What stands for the character after a backslash. */
static char plain_escape(char c)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char       *found = strchr(from, c);

    return found != NULL ? to[found - from] : c;
}

/* Never longer than what it reads. */
static size_t decode(const char *text, size_t n_bytes, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < n_bytes;) {
        unsigned long point;

        if (text[i] != '\\') {
            out[n++] = text[i++];
            continue;
        }
        if (text[i + 1] != 'u') {
            out[n++] = plain_escape(text[i + 1]);
            i += 2;
            continue;
        }
        point = hex4(text + i + 2);
        i += 6;
        if (point >= 0xD800 && point <= 0xDBFF) { /* the scan saw its other half */
            point = 0x10000 + ((point - 0xD800) << 10) + (hex4(text + i + 2) - 0xDC00);
            i += 6;
        }
        n += put_utf8(point, out + n);
    }
    return n;
}

static br_status grow(br_json_keys *keys)
{
    br_status    st     = BR_OK;
    br_json_key *larger = NULL;
    int64_t      n      = keys->n_allocated > 0 ? 2 * keys->n_allocated : FIRST_ALLOCATION;

    BR_ALLOC(st, larger, n, "keys of a JSON text");
    if (keys->n_open > 0)
        memcpy(larger, keys->open, (size_t)keys->n_open * sizeof *larger);
    br_free(&keys->open);
    keys->open        = larger;
    keys->n_allocated = n;
done:
    return st;
}

br_status br_json_keys_push(br_json_keys *keys, const char *text, size_t text_bytes, size_t at,
                            size_t n_bytes)
{
    br_status   st  = BR_OK;
    br_json_key key = {text + at, n_bytes, at};

    if (keys->n_open == keys->n_allocated)
        BR_TRY(st, grow(keys));
    if (memchr(text + at, '\\', n_bytes) != NULL) {
        if (keys->decoded == NULL)
            BR_ALLOC(st, keys->decoded, (int64_t)text_bytes, "keys of a JSON text");
        key.name    = keys->decoded + keys->n_decoded;
        key.n_bytes = decode(text + at, n_bytes, keys->decoded + keys->n_decoded);
        keys->n_decoded += key.n_bytes;
    }
    keys->open[keys->n_open++] = key;
done:
    return st;
}

static bool is_equal(const br_json_key *a, const br_json_key *b)
{
    return a->n_bytes == b->n_bytes && memcmp(a->name, b->name, a->n_bytes) == 0;
}

/* By length, then bytes, then place. */
static int compare(const void *left, const void *right)
{
    const br_json_key *a = left, *b = right;
    int                order;

    if (a->n_bytes != b->n_bytes)
        return a->n_bytes < b->n_bytes ? -1 : 1;
    order = memcmp(a->name, b->name, a->n_bytes);
    return order != 0 ? order : a->at < b->at ? -1 : 1;
}

bool br_json_keys_pop(br_json_keys *keys, int64_t first, size_t *at)
{
    int64_t n       = keys->n_open - first;
    bool    is_twin = false;

    keys->n_open = first;
    if (n < 2)
        return false;
    qsort(keys->open + first, (size_t)n, sizeof *keys->open, compare);
    for (int64_t i = first + 1; i < first + n; i++)
        if (is_equal(&keys->open[i - 1], &keys->open[i]) && (!is_twin || keys->open[i].at < *at)) {
            *at     = keys->open[i].at;
            is_twin = true;
        }
    return is_twin;
}

void br_json_keys_free(br_json_keys *keys)
{
    br_free(&keys->open);
    br_free(&keys->decoded);
    *keys = (br_json_keys){0};
}
