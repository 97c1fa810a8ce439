/* SPDX-License-Identifier: Apache-2.0
 *
 * layer_norm: fp64 statistics in 8 interleaved chains, whatever the processor: the AVX-512 form
 * gives the bits of the plain loops. Called two or three times per layer and chunk. Agrees with ref
 * within 1e-6 x max(1, |x|). */
#include <math.h>

#include "host/base/clones.h"
#include "kernels/cpu/cpu.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512vl")))
#endif

#define LANES     8
#define WIDE_ROWS 4   /* the AVX-512 form takes these at a time */
#define WIDE_MOST 512 /* columns that it has room for */

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

/* 8 columns of a row from d in fp64; those beyond its end are 0. */
TARGET BR_INLINE __m512d load(const row *r, int64_t d, __mmask8 in)
{
    __m256 x = _mm256_maskz_loadu_ps(in, r->x_D + d);

    if (r->residual_D != NULL)
        x = _mm256_add_ps(x, _mm256_maskz_loadu_ps(in, r->residual_D + d));
    return _mm512_cvtps_pd(x);
}

TARGET BR_INLINE __m512d centre(const row *r, int64_t d, __mmask8 in, __m512d mean, double *y_D)
{
    __m512d y = _mm512_maskz_sub_pd(in, load(r, d, in), mean);

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
#define EACH_BLOCK(DO)                                                                             \
    do {                                                                                           \
        int64_t d = 0;                                                                             \
        for (; d + LANES <= n; d += LANES)                                                         \
            DO(d, 0xFF);                                                                           \
        if (d < n)                                                                                 \
            DO(d, tail);                                                                           \
    } while (0)
#define SUM(d, in)                                                                                 \
    s0 = _mm512_add_pd(s0, load(&r[0], (d), (in))),                                                \
    s1 = _mm512_add_pd(s1, load(&r[1], (d), (in))),                                                \
    s2 = _mm512_add_pd(s2, load(&r[2], (d), (in))), s3 = _mm512_add_pd(s3, load(&r[3], (d), (in)))
#define SQUARES(d, in)                                                                             \
    s0 = _mm512_add_pd(s0, centre(&r[0], (d), (in), m0, y_RD[0])),                                 \
    s1 = _mm512_add_pd(s1, centre(&r[1], (d), (in), m1, y_RD[1])),                                 \
    s2 = _mm512_add_pd(s2, centre(&r[2], (d), (in), m2, y_RD[2])),                                 \
    s3 = _mm512_add_pd(s3, centre(&r[3], (d), (in), m3, y_RD[3]))
#define PUT(d, in)                                                                                 \
    put(&r[0], (d), (in), m0, y_RD[0]), put(&r[1], (d), (in), m1, y_RD[1]),                        \
        put(&r[2], (d), (in), m2, y_RD[2]), put(&r[3], (d), (in), m3, y_RD[3])

TARGET BR_INLINE __m512d mean_of(__m512d sum, int64_t n)
{
    return _mm512_set1_pd(tree_of(sum) / (double)n);
}

TARGET BR_INLINE __m512d scale_of(__m512d squares, int64_t n, double eps)
{
    return _mm512_set1_pd(1.0 / sqrt(tree_of(squares) / (double)n + eps));
}

/* Four rows side by side: each alone waits for its chains of sums. The last may be repeated. */
TARGET static void norm_rows(const row *of)
{
    double         y_RD[WIDE_ROWS][WIDE_MOST];
    const row      r[WIDE_ROWS] = {of[0], of[1], of[2], of[3]}; /* no store can change them */
    const int64_t  n            = r[0].n;
    const __mmask8 tail         = (__mmask8)((1u << (n % LANES)) - 1u);
    __m512d        s0 = _mm512_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;
    __m512d        m0, m1, m2, m3;

    EACH_BLOCK(SUM);
    m0 = mean_of(s0, n);
    m1 = mean_of(s1, n);
    m2 = mean_of(s2, n);
    m3 = mean_of(s3, n);
    s0 = s1 = s2 = s3 = _mm512_setzero_pd();
    EACH_BLOCK(SQUARES);
    m0 = scale_of(s0, n, r[0].eps);
    m1 = scale_of(s1, n, r[0].eps);
    m2 = scale_of(s2, n, r[0].eps);
    m3 = scale_of(s3, n, r[0].eps);
    EACH_BLOCK(PUT);
}
#else
static bool has_wide(void)
{
    return false;
}

static void norm_rows(const row *of)
{
    (void)of;
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
    for (int64_t i = 0; i < n_rows; i += is_wide ? WIDE_ROWS : 1) {
        row r[WIDE_ROWS];

        for (int64_t k = 0; k < WIDE_ROWS; k++)
            r[k] = row_of(args, i + k < n_rows ? i + k : i);
        if (is_wide)
            norm_rows(r);
        else
            norm_row(&r[0]);
    }
    return BR_OK;
}
