/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounding of fp32 to bfloat16, its upper 16 bits: to nearest, ties to even; NaN stays NaN. */
#ifndef BR_KERNELS_BF16_H
#define BR_KERNELS_BF16_H

#include <stdint.h>
#include <string.h>

/* The rounded value's bits as fp32: the lower half is 0. No branches, so that loops vectorise. */
static inline uint32_t br_bf16_bits(float x)
{
    uint32_t bits, rounded;

    memcpy(&bits, &x, sizeof bits);
    rounded = bits + 0x7FFFu + ((bits >> 16) & 1u);
    rounded = (bits & 0x7FFFFFFFu) > 0x7F800000u ? bits | 0x00400000u : rounded;
    return rounded & 0xFFFF0000u;
}

static inline float br_bf16(float x)
{
    uint32_t bits = br_bf16_bits(x);
    float    rounded;

    memcpy(&rounded, &bits, sizeof rounded);
    return rounded;
}

static inline float br_bf16_value(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float    value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
