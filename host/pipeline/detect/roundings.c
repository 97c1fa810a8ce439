/* SPDX-License-Identifier: Apache-2.0
 *
 * Roundings of a customer's probabilities. Called for the customers of a sample.
 *
 * Each of the D numbers of W_k x_u is off by (D + 2) u sum_d |W_od x_d| at most between an fp32 sum
 * and the rounded exact one; a logit by these times |z_o|, and by its own rounding. Probabilities
 * are made of logits the same way everywhere and only rise or only fall with them, so they lie
 * between those at both ends. */
#include "host/pipeline/detect/roundings.h"

#include <math.h>

#include "host/base/memory.h"

#define UNIT  0x1p-24 /* of fp32 */
#define SLACK 1.01    /* products of roundings, and those of the bound itself */
#define FLOOR 2e-5    /* of S: its hazards and their product are rounded too */

enum { LO, MIDDLE, HI, N_ENDS };

/* A head that is linear in x_u; logits of pair heads are the same bits everywhere. */
typedef struct head_roundings {
    float  *weight_DD;     /* NULL: a pair head */
    double *reach_D;       /* sum_d |W_od x_d| of the customer */
    float  *end_K[N_ENDS]; /* logits, then probabilities: of the slots */
} head_roundings;

struct br_roundings {
    br_job        *job;
    int32_t        dim;
    int32_t        k;
    head_roundings head[BR_MAX_HEADS]; /* in the order of setup->head */
    br_mat         x_1D, query_1D, item_1K, logit_1K;
    int32_t       *item_K; /* rows of item_ND, -1: none */
    float         *z_D;
    double         survival_per_norm; /* of the worst survival head */
    double         survival_constant;
    double         survival; /* of the customer */
};

static br_status learn_head(br_roundings *r, int32_t i)
{
    br_status       st = BR_OK;
    head_roundings *h  = &r->head[i];
    int32_t         k  = r->job->setup->head[i];

    if (r->job->setup->spec->head[k].kind == BR_HEAD_PAIR)
        return BR_OK;
    for (int e = 0; e < N_ENDS; e++)
        BR_ALLOC(st, h->end_K[e], r->k, "a head's probabilities");
    BR_ALLOC(st, h->weight_DD, (int64_t)r->dim * r->dim, "weights of a head");
    BR_ALLOC(st, h->reach_D, r->dim, "sums of a head");
    BR_TRY(st, br_download(r->job->dev, br_model_head_weight(r->job->model, k), h->weight_DD));
done:
    return st;
}

static br_status learn_survival(br_roundings *r)
{
    br_status       st = BR_OK;
    const br_setup *s  = r->job->setup;
    double          per_norm, constant;

    for (int32_t i = 0; i < s->n_curves; i++) {
        BR_TRY(st, br_model_survival_error(r->job->model, r->job->dev, s->curve[i], &per_norm,
                                           &constant));
        r->survival_per_norm = fmax(r->survival_per_norm, per_norm);
        r->survival_constant = fmax(r->survival_constant, constant);
    }
done:
    return st;
}

br_status br_roundings_open(br_job *job, br_roundings **out)
{
    br_status     st = BR_OK;
    br_roundings *r  = NULL;

    *out = NULL;
    BR_ALLOC(st, r, 1, "roundings");
    r->job = job;
    r->dim = job->setup->dim;
    r->k   = job->k;
    BR_ALLOC(st, r->item_K, r->k, "listed items");
    BR_ALLOC(st, r->z_D, r->dim, "an item's vector");
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, 1, r->dim, &r->x_1D));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, 1, r->dim, &r->query_1D));
    BR_TRY(st, br_dev_alloc(job->dev, BR_I32, 1, r->k, &r->item_1K));
    BR_TRY(st, br_dev_alloc(job->dev, BR_F32, 1, r->k, &r->logit_1K));
    for (int32_t i = 0; i < job->setup->n_heads; i++)
        BR_TRY(st, learn_head(r, i));
    BR_TRY(st, learn_survival(r));
    *out = r;
    r    = NULL;
done:
    br_roundings_close(&r);
    return st;
}

void br_roundings_close(br_roundings **roundings)
{
    br_roundings *r = *roundings;

    if (r == NULL)
        return;
    for (int32_t i = 0; i < BR_MAX_HEADS; i++) {
        br_free(&r->head[i].weight_DD);
        br_free(&r->head[i].reach_D);
        for (int e = 0; e < N_ENDS; e++)
            br_free(&r->head[i].end_K[e]);
    }
    br_dev_free(&r->x_1D);
    br_dev_free(&r->query_1D);
    br_dev_free(&r->item_1K);
    br_dev_free(&r->logit_1K);
    br_free(&r->item_K);
    br_free(&r->z_D);
    br_free(roundings);
}

/* ---- one customer ---- */

