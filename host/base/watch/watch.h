/* SPDX-License-Identifier: Apache-2.0
 *
 * What the process is at: its phase, the unit last begun, and a count that moves whenever work is
 * done. Said by whoever works, read by the watchdog (host/comm/watchdog.h) and named in messages.
 * All of it is atomic; a tick costs one addition. */
#ifndef BR_HOST_BASE_WATCH_WATCH_H
#define BR_HOST_BASE_WATCH_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, text): a phase has a deadline for how long nothing may move, but for `work`. */
#define BR_PHASE_MAP(X)                                                                            \
    X(WORK, "work")                                                                                \
    X(START, "start")                                                                              \
    X(SETUP, "setup")                                                                              \
    X(UNITS, "units")                                                                              \
    X(ALLOCATE, "allocate")                                                                        \
    X(FINISH, "finish")

typedef enum {
#define X(name, text) BR_PHASE_##name,
    BR_PHASE_MAP(X)
#undef X
        BR_N_PHASES
} br_phase;

typedef struct br_watch {
    br_phase phase;
    int64_t  unit; /* -1: none */
    int64_t  n_ticks;
    bool     is_waiting; /* for other ranks: what moves is theirs */
} br_watch;

void br_watch_phase(br_phase phase); /* ticks; no unit any more */
void br_watch_unit(int64_t unit);    /* ticks */
void br_watch_tick(void);
void br_watch_wait(bool is_waiting); /* ticks */

br_watch    br_watch_read(void);
const char *br_phase_text(br_phase phase);

#endif
