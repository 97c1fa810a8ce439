/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens a lane: its workspace, and what the processor can do. Called once per lane. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/encoder/gemm_bf16.h"

typedef struct lane {
    float  *memory;
    int64_t n_floats;
    bool    has_dot;
} lane;

static const char *vector_name(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return br_cpu_has_dot()                    ? "AVX-512 BF16"
               : __builtin_cpu_supports("avx512f") ? "AVX-512"
                                                   : "AVX2";
#endif
    return "no AVX2";
}

br_status br_cpu_open(br_dev *dev)
{
    br_status st     = BR_OK;
    lane     *native = NULL;

    BR_ALLOC(st, native, 1, "lane of the cpu backend");
    dev->native     = native;
    native->has_dot = br_cpu_has_dot();
    snprintf(dev->description, sizeof dev->description, "cpu: %s", vector_name());
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

br_vectors br_cpu_widest(void)
{
    const char *cpu = getenv("BATCHRANK_SCREEN_CPU");

    if (cpu != NULL && strcmp(cpu, "plain") == 0)
        return BR_VECTORS_PLAIN;
    return cpu != NULL && strcmp(cpu, "avx2") == 0 ? BR_VECTORS_AVX2 : BR_VECTORS_AVX512;
}

bool br_cpu_uses_dot(const br_dev *dev)
{
    return ((const lane *)dev->native)->has_dot;
}

void br_cpu_forbid_dot(br_dev *dev)
{
    ((lane *)dev->native)->has_dot = false;
}
