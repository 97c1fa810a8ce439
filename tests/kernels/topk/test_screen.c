/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of the cpu screen one by one: the tiles of every kernel that this processor runs have
 * the plain kernel's sums and report exactly what passes; codes lose what they say. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cpu/topk/bounds.h"

#define ROWS   BR_SCREEN_ROWS
#define COLS   BR_SCREEN_COLS
#define MOST_D 1024

static uint64_t state_of_draw = 20261124u;

static uint64_t draw_bits(void)
{
    state_of_draw = state_of_draw * 6364136223846793005u + 1442695040888963407u;
    return state_of_draw >> 11;
}

static float draw_value(void)
{
    return (float)((double)draw_bits() * 0x1p-52 - 1.0);
}

/* ---- tiles ---- */

typedef struct tile_case {
    br_screen_tile   tile, plain;
    br_screen_number least_R[ROWS];
    int32_t          x[ROWS * MOST_D], z[COLS * MOST_D];
} tile_case;

static int32_t draw_unit(const br_screen_kernel *k, int most, int offset, float scale)
{
    uint8_t byte[4];
    int16_t half[2];
    float   value = draw_value() * scale;
    int32_t unit;

    for (int i = 0; i < 4; i++)
        byte[i] = (uint8_t)((int)(draw_bits() % (uint64_t)(2 * most + 1)) - most + offset);
    for (int i = 0; i < 2; i++) /* norms of at most norm_most, so smaller codes in long vectors */
        half[i] = (int16_t)((int)(draw_bits() % 2001) - 1000);
    memcpy(&unit, k->dims == 1 ? (void *)&value : k->dims == 2 ? (void *)half : (void *)byte, 4);
    return unit;
}

static void fill_case(tile_case *c, const br_screen_kernel *k, int64_t n_units, float scale)
{
    for (int64_t i = 0; i < ROWS * n_units; i++)
        c->x[i] = draw_unit(k, k->customer_most, 0, scale);
    for (int64_t i = 0; i < COLS * n_units; i++)
        c->z[i] = draw_unit(k, k->item_most, k->item_offset, 1.0f);
    c->tile.x       = c->x;
    c->tile.z       = c->z;
    c->tile.least_R = c->least_R;
    c->tile.n_units = n_units;
    c->plain        = c->tile;
}

/* |sum - x.z| <= (D + 2) u |x| |z| and an underflow's worth: the bound of docs/EXACTNESS.md. */
static void check_float(const tile_case *c, int r, int i)
{
    const float *x = (const float *)c->x, *z = (const float *)c->z;
    double       exact = 0.0, xx = 0.0, zz = 0.0, error;
    int64_t      D = c->tile.n_units;

    for (int64_t d = 0; d < D; d++) {
        exact += (double)x[d * ROWS + r] * (double)z[d * COLS + i];
        xx += (double)x[d * ROWS + r] * (double)x[d * ROWS + r];
        zz += (double)z[d * COLS + i] * (double)z[d * COLS + i];
    }
    error = br_bound_of_floats(D) * sqrt(xx * zz) + (double)(2 * D + 16) * 0x1p-149;
    if (!(fabs((double)c->tile.sum_RC[r][i].f - exact) <= error))
        fail_msg("D %lld: sum %.9g, exact %.17g, bound %g", (long long)D,
                 (double)c->tile.sum_RC[r][i].f, exact, error);
}

static void check_sums(const tile_case *c, const br_screen_kernel *k)
{
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < COLS; i++)
            if (k->dims == 1)
                check_float(c, r, i);
            else
                assert_int_equal(c->tile.sum_RC[r][i].i, c->plain.sum_RC[r][i].i);
}

