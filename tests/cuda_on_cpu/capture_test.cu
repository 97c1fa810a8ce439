/* SPDX-License-Identifier: Apache-2.0
 *
 * The emulated device's graphs held to what the CUDA programming guide says: what a recording
 * keeps, what a replay does, and which calls a recording refuses. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cuda/launch.cuh"

#define N 40 /* floats of every buffer */

static int n_wrong;

static void expect(bool is_right, const char *what, int line)
{
    n_wrong += !is_right;
    if (!is_right)
        printf("line %d: not so: %s\n", line, what);
}

#define EXPECT(what)        expect(what, #what, __LINE__)
#define EXPECT_OK(call)     EXPECT((call) == cudaSuccess)
#define EXPECT_ERROR(e, it) EXPECT((it) == cudaError##e)

static __global__ void add_kernel(float *to, float value)
{
    to[threadIdx.x] += value;
}

/* A stream, device memory and page-locked memory. */
static struct {
    cudaStream_t stream, other;
    cudaEvent_t  event;
    float       *device;
    float       *pinned;
} use;

static void add(float value)
{
    float *to = use.device;

    emulate("add_kernel", {1, N}, 0, use.stream, [=] { add_kernel(to, value); });
    EXPECT_OK(cudaGetLastError());
}

static cudaError_t fetch(void)
{
    return cudaMemcpyAsync(use.pinned, use.device, N * sizeof(float), cudaMemcpyDeviceToHost,
                           use.stream);
}

static void begin(void)
{
    EXPECT_OK(cudaStreamBeginCapture(use.stream, cudaStreamCaptureModeThreadLocal));
}

/* ---- what is kept ---------------------------------------------------------------------------- */

static void test_replays(void)
{
    cudaGraph_t     graph;
    cudaGraphExec_t exec;
    float           value = 2.0f;

    EXPECT_OK(cudaMemsetAsync(use.device, 0, N * sizeof(float), use.stream));
    begin();
    add(value);
    add(1.0f);
    EXPECT_OK(fetch());
    EXPECT_OK(cudaStreamEndCapture(use.stream, &graph));
    value = 50.0f; /* arguments are those of the recording */
    EXPECT_OK(fetch());
    EXPECT(use.pinned[0] == 0.0f); /* nothing ran */
    EXPECT_OK(cudaGraphInstantiate(&exec, graph, 0));
    EXPECT_OK(cudaGraphDestroy(graph)); /* what was instantiated stays */
    for (int i = 1; i <= 3; i++) {
        EXPECT_OK(cudaGraphLaunch(exec, use.stream));
        EXPECT(use.pinned[0] == 3.0f * (float)i && use.pinned[N - 1] == 3.0f * (float)i);
    }
    add(100.0f); /* other data in the same buffer */
    EXPECT_OK(cudaGraphLaunch(exec, use.stream));
    EXPECT(use.pinned[1] == 112.0f);
    EXPECT_OK(cudaGraphExecDestroy(exec));
    (void)value;
}

static void test_fills(void)
{
    cudaGraph_t     graph;
    cudaGraphExec_t exec;

    begin();
    EXPECT_OK(cudaMemsetAsync(use.device, 0, N * sizeof(float), use.stream));
    add(4.0f);
    EXPECT_OK(cudaStreamEndCapture(use.stream, &graph));
    EXPECT_OK(cudaGraphInstantiate(&exec, graph, 0));
    EXPECT_OK(cudaGraphDestroy(graph));
    EXPECT_OK(cudaGraphLaunch(exec, use.stream));
    EXPECT_OK(cudaGraphLaunch(exec, use.stream)); /* from zero again */
    EXPECT_OK(fetch());
    EXPECT(use.pinned[0] == 4.0f);
    EXPECT_OK(cudaGraphExecDestroy(exec));
}

/* ---- what is refused ------------------------------------------------------------------------- */

static cudaError_t wait_for_stream(void)
{
    return cudaStreamSynchronize(use.stream);
}

