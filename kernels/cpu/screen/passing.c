/* SPDX-License-Identifier: Apache-2.0
 *
 * A few items stand in for customers: how crowded their scores are about the k-th says how many
 * items pass a screen of a certain error. Called by the planners, a few times per run. */
#include "kernels/passing.h"

#include <math.h>
#include <stdbool.h>

#include "kernels/cpu/screen/codes.h"
#include "kernels/cpu/topk/candidates.h"

#define STAND_INS  16 /* items that stand in for customers */
#define LEAST_RANK 8

_Static_assert(BR_PASSING_SAMPLE % BR_RANK_STEP == 0, "keys are ranked in whole steps");

/* One stand-in's scores with items evenly spread over all, and what they may be at most. */
typedef struct stand_in {
    float   score[BR_PASSING_SAMPLE];
    float   upper[BR_PASSING_SAMPLE];
    int32_t key[BR_PASSING_SAMPLE];
    int32_t n;
} stand_in;

static void score_stand_in(const br_passing *sample, int64_t q, double loss, stand_in *s)
{
    int64_t      D    = sample->D;
    const float *x_D  = sample->item_S[q * sample->n / STAND_INS];
    double       norm = br_codes_measure(x_D, D).norm;

    s->n = 0;
    for (int64_t i = 0; i < sample->n; i++) {
        const float *z_D = sample->item_S[i];

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

/* Where k is too deep in the tail for the sample, what passes beside a rank is taken to follow a
 * power of it, as found between two ranks; a mean over the stand-ins. */
double br_passing_count(const br_passing *sample, double loss)
{
    stand_in s;
    double   N = (double)sample->N, k = sample->k > 0 ? sample->k : BR_USUAL_K, sum = 0.0;
    int64_t  n    = sample->n;
    double   rank = k * (double)n / N;
    int32_t  near = rank > LEAST_RANK ? (int32_t)rank : LEAST_RANK, far = 4 * near;

    near = near < n / 4 ? near : (int32_t)n / 4;
    far  = far < n / 2 ? far : (int32_t)n / 2;
    if (loss == 0.0) /* fp32: hardly more than the list */
        return fmin(k, N);
    for (int64_t q = 0; q < STAND_INS; q++) {
        double beside, power;

        score_stand_in(sample, q, loss, &s);
        beside = n_beside(&s, near) + 0.1;
        power  = log((n_beside(&s, far) + 0.1) / beside) / log((double)far / near);
        power  = fmin(fmax(power, 0.0), 1.0);
        sum += beside * pow(fmin(rank / near, 1.0), power);
    }
    return fmin(k + sum / STAND_INS * N / (double)n, N);
}
