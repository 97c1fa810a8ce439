/* SPDX-License-Identifier: Apache-2.0
 *
 * A communicator of NCCL: begun, polled, ended. Opened once per job. */
#include "host/comm/nccl/nccl.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host/base/clock.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/comm/nccl/state.h"
#include "host/comm/pause.h"

#define ABORT_S 1 /* for NCCL to let go of the device */

const char *br_nccl_version(const br_nccl *nccl)
{
    return nccl->library.version_text;
}

double br_nccl_seconds(const br_nccl *nccl)
{
    return nccl->seconds;
}

/* ---- failing ---- */

typedef struct last_call {
    ncclResult_t (*abort)(ncclComm_t handle);
    ncclComm_t handle;
} last_call;

static void *abort_thread(void *context)
{
    last_call *call = context;

    (void)call->abort(call->handle);
    free(call);
    return NULL;
}

/* It may hang, and then is left behind. */
static void abort_aside(br_nccl *n)
{
    last_call      *call = n->handle == NULL ? NULL : malloc(sizeof *call);
    pthread_t       thread;
    struct timespec until;

    if (call == NULL)
        return;
    *call     = (last_call){n->library.CommAbort, n->handle};
    n->handle = NULL;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ABORT_S;
    if (pthread_create(&thread, NULL, abort_thread, call) != 0)
        free(call);
    else if (pthread_timedjoin_np(thread, NULL, &until) != 0)
        (void)pthread_detach(thread);
}

static br_status give_up(br_nccl *n, br_status st)
{
    abort_aside(n);
    if (n->comm->size > 1)
        br_comm_abort(n->comm, st);
    return st;
}

/* A lost peer is no fault of this machine: the same command may go on. */
static br_status refuse(br_nccl *n, const char *what, ncclResult_t result)
{
    const char *detail = n->handle == NULL ? "" : n->library.GetLastError(n->handle);
    bool        has_it = detail != NULL && detail[0] != '\0';

    return br_fail(result == ncclRemoteError ? BR_E_INTERRUPTED : BR_E_DEVICE,
                   "NCCL %s: %s of rank %d on %s: %s%s%s", n->library.version_text, what,
                   n->comm->rank, br_dev_description(n->dev), n->library.GetErrorString(result),
                   has_it ? ": " : "", has_it ? detail : "");
}

/* ---- polling ---- */

static br_status look(br_nccl *n, const char *what, bool *is_taken)
{
    ncclResult_t state = ncclSuccess, result;

    result    = n->library.CommGetAsyncError(n->handle, &state);
    *is_taken = result == ncclSuccess && state == ncclSuccess;
    if (result == ncclSuccess && (*is_taken || state == ncclInProgress))
        return BR_OK;
    return refuse(n, what, result == ncclSuccess ? state : result);
}

/* Has NCCL taken it, has the device done it, and is all still well? */
static br_status poll(br_nccl *n, const char *what, bool *is_done)
{
    br_status st = BR_OK;
    bool      is_taken;

    *is_done = false;
    BR_TRY(st, look(n, what, &is_taken));
    if (is_taken)
        BR_TRY(st, br_dev_poll(n->dev, is_done));
    if (*is_done)
        BR_TRY(st, look(n, what, is_done));
done:
    return st;
}

static br_status check_deadline(const br_nccl *n, const char *what, double begun_s)
{
    br_phase phase   = br_watch_read().phase;
    double   limit_s = n->comm->deadlines.phase_s[phase];

    if (limit_s <= 0.0 || br_clock_wall_s() - begun_s < limit_s)
        return BR_OK;
    return br_fail(BR_E_INTERRUPTED,
                   "NCCL %s: %s of rank %d on %s: not done after %.0f s (phase %s); run the same "
                   "command again",
                   n->library.version_text, what, n->comm->rank, br_dev_description(n->dev),
                   limit_s, br_phase_text(phase));
}

br_status br_nccl_wait(br_nccl *n, const char *what, ncclResult_t result)
{
    br_status st      = BR_OK;
    bool      is_done = false;
    double    begun_s = br_clock_wall_s();
    br_pause  pause   = {0};

    if (result != ncclSuccess && result != ncclInProgress)
        BR_TRY(st, refuse(n, what, result));
    for (;;) {
        br_watch_tick(); /* the watchdog minds calls that do not return */
        BR_TRY(st, poll(n, what, &is_done));
        if (is_done)
            break;
        BR_TRY(st, check_deadline(n, what, begun_s));
        br_pause_once(&pause);
    }
done:
    return st == BR_OK ? BR_OK : give_up(n, st);
}

/* ---- opening ---- */

br_status br_nccl_check(void)
{
    br_nccl_library library;

    return br_nccl_library_load(&library);
}

