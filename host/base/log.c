/* SPDX-License-Identifier: Apache-2.0
 *
 * The log on stderr. Called a few times per second at most. */
#include "host/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *const level_name[] = {"error", "warn", "info", "debug"};

static pthread_mutex_t log_lock      = PTHREAD_MUTEX_INITIALIZER;
static br_log_level    log_level     = BR_LOG_INFO;
static bool            progress_open = false;

void br_log_set_level(br_log_level level)
{
    log_level = level;
}

bool br_log_enabled(br_log_level level)
{
    return level <= log_level;
}

bool br_log_is_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

static void clear_progress(void)
{
    if (progress_open)
        (void)fputs("\r\033[K", stderr);
    progress_open = false;
}

void br_log(br_log_level level, const char *room, const char *fmt, ...)
{
    va_list args;

    if (!br_log_enabled(level))
        return;
    (void)pthread_mutex_lock(&log_lock);
    clear_progress();
    (void)fprintf(stderr, "%-5s %s: ", level_name[level], room);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    (void)pthread_mutex_unlock(&log_lock);
}

void br_log_progress(const char *text)
{
    if (!br_log_is_terminal())
        return;
    (void)pthread_mutex_lock(&log_lock);
    clear_progress();
    if (text != NULL) {
        (void)fputs(text, stderr);
        (void)fflush(stderr);
        progress_open = true;
    }
    (void)pthread_mutex_unlock(&log_lock);
}
