/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of the emulator and of its kernels' inner parts expect, by case; and their numbers. */
#ifndef BR_TESTS_CUDA_ON_CPU_EXPECT_H
#define BR_TESTS_CUDA_ON_CPU_EXPECT_H

#include <stdint.h>
#include <stdio.h>

#include "host/base/status.h"

static int n_wrong;

static inline void expect(bool is_right, const char *what, const char *which, int line)
{
    if (is_right)
        return;
    n_wrong++;
    printf("line %d: not so: %s, %s (%s)\n", line, what, which, br_error_last()->text);
}

#define EXPECT(what, which) expect(what, #what, which, __LINE__)

/* In [-1, 1), of a sequence that the seed begins. */
static inline double next_uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) * 0x1p-52 - 1.0;
}

#endif
