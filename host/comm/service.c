/* SPDX-License-Identifier: Apache-2.0
 *
 * The service thread. Rank 0's answers; the others' reports twice a second or oftener and delivers
 * answers. It alone takes messages. */
#include "host/comm/service.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/base/watch/interrupt.h"

#define BEAT_S        0.2 /* of up to 64 ranks; more report less often */
#define BUSY_SLEEP_US 300
#define IDLE_SLEEP_US 3000

/* value: BEAT phase, unit, ticks, is_waiting, is_interrupted
 *        ANSWER is_interrupted, hand-out that is stopped (0: none)
 *        NEXT hand-out, rows done, how many before it;  UNIT hand-out, unit or -1
 *        STOP hand-out;  END hand-out, rows done */
enum { BEAT, ANSWER, NEXT, UNIT, STOP, END };

/* What a team was given; its ranks are never further apart than this. */
#define TEAM_LAG 4
typedef struct given {
    int64_t n;
    int64_t last[TEAM_LAG]; /* the i-th is last[i % TEAM_LAG] */
} given;

struct br_service {
    br_comm          *comm;
    pthread_t         thread;
    pthread_mutex_t   lock;
    pthread_cond_t    moved;
    bool              is_ending;
    br_error          error;     /* of the thread */
    pthread_mutex_t   sign_lock; /* never held in a call of MPI: the watchdog takes it */
    br_sign          *sign_R;
    double            beat_s; /* when the last was sent */
    int64_t           n_unanswered;
    int64_t           handout; /* 1, 2, ...; 0: none yet */
    atomic_bool       is_stopped;
    bool              is_open;
    int64_t           unit;    /* of the answer; -2: none came yet */
    int64_t           n_asked; /* of this hand-out */
    /* rank 0 */
    given            *given_R; /* by team */
    int64_t           n_units;
    int64_t           next;
    int               n_ended;
    br_units_progress progress;
    void             *context;
};

static void post(br_service *s, int to, br_message message)
{
    if (s->error.code != BR_OK)
        return;
    if (s->comm->table->post(s->comm, to, &message) != BR_OK) {
        br_error_take(&s->error);
        (void)pthread_cond_broadcast(&s->moved);
    }
}

/* ---- rank 0 ---- */

/* The i-th unit of a rank: new, or what another of its team was given as such. */
static int64_t hand_out(br_service *s, int rank, int64_t i)
{
    given *g = &s->given_R[rank / s->comm->team->size];

    if (s->is_stopped || i < g->n - TEAM_LAG)
        return -1;
    if (i < g->n)
        return g->last[i % TEAM_LAG];
    if (s->next == s->n_units)
        return -1;
    g->n                  = i + 1;
    g->last[i % TEAM_LAG] = s->next;
    return s->next++;
}

static void note_sign(br_service *s, const br_message *m)
{
    br_sign *sign = &s->sign_R[m->rank];

    (void)pthread_mutex_lock(&s->sign_lock);
    sign->heard_s          = br_clock_wall_s();
    sign->watch.phase      = (br_phase)m->value[0];
    sign->watch.unit       = m->value[1];
    sign->watch.n_ticks    = m->value[2];
    sign->watch.is_waiting = m->value[3] != 0;
    (void)pthread_mutex_unlock(&s->sign_lock);
    if (m->value[4] != 0)
        br_interrupt();
    post(s, m->rank,
         (br_message){.kind  = ANSWER,
                      .value = {br_is_interrupted(), s->is_stopped ? s->handout : 0}});
}

static int64_t rows_of(const br_message *m)
{
    return m->kind == NEXT || m->kind == END ? m->value[1] : 0;
}

static void serve(br_service *s, const br_message *m)
{
    if (m->kind == BEAT)
        note_sign(s, m);
    else if (m->kind == NEXT)
        post(s, m->rank,
             (br_message){.kind = UNIT, .value = {s->handout, hand_out(s, m->rank, m->value[2])}});
    else if (m->kind == STOP)
        s->is_stopped = true;
    else
        s->n_ended++;
    (void)pthread_cond_broadcast(&s->moved);
}

