/* SPDX-License-Identifier: Apache-2.0
 *
 * Canonical scores of candidates, four at a time: one chain of additions does not fill the
 * processor. Called for the survivors of each customer. Compiled with fused multiply-adds: products
 * of float32 are exact in float64, so these round no less and no more. */
#include <string.h>

#include "host/base/clones.h"
#include "kernels/canonical.h"
#include "kernels/cpu/topk/candidates.h"

typedef double eight_doubles __attribute__((vector_size(64)));
typedef float  eight_floats __attribute__((vector_size(32)));

void br_canonical_widen(const float *x_D, int64_t D, double *x_D8)
{
    for (int64_t d = 0; d < (D + 7) / 8 * 8; d++)
        x_D8[d] = d < D ? (double)x_D[d] : 0.0;
}

/* The tree (l, l+4), (l, l+2), (l, l+1) of kernels/canonical.h. */
BR_INLINE double sum_of_lanes(const eight_doubles *lane)
{
    double s[4];

    for (int l = 0; l < 4; l++)
        s[l] = (*lane)[l] + (*lane)[l + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
}

/* Products of float32 are exact in float64: adding a zero where a vector ends changes no sum. */
BR_CLONES void br_canonical_dots(const double *x_D8, const float *const z_4D[4], int64_t D,
                                 double dot_4[4])
{
    eight_doubles lane[4] = {{0}, {0}, {0}, {0}};
    float         rest[8] = {0};
    int64_t       d       = 0;

    for (; d + 8 <= D; d += 8) {
        eight_doubles x;

        memcpy(&x, x_D8 + d, sizeof x);
        for (int i = 0; i < 4; i++) {
            eight_floats z;

            memcpy(&z, z_4D[i] + d, sizeof z);
            lane[i] += x * __builtin_convertvector(z, eight_doubles);
        }
    }
    for (int i = 0; i < 4 && d < D; i++) {
        eight_doubles x;
        eight_floats  z;

        memcpy(rest, z_4D[i] + d, (size_t)(D - d) * sizeof(float));
        memcpy(&x, x_D8 + d, sizeof x);
        memcpy(&z, rest, sizeof z);
        lane[i] += x * __builtin_convertvector(z, eight_doubles);
    }
    for (int i = 0; i < 4; i++)
        dot_4[i] = sum_of_lanes(&lane[i]);
}

BR_CLONES double br_canonical_dot_fast(const float *x_D, const float *z_D, int64_t D)
{
    return br_canonical_dot(x_D, z_D, D);
}
