/* SPDX-License-Identifier: Apache-2.0
 *
 * Sorted keys. Read once per job, asked once per customer. */
#include "host/io/sets/key_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/memory.h"
#include "host/io/matrix/text_keys.h"
#include "host/io/run_dir.h"

static int compare_keys(const void *a, const void *b, void *width)
{
    return memcmp(a, b, *(const size_t *)width);
}

static void sort_unique(br_keys *keys)
{
    size_t  width = (size_t)keys->width_bytes;
    int64_t to    = 0;

    if (keys->n_keys == 0)
        return;
    qsort_r(keys->data, (size_t)keys->n_keys, width, compare_keys, &width);
    for (int64_t i = 0; i < keys->n_keys; i++)
        if (to == 0 || memcmp(keys->data + (size_t)(to - 1) * width, keys->data + (size_t)i * width,
                              width) != 0)
            memmove(keys->data + (size_t)to++ * width, keys->data + (size_t)i * width, width);
    keys->n_keys = to;
}

/* Decimal texts as numbers. */
static br_status parse_numbers(const char *path, const br_keys *texts, br_keys *out)
{
    br_status st    = BR_OK;
    uint64_t *key_U = NULL;

    BR_ALLOC(st, key_U, texts->n_keys, "keys of a file");
    for (int64_t i = 0; i < texts->n_keys; i++) {
        char text[256] = {0};

        memcpy(text, texts->data + i * texts->width_bytes, (size_t)texts->width_bytes);
        if (!br_keys_parse_number(text, &key_U[i]))
            BR_FAIL(st, BR_E_INPUT,
                    "%s: line %lld: found '%.64s', expected a number as the customers' keys are",
                    path, (long long)i + 1, text);
    }
    *out  = (br_keys){true, 8, texts->n_keys, (uint8_t *)key_U};
    key_U = NULL;
done:
    br_free(&key_U);
    return st;
}

static br_status read_text(const char *path, bool is_number, br_key_set *out)
{
    br_status   st    = BR_OK;
    br_keys     texts = {0};
    struct stat about;

    if (stat(path, &about) == 0 && about.st_size == 0)
        return BR_OK;
    BR_TRY(st, br_text_keys_read(path, &texts));
    if (is_number) {
        BR_TRY(st, parse_numbers(path, &texts, &out->keys));
    } else {
        out->keys = texts;
        texts     = (br_keys){0};
    }
done:
    br_keys_free(&texts);
    return st;
}

/* Appends the keys of customers with a list. */
static br_status add_part(const char *part, bool is_number, br_keys *keys)
{
    br_status st    = BR_OK;
    br_lists  lists = {0};
    uint8_t  *grown;
    size_t    width;

    BR_TRY(st, br_lists_read(part, &lists));
    width = (size_t)lists.key.width_bytes;
    if (lists.key.is_number != is_number ||
        (keys->n_keys > 0 && (size_t)keys->width_bytes != width))
        BR_FAIL(st, BR_E_INPUT, "%s: its customers have keys of another kind than this job's",
                part);
    grown = realloc(keys->data, ((size_t)keys->n_keys + (size_t)lists.n_rows + 1) * width);
    if (grown == NULL)
        BR_FAIL(st, BR_E_MEMORY, "%s: no memory for its customers' keys", part);
    keys->data        = grown;
    keys->width_bytes = (int32_t)width;
    keys->is_number   = is_number;
    for (int64_t b = 0; b < lists.n_rows; b++)
        if (lists.n_B[b] > 0)
            memcpy(keys->data + (size_t)keys->n_keys++ * width, lists.key.data + (size_t)b * width,
                   width);
done:
    br_lists_free(&lists);
    return st;
}

static br_status read_run(const char *path, bool is_number, br_key_set *out)
{
    br_status    st    = BR_OK;
    br_run_about about = {0};
    char         part[BR_RUN_PATH_BYTES];

    BR_TRY(st, br_run_describe(path, &about));
    if (!about.is_complete)
        BR_FAIL(st, BR_E_USAGE, "%s: the run is not complete: run its command again first", path);
    for (int64_t u = 0; u < about.n_units; u++) {
        BR_TRY(st, br_run_part_path(path, u, part));
        BR_TRY(st, add_part(part, is_number, &out->keys));
    }
done:
    br_run_about_free(&about);
    return st;
}

br_status br_key_set_read(const char *path, bool is_number, br_key_set *out)
{
    br_status   st = BR_OK;
    struct stat about;

    *out = (br_key_set){0};
    if (stat(path, &about) != 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(about.st_mode))
        BR_TRY(st, read_run(path, is_number, out));
    else
        BR_TRY(st, read_text(path, is_number, out));
    sort_unique(&out->keys);
done:
    if (st != BR_OK)
        br_key_set_free(out);
    return st;
}

void br_key_set_free(br_key_set *set)
{
    br_keys_free(&set->keys);
}

/* Like memcmp of the two, the shorter padded with NUL. */
static int compare_padded(const uint8_t *a, size_t n_a, const uint8_t *b, size_t n_b)
{
    size_t n      = n_a < n_b ? n_a : n_b;
    int    before = memcmp(a, b, n);

    for (size_t i = n; before == 0 && i < n_a; i++)
        before = a[i] != 0;
    for (size_t i = n; before == 0 && i < n_b; i++)
        before = -(b[i] != 0);
    return before;
}

bool br_key_set_has(const br_key_set *set, const br_keys *keys, int64_t row)
{
    size_t  width = (size_t)set->keys.width_bytes, n = (size_t)keys->width_bytes;
    int64_t lo = 0, hi = set->keys.n_keys;

    while (lo < hi) {
        int64_t mid    = lo + (hi - lo) / 2;
        int     before = compare_padded(set->keys.data + (size_t)mid * width, width,
                                        keys->data + (size_t)row * n, n);

        if (before == 0)
            return true;
        if (before < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return false;
}