static cudaError_t wait_for_another(void)
{
    return cudaStreamSynchronize(use.other);
}

static cudaError_t wait_for_event(void)
{
    EXPECT_OK(cudaEventRecord(use.event, use.stream));
    return cudaEventSynchronize(use.event);
}

static cudaError_t join_another(void)
{
    EXPECT_OK(cudaEventRecord(use.event, use.other));
    return cudaStreamWaitEvent(use.stream, use.event, 0);
}

static cudaError_t allocate(void)
{
    void *memory;
    return cudaMalloc(&memory, 16);
}

static cudaError_t allocate_pinned(void)
{
    void *memory;
    return cudaMallocHost(&memory, 16);
}

static cudaError_t release(void)
{
    return cudaFree(use.device);
}

static cudaError_t release_pinned(void)
{
    return cudaFreeHost(use.pinned);
}

static cudaError_t copy_and_wait(void)
{
    return cudaMemcpy(use.pinned, use.device, 4, cudaMemcpyDeviceToHost);
}

static cudaError_t fill_and_wait(void)
{
    return cudaMemset(use.device, 0, 4);
}

static cudaError_t copy_to_stack(void)
{
    float here;
    return cudaMemcpyAsync(&here, use.device, sizeof here, cudaMemcpyDeviceToHost, use.stream);
}

static void test_refusals(void)
{
    static const struct {
        cudaError_t (*call)(void);
        cudaError_t error;
    } refused[] = {
        {wait_for_stream, cudaErrorStreamCaptureUnsupported},
        {wait_for_another, cudaErrorStreamCaptureUnsupported},
        {wait_for_event, cudaErrorCapturedEvent},
        {join_another, cudaErrorStreamCaptureIsolation},
        {cudaDeviceSynchronize, cudaErrorStreamCaptureUnsupported},
        {allocate, cudaErrorStreamCaptureUnsupported},
        {allocate_pinned, cudaErrorStreamCaptureUnsupported},
        {release, cudaErrorStreamCaptureUnsupported},
        {release_pinned, cudaErrorStreamCaptureUnsupported},
        {copy_and_wait, cudaErrorStreamCaptureUnsupported},
        {fill_and_wait, cudaErrorStreamCaptureUnsupported},
        {copy_to_stack, cudaErrorStreamCaptureUnsupported},
    };

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        cudaGraph_t graph = NULL;

        begin();
        add(1.0f);
        EXPECT(refused[i].call() == refused[i].error);
        EXPECT(cudaGetLastError() == refused[i].error);
        EXPECT_ERROR(StreamCaptureInvalidated, fetch());
        EXPECT_ERROR(StreamCaptureInvalidated, cudaStreamEndCapture(use.stream, &graph));
        EXPECT(graph == NULL);
        EXPECT_OK(cudaStreamSynchronize(use.stream)); /* as before */
        (void)cudaGetLastError();
    }
}

static void test_wrong_order(void)
{
    cudaGraph_t     graph;
    cudaGraphExec_t exec;

    EXPECT_ERROR(IllegalState, cudaStreamEndCapture(use.stream, &graph));
    EXPECT_ERROR(StreamCaptureUnsupported,
                 cudaStreamBeginCapture(NULL, cudaStreamCaptureModeRelaxed));
    begin();
    EXPECT_ERROR(IllegalState,
                 cudaStreamBeginCapture(use.stream, cudaStreamCaptureModeThreadLocal));
    (void)cudaGetLastError();
    emulate("add_kernel", {1, 2000}, 0, use.stream, [] {}); /* too many threads */
    EXPECT_ERROR(InvalidConfiguration, cudaGetLastError());
    EXPECT_OK(cudaStreamEndCapture(use.stream, &graph));
    EXPECT_OK(cudaGraphInstantiate(&exec, graph, 0));
    EXPECT_OK(cudaGraphDestroy(graph));
    begin();
    EXPECT_ERROR(StreamCaptureUnsupported, cudaGraphLaunch(exec, use.stream));
    EXPECT_ERROR(StreamCaptureInvalidated, cudaStreamEndCapture(use.stream, &graph));
    EXPECT_OK(cudaGraphExecDestroy(exec));
    (void)cudaGetLastError();
}