static br_status find_library(const br_dev *dev, br_nccl_library *library)
{
    br_status st = BR_OK;

    if (br_dev_stream(dev) == NULL)
        BR_FAIL(st, BR_E_USAGE, "run.nccl: NCCL moves memory of GPUs, found backend %s",
                br_dev_backend_name(dev));
    BR_TRY(st, br_nccl_library_load(library));
done:
    return st;
}

/* On all ranks, and the same. *st: why not, on the ranks that know. */
static bool is_everywhere(br_comm *comm, const br_nccl_library *library, br_status *st)
{
    int64_t most[3] = {*st != BR_OK, library->version, -library->version};

    br_comm_max_i64(comm, most, 3);
    if (most[0] == 0 && most[1] != -most[2])
        *st = br_fail(BR_E_DEVICE,
                      "NCCL: ranks found versions %lld to %lld, expected the same everywhere "
                      "(here %d)",
                      (long long)-most[2], (long long)most[1], library->version);
    return most[0] == 0 && *st == BR_OK;
}

static br_status join(br_nccl *n)
{
    br_status    st     = BR_OK;
    br_comm     *comm   = n->comm;
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    ncclUniqueId id     = {{0}};
    ncclResult_t result;

    config.blocking = 0;
    st              = br_dev_alloc(n->dev, BR_U64, comm->size + 1, 1, &n->hash_W1);
    if (st == BR_OK && comm->rank == 0) {
        result = n->library.GetUniqueId(&id);
        if (result != ncclSuccess)
            st = refuse(n, "the id", result);
    }
    BR_TRY(st, br_comm_agree(comm, st));
    BR_TRY(st, br_comm_broadcast(comm, "NCCL's id", &id, sizeof id));
    result = n->library.CommInitRankConfig(&n->handle, comm->size, id, comm->rank, &config);
    BR_TRY(st, br_nccl_wait(n, "start", result));
done:
    return st;
}

static br_status send(void *context, const char *what, br_mat mat)
{
    return br_nccl_broadcast(context, what, mat);
}

br_status br_nccl_open(br_comm *comm, br_dev *dev, br_nccl_use use, br_nccl **out)
{
    br_status       st      = BR_OK;
    br_nccl        *n       = NULL;
    br_nccl_library library = {0};

    *out = NULL;
    if (use == BR_NCCL_OFF || (use == BR_NCCL_AUTO && comm->size == 1))
        return BR_OK;
    BR_TRY(st, br_comm_agree(comm, BR_OK)); /* some may not have come here */
    st = find_library(dev, &library);
    if (!is_everywhere(comm, &library, &st)) {
        if (use == BR_NCCL_ON)
            return br_comm_agree(comm, st);
        if (st != BR_OK)
            br_log(st == BR_E_USAGE ? BR_LOG_DEBUG : BR_LOG_WARN, "comm",
                   "every rank uploads its own copy of the model: %s", br_error_last()->text);
        return BR_OK;
    }
    st = br_alloc(1, sizeof *n, "communicator of NCCL", (void **)&n);
    BR_TRY(st, br_comm_agree(comm, st));
    *n = (br_nccl){.comm = comm, .dev = dev, .library = library};
    br_nccl_log_settings();
    BR_TRY(st, join(n));
    br_log(BR_LOG_INFO, "comm", "NCCL %s between %d rank%s", library.version_text, comm->size,
           comm->size > 1 ? "s" : "");
    n->share = (br_share){.context = n, .is_source = comm->rank == 0, .send = send};
    br_dev_share_by(dev, &n->share);
    *out = n;
    n    = NULL;
done:
    if (n != NULL)
        br_dev_free(&n->hash_W1);
    br_free(&n);
    return st;
}

/* ---- ending ---- */

static br_status leave(br_nccl *n)
{
    br_status st = BR_OK;

    BR_TRY(st, br_nccl_wait(n, "end", n->library.CommFinalize(n->handle)));
    (void)n->library.CommDestroy(n->handle);
    br_log(BR_LOG_INFO, "comm",
           "NCCL %s: %lld arrays, %.1f MiB, to %d rank%s in %.3f s (%.2f GB/s), hashes agree",
           n->library.version_text, (long long)n->n_arrays, n->bytes / (1024.0 * 1024.0),
           n->comm->size, n->comm->size > 1 ? "s" : "", n->seconds,
           n->seconds > 0.0 ? n->bytes * 1e-9 / n->seconds : 0.0);
done:
    return st;
}

br_status br_nccl_close(br_nccl **nccl, br_status st)
{
    br_nccl *n = *nccl;

    if (n == NULL)
        return st;
    br_dev_share_by(n->dev, NULL);
    st = br_comm_agree(n->comm, st);
    if (st == BR_OK)
        st = leave(n);
    else
        abort_aside(n);
    br_dev_free(&n->hash_W1);
    br_free(nccl);
    return st;
}
