/* SPDX-License-Identifier: Apache-2.0
 *
 * Streams, events and graphs of the emulated device. Work is done when it is enqueued, so streams
 * are in order and waits are no-ops; a stream that records keeps the work instead: kernels with
 * their arguments, copies and fills, by value, and nothing runs until an instantiated graph is
 * launched. Then each node runs with what it was recorded with: a pointer that has gone stale is
 * used, which the sanitizers see, or (copies) ends the process.
 *
 * While a stream records, calls fail as the CUDA programming guide has it, and the recording is
 * invalid from then on: waiting for the stream, its events or the device; and, in the recording
 * thread unless its mode is relaxed, what takes or frees memory or waits at all. Stricter than a
 * device: copies of pageable memory fail too, and other streams cannot join a recording. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cuda_on_cpu/device_fault.h"
#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/stream.h"

#define GRAPH_BYTES 4096 /* of device memory, that an instantiated graph takes */

typedef struct node {
    emulator_work work; /* its own copy of the context */
    struct node  *next;
} node;

struct CUgraph_st {
    node  *first;
    node **last;
    int    n_users; /* the graph itself, and what was instantiated from it */
};

struct CUgraphExec_st {
    struct CUgraph_st *graph;
};

struct CUstream_st {
    struct CUgraph_st    *graph; /* that it records; NULL: none */
    cudaStreamCaptureMode mode;
    pthread_t             owner;
    int                   is_invalid;
    struct CUstream_st   *next; /* in recording */
};

struct CUevent_st {
    int is_captured; /* last recorded into a graph */
};

static pthread_mutex_t     lock = PTHREAD_MUTEX_INITIALIZER;
static struct CUstream_st *recording; /* all streams that do */

/* ---- graphs --------------------------------------------------------------------------------- */

static struct CUgraph_st *graph_open(void)
{
    struct CUgraph_st *graph = calloc(1, sizeof *graph);

    if (graph == NULL)
        abort();
    graph->last    = &graph->first;
    graph->n_users = 1;
    return graph;
}

static void graph_leave(struct CUgraph_st *graph)
{
    if (--graph->n_users > 0)
        return;
    while (graph->first != NULL) {
        node *gone = graph->first;

        graph->first = gone->next;
        gone->work.destroy((void *)gone->work.context);
        free(gone);
    }
    free(graph);
}

static void graph_add(struct CUgraph_st *graph, const emulator_work *work)
{
    node *added = calloc(1, sizeof *added);

    if (added == NULL)
        abort();
    added->work         = *work;
    added->work.context = work->copy(work->context);
    *graph->last        = added;
    graph->last         = &added->next;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    graph_leave(graph);
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long flags)
{
    cudaError_t error = emulator_allow_unsafe();

    (void)flags;
    *out = NULL;
    if (error != cudaSuccess)
        return error;
    if (!emulator_take_bytes(GRAPH_BYTES))
        return emulator_fail(cudaErrorMemoryAllocation);
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        abort();
    (*out)->graph = graph;
    graph->n_users++;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    graph_leave(exec->graph);
    free(exec);
    (void)emulator_take_bytes(-GRAPH_BYTES);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    if (emulator_is_recording(stream))
        return emulator_refuse(stream, cudaErrorStreamCaptureUnsupported);
    for (const node *n = exec->graph->first; n != NULL; n = n->next) {
        int error = n->work.run(n->work.context);

        if (error != 0)
            return emulator_fail((cudaError_t)error);
    }
    return cudaSuccess;
}

/* ---- recording ------------------------------------------------------------------------------ */

/* NULL: one of the streams that every process has. */
static struct CUstream_st *own(cudaStream_t stream)
{
    return (size_t)stream <= (size_t)cudaStreamPerThread ? NULL : stream;
}

int emulator_is_recording(cudaStream_t stream)
{
    return own(stream) != NULL && own(stream)->graph != NULL;
}

cudaError_t emulator_refuse(cudaStream_t stream, cudaError_t error)
{
    pthread_mutex_lock(&lock);
    stream->is_invalid = 1;
    pthread_mutex_unlock(&lock);
    return emulator_fail(error);
}

cudaError_t emulator_allow_unsafe(void)
{
    cudaError_t error = cudaSuccess;
    int         fault = device_fault(FAULT_SYNC);

    if (fault != 0)
        return emulator_fail((cudaError_t)fault);
    pthread_mutex_lock(&lock);
    for (struct CUstream_st *s = recording; s != NULL; s = s->next)
        if (s->mode == cudaStreamCaptureModeGlobal ||
            (s->mode == cudaStreamCaptureModeThreadLocal &&
             pthread_equal(s->owner, pthread_self()))) {
            s->is_invalid = 1;
            error         = cudaErrorStreamCaptureUnsupported;
        }
    pthread_mutex_unlock(&lock);
    return error == cudaSuccess ? error : emulator_fail(error);
}

