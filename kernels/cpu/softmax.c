/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of softmax.h. Called once per query and head. */
#include "kernels/cpu/softmax.h"

#include <math.h>

#include "kernels/cpu/clones.h"
#include "kernels/cpu/vector_math.h"

#define LANES BR_SOFTMAX_LANES

BR_CLONES float br_cpu_softmax(float *restrict row, const float *restrict bias, float scale,
                               int64_t n, int64_t n_stored)
{
    float most[LANES];
    float sum[LANES];

    for (int64_t s = n; s < n_stored; s++)
        row[s] = -INFINITY;
    for (int l = 0; l < LANES; l++) {
        most[l] = -INFINITY;
        sum[l]  = 0.0f;
    }
    for (int64_t s = 0; s < n; s++)
        row[s] = row[s] * scale + bias[s];
    for (int64_t s = 0; s < n_stored; s += LANES)
        for (int l = 0; l < LANES; l++)
            most[l] = row[s + l] > most[l] ? row[s + l] : most[l];
    for (int l = 1; l < LANES; l++)
        most[0] = most[l] > most[0] ? most[l] : most[0];
    for (int64_t s = 0; s < n_stored; s++)
        row[s] = br_vexp(row[s] - most[0]);
    for (int64_t s = 0; s < n_stored; s += LANES)
        for (int l = 0; l < LANES; l++)
            sum[l] += row[s + l];
    for (int step = LANES / 2; step > 0; step /= 2)
        for (int l = 0; l < step; l++)
            sum[l] += sum[l + step];
    return sum[0];
}
