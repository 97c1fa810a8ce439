/* SPDX-License-Identifier: Apache-2.0
 *
 * Text files of keys. Read twice, in blocks: once to check and measure, once to keep. Called at
 * most twice per process. */
#include "host/io/matrix/text_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/files/open.h"
#include "host/base/memory.h"

#define MAX_KEY_BYTES 255
#define LINE_BYTES    (MAX_KEY_BYTES + 3) /* with \r\n and NUL */

static br_status open_text(const char *path, FILE **out)
{
    br_status   st = BR_OK;
    struct stat info;
    int         fd = br_open(path, O_RDONLY | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &info) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        BR_FAIL(st, BR_E_IO, "%s: found a %s, expected a file", path,
                S_ISDIR(info.st_mode) ? "folder" : "pipe or device");
    *out = fdopen(fd, "rb");
    if (*out == NULL)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    fd = -1;
done:
    if (fd >= 0)
        (void)close(fd);
    return st;
}

static br_status check_line(const char *path, int64_t line, const char *key, size_t n_bytes)
{
    if (n_bytes == 0)
        return br_fail(BR_E_INPUT, "%s: line %lld is empty, expected a key", path, (long long)line);
    if (n_bytes > MAX_KEY_BYTES)
        return br_fail(BR_E_INPUT, "%s: line %lld has more than %d bytes, expected a key", path,
                       (long long)line, MAX_KEY_BYTES);
    for (size_t i = 0; i < n_bytes; i++)
        if ((unsigned char)key[i] < 0x20)
            return br_fail(BR_E_INPUT,
                           "%s: line %lld: found the control character 0x%02x, expected text: one "
                           "key a line",
                           path, (long long)line, (unsigned)(unsigned char)key[i]);
    if (!br_keys_is_utf8(key, n_bytes))
        return br_fail(BR_E_INPUT, "%s: line %lld: found bytes that are not UTF-8", path,
                       (long long)line);
    return BR_OK;
}

/* The next line without its end; *n_bytes -1 behind the last. A line that is too long comes cut,
 * yet longer than a key may be. */
static br_status next_line(FILE *file, const char *path, char *text, int64_t *n_bytes)
{
    int64_t n = 0;
    int     c = getc_unlocked(file);

    for (; c != EOF && c != '\n' && n < LINE_BYTES - 1; c = getc_unlocked(file))
        text[n++] = (char)c;
    if (ferror(file))
        return br_fail(BR_E_IO, "%s: cannot read: %s", path, strerror(errno));
    if (n > 0 && c == '\n' && text[n - 1] == '\r')
        n--;
    *n_bytes = c == EOF && n == 0 ? -1 : n;
    return BR_OK;
}

/* Spreadsheets mark UTF-8 so; it is no part of the first key. */
static void skip_mark(char *text, int64_t *n_bytes)
{
    static const char mark[3] = {'\xEF', '\xBB', '\xBF'};

    if (*n_bytes < (int64_t)sizeof mark || memcmp(text, mark, sizeof mark) != 0)
        return;
    *n_bytes -= (int64_t)sizeof mark;
    memmove(text, text + sizeof mark, (size_t)*n_bytes);
}

/* keys == NULL: checks, counts lines and finds the longest; else fills keys->data. */
static br_status pass(FILE *file, const char *path, br_keys *keys, int64_t *n_lines,
                      int32_t *n_longest)
{
    br_status st   = BR_OK;
    int64_t   line = 0, n_bytes = -1;
    char      text[LINE_BYTES];

    for (;; line++) {
        BR_TRY(st, next_line(file, path, text, &n_bytes));
        if (n_bytes < 0)
            break;
        if (line == 0)
            skip_mark(text, &n_bytes);
        BR_TRY(st, check_line(path, line + 1, text, (size_t)n_bytes));
        *n_longest = n_bytes > *n_longest ? (int32_t)n_bytes : *n_longest;
        if (keys == NULL)
            continue;
        if (line >= keys->n_keys || n_bytes > keys->width_bytes)
            BR_FAIL(st, BR_E_INPUT, "%s: the file changed while it was read", path);
        memcpy(keys->data + line * keys->width_bytes, text, (size_t)n_bytes);
    }
    *n_lines = line;
done:
    return st;
}

br_status br_text_keys_read(const char *path, br_keys *out)
{
    br_status st        = BR_OK;
    FILE     *file      = NULL;
    int64_t   n_lines   = 0;
    int32_t   n_longest = 0;

    *out = (br_keys){0};
    BR_TRY(st, open_text(path, &file));
    BR_TRY(st, pass(file, path, NULL, &n_lines, &n_longest));
    if (n_lines == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: found an empty file, expected one key a line", path);
    *out = (br_keys){.width_bytes = n_longest, .n_keys = n_lines};
    BR_TRY(st, br_alloc(n_lines, (size_t)n_longest, "keys", (void **)&out->data));
    rewind(file);
    BR_TRY(st, pass(file, path, out, &n_lines, &n_longest));
    if (n_lines != out->n_keys)
        BR_FAIL(st, BR_E_INPUT, "%s: the file changed while it was read", path);
done:
    if (file != NULL)
        (void)fclose(file);
    if (st != BR_OK)
        br_keys_free(out);
    return st;
}
