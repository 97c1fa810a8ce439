/* SPDX-License-Identifier: Apache-2.0
 *
 * The strict pre-scan: one pass over the text with a stack of open brackets. Called once per
 * document. */
#include "host/config/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/config/json_keys.h"

typedef struct scanner {
    const br_json_limits *limits;
    const char           *what;
    const char           *text;
    size_t                n_bytes;
    size_t                at;
    int32_t               depth;
    int64_t               n_nodes;
    br_json_keys          keys;
} scanner;

static br_status refuse(const scanner *s, size_t at, const char *problem)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < at && i < s->n_bytes; i++) {
        column = s->text[i] == '\n' ? 1 : column + 1;
        line += s->text[i] == '\n';
    }
    return br_fail(s->limits->code, "%s:%zu:%zu: %s", s->what, line, column, problem);
}

static int peek(const scanner *s)
{
    return s->at < s->n_bytes ? (unsigned char)s->text[s->at] : -1;
}

static void skip_space(scanner *s)
{
    while (s->at < s->n_bytes && memchr(" \t\r\n", s->text[s->at], 4) != NULL)
        s->at++;
}

static bool is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Reads the four digits of \uXXXX at `at`; -1 when they are not there. */
static long hex4(const scanner *s, size_t at)
{
    char digits[5] = {0};

    if (at + 4 > s->n_bytes)
        return -1;
    for (int i = 0; i < 4; i++) {
        digits[i] = s->text[at + (size_t)i];
        if (!is_hex((unsigned char)digits[i]))
            return -1;
    }
    return strtol(digits, NULL, 16);
}

static br_status scan_unicode_escape(scanner *s)
{
    long unit = hex4(s, s->at + 2);

    if (unit < 0)
        return refuse(s, s->at, "\\u needs four hexadecimal digits");
    if (unit == 0)
        return refuse(s, s->at, "\\u0000 is not allowed");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return refuse(s, s->at, "a low surrogate stands alone");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        long low =
            s->at + 8 <= s->n_bytes && s->text[s->at + 6] == '\\' && s->text[s->at + 7] == 'u'
                ? hex4(s, s->at + 8)
                : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return refuse(s, s->at, "a high surrogate stands alone");
        s->at += 6;
    }
    s->at += 6;
    return BR_OK;
}

static br_status scan_escape(scanner *s)
{
    if (s->at + 1 >= s->n_bytes)
        return refuse(s, s->at, "the text ends inside a string");
    if (s->text[s->at + 1] == 'u')
        return scan_unicode_escape(s);
    if (memchr("\"\\/bfnrt", s->text[s->at + 1], 8) == NULL)
        return refuse(s, s->at, "unknown escape in a string");
    s->at += 2;
    return BR_OK;
}

/* Bytes of a well-formed UTF-8 sequence at the scanner's place, 0 otherwise. */
static size_t utf8_bytes(const scanner *s)
{
    const unsigned char *c    = (const unsigned char *)s->text + s->at;
    size_t               left = s->n_bytes - s->at;
    size_t               n    = c[0] >= 0xC2 && c[0] < 0xE0   ? 2
                                : (c[0] & 0xF0) == 0xE0       ? 3
                                : c[0] >= 0xF0 && c[0] < 0xF5 ? 4
                                                              : 0;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xC0) != 0x80)
            return 0;
    if ((c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] > 0x9F) ||
        (c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] > 0x8F))
        return 0;
    return n;
}

static br_status scan_string(scanner *s)
{
    br_status st    = BR_OK;
    size_t    begin = s->at++;

    for (;;) {
        int    c = peek(s);
        size_t n;

        if (c < 0)
            return refuse(s, begin, "the text ends inside this string");
        if (c == '"')
            break;
        if (c < 0x20)
            return refuse(s, s->at, "a control character in a string must be escaped");
        if (c == '\\') {
            BR_TRY(st, scan_escape(s));
            continue;
        }
        n = c < 0x80 ? 1 : utf8_bytes(s);
        if (n == 0)
            return refuse(s, s->at, "not valid UTF-8");
        s->at += n;
    }
    s->at++;
done:
    return st;
}

static size_t skip_digits(scanner *s)
{
    size_t begin = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at - begin;
}

static br_status check_magnitude(const scanner *s, size_t begin)
{
    char   number[64];
    size_t n = s->at - begin;

    if (n >= sizeof number)
        return refuse(s, begin, "a number of more than 63 characters");
    memcpy(number, s->text + begin, n);
    number[n] = '\0';
    if (!isfinite(strtod(number, NULL)))
        return refuse(s, begin, "the number does not fit a double");
    return BR_OK;
}

