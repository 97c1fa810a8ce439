/* SPDX-License-Identifier: Apache-2.0
 *
 * The watchdog. Looks ten times a second. */
#include "host/comm/watchdog.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "host/base/clock.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/comm/service.h"

#define LOOK_S     0.1
#define STOPPED_S  1.0 /* between two looks: the process itself stood still */
#define ABORT_S    3.0 /* for MPI to end the others */
#define TEXT_BYTES 512

struct br_watchdog {
    br_comm        *comm;
    pthread_t       thread;
    pthread_mutex_t lock;
    pthread_cond_t  ends; /* waited for by the monotonic clock */
    br_deadlines    deadlines;
    bool            is_ending;
    double          last_s;  /* when all must be over; 0: not yet said */
    int64_t         n_ticks; /* as last seen */
    double          moved_s;
    double          looked_s;
    int64_t         all_ticks; /* of all ranks while they wait */
    double          all_moved_s;
};

static void *abort_thread(void *context)
{
    br_comm *comm = context;

    comm->table->abort(comm, br_status_exit_code(BR_E_INTERRUPTED));
    return NULL;
}

static void sleep_s(double seconds)
{
    struct timespec pause = {.tv_sec  = (time_t)seconds,
                             .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

    (void)nanosleep(&pause, NULL);
}

/* The end: nothing below may wait for what hangs. */
static void expire(br_comm *comm, const char *text)
{
    pthread_t side;
    char      line[TEXT_BYTES + 64];
    int       n = snprintf(line, sizeof line, "batchrank: %s; run the same command again\n", text);

    if (write(STDERR_FILENO, line, (size_t)n) != n)
        n = 0; /* nobody reads it */
    if (comm->table != NULL && comm->size > 1 &&
        pthread_create(&side, NULL, abort_thread, comm) == 0)
        sleep_s(ABORT_S);
    _exit(br_status_exit_code(BR_E_INTERRUPTED));
}

/* "phase units, unit 17" */
static const char *place_of(const br_watch *w, char out[64])
{
    if (w->unit >= 0)
        (void)snprintf(out, 64, "phase %s, unit %lld", br_phase_text(w->phase), (long long)w->unit);
    else
        (void)snprintf(out, 64, "phase %s", br_phase_text(w->phase));
    return out;
}

static void lose_first(const br_watchdog *d, double silent_s)
{
    char text[TEXT_BYTES];

    (void)snprintf(text, sizeof text, "rank 0 is lost: it does not answer rank %d since %.0f s",
                   d->comm->rank, silent_s);
    expire(d->comm, text);
}

/* Seconds since rank 0 was heard of; 0: this is rank 0. */
static double silence_of_first(const br_watchdog *d, double now_s)
{
    br_sign sign;

    if (d->comm->rank == 0 || d->comm->service == NULL)
        return 0.0;
    br_service_sign(d->comm->service, 0, &sign);
    return now_s - sign.heard_s;
}

/* Where nothing moves because the next unit is asked of a rank 0 that is gone, that one is to
 * blame: it has been silent for nearly as long. */
static void check_own(br_watchdog *d, double now_s)
{
    br_watch w        = br_watch_read();
    double   limit_s  = d->deadlines.phase_s[w.phase];
    double   silent_s = silence_of_first(d, now_s);
    char     text[TEXT_BYTES], place[64];

    if (w.n_ticks != d->n_ticks || w.is_waiting) {
        d->n_ticks = w.n_ticks;
        d->moved_s = now_s;
    }
    if (limit_s <= 0.0 || now_s - d->moved_s < limit_s)
        return;
    if (silent_s >= STOPPED_S && silent_s >= limit_s / 2.0)
        lose_first(d, silent_s);
    (void)snprintf(text, sizeof text, "rank %d on %s: nothing moved for %.0f s (%s)", d->comm->rank,
                   d->comm->host, now_s - d->moved_s, place_of(&w, place));
    expire(d->comm, text);
}

static void check_silence(br_watchdog *d, int rank, const br_sign *sign, double now_s)
{
    char text[TEXT_BYTES], place[64];

    if (d->deadlines.answer_s <= 0.0 || now_s - sign->heard_s < d->deadlines.answer_s)
        return;
    if (d->comm->rank != 0)
        lose_first(d, now_s - sign->heard_s);
    (void)snprintf(text, sizeof text, "rank %d on %s is lost: silent for %.0f s (last in %s)", rank,
                   sign->host, now_s - sign->heard_s, place_of(&sign->watch, place));
    expire(d->comm, text);
}

/* Ranks that all wait, each for another, would wait for ever. */
static void check_standstill(br_watchdog *d, int64_t ticks, bool all_wait, double now_s)
{
    char text[TEXT_BYTES];

    if (!all_wait || ticks != d->all_ticks) {
        d->all_ticks   = ticks;
        d->all_moved_s = now_s;
    }
    if (d->deadlines.answer_s <= 0.0 || now_s - d->all_moved_s < d->deadlines.answer_s)
        return;
    (void)snprintf(text, sizeof text, "all %d ranks wait for each other since %.0f s",
                   d->comm->size, now_s - d->all_moved_s);
    expire(d->comm, text);
}

static void check_others(br_watchdog *d, double now_s)
{
    br_comm *comm     = d->comm;
    br_watch own      = br_watch_read();
    bool     all_wait = own.is_waiting;
    int64_t  ticks    = own.n_ticks;
    br_sign  sign;

    if (comm->rank != 0) {
        br_service_sign(comm->service, 0, &sign);
        check_silence(d, 0, &sign, now_s);
        return;
    }
    for (int r = 1; r < comm->size; r++) {
        br_service_sign(comm->service, r, &sign);
        check_silence(d, r, &sign, now_s);
        all_wait = all_wait && sign.watch.is_waiting;
        ticks += sign.watch.n_ticks;
    }
    check_standstill(d, ticks, all_wait, now_s);
}

static void check_last(br_watchdog *d, double now_s)
{
    char text[TEXT_BYTES];

    if (now_s < d->last_s)
        return;
    (void)snprintf(text, sizeof text, "rank %d on %s: cannot part from the others", d->comm->rank,
                   d->comm->host);
    expire(d->comm, text);
}

static void look(br_watchdog *d, double now_s)
{
    if (now_s - d->looked_s > STOPPED_S) { /* SIGSTOP and SIGCONT: others have not stood still */
        d->moved_s = d->all_moved_s = now_s;
        if (d->comm->service != NULL)
            br_service_forgive(d->comm->service);
    }
    d->looked_s = now_s;
    if (d->last_s > 0.0) {
        check_last(d, now_s);
        return;
    }
    check_own(d, now_s);
    if (d->comm->service != NULL)
        check_others(d, now_s);
}

/* Until the next look, or the end. The lock is held. */
static void rest(br_watchdog *d)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(LOOK_S * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!d->is_ending && pthread_cond_timedwait(&d->ends, &d->lock, &until) == 0)
        ;
}