cudaError_t emulator_enqueue(cudaStream_t stream, const emulator_work *work)
{
    struct CUstream_st *s = own(stream);

    if (s == NULL || s->graph == NULL) {
        int error = work->run(work->context);
        return error == 0 ? cudaSuccess : emulator_fail((cudaError_t)error);
    }
    if (s->is_invalid)
        return emulator_fail(cudaErrorStreamCaptureInvalidated);
    graph_add(s->graph, work);
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode)
{
    struct CUstream_st *s = own(stream);

    if (s == NULL)
        return emulator_fail(cudaErrorStreamCaptureUnsupported);
    if (s->graph != NULL)
        return emulator_fail(cudaErrorIllegalState);
    pthread_mutex_lock(&lock);
    s->graph      = graph_open();
    s->mode       = mode;
    s->owner      = pthread_self();
    s->is_invalid = 0;
    s->next       = recording;
    recording     = s;
    pthread_mutex_unlock(&lock);
    return cudaSuccess;
}

static struct CUgraph_st *stop(struct CUstream_st *s)
{
    struct CUgraph_st *graph = s->graph;

    pthread_mutex_lock(&lock);
    for (struct CUstream_st **at = &recording; *at != NULL; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    s->graph = NULL;
    pthread_mutex_unlock(&lock);
    return graph;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out)
{
    struct CUstream_st *s = own(stream);

    *out = NULL;
    if (s == NULL || s->graph == NULL)
        return emulator_fail(cudaErrorIllegalState);
    if (s->mode != cudaStreamCaptureModeRelaxed && !pthread_equal(s->owner, pthread_self()))
        return emulator_fail(cudaErrorStreamCaptureWrongThread);
    *out = stop(s);
    if (!s->is_invalid)
        return cudaSuccess;
    graph_leave(*out);
    *out = NULL;
    return emulator_fail(cudaErrorStreamCaptureInvalidated);
}

/* ---- kernels -------------------------------------------------------------------------------- */

typedef struct kept_launch {
    emulator_launch    launch;
    emulator_arguments arguments;
} kept_launch;

static int run_launch(const void *context)
{
    return emulator_run(&((const kept_launch *)context)->launch);
}

static void *copy_launch(const void *context)
{
    const kept_launch *from = context;
    kept_launch       *kept = malloc(sizeof *kept);

    if (kept == NULL)
        abort();
    *kept                = *from;
    kept->launch.context = from->arguments.copy(from->launch.context);
    return kept;
}

static void destroy_launch(void *context)
{
    kept_launch *kept = context;

    kept->arguments.destroy(kept->launch.context);
    free(kept);
}

void emulator_launch_on(void *stream, const emulator_launch *launch,
                        const emulator_arguments *arguments)
{
    kept_launch   kept  = {*launch, *arguments};
    emulator_work work  = {run_launch, destroy_launch, copy_launch, &kept};
    int           error = emulator_refusal(launch);

    if (error != 0)
        (void)emulator_fail((cudaError_t)error);
    else
        (void)emulator_enqueue(stream, &work);
}

/* ---- streams -------------------------------------------------------------------------------- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags)
{
    (void)flags;
    *out = calloc(1, sizeof **out);
    return *out == NULL ? emulator_fail(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    if (stream->graph != NULL)
        graph_leave(stop(stream));
    free(stream);
    return cudaSuccess;
}

/* Work of others: what is enqueued before its end does not see it. */
static atomic_int n_held; /* pieces that have not ended */

void emulator_hold_streams(int by)
{
    atomic_fetch_add(&n_held, by);
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    if (emulator_is_recording(stream))
        return emulator_refuse(stream, cudaErrorStreamCaptureUnsupported);
    return atomic_load(&n_held) > 0 ? emulator_fail(cudaErrorNotReady) : cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    int fault = device_fault(FAULT_SYNC);

    if (fault != 0)
        return emulator_fail((cudaError_t)fault);
    if (emulator_is_recording(stream))
        return emulator_refuse(stream, cudaErrorStreamCaptureUnsupported);
    while (atomic_load(&n_held) > 0)
        (void)usleep(100);
    return emulator_allow_unsafe();
}

/* Encompasses every stream, whoever records. */
cudaError_t cudaDeviceSynchronize(void)
{
    cudaError_t error = cudaSuccess;
    int         fault = device_fault(FAULT_SYNC);

    if (fault != 0)
        return emulator_fail((cudaError_t)fault);
    pthread_mutex_lock(&lock);
    for (struct CUstream_st *s = recording; s != NULL; s = s->next) {
        s->is_invalid = 1;
        error         = cudaErrorStreamCaptureUnsupported;
    }
    pthread_mutex_unlock(&lock);
    return error == cudaSuccess ? error : emulator_fail(error);
}

/* ---- events --------------------------------------------------------------------------------- */

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    (void)flags;
    if (emulator_is_recording(stream))
        return emulator_refuse(stream, cudaErrorStreamCaptureIsolation);
    return event->is_captured ? emulator_fail(cudaErrorCapturedEvent) : cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags)
{
    (void)flags;
    *out = calloc(1, sizeof **out);
    return *out == NULL ? emulator_fail(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    free(event);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    event->is_captured = emulator_is_recording(stream);
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    cudaError_t error = emulator_allow_unsafe();
    int         fault = device_fault(FAULT_SYNC);

    if (fault != 0)
        return emulator_fail((cudaError_t)fault);
    return event->is_captured ? emulator_fail(cudaErrorCapturedEvent) : error;
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
    *ms = 0.0f;
    return from->is_captured || to->is_captured ? emulator_fail(cudaErrorCapturedEvent)
                                                : cudaSuccess;
}
