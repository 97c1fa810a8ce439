/* SPDX-License-Identifier: Apache-2.0
 *
 * The status map and the thread's error record. Called where something failed, never in a loop. */
#include "host/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local br_error last_error;

static const struct {
    const char *name;
    const char *text;
    int         exit_code;
} status_table[] = {
#define X(name, exit_code, text) {"BR_" #name, text, exit_code},
    BR_STATUS_MAP(X)
#undef X
};

const char *br_status_name(br_status code)
{
    return status_table[code].name;
}

const char *br_status_text(br_status code)
{
    return status_table[code].text;
}

int br_status_exit_code(br_status code)
{
    return status_table[code].exit_code;
}

/* Paths in messages start at the repository root, whatever the build folder. */
static const char *short_path(const char *file)
{
    static const char *const rooms[] = {"tests/", "bench/", "host/", "kernels/", "models/"};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        const char *at = strstr(file, rooms[i]);
        if (at != NULL)
            return at;
    }
    return file;
}

br_status br_fail_at(const char *file, int line, br_status code, const char *fmt, ...)
{
    va_list args;
    char    text[BR_ERROR_TEXT_BYTES]; /* arguments may point into the old record */

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    last_error.code = code;
    memcpy(last_error.text, text, sizeof text);
    (void)snprintf(last_error.trail, sizeof last_error.trail, "%s:%d", short_path(file), line);
    return code;
}

void br_trail_at(const char *file, int line)
{
    size_t used = strlen(last_error.trail);
    (void)snprintf(last_error.trail + used, sizeof last_error.trail - used, " < %s:%d",
                   short_path(file), line);
}

const br_error *br_error_last(void)
{
    return &last_error;
}

void br_error_take(br_error *out)
{
    *out = last_error;
    memset(&last_error, 0, sizeof last_error);
}

br_status br_error_put(const br_error *error)
{
    last_error = *error;
    return error->code;
}
