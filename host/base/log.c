/* SPDX-License-Identifier: Apache-2.0
 *
 * The log on stderr. Called a few times per second at most. */
#include "host/base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "host/base/watch/watch.h"

#define LINE_BYTES 4608 /* a whole error message (status.h) and more */

static const char *const level_name[] = {"error", "warn", "info", "debug"};

static pthread_mutex_t log_lock      = PTHREAD_MUTEX_INITIALIZER;
static br_log_level    log_level     = BR_LOG_INFO;
static bool            progress_open = false;
static int             log_rank      = -1; /* -1: the only one */

void br_log_set_level(br_log_level level)
{
    log_level = level;
}

void br_log_set_rank(int rank)
{
    log_rank = rank;
}

bool br_log_enabled(br_log_level level)
{
    bool is_common =
        level == BR_LOG_INFO || (level == BR_LOG_WARN && br_watch_read().phase == BR_PHASE_SETUP);

    if (log_rank > 0 && is_common)
        return log_level >= BR_LOG_DEBUG;
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
    char    text[LINE_BYTES];

    if (!br_log_enabled(level))
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)pthread_mutex_lock(&log_lock);
    clear_progress();
    if (log_rank >= 0) /* one write per line: other ranks write to the same place */
        (void)fprintf(stderr, "%-5s rank %d: %s: %s\n", level_name[level], log_rank, room, text);
    else
        (void)fprintf(stderr, "%-5s %s: %s\n", level_name[level], room, text);
    (void)pthread_mutex_unlock(&log_lock);
}

void br_log_progress(const char *text)
{
    if (!br_log_is_terminal() || log_rank > 0)
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
