/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors to units. Called once per customer, and once per item of a run. */
#include "kernels/cpu/screen/codes.h"

#include <math.h>
#include <string.h>

#include "host/base/clones.h"

#define MOST_D     1024
#define MOST_WHOLE 32767.0  /* of any code; only what is not finite would pass it */
#define TO_WHOLE   0x1.8p52 /* x + this - this is x rounded to a whole number */
#define SIGN_SEED  0x9E3779B97F4A7C15u

int64_t br_codes_n_units(const br_screen_kernel *kernel, int64_t D)
{
    int64_t n = (D + kernel->dims - 1) / kernel->dims;

    return (n + kernel->unit_step - 1) / kernel->unit_step * kernel->unit_step;
}

/* Eight of everything, so that the loops become vector code; a vector's end fills some of them. */
BR_INLINE void measure_some(const float *v, int n, double *sum, float *most)
{
    for (int l = 0; l < n; l++) {
        float size = fabsf(v[l]);

        sum[l] += (double)v[l] * (double)v[l];
        most[l] = most[l] > size ? most[l] : size;
    }
}

BR_CLONES br_vector_size br_codes_measure(const float *v_D, int64_t D)
{
    double  sum[8]  = {0};
    float   most[8] = {0};
    int64_t d       = 0;

    for (; d + 8 <= D; d += 8)
        measure_some(v_D + d, 8, sum, most);
    measure_some(v_D + d, (int)(D - d), sum, most);
    for (int l = 1; l < 8; l++) {
        sum[0] += sum[l];
        most[0] = most[0] > most[l] ? most[0] : most[l];
    }
    return (br_vector_size){sqrt(sum[0]), most[0]};
}

float br_codes_scale(const br_screen_kernel *kernel, int most, br_vector_size size)
{
    double scale = 1.0;

    if (kernel->dims > 1)
        scale = fmax(size.norm / kernel->norm_most, (double)size.element / most);
    return scale > 0.0 ? nextafterf((float)scale, INFINITY) : 1.0f;
}

typedef struct rounding {
    double  scale, inverse;
    double  residual[8], norm[8];
    int32_t code_sum[8];
} rounding;

BR_INLINE void round_some(rounding *r, const float *v, int n, int32_t *code)
{
    for (int l = 0; l < n; l++) {
        double value = (double)v[l], whole = (value * r->inverse + TO_WHOLE) - TO_WHOLE;
        double left = value - r->scale * whole; /* NaN, where the value is not finite */

        r->residual[l] += left * left;
        r->norm[l] += whole * whole;
        whole = whole >= -MOST_WHOLE ? whole : -MOST_WHOLE;
        whole = whole <= MOST_WHOLE ? whole : MOST_WHOLE;
        r->code_sum[l] += (int32_t)whole;
        code[l] = (int32_t)whole;
    }
}

/* code_D and what it leaves of the vector. */
BR_CLONES static br_coded round_values(const float *v_D, int64_t D, double scale, int32_t *code_D)
{
    rounding r     = {.scale = scale, .inverse = 1.0 / scale};
    br_coded coded = {0};
    int64_t  d     = 0;

    for (; d + 8 <= D; d += 8)
        round_some(&r, v_D + d, 8, code_D + d);
    round_some(&r, v_D + d, (int)(D - d), code_D + d);
    for (int l = 0; l < 8; l++) {
        coded.residual += r.residual[l];
        coded.norm += r.norm[l];
        coded.code_sum += r.code_sum[l];
    }
    coded.residual = sqrt(coded.residual);
    coded.norm     = scale * sqrt(coded.norm);
    return coded;
}

static void write_floats(const float *v_D, int64_t D, int32_t *unit_U, int64_t step)
{
    for (int64_t d = 0; d < D; d++)
        memcpy(unit_U + d * step, v_D + d, sizeof *v_D);
}

static int32_t unit_of(int dims, const int32_t *code, int offset)
{
    if (dims == 2)
        return (int32_t)((uint32_t)code[1] << 16 | ((uint32_t)code[0] & 0xffff));
    return (int32_t)(((uint32_t)(code[0] + offset) & 0xff) |
                     ((uint32_t)(code[1] + offset) & 0xff) << 8 |
                     ((uint32_t)(code[2] + offset) & 0xff) << 16 |
                     ((uint32_t)(code[3] + offset) & 0xff) << 24);
}

br_coded br_codes_write(const br_coding *how, const float *v_D, int64_t D, int32_t *unit_U)
{
    int32_t  code_D[MOST_D + 8];
    br_coded coded   = {0};
    int      dims    = how->kernel->dims;
    int64_t  n_units = br_codes_n_units(how->kernel, D);

    if (dims == 1) {
        write_floats(v_D, D, unit_U, how->step);
        return coded;
    }
    coded = round_values(v_D, D, (double)how->scale, code_D);
    for (int64_t d = D; d < n_units * dims; d++)
        code_D[d] = 0;
    for (int64_t u = 0; u < n_units; u++)
        unit_U[u * how->step] = unit_of(dims, code_D + u * dims, how->offset);
    return coded;
}

/* In place: the Hadamard transform of n = 2^m values, divided by sqrt(n). */
BR_CLONES static void hadamard(float *v, int64_t n)
{
    float scale = (float)(1.0 / sqrt((double)n));

    for (int64_t half = 1; half < n; half *= 2)
        for (int64_t at = 0; at < n; at += 2 * half)
            for (int64_t i = at; i < at + half; i++) {
                float a = v[i], b = v[i + half];

                v[i]        = a + b;
                v[i + half] = a - b;
            }
    for (int64_t i = 0; i < n; i++)
        v[i] *= scale;
}

static void flip_signs(float *v_D, int64_t D, uint64_t round)
{
    for (int64_t d = 0; d < D; d++) {
        uint64_t h = ((uint64_t)d + 1024 * round) * SIGN_SEED;

        if (((h ^ (h >> 29)) * 0xBF58476D1CE4E5B9u) >> 63)
            v_D[d] = -v_D[d];
    }
}

void br_codes_rotate(float *v_D, int64_t D)
{
    int64_t n = 1;

    while (2 * n <= D)
        n *= 2;
    flip_signs(v_D, D, 0);
    hadamard(v_D, n);
    if (n == D)
        return;
    flip_signs(v_D, D, 1);
    hadamard(v_D + D - n, n);
}