/* Thresholds that are a sum of the row: it passes, being equal; row 1 lets nothing through. */
static void check_hits(tile_case *c, const br_screen_kernel *k)
{
    bool is_fp32 = k->dims == 1;

    for (int r = 0; r < ROWS; r++) {
        c->least_R[r] = c->tile.sum_RC[r][2 * r + 1];
        if (r == 1 && is_fp32)
            c->least_R[r].f = INFINITY;
        else if (r == 1)
            c->least_R[r].i = INT32_MAX;
    }
    memset(c->tile.hit_R, 0x5a, sizeof c->tile.hit_R);
    assert_true(k->run(&c->tile));
    c->plain = c->tile;
    assert_true(br_screen_mark(&c->plain, is_fp32));
    assert_memory_equal(c->tile.hit_R, c->plain.hit_R, sizeof c->plain.hit_R);
    for (int r = 0; r < ROWS; r++)
        assert_int_equal(c->tile.hit_R[r] >> (2 * r + 1) & 1, r != 1);
    for (int r = 0; r < ROWS; r++)
        c->least_R[r] = c->least_R[1];
    assert_false(k->run(&c->tile));
}

/* Biases of many sizes, one of them the largest: hits whose own bias is too small go, by exact
 * arithmetic; those within a rounding of the edge may stay, none above it may go. */
static void check_refine(tile_case *c, const br_screen_kernel *k)
{
    float bias_C[COLS], step_R[ROWS];

    for (int i = 0; i < COLS; i++)
        bias_C[i] = i == 5 ? 2.0f : draw_value() * (i % 4 == 0 ? 1e30f : i % 2 == 0 ? 1.0f : 0.01f);
    for (int i = 0; i < COLS; i++)
        bias_C[i] = fminf(bias_C[i], 2.0f);
    for (int r = 0; r < ROWS; r++) {
        step_R[r]       = r == 2 ? 0.0f : ldexpf(1.0f, r);
        c->least_R[r].i = c->tile.sum_RC[r][r].i - (1 << r);
    }
    c->tile.bias_C    = bias_C;
    c->tile.bias_most = 2.0f;
    c->tile.step_R    = step_R;
    assert_true(k->run(&c->tile));
    c->plain = c->tile;
    k->refine(&c->tile);
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < COLS; i++) {
            double above = (double)c->plain.sum_RC[r][i].i - c->least_R[r].i;
            double gap   = (2.0 - (double)bias_C[i]) * (double)step_R[r];
            bool   hit = c->plain.hit_R[r] >> i & 1, stays = c->tile.hit_R[r] >> i & 1;

            assert_true(!stays || hit);
            if (hit && above >= gap * (1.0 + 1e-6))
                assert_true(stays);
            if (hit && above < gap * (1.0 - 1e-6))
                assert_false(stays);
        }
    assert_int_equal(c->tile.hit_R[2], c->plain.hit_R[2]);
}

/* Everything passes. */
static void check_all_pass(tile_case *c, const br_screen_kernel *k)
{
    for (int r = 0; r < ROWS; r++)
        if (k->dims == 1)
            c->least_R[r].f = -INFINITY;
        else
            c->least_R[r].i = INT32_MIN;
    memset(c->tile.sum_RC, 0, sizeof c->tile.sum_RC);
    assert_true(k->run(&c->tile));
    check_sums(c, k);
    for (int r = 0; r < ROWS; r++)
        assert_int_equal(c->tile.hit_R[r], 0xffffffff);
}

static void check_kernel(const br_screen_kernel *k)
{
    static const int64_t dims[]   = {1, 3, 7, 32, 64, 333, 1024};
    static const float   scales[] = {1.0f, 1e-25f, 1e-38f, 1e20f};
    tile_case           *c        = calloc(1, sizeof *c);

    for (size_t d = 0; d < sizeof dims / sizeof *dims; d++)
        for (int i = 0; i < (k->dims == 1 ? 4 : 1); i++) {
            fill_case(c, k, br_codes_n_units(k, dims[d]), scales[i]);
            br_screen_plain(k->kind)->sums(&c->plain);
            k->sums(&c->tile);
            check_sums(c, k);
            check_all_pass(c, k);
            check_hits(c, k);
            if (k->refine != NULL)
                check_refine(c, k);
        }
    free(c);
}

