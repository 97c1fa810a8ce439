/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernel screens a catalogue, and whether its vectors are rotated first. Called once per run;
 * lists do not depend on it.
 *
 * A few items stand in for customers: how crowded their scores are about the k-th says how many
 * items pass a screen of a certain error. That many scores, and the screen itself, are what a
 * customer costs; the cheapest kind is taken. */
#include <math.h>
#include <string.h>

#include "host/base/log.h"
#include "kernels/cpu/topk/candidates.h"
#include "kernels/cpu/topk/items.h"
#include "kernels/cpu/topk/tile.h"

#define LEAST_NORM  1e-12 /* norms outside these have no codes */
#define MOST_NORM   1e12
#define LOOKED_AT   32   /* panels that tell what codes lose */
#define PAYS        0.85 /* of the residual, left by the rotation */
#define MOST_D      1024
#define STAND_INS   16   /* items that stand in for customers */
#define MOST_SAMPLE 2048 /* items that they are scored with */
#define LEAST_RANK  8
#define LEAST_ITEMS 256 /* below: too few to ask */
#define USUAL_K     100 /* where k is not known */

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

/* One stand-in's scores with items evenly spread over all, and what they may be at most. */
typedef struct stand_in {
    float   score[MOST_SAMPLE];
    float   upper[MOST_SAMPLE];
    int32_t key[MOST_SAMPLE];
    int32_t n;
} stand_in;

static void score_stand_in(const br_items *items, const br_cpu_items *to, int64_t q, int64_t n,
                           double loss, stand_in *s)
{
    int64_t      D    = items->item_ND.n_cols;
    const float *x_D  = br_cpu_item_at(items, to, q * n / STAND_INS * to->N / n);
    double       norm = br_codes_measure(x_D, D).norm;

    s->n = 0;
    for (int64_t i = 0; i < n; i++) {
        const float *z_D = br_cpu_item_at(items, to, i * to->N / n);

        if (z_D == x_D) /* no customer is an item: its own score stands out */
            continue;
        s->score[s->n] = (float)br_canonical_dot_fast(x_D, z_D, D);
        s->upper[s->n] =
            s->score[s->n] + (float)(2.0 * loss * norm * br_codes_measure(z_D, D).norm);
        s->n++;
    }
}

/* Items below the rank-th that pass all the same. */
static double n_beside(stand_in *s, int32_t rank)
{
    float   level  = br_candidates_rank(s->score, s->n, rank, s->key);
    int32_t passed = 0;

    for (int32_t i = 0; i < s->n; i++)
        passed += s->upper[i] >= level;
    return passed > rank ? (double)(passed - rank) : 0.0;
}

/* Items of the catalogue that pass a screen which loses `loss` of each vector, for a list of k,
 * mean over the stand-ins. Where k is too deep in the tail for the sample, what passes beside a
 * rank is taken to follow a power of it, as found between two ranks. */
static double n_passing(const br_items *items, const br_cpu_items *to, double loss)
{
    stand_in s;
    double   N = (double)to->N, k = items->k > 0 ? items->k : USUAL_K, sum = 0.0;
    int64_t  n    = to->N < MOST_SAMPLE ? to->N : MOST_SAMPLE;
    double   rank = k * (double)n / N;
    int32_t  near = rank > LEAST_RANK ? (int32_t)rank : LEAST_RANK, far = 4 * near;

    near = near < n / 4 ? near : (int32_t)n / 4;
    far  = far < n / 2 ? far : (int32_t)n / 2;
    if (loss == 0.0) /* fp32: hardly more than the list */
        return fmin(k, N);
    for (int64_t q = 0; q < STAND_INS; q++) {
        double beside, power;

        score_stand_in(items, to, q, n, loss, &s);
        beside = n_beside(&s, near) + 0.1;
        power  = log((n_beside(&s, far) + 0.1) / beside) / log((double)far / near);
        power  = fmin(fmax(power, 0.0), 1.0);
        sum += beside * pow(fmin(rank / near, 1.0), power);
    }
    return fmin(k + sum / STAND_INS * N / (double)n, N);
}

/* Cycles of a customer, about: what the screen multiplies and what it lets pass. Calibrated with
 * bench/kernels/bench_score_topk.c. */
static double cost_of(const br_items *items, const br_cpu_items *to, br_screen_kind kind,
                      double loss)
{
    const br_screen_kernel *kernel = br_screen_pick(kind);
    double                  k = items->k > 0 ? items->k : USUAL_K, N = (double)to->N;
    double                  D = (double)items->item_ND.n_cols, passed, share;

    passed = n_passing(items, to, loss);
    share  = to->n_sample < to->N ? 0.6 : 1.0; /* some customers leave early */
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
    double loss  = l->rotated < PAYS * l->plain ? l->rotated : l->plain;
    double fp32  = cost_of(items, to, BR_SCREEN_FP32, 0.0);
    double int16 = cost_of(items, to, BR_SCREEN_INT16, loss / 200.0);
    double int8  = cost_of(items, to, BR_SCREEN_INT8, loss);

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
