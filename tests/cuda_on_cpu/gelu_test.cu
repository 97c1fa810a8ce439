/* SPDX-License-Identifier: Apache-2.0
 *
 * GELU as fused blocks have it (kernels/cuda/block/activate.cuh) beside its definition: its error
 * where the polynomial is, nothing at all beyond, and what is no number. To run: gelu_test. */
#include <math.h>
#include <stdio.h>

#include "kernels/cuda/block/activate.cuh"
#include "tests/cuda_on_cpu/expect.h"

#define MOST_ERROR 4.6e-5

int main(void)
{
    double worst = 0.0;

    for (int i = -800000; i <= 800000; i++) { /* -8 .. 8 */
        float  x     = (float)i * 1e-5f;
        double exact = 0.5 * x * (1.0 + erf(x * M_SQRT1_2));

        worst = fmax(worst, fabs((double)br_gelu_short(x) - exact));
        if (fabsf(x) > 4.401f)
            EXPECT(br_gelu_short(x) == (x > 0.0f ? x : 0.0f), "beyond 4.4");
    }
    printf("largest error %.3g\n", worst);
    EXPECT(worst <= MOST_ERROR, "the error that activate.cuh states");
    EXPECT(br_gelu_short(1e30f) == 1e30f && br_gelu_short(INFINITY) == INFINITY, "large");
    EXPECT(br_gelu_short(-1e30f) == 0.0f && br_gelu_short(-0.0f) == 0.0f, "none");
    EXPECT(isnan(br_gelu_short(NAN)), "no number stays none");
    printf("%d not as expected\n", n_wrong);
    return n_wrong > 0;
}
