/* SPDX-License-Identifier: Apache-2.0
 *
 * The sum of e^y over what a list left, in whole numbers: the same bits in whatever order, blocks
 * or parts of a catalogue it is added up, on every backend. docs/EXACTNESS.md has its error. */
#ifndef BR_KERNELS_DRAW_LEFT_H
#define BR_KERNELS_DRAW_LEFT_H

#include "kernels/log.h"

#define BR_LEFT_LANES 8
#define BR_LEFT_ONE   0x1p-52 /* a term e^(y - most) is a whole number of these */

/* e^most (2^32 high + low) BR_LEFT_ONE; most is the largest y of all that is left, -inf: nothing
 * is. */
typedef struct br_left {
    double   most;
    uint64_t high;
    uint64_t low; /* carries are taken at the end (br_left_sum) */
} br_left;

BR_EVERYWHERE br_left br_left_none(void)
{
    br_left none = {-__builtin_inf(), 0, 0};

    return none;
}

/* Terms of y - most below it are 0, so that all of the catalogue's n items beside the list add up
 * to less than 2^-22 of the sum: -ln(2^22 n). */
BR_EVERYWHERE double br_left_floor(int64_t n_items)
{
    return -br_log(0x1p22 * (double)n_items);
}

/* e^fall for fall = y - most <= 0, rounded to a whole number (ties to even): at most 2^52. */
BR_EVERYWHERE uint64_t br_left_term(double fall, double floor)
{
    union {
        double   value;
        uint64_t bits;
    } one         = {1.0}, n, scale, e;
    double inside = fall < floor ? floor : fall, r;

    n.value    = inside * 1.44269504088896340736 + 6755399441055744.0;
    scale.bits = (n.bits + 1023) << 52; /* its low bits are those of the whole number */
    n.value -= 6755399441055744.0;
    r       = inside - n.value * 6.93147180369123816490e-01;
    e.value = 1.0 + br_exp_small(r - n.value * 1.90821492927058770002e-10) * scale.value;
    return fall < floor ? 0 : e.bits - one.bits;
}

/* Up to 4,095 terms at once. */
BR_EVERYWHERE void br_left_add(br_left *left, uint64_t terms)
{
    left->high += terms >> 32;
    left->low += terms & 0xffffffffu;
}

/* Of at most BR_SUM_BLOCK items; y is -inf where an item has no term. */
BR_EVERYWHERE void br_left_add_block(br_left *left, double floor, const double *y_n, int64_t n)
{
    uint64_t high = 0, low = 0;

    for (int64_t i = 0; i < n; i++) {
        uint64_t term = br_left_term(y_n[i] - left->most, floor);

        high += term >> 32;
        low += term & 0xffffffffu;
    }
    left->high += high;
    left->low += low;
}

/* Relative to most, as the other sums of a list are. */
BR_EVERYWHERE br_logsum br_left_sum(br_left left)
{
    br_logsum sum = {left.most, 0.0};

    left.high += left.low >> 32;
    left.low &= 0xffffffffu;
    sum.sum = (double)left.high * 0x1p-20 + (double)left.low * BR_LEFT_ONE;
    return sum;
}

#endif