/* ---- other threads --------------------------------------------------------------------------- */

static void *in_thread(void *fn)
{
    return reinterpret_cast<void *>(
        static_cast<size_t>((*static_cast<cudaError_t (**)(void)>(fn))()));
}

static cudaError_t elsewhere(cudaError_t (*fn)(void))
{
    pthread_t thread;
    void     *error = NULL;

    if (pthread_create(&thread, NULL, in_thread, &fn) != 0 || pthread_join(thread, &error) != 0)
        abort();
    return static_cast<cudaError_t>(reinterpret_cast<size_t>(error));
}

static cudaError_t allocate_and_release(void)
{
    void       *memory = NULL;
    cudaError_t error  = cudaMalloc(&memory, 16);

    return error != cudaSuccess ? error : cudaFree(memory);
}

static cudaError_t end_here(void)
{
    cudaGraph_t graph;
    return cudaStreamEndCapture(use.stream, &graph);
}

static void test_threads(void)
{
    cudaGraph_t graph;

    begin();
    EXPECT_OK(elsewhere(allocate_and_release));
    EXPECT_OK(elsewhere(wait_for_another));
    EXPECT_ERROR(StreamCaptureWrongThread, elsewhere(end_here));
    EXPECT_OK(cudaStreamEndCapture(use.stream, &graph));
    EXPECT_OK(cudaGraphDestroy(graph));
    begin(); /* nobody may wait for the whole device */
    EXPECT_ERROR(StreamCaptureUnsupported, elsewhere(cudaDeviceSynchronize));
    EXPECT_ERROR(StreamCaptureInvalidated, cudaStreamEndCapture(use.stream, &graph));
    EXPECT_OK(cudaStreamBeginCapture(use.stream, cudaStreamCaptureModeGlobal));
    EXPECT_ERROR(StreamCaptureUnsupported, elsewhere(allocate));
    EXPECT_ERROR(StreamCaptureInvalidated, cudaStreamEndCapture(use.stream, &graph));
    EXPECT_OK(cudaStreamBeginCapture(use.stream, cudaStreamCaptureModeRelaxed));
    EXPECT_OK(allocate_and_release());
    EXPECT_OK(cudaStreamEndCapture(use.stream, &graph));
    EXPECT_OK(cudaGraphDestroy(graph));
    (void)cudaGetLastError();
}

int main(void)
{
    size_t before = 0, after = 0, total;

    EXPECT_OK(cudaStreamCreateWithFlags(&use.stream, cudaStreamNonBlocking));
    EXPECT_OK(cudaStreamCreateWithFlags(&use.other, cudaStreamNonBlocking));
    EXPECT_OK(cudaEventCreateWithFlags(&use.event, cudaEventDisableTiming));
    EXPECT_OK(cudaMalloc(reinterpret_cast<void **>(&use.device), N * sizeof(float)));
    EXPECT_OK(cudaMallocHost(reinterpret_cast<void **>(&use.pinned), N * sizeof(float)));
    EXPECT_OK(cudaMemGetInfo(&before, &total));
    test_replays();
    test_fills();
    test_refusals();
    test_wrong_order();
    test_threads();
    EXPECT_OK(cudaMemGetInfo(&after, &total));
    EXPECT(before == after);
    EXPECT_OK(cudaFreeHost(use.pinned));
    EXPECT_OK(cudaFree(use.device));
    EXPECT_OK(cudaEventDestroy(use.event));
    EXPECT_OK(cudaStreamDestroy(use.other));
    EXPECT_OK(cudaStreamDestroy(use.stream));
    printf("%d not as expected\n", n_wrong);
    return n_wrong > 0;
}
