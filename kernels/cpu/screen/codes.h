/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors as the units that a screen kernel multiplies: floats, or whole numbers with one scale for
 * a customer or a panel of items. */
#ifndef BR_KERNELS_CPU_SCREEN_CODES_H
#define BR_KERNELS_CPU_SCREEN_CODES_H

#include "kernels/cpu/screen/screen.h"

/* Units of a vector: whole steps of the kernel. */
int64_t br_codes_n_units(const br_screen_kernel *kernel, int64_t D);

/* The largest |v_d| and |v|, in fp64 from fp32 values. */
typedef struct br_vector_size {
    double norm;
    float  element;
} br_vector_size;
br_vector_size br_codes_measure(const float *v_D, int64_t D);

/* The scale of vectors no larger than `size` whose |code| stays within `most`; 1 for zeros. */
float br_codes_scale(const br_screen_kernel *kernel, int most, br_vector_size size);

/* What one vector became. */
typedef struct br_coded {
    double  residual; /* |v - scale * code| */
    double  norm;     /* |scale * code| */
    int64_t code_sum;
} br_coded;

/* v_D as units, `step` units apart: code + offset (v itself for fp32, whose scale is 1). */
typedef struct br_coding {
    const br_screen_kernel *kernel;
    float                   scale;
    int                     offset;
    int64_t                 step;
} br_coding;
br_coded br_codes_write(const br_coding *how, const float *v_D, int64_t D, int32_t *unit_U);

/* Spreads what a few large dimensions hold over all of them, by an orthogonal transform (random
 * signs and a Hadamard transform of the first 2^m dimensions, then of the last 2^m): x.z stays,
 * codes lose less. Rounding moves the vector by at most BR_ROTATION_ERROR |v|. */
#define BR_ROTATION_ERROR (40 * 0x1p-24)
void br_codes_rotate(float *v_D, int64_t D);

#endif