static void test_tiles(void **state)
{
    (void)state;
    for (int kind = BR_SCREEN_FP32; kind <= BR_SCREEN_INT8; kind++) {
        const br_screen_kernel *all[] = {br_screen_plain((br_screen_kind)kind),
                                         br_screen_avx2((br_screen_kind)kind),
                                         br_screen_avx512((br_screen_kind)kind)};

        for (int i = 0; i < 3; i++)
            if (all[i] != NULL)
                check_kernel(all[i]);
    }
}

/* ---- codes ---- */

static void check_codes(const br_screen_kernel *k, int64_t D, float scale_of_values)
{
    float          v[MOST_D] = {0};
    int32_t        unit[MOST_D];
    double         residual = 0.0, norm = 0.0;
    int64_t        sum = 0;
    br_vector_size size;
    br_coded       coded;
    float          scale;

    for (int64_t d = 0; d < D; d++)
        v[d] = draw_value() * scale_of_values * (d == 3 ? 40.0f : 1.0f);
    size  = br_codes_measure(v, D);
    scale = br_codes_scale(k, k->item_most, size);
    coded = br_codes_write(&(br_coding){k, scale, k->item_offset, 1}, v, D, unit);
    for (int64_t d = 0; d < D; d++) {
        uint8_t byte[4];
        int16_t half[2];
        int     code;

        memcpy(byte, unit + d / k->dims, 4);
        memcpy(half, unit + d / k->dims, 4);
        code = k->dims == 2 ? half[d % 2] : byte[d % 4] - k->item_offset;
        assert_true(abs(code) <= k->item_most);
        residual += pow((double)v[d] - (double)scale * code, 2.0);
        norm += pow((double)scale * code, 2.0);
        sum += code;
    }
    assert_true(fabs(coded.residual - sqrt(residual)) <= 1e-9 * sqrt(residual) + 1e-300);
    assert_true(fabs(coded.norm - sqrt(norm)) <= 1e-9 * sqrt(norm) + 1e-300);
    assert_int_equal(coded.code_sum, sum);
    assert_true(norm <= pow(1.01 * k->norm_most * (double)scale, 2.0));
}

static void test_codes(void **state)
{
    (void)state;
    for (int kind = BR_SCREEN_INT16; kind <= BR_SCREEN_INT8; kind++)
        for (int64_t D = 1; D <= MOST_D; D += 1 + D / 3) {
            check_codes(br_screen_plain((br_screen_kind)kind), D, 1.0f);
            check_codes(br_screen_pick((br_screen_kind)kind), D, 1e-9f);
            check_codes(br_screen_pick((br_screen_kind)kind), D, 0.0f);
        }
}

/* A rotation keeps lengths and products but for its rounding, and spreads one large value. */
static void test_rotation(void **state)
{
    (void)state;
    for (int64_t D = 1; D <= MOST_D; D += 1 + D / 3) {
        float  x[MOST_D] = {0}, z[MOST_D] = {0};
        double dot = 0.0, rotated = 0.0, size;

        for (int64_t d = 0; d < D; d++) {
            x[d] = draw_value();
            z[d] = draw_value() + (d == 0 ? 30.0f : 0.0f);
            dot += (double)x[d] * (double)z[d];
        }
        size = br_codes_measure(x, D).norm * br_codes_measure(z, D).norm;
        br_codes_rotate(x, D);
        br_codes_rotate(z, D);
        for (int64_t d = 0; d < D; d++)
            rotated += (double)x[d] * (double)z[d];
        assert_true(fabs(dot - rotated) <= 2.1 * BR_ROTATION_ERROR * size);
        if (D >= 64)
            assert_true(br_codes_measure(z, D).element < 15.0f);
    }
}
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_rotation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
