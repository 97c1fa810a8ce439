/* SPDX-License-Identifier: Apache-2.0
 *
 * Scanning, once per condition at load. */
#include "host/decide/expr/tokens.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHOWN_MAX 48

static const struct {
    const char   *word;
    br_token_kind kind;
} words[] = {{"and", BR_TOKEN_AND}, {"or", BR_TOKEN_OR},     {"not", BR_TOKEN_NOT},
             {"in", BR_TOKEN_IN},   {"is", BR_TOKEN_IS},     {"missing", BR_TOKEN_MISSING},
             {"has", BR_TOKEN_HAS}, {"true", BR_TOKEN_TRUE}, {"false", BR_TOKEN_FALSE}};

static const struct {
    const char   *sign; /* longer ones first */
    br_token_kind kind;
} signs[] = {{"!=", BR_TOKEN_NE},  {"<=", BR_TOKEN_LE},   {">=", BR_TOKEN_GE},
             {"=", BR_TOKEN_EQ},   {"<", BR_TOKEN_LT},    {">", BR_TOKEN_GT},
             {"(", BR_TOKEN_OPEN}, {")", BR_TOKEN_CLOSE}, {",", BR_TOKEN_COMMA},
             {"+", BR_TOKEN_PLUS}, {"-", BR_TOKEN_MINUS}, {"*", BR_TOKEN_TIMES}};

/* Signs of other languages, and what is written here. */
static const struct {
    const char *sign, *hint;
} foreign[] = {{"==", "equal is written '='"},
               {"<>", "unequal is written '!='"},
               {"=>", "at least is written '>='"},
               {"=<", "at most is written '<='"},
               {"&&", "write 'and'"},
               {"||", "write 'or'"},
               {"!", "write 'not', or '!=' for unequal"},
               {"/", "there is no division: multiply the other side"}};

br_status br_token_fail(const br_token_source *source, const char *at, const char *fmt, ...)
{
    char    message[BR_ERROR_TEXT_BYTES / 2];
    int32_t column = 1;
    va_list args;

    for (const char *c = source->text; c < at; c++)
        column += ((unsigned char)*c & 0xC0) != 0x80; /* bytes that begin a character */
    va_start(args, fmt);
    (void)vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return br_fail(BR_E_USAGE, "%s: column %d: %s", source->what, column, message);
}

const char *br_token_show(const char *at, int64_t n_bytes, char out[BR_SHOWN_BYTES])
{
    int64_t n = n_bytes;

    if (n_bytes == 0)
        return strcpy(out, "the end");
    if (n > SHOWN_MAX)
        for (n = SHOWN_MAX; n > 0 && ((unsigned char)at[n] & 0xC0) == 0x80;)
            n--;
    (void)snprintf(out, BR_SHOWN_BYTES, "%.*s%s", (int)n, at, n < n_bytes ? "..." : "");
    return out;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static const char *skip_digits(const char *s)
{
    while (is_digit(*s))
        s++;
    return s;
}

static br_status scan_number(const br_token_source *source, br_token *token)
{
    const char *end = skip_digits(token->at);

    if (*end == '.' && is_digit(end[1]))
        end = skip_digits(end + 1);
    if (*end == 'e' || *end == 'E') {
        const char *digits = end + 1 + (end[1] == '+' || end[1] == '-');

        end = is_digit(*digits) ? skip_digits(digits) : end;
    }
    if (is_letter(*end) || *end == '.')
        return br_token_fail(source, token->at,
                             "found '%.*s', expected a number such as 12 or 0.5 (a column's name "
                             "that begins with a digit stands in `...`)",
                             (int)(end + 1 - token->at), token->at);
    token->kind    = BR_TOKEN_NUMBER;
    token->n_bytes = (int32_t)(end - token->at);
    return BR_OK;
}

static br_status scan_quoted(const br_token_source *source, br_token *token)
{
    char        quote = *token->at;
    const char *end   = token->at + 1;

    while (*end != '\0' && (*end != quote || (quote != '`' && end[1] == quote)))
        end += *end == quote ? 2 : 1;
    if (*end == '\0')
        return br_token_fail(source, token->at, "a text begins here with %c and does not end",
                             quote);
    token->kind    = quote == '`' ? BR_TOKEN_NAME : BR_TOKEN_TEXT;
    token->n_bytes = (int32_t)(end + 1 - token->at);
    return BR_OK;
}

static void scan_word(br_token *token)
{
    const char *end = token->at;

    while (is_letter(*end) || is_digit(*end) || (*end == '.' && is_letter(end[1])))
        end++;
    token->kind    = BR_TOKEN_NAME;
    token->n_bytes = (int32_t)(end - token->at);
    for (size_t w = 0; w < sizeof words / sizeof *words; w++)
        if ((size_t)token->n_bytes == strlen(words[w].word) &&
            strncasecmp(token->at, words[w].word, (size_t)token->n_bytes) == 0)
            token->kind = words[w].kind;
}

static br_status scan_sign(const br_token_source *source, br_token *token)
{
    unsigned char first = (unsigned char)*token->at;

    for (size_t s = 0; s < sizeof foreign / sizeof *foreign; s++) {
        bool is_other = foreign[s].sign[0] == '!' && token->at[1] == '=';

        if (!is_other && strncmp(token->at, foreign[s].sign, strlen(foreign[s].sign)) == 0)
            return br_token_fail(source, token->at, "found '%s': %s", foreign[s].sign,
                                 foreign[s].hint);
    }
    for (size_t s = 0; s < sizeof signs / sizeof *signs; s++) {
        size_t n = strlen(signs[s].sign);

        if (strncmp(token->at, signs[s].sign, n) == 0) {
            token->kind    = signs[s].kind;
            token->n_bytes = (int32_t)n;
            return BR_OK;
        }
    }
    if (first < 0x20 || first >= 0x7F)
        return br_token_fail(source, token->at,
                             "found the byte 0x%02x: texts stand in '...', columns with letters "
                             "beyond a-z in `...`",
                             first);
    return br_token_fail(source, token->at,
                         "found '%c', expected a column, a number, a text in '...' or a sign",
                         first);
}

br_status br_token_next(const br_token_source *source, br_token *token)
{
    const char *at = token->at == NULL ? source->text : token->at + token->n_bytes;

    at += strspn(at, " \t\r\n");
    *token = (br_token){BR_TOKEN_END, at, 0};
    if (*at == '\0')
        return BR_OK;
    if (is_digit(*at))
        return scan_number(source, token);
    if (*at == '\'' || *at == '"' || *at == '`')
        return scan_quoted(source, token);
    if (!is_letter(*at))
        return scan_sign(source, token);
    scan_word(token);
    return BR_OK;
}

void br_token_unquote(const br_token *token, char *out)
{
    const char *at = token->at, *end = at + token->n_bytes;
    char        quote = *at;

    if (quote == '\'' || quote == '"' || quote == '`') {
        at++;
        end--;
    } else {
        quote = '\0';
    }
    while (at < end) {
        *out++ = *at;
        at += *at == quote && quote != '\0' ? 2 : 1; /* a quote inside is doubled */
    }
    *out = '\0';
}