/* ---- the others ---- */

static void deliver(br_service *s, const br_message *m)
{
    if (m->kind == ANSWER) {
        (void)pthread_mutex_lock(&s->sign_lock);
        s->sign_R[0].heard_s = br_clock_wall_s();
        (void)pthread_mutex_unlock(&s->sign_lock);
        s->n_unanswered--;
        if (m->value[0] != 0)
            br_interrupt();
        if (m->value[1] != 0 && m->value[1] == s->handout)
            s->is_stopped = true;
    } else {
        s->unit = m->value[1];
    }
    (void)pthread_cond_broadcast(&s->moved);
}

static void report(br_service *s)
{
    double   now_s = br_clock_wall_s();
    double   every = s->comm->size > 64 ? BEAT_S * s->comm->size / 64 : BEAT_S;
    br_watch w     = br_watch_read();

    if (s->is_ending || s->n_unanswered > 8 || now_s - s->beat_s < every)
        return;
    s->beat_s = now_s;
    s->n_unanswered++;
    post(s, 0,
         (br_message){.kind  = BEAT,
                      .value = {w.phase, w.unit, w.n_ticks, w.is_waiting, br_is_interrupted()}});
}

/* ---- the thread ---- */

static bool is_over(br_service *s)
{
    return s->error.code != BR_OK || (s->is_ending && s->n_unanswered == 0);
}

static bool take_one(br_service *s, br_message *m)
{
    bool is_there = false;

    if (s->comm->table->take(s->comm, m, &is_there) != BR_OK) {
        br_error_take(&s->error);
        (void)pthread_cond_broadcast(&s->moved);
    }
    return is_there;
}

