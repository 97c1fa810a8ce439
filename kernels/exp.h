/* SPDX-License-Identifier: Apache-2.0
 *
 * exp in fp64 by fixed operations, so that every backend gives the same bits. */
#ifndef BR_KERNELS_EXP_H
#define BR_KERNELS_EXP_H

/* e^x: x = n ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite, two-part ln 2), then the Taylor
 * polynomial of degree 13. Relative error below 4e-16; 0 below -708, +inf above 709; NaN stays. */
static inline double br_exp(double x)
{
    static const double c[] = {1.0 / 6227020800.0,
                               1.0 / 479001600.0,
                               1.0 / 39916800.0,
                               1.0 / 3628800.0,
                               1.0 / 362880.0,
                               1.0 / 40320.0,
                               1.0 / 5040.0,
                               1.0 / 720.0,
                               1.0 / 120.0,
                               1.0 / 24.0,
                               1.0 / 6.0,
                               0.5,
                               1.0,
                               1.0};
    double              n, r, p;
    union {
        unsigned long long bits;
        double             value;
    } scale;

    if (x != x)
        return x;
    if (x > 709.0)
        return __builtin_inf();
    if (x < -708.0)
        return 0.0;
    n = x * 1.44269504088896340736 + 6755399441055744.0; /* rounds to a whole number */
    n -= 6755399441055744.0;
    r = x - n * 6.93147180369123816490e-01;
    r = r - n * 1.90821492927058770002e-10;
    p = c[0];
    for (int i = 1; i < 14; i++)
        p = p * r + c[i];
    scale.bits = (unsigned long long)((long long)n + 1023) << 52;
    return p * scale.value;
}

#endif
