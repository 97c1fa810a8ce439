/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of softmax.h. Called once per query and head. */
#include "kernels/cpu/softmax.h"

#include <math.h>

#include "host/base/clones.h"
#include "kernels/cpu/vector_math.h"

#define LANES BR_SOFTMAX_LANES

BR_CLONES float br_cpu_softmax(float *restrict row, const float *restrict bias, float scale,
                               int32_t n, int32_t n_stored)
{
    int32_t end = n_stored / LANES * LANES; /* tells the compiler that nothing is left over */
    float   most[LANES];
    float   sum[LANES];

    for (int32_t s = 0; s < end; s++) {
        float logit = row[s] * scale + bias[s];
        row[s]      = s < n ? logit : -INFINITY;
    }
    for (int l = 0; l < LANES; l++) {
        most[l] = row[l];
        sum[l]  = 0.0f;
    }
    for (int32_t s = LANES; s < end; s += LANES)
        for (int l = 0; l < LANES; l++)
            most[l] = row[s + l] > most[l] ? row[s + l] : most[l];
    for (int step = LANES / 2; step > 0; step /= 2)
        for (int l = 0; l < step; l++)
            most[l] = most[l + step] > most[l] ? most[l + step] : most[l];
    for (int32_t s = 0; s < end; s++)
        row[s] = br_vexp_negative(row[s] - most[0]);
    for (int32_t s = 0; s < end; s += LANES)
        for (int l = 0; l < LANES; l++)
            sum[l] += row[s + l];
    for (int step = LANES / 2; step > 0; step /= 2)
        for (int l = 0; l < step; l++)
            sum[l] += sum[l + step];
    return sum[0];
}