static void *serving_thread(void *context)
{
    br_service *s = context;
    br_message  m;

    for (;;) {
        struct timespec pause  = {.tv_nsec = 1000L * IDLE_SLEEP_US};
        int64_t         n_rows = 0;

        (void)pthread_mutex_lock(&s->lock);
        while (take_one(s, &m)) {
            if (s->comm->rank == 0)
                serve(s, &m);
            else
                deliver(s, &m);
            n_rows += rows_of(&m);
        }
        if (n_rows > 0 && s->progress != NULL)
            s->progress(s->context, n_rows);
        if (s->comm->rank != 0)
            report(s);
        if (is_over(s))
            break;
        if (s->comm->rank == 0 ? s->is_open : s->unit == -2)
            pause.tv_nsec = 1000L * BUSY_SLEEP_US;
        (void)pthread_mutex_unlock(&s->lock);
        (void)nanosleep(&pause, NULL);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* Hosts of all, known before anybody can fall silent. */
static br_status name_hosts(br_service *s)
{
    br_status st    = BR_OK;
    char     *hosts = NULL;

    BR_ALLOC(st, hosts, (int64_t)s->comm->size * BR_HOST_BYTES, "names of machines");
    br_comm_gather(s->comm, s->comm->host, BR_HOST_BYTES, hosts);
    if (s->comm->rank == 0)
        for (int r = 0; r < s->comm->size; r++)
            memcpy(s->sign_R[r].host, hosts + (size_t)r * BR_HOST_BYTES, BR_HOST_BYTES);
done:
    br_free(&hosts);
    return st;
}

br_status br_service_open(br_comm *comm, br_service **out)
{
    br_status   st = BR_OK;
    br_service *s  = NULL;

    *out = NULL;
    BR_ALLOC(st, s, 1, "service of ranks");
    s->comm = comm;
    s->unit = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_mutex_init(&s->sign_lock, NULL);
    (void)pthread_cond_init(&s->moved, NULL);
    BR_ALLOC(st, s->sign_R, comm->size, "signs of ranks");
    BR_ALLOC(st, s->given_R, comm->size, "units of teams");
    BR_TRY(st, name_hosts(s));
    br_service_forgive(s);
    if (pthread_create(&s->thread, NULL, serving_thread, s) != 0)
        BR_FAIL(st, BR_E_MEMORY, "cannot start the thread that serves ranks");
    *out = s;
    s    = NULL;
done:
    if (s != NULL) {
        br_free(&s->sign_R);
        br_free(&s->given_R);
    }
    br_free(&s);
    return st;
}

static void join_thread(br_service *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->is_ending = true;
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
}

/* Rank 0 answers until nobody asks any more. */
void br_service_end_thread(br_service *s)
{
    if (s == NULL)
        return;
    if (s->comm->rank != 0)
        join_thread(s);
    br_comm_barrier(s->comm);
    if (s->comm->rank == 0)
        join_thread(s);
}

void br_service_free(br_service **service)
{
    br_service *s = *service;

    if (s == NULL)
        return;
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_mutex_destroy(&s->sign_lock);
    (void)pthread_cond_destroy(&s->moved);
    br_free(&s->sign_R);
    br_free(&s->given_R);
    br_free(service);
}

void br_service_sign(br_service *s, int rank, br_sign *out)
{
    (void)pthread_mutex_lock(&s->sign_lock);
    *out = s->sign_R[rank];
    (void)pthread_mutex_unlock(&s->sign_lock);
}

void br_service_forgive(br_service *s)
{
    (void)pthread_mutex_lock(&s->sign_lock);
    for (int r = 0; r < s->comm->size; r++)
        s->sign_R[r].heard_s = br_clock_wall_s();
    (void)pthread_mutex_unlock(&s->sign_lock);
}

/* ---- units ---- */

void br_service_begin(br_service *s, int64_t n, br_units_progress progress, void *context)
{
    (void)pthread_mutex_lock(&s->lock);
    s->handout++;
    s->is_stopped = false;
    s->is_open    = true;
    s->n_units    = n;
    s->next       = 0;
    s->n_asked    = 0;
    memset(s->given_R, 0, (size_t)s->comm->size * sizeof *s->given_R);
    s->n_ended  = 0;
    s->progress = progress;
    s->context  = context;
    (void)pthread_mutex_unlock(&s->lock);
    br_comm_barrier(s->comm); /* nobody asks before */
}

/* With the lock. */
static br_status ask(br_service *s, int64_t n_rows, int64_t *unit)
{
    s->unit = -2;
    post(s, 0, (br_message){.kind = NEXT, .value = {s->handout, n_rows, s->n_asked++}});
    while (s->unit == -2 && s->error.code == BR_OK)
        (void)pthread_cond_wait(&s->moved, &s->lock);
    *unit = s->unit;
    return s->error.code == BR_OK ? BR_OK : br_error_put(&s->error);
}

br_status br_service_next(br_service *s, int64_t n_rows, int64_t *unit)
{
    br_status st = BR_OK;

    (void)pthread_mutex_lock(&s->lock);
    if (s->comm->rank == 0)
        *unit = hand_out(s, 0, s->n_asked++);
    else
        st = ask(s, n_rows, unit);
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}

void br_service_stop(br_service *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->is_stopped = true;
    if (s->comm->rank != 0)
        post(s, 0, (br_message){.kind = STOP, .value = {s->handout}});
    (void)pthread_mutex_unlock(&s->lock);
}

bool br_service_is_stopped(const br_service *s)
{
    return s->is_stopped;
}

br_status br_service_end(br_service *s, int64_t n_rows)
{
    br_status st;

    (void)pthread_mutex_lock(&s->lock);
    if (s->comm->rank != 0)
        post(s, 0, (br_message){.kind = END, .value = {s->handout, n_rows}});
    br_watch_wait(true);
    while (s->comm->rank == 0 && s->n_ended < s->comm->size - 1 && s->error.code == BR_OK)
        (void)pthread_cond_wait(&s->moved, &s->lock);
    br_watch_wait(false);
    s->is_open  = false;
    s->progress = NULL;
    st          = s->error.code == BR_OK ? BR_OK : br_error_put(&s->error);
    (void)pthread_mutex_unlock(&s->lock);
    return st;
}
