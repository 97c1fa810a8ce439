/* SPDX-License-Identifier: Apache-2.0 */
#include "host/base/watch/trace.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "host/base/clock.h"
#include "host/base/memory.h"

#define MOST_SPANS  ((int64_t)4 << 20)
#define FIRST_SPANS 1024

typedef struct span {
    const char *name;
    int         track;
    int64_t     unit;
    double      begin_s;
    double      end_s;
} span;

static atomic_bool                 is_open;
static pthread_mutex_t             lock = PTHREAD_MUTEX_INITIALIZER;
static span                       *span_N;
static int64_t                     n_spans, n_room, n_lost;
static const char                 *phase; /* NULL: none */
static double                      phase_begin_s;
static int                         rank_of_all;
static _Thread_local br_trace_work lanes;
static double                      since_1970_s; /* of br_clock_wall_s() = 0 */

bool br_trace_is_open(void)
{
    return atomic_load_explicit(&is_open, memory_order_relaxed);
}

void br_trace_open(int rank)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    since_1970_s = (double)now.tv_sec + (double)now.tv_nsec * 1e-9 - br_clock_wall_s();
    rank_of_all  = rank;
    atomic_store(&is_open, true);
}

void br_trace_close(void)
{
    atomic_store(&is_open, false);
    (void)pthread_mutex_lock(&lock);
    br_free(&span_N);
    n_spans = n_room = n_lost = 0;
    phase                     = NULL;
    (void)pthread_mutex_unlock(&lock);
}

/* A timeline is not worth a job: what finds no memory is counted. Under the lock. */
static bool make_room(void)
{
    int64_t wanted = n_room == 0 ? FIRST_SPANS : 2 * n_room;
    span   *more   = NULL;

    if (n_spans < n_room)
        return true;
    if (wanted > MOST_SPANS ||
        br_alloc(wanted, sizeof *more, "a timeline", (void **)&more) != BR_OK)
        return false;
    for (int64_t i = 0; i < n_spans; i++)
        more[i] = span_N[i];
    br_free(&span_N);
    span_N = more;
    n_room = wanted;
    return true;
}

static void add_locked(const span *s)
{
    if (!make_room()) {
        n_lost++;
        return;
    }
    span_N[n_spans++] = *s;
}

void br_trace_add(int track, const char *name, int64_t unit, double begin_s)
{
    span s = {name, track, unit, begin_s, 0.0};

    if (!br_trace_is_open())
        return;
    s.end_s = br_clock_wall_s();
    (void)pthread_mutex_lock(&lock);
    add_locked(&s);
    (void)pthread_mutex_unlock(&lock);
}

void br_trace_phase(const char *name)
{
    double now_s;

    if (!br_trace_is_open())
        return;
    now_s = br_clock_wall_s();
    (void)pthread_mutex_lock(&lock);
    if (phase != NULL)
        add_locked(&(span){phase, BR_TRACK_COMMAND, -1, phase_begin_s, now_s});
    phase         = name;
    phase_begin_s = now_s;
    (void)pthread_mutex_unlock(&lock);
}

void br_trace_lanes(const char *name, int64_t unit)
{
    lanes = (br_trace_work){br_trace_is_open() ? name : NULL, unit};
}

br_trace_work br_trace_lanes_now(void)
{
    return lanes;
}

/* ---- as JSON ---- */

static void name_track(int track, char out[32])
{
    static const char *const threads[BR_TRACK_WRITE] = {"command", "reading thread",
                                                        "computing thread"};

    if (track < BR_TRACK_WRITE)
        (void)snprintf(out, 32, "%s", threads[track]);
    else if (track < BR_TRACK_LANE)
        (void)snprintf(out, 32, "writing thread %d", track - BR_TRACK_WRITE);
    else
        (void)snprintf(out, 32, "lane %d", track - BR_TRACK_LANE);
}

/* The names of tracks that have spans; of threads that had nothing to do too. */
static void render_tracks(br_strbuf *out)
{
    int  most = BR_TRACK_WRITE;
    char name[32];

    for (int64_t i = 0; i < n_spans; i++)
        most = span_N[i].track > most ? span_N[i].track : most;
    br_strbuf_add(out,
                  "{\"name\": \"process_name\", \"ph\": \"M\", \"pid\": %d, "
                  "\"args\": {\"name\": \"rank %d\"}}",
                  rank_of_all, rank_of_all);
    for (int t = 0; t <= most; t++) {
        bool has_spans = t <= BR_TRACK_WRITE;

        for (int64_t i = 0; i < n_spans && !has_spans; i++)
            has_spans = span_N[i].track == t;
        if (!has_spans)
            continue;
        name_track(t, name);
        br_strbuf_add(out,
                      ",\n{\"name\": \"thread_name\", \"ph\": \"M\", \"pid\": %d, \"tid\": %d, "
                      "\"args\": {\"name\": \"%s\"}}",
                      rank_of_all, t, name);
    }
}

static void render_span(br_strbuf *out, const span *s)
{
    br_strbuf_add(out,
                  ",\n{\"name\": \"%s\", \"ph\": \"X\", \"pid\": %d, \"tid\": %d, \"ts\": %.1f, "
                  "\"dur\": %.1f",
                  s->name, rank_of_all, s->track, (since_1970_s + s->begin_s) * 1e6,
                  (s->end_s - s->begin_s) * 1e6);
    if (s->unit >= 0)
        br_strbuf_add(out, ", \"args\": {\"unit\": %lld}", (long long)s->unit);
    br_strbuf_add(out, "}");
}

br_status br_trace_render(br_strbuf *out)
{
    (void)pthread_mutex_lock(&lock);
    br_strbuf_add(out, "{\"displayTimeUnit\": \"ms\", \"otherData\": {\"lost\": %lld},\n",
                  (long long)n_lost);
    br_strbuf_add(out, "\"traceEvents\": [\n");
    render_tracks(out);
    for (int64_t i = 0; i < n_spans; i++)
        render_span(out, &span_N[i]);
    br_strbuf_add(out, "\n]}\n");
    (void)pthread_mutex_unlock(&lock);
    return br_strbuf_check(out);
}
