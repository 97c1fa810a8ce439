/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernel screens a catalogue, and whether its vectors are rotated first. Called once per run;
 * lists do not depend on it. */
#include <math.h>
#include <string.h>

#include "host/base/log.h"
#include "kernels/cpu/topk/items.h"

#define SMALL_CATALOGUE 2000  /* items: below, codes pass too many of them */
#define LONG_LIST       512   /* k: above, 8 bits leave too much to score exactly */
#define WIDE            512   /* D: the same */
#define LEAST_NORM      1e-12 /* norms outside these have no codes */
#define MOST_NORM       1e12
#define LOOKED_AT       64   /* panels that tell what rotation brings */
#define PAYS            0.85 /* of the residual, left by the rotation */
#define MOST_D          1024

static double residual_of(const br_screen_kernel *kernel, const float *z_CD, int64_t D)
{
    int32_t unit_U[MOST_D];
    double  residual = 0.0;
    float   element  = 0.0f;

    for (int c = 0; c < BR_SCREEN_COLS; c++)
        element = fmaxf(element, br_codes_measure(z_CD + c * D, D).element);
    for (int c = 0; c < BR_SCREEN_COLS; c++) {
        br_coding how = {.kernel = kernel, .step = 1};

        how.scale = br_codes_scale(kernel, kernel->item_most, (br_vector_size){0.0, element});
        residual += br_codes_write(&how, z_CD + c * D, D, unit_U).residual;
    }
    return residual;
}

/* Do codes of rotated vectors lose clearly less? Some dimensions must be larger than others. */
static bool rotation_pays(const br_items *items, const br_cpu_items *to)
{
    float   z_CD[BR_SCREEN_COLS * MOST_D];
    int64_t D = items->item_ND.n_cols, n = to->N / BR_SCREEN_COLS;
    double  plain = 0.0, rotated = 0.0;

    n = n < LOOKED_AT ? n : LOOKED_AT;
    for (int64_t p = 0; p < n; p++) {
        for (int64_t c = 0; c < BR_SCREEN_COLS; c++)
            memcpy(z_CD + c * D, br_cpu_item_at(items, to, p * BR_SCREEN_COLS + c),
                   (size_t)D * sizeof(float));
        plain += residual_of(to->kernel, z_CD, D);
        for (int c = 0; c < BR_SCREEN_COLS; c++)
            br_codes_rotate(z_CD + c * D, D);
        rotated += residual_of(to->kernel, z_CD, D);
    }
    return rotated < PAYS * plain;
}

typedef struct choice {
    br_screen_kind kind;
    const char    *why;
} choice;

static choice choose(const br_items *items, const double *norm_N, const br_cpu_items *to)
{
    double most = norm_N[0], least = INFINITY;

    for (int64_t i = 0; i < to->N; i++) {
        most  = norm_N[i] <= most ? most : norm_N[i]; /* a NaN stays */
        least = norm_N[i] > 0.0 && norm_N[i] < least ? norm_N[i] : least;
    }
    if (!(most < MOST_NORM) || (most > 0.0 && most < LEAST_NORM))
        return (choice){BR_SCREEN_FP32, "norms that codes cannot hold"};
    if (items->logsumexp == BR_LSE_FINE)
        return (choice){BR_SCREEN_FP32, "a log-sum-exp to 1e-5"};
    if (items->logsumexp == BR_LSE_COARSE && items->screen != BR_SCREEN_FP32)
        return (choice){BR_SCREEN_INT16, "a log-sum-exp to 1e-3"};
    if (items->screen != BR_SCREEN_AUTO)
        return (choice){items->screen, "asked for"};
    if (to->N < SMALL_CATALOGUE)
        return (choice){BR_SCREEN_FP32, "few items"};
    if (items->k > LONG_LIST || items->item_ND.n_cols > WIDE)
        return (choice){BR_SCREEN_INT16, "long lists or wide vectors"};
    return (choice){BR_SCREEN_INT8, "the fastest that leaves little to score exactly"};
}

void br_cpu_items_plan(const br_items *items, const double *norm_N, br_cpu_items *to)
{
    choice c = choose(items, norm_N, to);

    to->kernel = br_screen_pick(c.kind);
    if (items->screen == BR_SCREEN_AUTO &&
        to->kernel->speed < br_screen_pick(BR_SCREEN_FP32)->speed)
        to->kernel = br_screen_pick(BR_SCREEN_FP32);
    to->n_units    = br_codes_n_units(to->kernel, items->item_ND.n_cols);
    to->is_rotated = to->kernel->kind == BR_SCREEN_INT8 && rotation_pays(items, to);
    br_log(BR_LOG_INFO, "score_topk", "screen %s (%s)%s; %lld items %s", to->kernel->name, c.why,
           to->is_rotated ? ", rotated against outlier dimensions" : "", (long long)to->N,
           to->n_sample < to->N ? "by falling norm" : "of like norms, scattered");
}
