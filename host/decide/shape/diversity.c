/* SPDX-License-Identifier: Apache-2.0
 *
 * MMR by lazy evaluation: as more items are chosen a candidate's similarity can only grow, so the
 * value from an earlier step bounds today's from above, and few cosines are computed. */
#include "host/decide/shape/diversity.h"

#include <math.h>

#include "host/base/memory.h"

/* No computed cosine lies outside [-COSINE_BOUND, COSINE_BOUND]: rounding adds less than 1e-12. */
#define COSINE_BOUND (1.0 + 1e-9)

struct br_diversity {
    int32_t             D;
    int32_t             window;
    double              lambda;
    const float *const *vector_W;
    int64_t             n; /* W: candidates of this customer in the window */
    double             *relevance_W;
    double             *near_W;   /* greatest cosine to the first n_seen_W chosen items */
    double             *norm_W;   /* where n_seen_W > 0 */
    int32_t            *n_seen_W; /* -1: dropped */
    int32_t             n_chosen;
    const float       **chosen_K;
    double             *chosen_norm_K;
};

br_status br_diversity_create(const br_shape *shape, br_diversity **out)
{
    br_status     st = BR_OK;
    br_diversity *d  = NULL;

    BR_ALLOC(st, d, 1, "diversity");
    d->D      = shape->D;
    d->window = shape->window;
    d->lambda = shape->lambda;
    BR_ALLOC(st, d->relevance_W, shape->window, "relevance of candidates");
    BR_ALLOC(st, d->near_W, shape->window, "similarity of candidates");
    BR_ALLOC(st, d->norm_W, shape->window, "norms of candidates");
    BR_ALLOC(st, d->n_seen_W, shape->window, "state of candidates");
    BR_ALLOC(st, d->chosen_K, shape->k + shape->n_pins, "chosen vectors");
    BR_ALLOC(st, d->chosen_norm_K, shape->k + shape->n_pins, "chosen norms");
    *out = d;
    d    = NULL;
done:
    br_diversity_destroy(&d);
    return st;
}

void br_diversity_destroy(br_diversity **diversity)
{
    br_diversity *d = *diversity;

    if (d == NULL)
        return;
    br_free(&d->relevance_W);
    br_free(&d->near_W);
    br_free(&d->norm_W);
    br_free(&d->n_seen_W);
    br_free(&d->chosen_K);
    br_free(&d->chosen_norm_K);
    br_free(diversity);
}

size_t br_diversity_bytes(const br_shape *shape)
{
    return sizeof(br_diversity) + (size_t)shape->window * (3 * sizeof(double) + sizeof(int32_t)) +
           (size_t)(shape->k + shape->n_pins) * (sizeof(float *) + sizeof(double));
}

/* The order of sums of the canonical score (docs/EXACTNESS.md); products of fp32 are exact. */
static double dot(const float *a_D, const float *b_D, int32_t D)
{
    double  lane[8] = {0.0};
    int32_t d       = 0;

    for (; d + 8 <= D; d += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += (double)a_D[d + l] * (double)b_D[d + l];
    for (int l = 0; d + l < D; l++)
        lane[l] += (double)a_D[d + l] * (double)b_D[d + l];
    for (int l = 0; l < 4; l++)
        lane[l] += lane[l + 4];
    return (lane[0] + lane[2]) + (lane[1] + lane[3]);
}

void br_diversity_begin(br_diversity *d, const br_shape_input *in)
{
    double low = 0.0, high = 0.0;

    d->n        = in->n < d->window ? in->n : d->window;
    d->vector_W = in->vector_M;
    d->n_chosen = 0;
    for (int64_t i = 0; i < d->n; i++) {
        double s = (double)in->score_M[i];

        low  = i == 0 || s < low ? s : low;
        high = i == 0 || s > high ? s : high;
    }
    for (int64_t i = 0; i < d->n; i++) {
        double norm = high > low ? ((double)in->score_M[i] - low) / (high - low) : 0.0;

        d->relevance_W[i] = d->lambda * norm;
        d->near_W[i]      = -COSINE_BOUND;
        d->n_seen_W[i]    = 0;
    }
}

void br_diversity_choose(br_diversity *d, const float *vector_D)
{
    d->chosen_K[d->n_chosen]      = vector_D;
    d->chosen_norm_K[d->n_chosen] = sqrt(dot(vector_D, vector_D, d->D));
    d->n_chosen++;
}

void br_diversity_drop(br_diversity *d, int64_t i)
{
    d->n_seen_W[i] = -1;
}

/* Not below the candidate's value: exact where every chosen item has been seen. */
static double value_by_seen(const br_diversity *d, int64_t i)
{
    double near = d->n_chosen > 0 ? d->near_W[i] : 0.0;

    return d->relevance_W[i] - (1.0 - d->lambda) * near;
}

static void see_chosen(br_diversity *d, int64_t i)
{
    const float *vector_D = d->vector_W[i];

    if (d->n_seen_W[i] == 0 && d->n_chosen > 0)
        d->norm_W[i] = sqrt(dot(vector_D, vector_D, d->D));
    for (int32_t c = d->n_seen_W[i]; c < d->n_chosen; c++) {
        double norms  = d->norm_W[i] * d->chosen_norm_K[c];
        double cosine = norms > 0.0 ? dot(vector_D, d->chosen_K[c], d->D) / norms : 0.0;

        if (cosine > d->near_W[i])
            d->near_W[i] = cosine;
    }
    d->n_seen_W[i] = d->n_chosen;
}

int64_t br_diversity_next(br_diversity *d, bool (*fits)(void *context, int64_t i), void *context)
{
    int64_t best       = -1;
    double  best_value = 0.0;

    for (int64_t i = 0; i < d->n; i++) {
        /* Every later candidate's relevance is no greater. */
        if (best >= 0 && d->relevance_W[i] + (1.0 - d->lambda) * COSINE_BOUND <= best_value)
            break;
        if (d->n_seen_W[i] < 0 || (best >= 0 && value_by_seen(d, i) <= best_value))
            continue;
        if (!fits(context, i)) {
            br_diversity_drop(d, i);
            continue;
        }
        see_chosen(d, i);
        if (best < 0 || value_by_seen(d, i) > best_value) {
            best       = i;
            best_value = value_by_seen(d, i);
        }
    }
    return best;
}