static void add_reach(const br_roundings *r, const head_roundings *h, const float *x_D)
{
    for (int32_t o = 0; o < r->dim; o++) {
        const float *weight_D = h->weight_DD + (int64_t)o * r->dim;

        h->reach_D[o] = 0.0;
        for (int32_t d = 0; d < r->dim; d++)
            h->reach_D[o] += fabs((double)weight_D[d] * (double)x_D[d]);
    }
}

/* The reference's logits, c_k left out, into end_K[MIDDLE]. */
static br_status make_logits(const br_roundings *r, int32_t i)
{
    br_status           st   = BR_OK;
    br_job             *job  = r->job;
    int32_t             k    = job->setup->head[i];
    br_score_pairs_args args = {.query_BD = r->query_1D,
                                .item_ND  = job->item_ND,
                                .bias_N   = job->head_bias_N[i],
                                .item_BK  = r->item_1K,
                                .out_BK   = r->logit_1K};

    BR_TRY(st, br_model_head_query(job->model, job->dev, k, r->x_1D, r->query_1D));
    BR_TRY(st, br_model_head_pairs(job->model, job->dev, k, &args));
    BR_TRY(st, br_download(job->dev, r->logit_1K, r->head[i].end_K[MIDDLE]));
done:
    return st;
}

static br_status make_ends(const br_roundings *r, const head_roundings *h)
{
    br_status st = BR_OK;

    for (int32_t j = 0; j < r->k; j++) {
        double logit = (double)h->end_K[MIDDLE][j], reach = 0.0, apart;

        h->end_K[LO][j] = h->end_K[HI][j] = h->end_K[MIDDLE][j];
        if (r->item_K[j] < 0)
            continue;
        BR_TRY(st, br_download(r->job->dev, br_mat_rows(r->job->item_ND, r->item_K[j], 1), r->z_D));
        for (int32_t o = 0; o < r->dim; o++)
            reach += h->reach_D[o] * fabs((double)r->z_D[o]);
        apart           = SLACK * UNIT * ((double)(r->dim + 2) * reach + 2.0 * fabs(logit));
        h->end_K[LO][j] = nextafterf((float)(logit - apart), -HUGE_VALF);
        h->end_K[HI][j] = nextafterf((float)(logit + apart), HUGE_VALF);
    }
done:
    return st;
}

static br_status make_probabilities(const br_roundings *r, int32_t i, int end)
{
    br_status st    = BR_OK;
    float    *end_K = r->head[i].end_K[end];

    BR_TRY(st, br_upload(r->job->dev, r->logit_1K, end_K));
    BR_TRY(st, br_model_head_calibrate(r->job->model, r->job->dev, r->job->setup->head[i],
                                       r->logit_1K));
    BR_TRY(st, br_download(r->job->dev, r->logit_1K, end_K));
done:
    return st;
}

/* Rows of item_ND in the slots that the heads look at. */
static void take_items(const br_roundings *r, const br_lists *lists)
{
    for (int32_t j = 0; j < r->k; j++)
        r->item_K[j] =
            j < lists->n_B[0] && j < lists->k ? r->job->setup->listed_row[lists->item_BK[j]] : -1;
}

br_status br_roundings_take(br_roundings *r, const float *x_D, const br_lists *lists)
{
    br_status st     = BR_OK;
    double    square = 0.0;

    for (int32_t d = 0; d < r->dim; d++)
        square += (double)x_D[d] * (double)x_D[d];
    r->survival = FLOOR + r->survival_per_norm * sqrt(square) + r->survival_constant;
    take_items(r, lists);
    BR_TRY(st, br_upload(r->job->dev, r->x_1D, x_D));
    BR_TRY(st, br_upload(r->job->dev, r->item_1K, r->item_K));
    for (int32_t i = 0; i < r->job->setup->n_heads; i++) {
        if (r->head[i].weight_DD == NULL)
            continue;
        add_reach(r, &r->head[i], x_D);
        BR_TRY(st, make_logits(r, i));
        BR_TRY(st, make_ends(r, &r->head[i]));
        BR_TRY(st, make_probabilities(r, i, LO));
        BR_TRY(st, make_probabilities(r, i, HI));
    }
done:
    return st;
}

void br_roundings_of_slot(const br_roundings *r, int32_t i, int32_t j, double p, double *lo,
                          double *hi)
{
    const head_roundings *h = &r->head[i];
    double                a = h->weight_DD == NULL ? p : (double)h->end_K[LO][j];
    double                b = h->weight_DD == NULL ? p : (double)h->end_K[HI][j];

    *lo = fmin(a, b);
    *hi = fmax(a, b);
    *lo -= 2.0 * UNIT * fabs(*lo); /* br_exp and the last rounding */
    *hi += 2.0 * UNIT * fabs(*hi);
}

double br_roundings_of_survival(const br_roundings *r)
{
    return r->survival;
}
