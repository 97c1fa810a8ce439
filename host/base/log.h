/* SPDX-License-Identifier: Apache-2.0
 *
 * The log: one line on stderr per event, "level room: text". stdout belongs to results. */
#ifndef BR_HOST_BASE_LOG_H
#define BR_HOST_BASE_LOG_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { BR_LOG_ERROR, BR_LOG_WARN, BR_LOG_INFO, BR_LOG_DEBUG } br_log_level;

void br_log_set_level(br_log_level level);
bool br_log_enabled(br_log_level level);

/* One of several ranks: its lines say so, and ranks other than 0 keep what all of them would say
 * (info, the progress, warnings about inputs) to themselves unless the level is debug. */
void br_log_set_rank(int rank);

/* Writes one line; safe from any thread. A progress line in place is cleared first. */
void br_log(br_log_level level, const char *room, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* On a terminal, shows `text` in place until the next call; elsewhere does nothing.
 * NULL clears it. */
void br_log_progress(const char *text);
bool br_log_is_terminal(void);

#ifdef __cplusplus
}
#endif

#endif
