/* SPDX-License-Identifier: Apache-2.0
 *
 * Sequences of launches that come again and again, recorded in CUDA graphs and replayed with one
 * call. A sequence is a function and its context, and all that it enqueues follows from the bytes
 * of the context: no file of the host's memory, no decision about what the device has computed, no
 * allocation. So equal bytes are the same launches with the same arguments, and no graph can be
 * stale: one whose pointers have changed has another key.
 *
 * What differs from call to call, where rows lie, is therefore not in the context: it lies in
 * device memory, at an address that the context holds, and is placed there before the replay
 * (br_cuda_place).
 *
 * A lane runs a sequence the first time that it sees it, records it the second time, and replays
 * it from then on; the sequence used longest ago gives way to a new one. Where a recording fails,
 * the lane runs everything by itself from then on, and the log says why, once. */
#ifndef BR_KERNELS_CUDA_GRAPH_CUH
#define BR_KERNELS_CUDA_GRAPH_CUH

#include "kernels/cuda/launch.cuh"

#define BR_GRAPHS      64  /* that a lane keeps */
#define BR_GRAPH_BYTES 512 /* of a context; a larger one is not recorded */

typedef struct br_cuda_sequence {
    br_status (*enqueue)(br_dev *dev, const void *context);
    const void *context; /* made of zeroed memory: bytes between fields count */
    size_t      bytes;
} br_cuda_sequence;

/* Enqueues the sequence. BR_E_DEVICE, BR_E_MEMORY as the sequence itself would. */
br_status br_cuda_replay(br_dev *dev, const br_cuda_sequence *sequence);

/* Whether this lane records: else what only serves recordings may be left out. */
static inline bool br_cuda_has_graphs(const br_dev *dev)
{
    return br_cuda_lane_of(dev)->graphs != NULL;
}

/* By BATCHRANK_CUDA_GRAPHS: on (as without it) or off; else BR_E_USAGE. */
br_status br_cuda_graphs_open(br_cuda_lane *lane);
/* After the stream's last work. */
void      br_cuda_graphs_close(br_cuda_lane *lane);

/* ---- what lies in device memory -------------------------------------------------------------- */

template <typename T> static __global__ void place_kernel(T *to, T value)
{
    *to = value;
}

/* Enqueues *to = value; to lies in device memory. */
template <typename T> static inline br_status br_cuda_place(br_dev *dev, T *to, const T &value)
{
    return BR_LAUNCH(dev, place_kernel<T>, 1, 1, 0, to, value);
}

#endif
