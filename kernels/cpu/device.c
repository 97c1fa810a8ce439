/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens a lane: its workspace, and what the processor can do. Called once per lane.
 *
 * OpenBLAS (score_topk's screening) is held to one thread for the whole process: lanes are our
 * threads. With one thread a call runs in its caller and takes only a short lock for its packing
 * buffer, so lanes do not wait for each other; the library's own threads, started when it is
 * loaded, sleep after some 20 ms. */
#include <cblas.h>
#include <pthread.h>
#include <stdio.h>

#include "kernels/cpu/cpu.h"

typedef struct lane {
    float  *memory;
    int64_t n_floats;
} lane;

static const char *vector_name(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return __builtin_cpu_supports("avx512f") ? "AVX-512" : "AVX2";
#endif
    return "no AVX2";
}

static void hold_openblas(void)
{
    openblas_set_num_threads(1);
}

br_status br_cpu_open(br_dev *dev)
{
    static pthread_once_t is_held = PTHREAD_ONCE_INIT;

    br_status st     = BR_OK;
    lane     *native = NULL;

    BR_ALLOC(st, native, 1, "lane of the cpu backend");
    dev->native = native;
    pthread_once(&is_held, hold_openblas);
    snprintf(dev->description, sizeof dev->description, "cpu: %s, OpenBLAS %s", vector_name(),
             openblas_get_corename());
done:
    return st;
}

void br_cpu_close(br_dev *dev)
{
    lane *native = dev->native;

    if (native == NULL)
        return;
    br_free(&native->memory);
    br_free(&dev->native);
}

br_status br_cpu_workspace(br_dev *dev, int64_t n_floats, float **out)
{
    br_status st     = BR_OK;
    lane     *native = dev->native;

    if (n_floats > native->n_floats) {
        br_free(&native->memory);
        native->n_floats = 0;
        BR_ALLOC(st, native->memory, n_floats, "workspace of a cpu lane");
        native->n_floats = n_floats;
    }
    *out = native->memory;
done:
    return st;
}
