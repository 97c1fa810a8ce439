/* SPDX-License-Identifier: Apache-2.0
 *
 * ln in fp64 by fixed operations, of numbers and of sums of powers, so that every backend gives the
 * same bits. */
#ifndef BR_KERNELS_LOG_H
#define BR_KERNELS_LOG_H

#include <stdint.h>

#include "kernels/exp.h"

/* ln of a normal x = 2^k m, m in [sqrt(1/2), sqrt 2): with f = m - 1 and s = f / (2 + f) it is
 * 2 artanh(s), whose series in s^2 is cut at degree 14 (coefficients of fdlibm's e_log.c). */
BR_EVERYWHERE double br_log_normal(double x)
{
    union {
        double   value;
        uint64_t bits;
    } m = {x};
    double k, f, s, z, w, r, half;

    m.bits += 0x3ff0000000000000u - 0x3fe6a09e667f3bcdu; /* carries into the exponent at sqrt 2 */
    k      = (double)((int64_t)(m.bits >> 52) - 1023);
    m.bits = (m.bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu;
    f      = m.value - 1.0;
    s      = f / (2.0 + f);
    z      = s * s;
    w      = z * z;
    r      = w * (0.3999999999940941908 + w * (0.2222219843214978396 + w * 0.1531383769920937332));
    r      = z * (0.6666666666666735130 +
             w * (0.2857142874366239149 +
                  w * (0.1818357216161805012 + w * 0.1479819860511658591))) +
        r;
    half = 0.5 * f * f;
    return k * 6.93147180369123816490e-01 -
           ((half - (s * (half + r) + k * 1.90821492927058770002e-10)) - f);
}

/* ln x: -inf at 0, NaN below; relative error below 3e-16. */
BR_EVERYWHERE double br_log(double x)
{
    if (!(x >= 0.0))
        return __builtin_nan("");
    if (x == 0.0)
        return -__builtin_inf();
    if (x > 1.79769313486231570815e308)
        return x;
    if (x < 2.2250738585072014e-308)
        return br_log_normal(x * 0x1p54) - 54.0 * 0.69314718055994530942;
    return br_log_normal(x);
}

/* -ln(1 - x) for 0 <= x < 1, to full precision near 0 too. */
BR_EVERYWHERE double br_minus_log1m(double x)
{
    double w = 1.0 - x;

    return w == 1.0 ? x : -br_log(w) * (x / (1.0 - w));
}

/* ---- sums of e^y ---- */

#define BR_SUM_BLOCK 4096 /* items that are summed at a time */
#define BR_SUM_LANES 8

/* e^most * sum; nothing: -inf and 0 */
typedef struct br_logsum {
    double most;
    double sum;
} br_logsum;

BR_EVERYWHERE br_logsum br_logsum_none(void)
{
    br_logsum none = {-__builtin_inf(), 0.0};

    return none;
}

/* br_exp of x <= 0, without a branch. */
BR_EVERYWHERE double br_exp_falling(double x)
{
    double inside = x > -708.0 ? x : -708.0;
    double n      = br_nearest(inside * 1.44269504088896340736);
    double r      = inside - n * 6.93147180369123816490e-01;
    double e      = br_exp_scaled(r - n * 1.90821492927058770002e-10, n);

    return x < -708.0 ? 0.0 : e;
}

/* Of at most one block: lane l takes y_n with n = l mod 8, n ascending, relative to the largest;
 * the tree of canonical.h. y is -inf where an item has no term. */
BR_EVERYWHERE br_logsum br_logsum_block(const double *y_n, int64_t n)
{
    br_logsum block              = br_logsum_none();
    double    lane[BR_SUM_LANES] = {0.0};
    int64_t   i                  = 0;

    for (int64_t j = 0; j < n; j++)
        block.most = y_n[j] > block.most ? y_n[j] : block.most;
    if (block.most == -__builtin_inf())
        return block;
    for (; i + BR_SUM_LANES <= n; i += BR_SUM_LANES)
        for (int l = 0; l < BR_SUM_LANES; l++)
            lane[l] += br_exp_falling(y_n[i + l] - block.most);
    for (int l = 0; i + l < n; l++)
        lane[l] += br_exp_falling(y_n[i + l] - block.most);
    for (int l = 0; l < 4; l++)
        lane[l] += lane[l + 4];
    block.sum = (lane[0] + lane[2]) + (lane[1] + lane[3]);
    return block;
}

BR_EVERYWHERE br_logsum br_logsum_add(br_logsum a, br_logsum b)
{
    br_logsum larger = b.most > a.most ? b : a, smaller = b.most > a.most ? a : b;

    if (smaller.sum > 0.0)
        larger.sum += smaller.sum * br_exp_falling(smaller.most - larger.most);
    return larger;
}

BR_EVERYWHERE br_logsum br_logsum_term(br_logsum a, double y)
{
    br_logsum term = {y, 1.0};

    return br_logsum_add(a, term);
}

BR_EVERYWHERE double br_logsum_ln(br_logsum a)
{
    return a.sum > 0.0 ? a.most + br_log(a.sum) : -__builtin_inf();
}

#endif
