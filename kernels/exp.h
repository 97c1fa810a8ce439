/* SPDX-License-Identifier: Apache-2.0
 *
 * exp in fp64 by fixed operations, so that every backend gives the same bits. */
#ifndef BR_KERNELS_EXP_H
#define BR_KERNELS_EXP_H

#include "kernels/everywhere.h"

/* e^r for |r| <= ln 2 / 2: the Taylor polynomial of degree 13. */
BR_EVERYWHERE double br_exp_small(double r)
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
    double              p   = c[0];

    for (int i = 1; i < 14; i++)
        p = p * r + c[i];
    return p;
}

/* e^r 2^n, n a whole number that leaves the result normal. */
BR_EVERYWHERE double br_exp_scaled(double r, double n)
{
    union {
        unsigned long long bits;
        double             value;
    } scale;

    scale.bits = (unsigned long long)((long long)n + 1023) << 52;
    return br_exp_small(r) * scale.value;
}

/* The nearest whole number of |x| < 2^51. */
BR_EVERYWHERE double br_nearest(double x)
{
    return x + 6755399441055744.0 - 6755399441055744.0;
}

/* e^x: x = n ln 2 + r (Cody and Waite, two-part ln 2). Relative error below 4e-16; 0 below -708,
 * +inf above 709; NaN stays. */
BR_EVERYWHERE double br_exp(double x)
{
    double n, r;

    if (x != x)
        return x;
    if (x > 709.0)
        return __builtin_inf();
    if (x < -708.0)
        return 0.0;
    n = br_nearest(x * 1.44269504088896340736);
    r = x - n * 6.93147180369123816490e-01;
    r = r - n * 1.90821492927058770002e-10;
    return br_exp_scaled(r, n);
}

/* 2^x, relative error below 4e-16; 0 below -1021, +inf above 1023; NaN stays. */
BR_EVERYWHERE double br_exp2(double x)
{
    double n;

    if (x != x)
        return x;
    if (x > 1023.0)
        return __builtin_inf();
    if (x < -1021.0)
        return 0.0;
    n = br_nearest(x);
    return br_exp_scaled((x - n) * 0.69314718055994530942, n);
}

#endif
