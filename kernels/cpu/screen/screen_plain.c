/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiles in plain loops, for processors without vector kernels and as the yardstick of those with;
 * and the choice among all. */
#include "kernels/cpu/screen/screen.h"

#include <string.h>

#include "kernels/cpu/cpu.h"

static int32_t product_of_units(int dims, int32_t x, int32_t z)
{
    int16_t x_16[2], z_16[2];
    int8_t  x_8[4];
    uint8_t z_8[4];
    int32_t sum = 0;

    if (dims == 2) {
        memcpy(x_16, &x, 4);
        memcpy(z_16, &z, 4);
        return x_16[0] * z_16[0] + x_16[1] * z_16[1];
    }
    memcpy(x_8, &x, 4);
    memcpy(z_8, &z, 4);
    for (int i = 0; i < 4; i++)
        sum += x_8[i] * z_8[i];
    return sum;
}

static void sums_of_codes(br_screen_tile *b, int dims)
{
    for (int r = 0; r < BR_SCREEN_ROWS; r++)
        for (int c = 0; c < BR_SCREEN_COLS; c++) {
            int32_t sum = 0;

            for (int64_t u = 0; u < b->n_units; u++)
                sum += product_of_units(dims, b->x[u * BR_SCREEN_ROWS + r],
                                        b->z[u * BR_SCREEN_COLS + c]);
            b->sum_RC[r][c].i = sum;
        }
}

static void sums_fp32(br_screen_tile *b)
{
    const float *x_UR = (const float *)b->x, *z_UC = (const float *)b->z;

    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        float sum_C[BR_SCREEN_COLS] = {0};

        for (int64_t u = 0; u < b->n_units; u++)
            for (int c = 0; c < BR_SCREEN_COLS; c++)
                sum_C[c] += x_UR[u * BR_SCREEN_ROWS + r] * z_UC[u * BR_SCREEN_COLS + c];
        memcpy(b->sum_RC[r], sum_C, sizeof sum_C);
    }
}

static void sums_int8(br_screen_tile *b)
{
    sums_of_codes(b, 4);
}

static void sums_int16(br_screen_tile *b)
{
    sums_of_codes(b, 2);
}

bool br_screen_mark(br_screen_tile *b, bool is_fp32)
{
    uint32_t any = 0;

    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        uint32_t hits = 0;

        for (int c = 0; c < BR_SCREEN_COLS; c++)
            hits |= (uint32_t)(is_fp32 ? b->sum_RC[r][c].f >= b->least_R[r].f
                                       : b->sum_RC[r][c].i >= b->least_R[r].i)
                    << c;
        b->hit_R[r] = hits;
        any |= hits;
    }
    return any != 0;
}

static void refine(br_screen_tile *b)
{
    for (int r = 0; r < BR_SCREEN_ROWS; r++) {
        uint32_t hits = 0;

        for (int c = 0; c < BR_SCREEN_COLS; c++) {
            uint32_t above = (uint32_t)b->sum_RC[r][c].i - (uint32_t)b->least_R[r].i;

            hits |= (uint32_t) !((float)above < (b->bias_most - b->bias_C[c]) * b->step_R[r]) << c;
        }
        b->hit_R[r] &= hits;
    }
}

static bool run_fp32(br_screen_tile *b)
{
    sums_fp32(b);
    return br_screen_mark(b, true) || b->keep_sums != 0;
}

static bool run_int8(br_screen_tile *b)
{
    sums_int8(b);
    return br_screen_mark(b, false) || b->keep_sums != 0;
}

static bool run_int16(br_screen_tile *b)
{
    sums_int16(b);
    return br_screen_mark(b, false) || b->keep_sums != 0;
}

const br_screen_kernel *br_screen_plain(br_screen_kind kind)
{
    static const br_screen_kernel fp32 = {"fp32, plain", BR_SCREEN_FP32, 1,   1, 0, 0, 0, 0.0, 4.0,
                                          run_fp32,      sums_fp32,      NULL};
    static const br_screen_kernel int8 = {
        "int8, plain", BR_SCREEN_INT8, 4, 1, 127, 127, 128, 1e9, 1.0, run_int8, sums_int8, refine};
    static const br_screen_kernel int16 = {
        "int16, plain", BR_SCREEN_INT16, 2,     1, 32700, 32700, 0, 46000.0, 1.0,
        run_int16,      sums_int16,      refine};

    return kind == BR_SCREEN_INT8 ? &int8 : kind == BR_SCREEN_INT16 ? &int16 : &fp32;
}

const br_screen_kernel *br_screen_pick(br_screen_kind kind)
{
    br_vectors              widest = br_cpu_widest();
    const br_screen_kernel *kernel = NULL;

    if (widest == BR_VECTORS_AVX512)
        kernel = br_screen_avx512(kind);
    if (kernel == NULL && widest >= BR_VECTORS_AVX2)
        kernel = br_screen_avx2(kind);
    return kernel != NULL ? kernel : br_screen_plain(kind);
}