static br_status scan_number(scanner *s)
{
    size_t begin = s->at, first;

    if (peek(s) == '-')
        s->at++;
    first = s->at;
    if (skip_digits(s) == 0)
        return refuse(s, begin, "not a number: digits are missing");
    if (s->text[first] == '0' && s->at - first > 1)
        return refuse(s, begin, "a number must not start with 0");
    if (peek(s) == '.') {
        s->at++;
        if (skip_digits(s) == 0)
            return refuse(s, begin, "digits are missing after the decimal point");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (skip_digits(s) == 0)
            return refuse(s, begin, "digits are missing in the exponent");
    }
    if (peek(s) >= 0 && memchr(" \t\r\n,]}", peek(s), 7) == NULL)
        return refuse(s, s->at, "not a number: unexpected character in it");
    return check_magnitude(s, begin);
}

static br_status scan_word(scanner *s)
{
    static const char *const words[] = {"true", "false", "null"};

    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if (s->n_bytes - s->at >= n && memcmp(s->text + s->at, words[i], n) == 0) {
            s->at += n;
            return BR_OK;
        }
    }
    return refuse(s, s->at, "expected a value: object, array, string, number, true, false or null");
}

static br_status scan_value(scanner *s);

static br_status scan_member(scanner *s)
{
    br_status st    = BR_OK;
    size_t    begin = s->at;

    if (peek(s) != '"')
        return refuse(s, s->at, "expected a key in double quotes");
    BR_TRY(st, scan_string(s));
    if (s->at - begin == 2)
        return refuse(s, begin, "an empty key");
    BR_TRY(st, br_json_keys_push(&s->keys, s->text, s->n_bytes, begin + 1, s->at - begin - 2));
    skip_space(s);
    if (peek(s) != ':')
        return refuse(s, s->at, "expected ':' after the key");
    s->at++;
    skip_space(s);
    BR_TRY(st, scan_value(s));
done:
    return st;
}

static br_status scan_container(scanner *s, char closing)
{
    br_status st      = BR_OK;
    size_t    begin   = s->at++, twin;
    int64_t   n_outer = s->keys.n_open;

    if (++s->depth > BR_JSON_MAX_DEPTH)
        return refuse(s, begin, "nested more than 32 deep");
    skip_space(s);
    if (peek(s) == closing)
        goto done;
    for (;;) {
        BR_TRY(st, closing == '}' ? scan_member(s) : scan_value(s));
        skip_space(s);
        if (peek(s) == closing)
            break;
        if (peek(s) < 0)
            return refuse(s, begin, "this bracket is never closed");
        if (peek(s) != ',')
            return refuse(s, s->at, closing == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        s->at++;
        skip_space(s);
    }
done:
    if (st != BR_OK)
        return st;
    if (br_json_keys_pop(&s->keys, n_outer, &twin))
        return refuse(s, twin, "this key is there twice");
    s->depth--;
    s->at++;
    return BR_OK;
}

static br_status scan_value(scanner *s)
{
    int c = peek(s);

    if (++s->n_nodes > s->limits->max_nodes)
        return refuse(s, s->at, "too many values");
    if (c < 0)
        return refuse(s, s->at, "the text ends where a value is expected");
    if (c == '{')
        return scan_container(s, '}');
    if (c == '[')
        return scan_container(s, ']');
    if (c == '"')
        return scan_string(s);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(s);
    return scan_word(s);
}

br_status br_json_scan(const br_json_limits *limits, const char *what, const char *text,
                       size_t n_bytes)
{
    br_status st = BR_OK;
    scanner   s  = {.limits = limits, .what = what, .text = text, .n_bytes = n_bytes};

    if (n_bytes > limits->max_bytes)
        BR_FAIL(st, limits->code, "%s: found %zu bytes, at most %zu are read", what, n_bytes,
                limits->max_bytes);
    if (n_bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        BR_FAIL(st, limits->code, "%s:1:1: a byte order mark is not allowed", what);
    skip_space(&s);
    if (s.at == n_bytes)
        BR_FAIL(st, limits->code, "%s: the text is empty", what);
    BR_TRY(st, scan_value(&s));
    skip_space(&s);
    if (s.at != n_bytes) {
        st = refuse(&s, s.at, "text after the end of the value");
        goto done;
    }
done:
    br_json_keys_free(&s.keys);
    return st;
}
