/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm: fp64 statistics in 8 interleaved chains, whatever the processor: the AVX-512 form
 * gives the bits of the plain loops. Called two or three times per layer and chunk. Agrees with ref
 * within 1e-6 x max(1, |x|). */
#include <math.h>

#include "kernels/cpu/clones.h"
#include "kernels/cpu/cpu.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512vl")))
#endif

#define LANES     8
#define WIDE_MOST 2048 /* columns that the AVX-512 form has room for */

typedef struct row {
    const float *x_D;
    const float *residual_D; /* or NULL */
    const float *gamma_D;
    const float *beta_D;
    float       *out_D;
    int64_t      n;
    double       eps;
} row;

BR_INLINE double tree(const double *sum)
{
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

BR_INLINE double sum_of(const float *y_D, int64_t n)
{
    double  sum[LANES] = {0};
    int64_t d          = 0;

    for (; d + LANES <= n; d += LANES)
        for (int l = 0; l < LANES; l++)
            sum[l] += (double)y_D[d + l];
    for (int l = 0; d < n; d++, l++)
        sum[l] += (double)y_D[d];
    return tree(sum);
}

BR_INLINE double squares_of(const float *y_D, int64_t n, double mean)
{
    double  sum[LANES] = {0};
    int64_t d          = 0;

    for (; d + LANES <= n; d += LANES)
        for (int l = 0; l < LANES; l++)
            sum[l] += ((double)y_D[d + l] - mean) * ((double)y_D[d + l] - mean);
    for (int l = 0; d < n; d++, l++)
        sum[l] += ((double)y_D[d] - mean) * ((double)y_D[d] - mean);
    return tree(sum);
}

BR_CLONES static void norm_row(const row *r)
{
    float       *out_D   = r->out_D;
    const float *gamma_D = r->gamma_D;
    const float *beta_D  = r->beta_D;
    const float *y_D     = r->residual_D == NULL ? r->x_D : out_D;
    int64_t      n       = r->n;
    double       mean;
    double       scale;

    if (r->residual_D != NULL)
        for (int64_t d = 0; d < n; d++)
            out_D[d] = r->x_D[d] + r->residual_D[d];
    mean  = sum_of(y_D, n) / (double)n;
    scale = 1.0 / sqrt(squares_of(y_D, n, mean) / (double)n + r->eps);
    for (int64_t d = 0; d < n; d++)
        out_D[d] = (float)(((double)y_D[d] - mean) * scale) * gamma_D[d] + beta_D[d];
}

#if defined(TARGET)
static bool has_wide(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
}

TARGET BR_INLINE double tree_of(__m512d sum)
{
    double lane[LANES];

    _mm512_storeu_pd(lane, sum);
    return tree(lane);
}

/* 8 columns of a row, fewer at its end: the rest are zeros, and not stored. */
TARGET BR_INLINE __m512d load(const row *r, int64_t d, __mmask8 in, double *y_D)
{
    __m256  x = _mm256_maskz_loadu_ps(in, r->x_D + d);
    __m512d y;

    if (r->residual_D != NULL)
        x = _mm256_add_ps(x, _mm256_maskz_loadu_ps(in, r->residual_D + d));
    y = _mm512_cvtps_pd(x);
    _mm512_storeu_pd(y_D + d, y);
    return y;
}

TARGET BR_INLINE __m512d centre(int64_t d, __mmask8 in, __m512d mean, double *y_D)
{
    __m512d y = _mm512_maskz_sub_pd(in, _mm512_loadu_pd(y_D + d), mean);

    _mm512_storeu_pd(y_D + d, y);
    return _mm512_mul_pd(y, y);
}

TARGET BR_INLINE void put(const row *r, int64_t d, __mmask8 in, __m512d scale, const double *y_D)
{
    __m256 y = _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_loadu_pd(y_D + d), scale));

    y = _mm256_mul_ps(y, _mm256_maskz_loadu_ps(in, r->gamma_D + d));
    y = _mm256_add_ps(y, _mm256_maskz_loadu_ps(in, r->beta_D + d));
    if (in == 0xFF) /* a store with a mask takes several times as long */
        _mm256_storeu_ps(r->out_D + d, y);
    else
        _mm256_mask_storeu_ps(r->out_D + d, in, y);
}

