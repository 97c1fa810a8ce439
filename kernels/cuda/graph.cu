/* SPDX-License-Identifier: Apache-2.0
 *
 * The graphs of a lane (graph.cuh). Asked for once per sequence of launches: a few times per batch
 * and lane. Recorded in the thread-local mode, so that other lanes may allocate meanwhile; nobody
 * may wait for the whole device (device.cu does not). */
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "kernels/cuda/graph.cuh"

/* A sequence that was seen. */
typedef struct entry {
    br_status (*enqueue)(br_dev *dev, const void *context); /* NULL: free */
    size_t          bytes;
    int64_t         used;      /* turn of its last use */
    int64_t         n_kernels; /* of the graph */
    cudaGraphExec_t graph;     /* NULL: not recorded yet */
    unsigned char   context[BR_GRAPH_BYTES];
} entry;

struct br_cuda_graphs {
    int64_t turn;
    entry   entries[BR_GRAPHS];
};

br_status br_cuda_graphs_open(br_cuda_lane *lane)
{
    br_status   st   = BR_OK;
    const char *word = getenv("BATCHRANK_CUDA_GRAPHS");

    if (word != NULL && strcmp(word, "off") == 0)
        return BR_OK;
    if (word != NULL && strcmp(word, "on") != 0)
        BR_FAIL(st, BR_E_USAGE, "BATCHRANK_CUDA_GRAPHS: found '%s', expected on or off", word);
    BR_ALLOC(st, lane->graphs, 1, "graphs of a cuda lane");
done:
    return st;
}

static void forget(entry *e)
{
    if (e->graph != NULL)
        (void)cudaGraphExecDestroy(e->graph);
    *e = entry{};
}

void br_cuda_graphs_close(br_cuda_lane *lane)
{
    if (lane->graphs == NULL)
        return;
    for (int i = 0; i < BR_GRAPHS; i++)
        forget(&lane->graphs->entries[i]);
    br_free(&lane->graphs);
}

/* No more graphs in this lane. */
static void give_up(br_cuda_lane *lane)
{
    static bool was_said;

    if (!__atomic_exchange_n(&was_said, true, __ATOMIC_RELAXED))
        br_log(BR_LOG_WARN, "device",
               "%s: launches are not recorded in graphs; the results are "
               "the same",
               br_error_last()->text);
    (void)cudaStreamSynchronize(lane->stream); /* a failure is the next call's */
    (void)cudaGetLastError();
    br_cuda_graphs_close(lane);
}

/* ---- the cache ------------------------------------------------------------------------------ */

static bool is_same(const entry *e, const br_cuda_sequence *s)
{
    return e->enqueue == s->enqueue && e->bytes == s->bytes &&
           memcmp(e->context, s->context, s->bytes) == 0;
}

/* The sequence's entry, or the one that is free or was used longest ago. */
static entry *look_up(br_cuda_graphs *graphs, const br_cuda_sequence *s)
{
    entry *oldest = &graphs->entries[0];

    for (int i = 0; i < BR_GRAPHS; i++) {
        entry *e = &graphs->entries[i];

        if (is_same(e, s))
            return e;
        if (e->used < oldest->used)
            oldest = e;
    }
    return oldest;
}

/* The entry is the sequence's from now on. */
static br_status take(br_cuda_lane *lane, entry *e, const br_cuda_sequence *s)
{
    br_status st = BR_OK;

    if (e->graph != NULL) /* it may be running */
        BR_CUDA(st, cudaStreamSynchronize(lane->stream));
    forget(e);
    e->enqueue = s->enqueue;
    e->bytes   = s->bytes;
    memcpy(e->context, s->context, s->bytes);
done:
    return st;
}

/* ---- recording ------------------------------------------------------------------------------ */

/* What the sequence enqueues, as a graph; a recording that was begun ends in any case. */
static br_status capture(br_dev *dev, entry *e, const br_cuda_sequence *s, cudaGraph_t *graph)
{
    br_status     st   = BR_OK;
    br_cuda_lane *lane = br_cuda_lane_of(dev);

    BR_CUDA(st, cudaStreamBeginCapture(lane->stream, cudaStreamCaptureModeThreadLocal));
    e->n_kernels    = 0;
    lane->recording = &e->n_kernels;
    st              = s->enqueue(dev, s->context);
    lane->recording = NULL;
    if (st != BR_OK) { /* the first failure is the one to be told */
        (void)cudaStreamEndCapture(lane->stream, graph);
        (void)cudaGetLastError();
        goto done;
    }
    BR_CUDA(st, cudaStreamEndCapture(lane->stream, graph));
done:
    return st;
}

static br_status record(br_dev *dev, entry *e, const br_cuda_sequence *s)
{
    br_status   st    = BR_OK;
    cudaGraph_t graph = NULL;

    BR_TRY(st, capture(dev, e, s, &graph));
    BR_CUDA(st, cudaGraphInstantiate(&e->graph, graph, 0));
    br_cuda_lane_of(dev)->launches.n_recorded++;
done:
    if (graph != NULL)
        (void)cudaGraphDestroy(graph);
    return st;
}

static br_status run(br_dev *dev, entry *e, const br_cuda_sequence *s)
{
    br_status     st   = BR_OK;
    br_cuda_lane *lane = br_cuda_lane_of(dev);

    if (e->graph == NULL)
        BR_TRY(st, record(dev, e, s));
    BR_CUDA(st, cudaGraphLaunch(e->graph, lane->stream));
    lane->launches.n_replays++;
    lane->launches.n_replayed += e->n_kernels;
done:
    return st;
}

br_status br_cuda_replay(br_dev *dev, const br_cuda_sequence *sequence)
{
    br_status     st   = BR_OK;
    br_cuda_lane *lane = br_cuda_lane_of(dev);
    entry        *e    = NULL;
    bool          is_known;

    if (lane->graphs == NULL || sequence->bytes > BR_GRAPH_BYTES || lane->recording != NULL)
        return sequence->enqueue(dev, sequence->context);
    e        = look_up(lane->graphs, sequence);
    is_known = is_same(e, sequence);
    if (!is_known)
        BR_TRY(st, take(lane, e, sequence));
    e->used = ++lane->graphs->turn;
    if (is_known && run(dev, e, sequence) == BR_OK)
        return BR_OK;
    if (is_known)
        give_up(lane);
    BR_TRY(st, sequence->enqueue(dev, sequence->context));
done:
    return st;
}
