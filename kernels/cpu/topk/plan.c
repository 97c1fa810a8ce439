/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernel screens a catalogue, and whether its vectors are rotated first. Called once per run;
 * lists do not depend on it.
 *
 * The screen itself and the scores of what passes it (passing.h) are what a customer costs; the
 * cheapest kind is taken. */
#include <math.h>
#include <string.h>

#include "host/base/log.h"
#include "kernels/cpu/topk/items.h"
#include "kernels/cpu/topk/tile.h"
#include "kernels/passing.h"

#define LEAST_NORM  1e-12 /* norms outside these have no codes */
#define MOST_NORM   1e12
#define LOOKED_AT   32   /* panels that tell what codes lose */
#define PAYS        0.85 /* of the residual, left by the rotation */
#define MOST_D      1024
#define LEAST_ITEMS 256 /* below: too few to ask */

typedef struct look {
    double plain;   /* |z - scale * code| / |z| of the 8-bit kernel */
    double rotated; /* the same after a rotation */
} look;

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

/* What 8-bit codes lose of whole panels, with and without a rotation. */
static look look_at(const br_items *items, const br_cpu_items *to)
{
    const br_screen_kernel *kernel = br_screen_pick(BR_SCREEN_INT8);
    float                   z_CD[BR_SCREEN_COLS * MOST_D];
    int64_t                 D = items->item_ND.n_cols, n = to->N / BR_SCREEN_COLS;
    look                    l    = {0};
    double                  norm = 0.0;

    n = n < LOOKED_AT ? n : LOOKED_AT;
    for (int64_t p = 0; p < n; p++) {
        for (int64_t c = 0; c < BR_SCREEN_COLS; c++) {
            memcpy(z_CD + c * D, br_cpu_item_at(items, to, p * BR_SCREEN_COLS + c),
                   (size_t)D * sizeof(float));
            norm += br_codes_measure(z_CD + c * D, D).norm;
        }
        l.plain += residual_of(kernel, z_CD, D);
        for (int c = 0; c < BR_SCREEN_COLS; c++)
            br_codes_rotate(z_CD + c * D, D);
        l.rotated += residual_of(kernel, z_CD, D);
    }
    if (norm > 0.0) {
        l.plain /= norm;
        l.rotated /= norm;
    }
    return l;
}

/* Cycles of a customer, about: what the screen multiplies and what it lets pass. Calibrated with
 * bench/kernels/bench_score_topk.c. */
static double cost_of(const br_passing *sample, bool is_by_norm, br_screen_kind kind, double loss)
{
    const br_screen_kernel *kernel = br_screen_pick(kind);
    double                  k = sample->k > 0 ? sample->k : BR_USUAL_K, N = (double)sample->N;
    double                  D = (double)sample->D, passed, share;

    passed = br_passing_count(sample, loss);
    share  = is_by_norm ? 0.6 : 1.0; /* some customers leave early */
    if (passed > 0.8 * br_tile_capacity((int32_t)k))
        passed *= 4.0; /* full buffers */
    return share * N * (D / kernel->speed + 0.3) + passed * (250.0 + D / 2.0);
}

typedef struct choice {
    br_screen_kind kind;
    const char    *why;
} choice;

static bool can_be_coded(const double *norm_N, int64_t N)
{
    double most = norm_N[0];

    for (int64_t i = 0; i < N; i++)
        most = norm_N[i] <= most ? most : norm_N[i]; /* a NaN stays */
    return most == 0.0 || (most < MOST_NORM && most > LEAST_NORM);
}

static choice cheapest(const br_items *items, const br_cpu_items *to, const look *l)
{
    const float *item_S[BR_PASSING_SAMPLE];
    br_passing   sample  = {item_S, to->N, items->item_ND.n_cols, to->N, items->k};
    bool         by_norm = to->n_sample < to->N;
    double       loss    = l->rotated < PAYS * l->plain ? l->rotated : l->plain, fp32, int16, int8;

    sample.n = sample.n < BR_PASSING_SAMPLE ? sample.n : BR_PASSING_SAMPLE;
    for (int64_t i = 0; i < sample.n; i++) /* evenly spread over all */
        item_S[i] = br_cpu_item_at(items, to, i * to->N / sample.n);
    fp32  = cost_of(&sample, by_norm, BR_SCREEN_FP32, 0.0);
    int16 = cost_of(&sample, by_norm, BR_SCREEN_INT16, loss / 200.0);
    int8  = cost_of(&sample, by_norm, BR_SCREEN_INT8, loss);
    if (int8 <= int16 && int8 <= fp32)
        return (choice){BR_SCREEN_INT8, "the cheapest"};
    if (int16 <= fp32)
        return (choice){BR_SCREEN_INT16, "8 bits let too much pass"};
    return (choice){BR_SCREEN_FP32, "few items, or scores too alike for codes"};
}

/* AUTO where what passes must be weighed. */
static choice choose(const br_items *items, const double *norm_N, const br_cpu_items *to)
{
    if (!can_be_coded(norm_N, to->N))
        return (choice){BR_SCREEN_FP32, "norms that codes cannot hold"};
    if (items->logsumexp == BR_LSE_FINE)
        return (choice){BR_SCREEN_FP32, "a log-sum-exp to 1e-5"};
    if (items->logsumexp == BR_LSE_COARSE && items->screen != BR_SCREEN_FP32)
        return (choice){BR_SCREEN_INT16, "a log-sum-exp to 1e-3"};
    if (items->screen == BR_SCREEN_FP16 || items->screen == BR_SCREEN_BF16)
        return (choice){BR_SCREEN_INT16, "16 bits asked for"};
    if (items->screen != BR_SCREEN_AUTO)
        return (choice){items->screen, "asked for"};
    if (to->N < LEAST_ITEMS)
        return (choice){BR_SCREEN_FP32, "few items"};
    return (choice){BR_SCREEN_AUTO, ""};
}

void br_cpu_items_plan(const br_items *items, const double *norm_N, br_cpu_items *to)
{
    choice c = choose(items, norm_N, to);
    look   l = {0};

    if (c.kind == BR_SCREEN_AUTO || c.kind == BR_SCREEN_INT8)
        l = look_at(items, to);
    if (c.kind == BR_SCREEN_AUTO)
        c = cheapest(items, to, &l);
    to->kernel     = br_screen_pick(c.kind);
    to->n_units    = br_codes_n_units(to->kernel, items->item_ND.n_cols);
    to->is_rotated = to->kernel->kind == BR_SCREEN_INT8 && l.rotated < PAYS * l.plain;
    br_log(BR_LOG_INFO, "score_topk", "screen %s (%s)%s; %lld items %s", to->kernel->name, c.why,
           to->is_rotated ? ", rotated against outlier dimensions" : "", (long long)to->N,
           to->n_sample < to->N ? "by falling norm" : "of like norms, scattered");
}