static void *watching_thread(void *context)
{
    br_watchdog *d = context;

    (void)pthread_mutex_lock(&d->lock);
    while (!d->is_ending) {
        look(d, br_clock_wall_s());
        rest(d);
    }
    (void)pthread_mutex_unlock(&d->lock);
    return NULL;
}

static void init_locks(br_watchdog *d)
{
    pthread_condattr_t by;

    (void)pthread_condattr_init(&by);
    (void)pthread_condattr_setclock(&by, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&d->ends, &by);
    (void)pthread_condattr_destroy(&by);
    (void)pthread_mutex_init(&d->lock, NULL);
}

void br_watchdog_set(br_comm *comm, const br_deadlines *deadlines, br_watchdog **watchdog)
{
    br_status    st = BR_OK;
    br_watchdog *d  = *watchdog;

    if (d != NULL) {
        (void)pthread_mutex_lock(&d->lock);
        d->deadlines = *deadlines;
        (void)pthread_mutex_unlock(&d->lock);
        return;
    }
    BR_ALLOC(st, d, 1, "watchdog");
    d->comm      = comm;
    d->deadlines = *deadlines;
    d->looked_s = d->moved_s = d->all_moved_s = br_clock_wall_s();
    init_locks(d);
    if (pthread_create(&d->thread, NULL, watching_thread, d) != 0)
        BR_FAIL(st, BR_E_MEMORY, "the thread cannot be started");
    *watchdog = d;
    d         = NULL;
done:
    if (st != BR_OK)
        br_log(BR_LOG_WARN, "comm", "no watchdog: %s", br_error_last()->text);
    br_free(&d);
}

void br_watchdog_last(br_watchdog *d, double seconds)
{
    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&d->lock);
    d->last_s = br_clock_wall_s() + seconds;
    (void)pthread_mutex_unlock(&d->lock);
}

void br_watchdog_close(br_watchdog **watchdog)
{
    br_watchdog *d = *watchdog;

    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&d->lock);
    d->is_ending = true;
    (void)pthread_cond_signal(&d->ends);
    (void)pthread_mutex_unlock(&d->lock);
    (void)pthread_join(d->thread, NULL);
    (void)pthread_cond_destroy(&d->ends);
    (void)pthread_mutex_destroy(&d->lock);
    br_free(watchdog);
}
