/* SPDX-License-Identifier: Apache-2.0
 *
 * Growing text. Called while results are reported, never in the batch loop. */
#include "host/base/strbuf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"

static bool make_room(br_strbuf *text, size_t n_bytes)
{
    size_t want = text->n_bytes + n_bytes + 1;
    char  *more;

    if (text->has_failed)
        return false;
    if (want <= text->capacity)
        return true;
    want = want < 256 ? 256 : want + want / 2;
    more = realloc(text->data, want);
    if (more == NULL) {
        text->has_failed = true;
        return false;
    }
    text->data     = more;
    text->capacity = want;
    return true;
}

void br_strbuf_add(br_strbuf *text, const char *fmt, ...)
{
    va_list args, again;
    int     n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        text->has_failed = true;
    else if (make_room(text, (size_t)n))
        text->n_bytes += (size_t)vsnprintf(text->data + text->n_bytes, (size_t)n + 1, fmt, again);
    va_end(again);
}

void br_strbuf_add_bytes(br_strbuf *text, const char *data, size_t n_bytes)
{
    if (!make_room(text, n_bytes))
        return;
    memcpy(text->data + text->n_bytes, data, n_bytes);
    text->n_bytes += n_bytes;
    text->data[text->n_bytes] = '\0';
}

/* Bytes of the UTF-8 sequence at s, 0 when there is none. */
static int utf8_bytes(const unsigned char *s)
{
    int n = s[0] < 0x80                   ? 1
            : s[0] >= 0xC2 && s[0] < 0xE0 ? 2
            : (s[0] & 0xF0) == 0xE0       ? 3
            : s[0] >= 0xF0 && s[0] < 0xF5 ? 4
                                          : 0;

    for (int i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
        (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F))
        return 0;
    return n;
}

void br_strbuf_add_string(br_strbuf *text, const char *value)
{
    const unsigned char *s = (const unsigned char *)value;

    br_strbuf_add(text, "\"");
    while (*s != '\0') {
        int n = utf8_bytes(s);

        if (n == 0)
            br_strbuf_add(text, "\xEF\xBF\xBD");
        else if (*s == '"' || *s == '\\')
            br_strbuf_add(text, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7F)
            br_strbuf_add(text, "\\u%04x", *s);
        else
            br_strbuf_add(text, "%.*s", n, (const char *)s);
        s += n == 0 ? 1 : n;
    }
    br_strbuf_add(text, "\"");
}

void br_strbuf_drop_comma(br_strbuf *text)
{
    size_t n = text->n_bytes;

    while (n > 0 && (text->data[n - 1] == ' ' || text->data[n - 1] == '\n'))
        n--;
    if (n > 0 && text->data[n - 1] == ',') {
        text->n_bytes     = n - 1;
        text->data[n - 1] = '\0';
    }
}

br_status br_strbuf_check(const br_strbuf *text)
{
    return text->has_failed ? br_fail(BR_E_MEMORY, "text: out of memory") : BR_OK;
}

br_status br_strbuf_take(br_strbuf *text, char **out)
{
    *out = NULL;
    if (!make_room(text, 0)) {
        br_strbuf_free(text);
        return br_fail(BR_E_MEMORY, "text: out of memory");
    }
    text->data[text->n_bytes] = '\0';
    *out                      = text->data;
    *text                     = (br_strbuf){0};
    return BR_OK;
}

void br_strbuf_free(br_strbuf *text)
{
    br_free(&text->data);
    *text = (br_strbuf){0};
}
