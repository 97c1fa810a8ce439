/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells. Called for every value that is published. */
#include "host/io/export/cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t decimal(uint64_t number, char digits[24])
{
    char   reversed[24];
    size_t n = 0;

    do {
        reversed[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (size_t i = 0; i < n; i++)
        digits[i] = reversed[n - 1 - i];
    return n;
}

static br_status refuse(const br_keys *keys, int64_t row, br_export_place place, const char *what)
{
    char text[BR_KEY_TEXT_BYTES];

    return br_fail(BR_E_INPUT, "%s: row %lld: the key '%s' %s; expected UTF-8 text", place.name,
                   (long long)(place.first_row + row), br_keys_text(keys, row, text), what);
}

static bool has_byte_from(const char *text, size_t from, size_t n_bytes)
{
    for (size_t i = from; i < n_bytes; i++)
        if (text[i] != '\0')
            return true;
    return false;
}

br_status br_export_key_of(const br_keys *keys, int64_t row, br_export_place place,
                           br_export_key *out)
{
    const char *text  = (const char *)keys->data + row * keys->width_bytes;
    size_t      width = (size_t)keys->width_bytes;

    if (keys->is_number) {
        uint64_t number;
        memcpy(&number, text, sizeof number);
        out->n_bytes = decimal(number, out->digits);
        out->text    = out->digits;
        return BR_OK;
    }
    out->text    = text;
    out->n_bytes = strnlen(text, width);
    if (out->n_bytes == 0)
        return refuse(keys, row, place, "is empty");
    if (has_byte_from(text, out->n_bytes, width))
        return refuse(keys, row, place, "goes on after a NUL");
    if (!br_keys_is_utf8(text, out->n_bytes))
        return refuse(keys, row, place, "is no UTF-8");
    return BR_OK;
}

static bool needs_quotes(char delimiter, const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        if (text[i] == delimiter || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
            return true;
    return false;
}

void br_export_csv(br_strbuf *out, char delimiter, const char *text, size_t n_bytes)
{
    const char *quote;

    if (!needs_quotes(delimiter, text, n_bytes)) {
        br_strbuf_add_bytes(out, text, n_bytes);
        return;
    }
    br_strbuf_add_bytes(out, "\"", 1);
    while ((quote = memchr(text, '"', n_bytes)) != NULL) {
        size_t n = (size_t)(quote - text) + 1;
        br_strbuf_add_bytes(out, text, n);
        br_strbuf_add_bytes(out, "\"", 1);
        text += n;
        n_bytes -= n;
    }
    br_strbuf_add_bytes(out, text, n_bytes);
    br_strbuf_add_bytes(out, "\"", 1);
}

void br_export_json(br_strbuf *out, const char *text, size_t n_bytes)
{
    size_t n_plain = 0;

    br_strbuf_add_bytes(out, "\"", 1);
    for (size_t i = 0; i <= n_bytes; i++) {
        unsigned char c = i < n_bytes ? (unsigned char)text[i] : '"';
        if (c >= 0x20 && c != 0x7f && c != '"' && c != '\\') {
            n_plain++;
            continue;
        }
        br_strbuf_add_bytes(out, text + i - n_plain, n_plain);
        n_plain = 0;
        if (i == n_bytes)
            break;
        if (c == '"' || c == '\\')
            br_strbuf_add(out, "\\%c", c);
        else
            br_strbuf_add(out, "\\u%04x", c);
    }
    br_strbuf_add_bytes(out, "\"", 1);
}

void br_export_bulk(br_strbuf *out, const char *text, size_t n_bytes)
{
    br_strbuf_add_bytes(out, "$", 1);
    br_export_integer(out, (int64_t)n_bytes);
    br_strbuf_add_bytes(out, "\r\n", 2);
    br_strbuf_add_bytes(out, text, n_bytes);
    br_strbuf_add_bytes(out, "\r\n", 2);
}

void br_export_integer(br_strbuf *out, int64_t value)
{
    char     digits[24];
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;

    if (value < 0)
        br_strbuf_add_bytes(out, "-", 1);
    br_strbuf_add_bytes(out, digits, decimal(size, digits));
}

void br_export_float(br_strbuf *out, float value, const char *missing)
{
    char digits[32];
    int  n = 0;

    if (!isfinite(value)) {
        br_strbuf_add_bytes(out, missing, strlen(missing));
        return;
    }
    for (int precision = 7; precision <= 9; precision++) {
        n = snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value)
            break;
    }
    br_strbuf_add_bytes(out, digits, (size_t)n);
}

/* The word of a bit of /customer/flags; NULL: the bit has none. */
static const char *word_of(int bit)
{
    static const char *const words[] = {
        "short",     "no_consent",  "no_events", "fallback", "nothing_allowed", "held_out",
        "held_back", "no_capacity", "repaired",  "diverse",  "groups_full"};

    return bit < (int)(sizeof words / sizeof words[0]) ? words[bit] : NULL;
}

void br_export_flags(br_strbuf *out, uint32_t flags, const char *separator, bool is_quoted)
{
    const char *quote   = is_quoted ? "\"" : "";
    bool        is_next = false;

    for (int bit = 0; bit < 32; bit++) {
        if (((flags >> bit) & 1) == 0)
            continue;
        br_strbuf_add(out, "%s%s", is_next ? separator : "", quote);
        if (word_of(bit) != NULL)
            br_strbuf_add(out, "%s%s", word_of(bit), quote);
        else
            br_strbuf_add(out, "flag_%u%s", 1U << bit, quote);
        is_next = true;
    }
}
