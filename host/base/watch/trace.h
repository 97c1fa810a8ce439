/* SPDX-License-Identifier: Apache-2.0
 *
 * What every thread did when, for a timeline of a command (log.trace). Closed, as at first, each
 * call is one test of a variable. Safe from any thread; called a few times per unit and once per
 * task of a lane. */
#ifndef BR_HOST_BASE_WATCH_TRACE_H
#define BR_HOST_BASE_WATCH_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/strbuf.h"

/* Tracks: one per thread of a job, writers and lanes by their number. */
typedef enum {
    BR_TRACK_COMMAND,
    BR_TRACK_READ,
    BR_TRACK_COMPUTE,
    BR_TRACK_WRITE,
    BR_TRACK_LANE = BR_TRACK_WRITE + 8
} br_track;

/* From now on; `rank` stands in what is rendered. */
void br_trace_open(int rank);
void br_trace_close(void);
bool br_trace_is_open(void);

/* From begin_s (br_clock_wall_s) until now. `name` must stay; unit -1: of none. */
void br_trace_add(int track, const char *name, int64_t unit, double begin_s);

/* The command is at this from now on, until the next call; NULL: at nothing. */
void br_trace_phase(const char *name);

/* What the lanes do that the calling thread sets to work from now on; NULL: nothing that is looked
 * at. Each of their tasks is added as that. */
typedef struct br_trace_work {
    const char *name;
    int64_t     unit;
} br_trace_work;
void          br_trace_lanes(const char *name, int64_t unit);
br_trace_work br_trace_lanes_now(void);

/* All of it as JSON, Chrome's trace event format, which Perfetto and chrome://tracing show: times
 * in microseconds since 1970, one process per rank, one thread per track. BR_E_MEMORY. */
br_status br_trace_render(br_strbuf *out);

#endif