/* DO(d, in) for every 8 columns, the last ones apart: the others need no mask. */
#define EACH_LANES(DO)                                                                             \
    do {                                                                                           \
        int64_t d = 0;                                                                             \
        for (; d + LANES <= n; d += LANES)                                                         \
            DO(d, 0xFF);                                                                           \
        if (d < n)                                                                                 \
            DO(d, tail);                                                                           \
    } while (0)
#define SUM(d, in)                                                                                 \
    sum_a = _mm512_add_pd(sum_a, load(a, (d), (in), a_D)),                                         \
    sum_b = _mm512_add_pd(sum_b, load(b, (d), (in), b_D))
#define SQUARES(d, in)                                                                             \
    sum_a = _mm512_add_pd(sum_a, centre((d), (in), mean_a, a_D)),                                  \
    sum_b = _mm512_add_pd(sum_b, centre((d), (in), mean_b, b_D))
#define PUT(d, in) put(a, (d), (in), scale_a, a_D), put(b, (d), (in), scale_b, b_D)

/* Two rows at a time: each alone waits for its chains of sums. b may be a again. */
TARGET static void norm_rows(const row *a, const row *b)
{
    double   a_D[WIDE_MOST + LANES], b_D[WIDE_MOST + LANES];
    int64_t  n     = a->n;
    __mmask8 tail  = (__mmask8)((1u << (n % LANES)) - 1u);
    __m512d  sum_a = _mm512_setzero_pd(), sum_b = _mm512_setzero_pd();
    __m512d  mean_a, mean_b, scale_a, scale_b;

    EACH_LANES(SUM);
    mean_a = _mm512_set1_pd(tree_of(sum_a) / (double)n);
    mean_b = _mm512_set1_pd(tree_of(sum_b) / (double)n);
    sum_a = sum_b = _mm512_setzero_pd();
    EACH_LANES(SQUARES);
    scale_a = _mm512_set1_pd(1.0 / sqrt(tree_of(sum_a) / (double)n + a->eps));
    scale_b = _mm512_set1_pd(1.0 / sqrt(tree_of(sum_b) / (double)n + b->eps));
    EACH_LANES(PUT);
}
#else
static bool has_wide(void)
{
    return false;
}

static void norm_rows(const row *a, const row *b)
{
    (void)a, (void)b;
}
#endif

static row row_of(const br_layer_norm_args *args, int64_t i)
{
    row r = {.x_D        = br_mat_f32(args->x_RD) + i * args->x_RD.ld,
             .residual_D = br_mat_f32(args->residual_RD),
             .gamma_D    = br_mat_f32(args->gamma_1D),
             .beta_D     = br_mat_f32(args->beta_1D),
             .out_D      = br_mat_f32(args->out_RD) + i * args->out_RD.ld,
             .n          = args->x_RD.n_cols,
             .eps        = args->eps};

    if (r.residual_D != NULL)
        r.residual_D += i * args->residual_RD.ld;
    return r;
}

br_status br_cpu_layer_norm(br_dev *dev, const br_layer_norm_args *args)
{
    int64_t n_rows  = args->x_RD.n_rows;
    bool    is_wide = has_wide() && args->x_RD.n_cols <= WIDE_MOST;

    (void)dev;
    for (int64_t i = 0; i < n_rows; i += is_wide ? 2 : 1) {
        row a = row_of(args, i);

        if (is_wide) {
            row b = row_of(args, i + 1 < n_rows ? i + 1 : i);
            norm_rows(&a, &b);
        } else {
            norm_row(&a);
        }
    }
    return BR_OK;
}
