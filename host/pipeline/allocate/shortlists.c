/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pipeline/allocate/shortlists.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"

#define ROUNDINGS 0x1p-20f /* several, of fp32 */

br_status br_shortlists_config(const br_config *config, int32_t k, const char *path,
                               const float *price_N, br_config **out)
{
    static const char *const off[] = {"constraints.capacity=false", "constraints.budgets=[]",
                                      "constraints.limits=[]"};
    br_status                st    = BR_OK;
    br_config               *copy  = NULL;
    char                    *text  = NULL;
    char                     set[4300];

    BR_TRY(st, br_config_dump(config, &text));
    BR_TRY(st, br_config_parse("shortlists", text, config->folder, &copy));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        BR_TRY(st, br_config_set(copy, off[i]));
    (void)snprintf(set, sizeof set, "list.k=%d", k);
    BR_TRY(st, br_config_set(copy, set));
    (void)snprintf(set, sizeof set, "output.path=%s", path);
    BR_TRY(st, br_config_set(copy, set));
    if (config->objective_type == BR_OBJECTIVE_EXPECTED_VALUE && config->objective_top < k) {
        (void)snprintf(set, sizeof set, "objective.top=%d", k);
        BR_TRY(st, br_config_set(copy, set));
    }
    BR_TRY(st, br_config_check(copy));
    copy->price_N = price_N;
    copy->is_step = true;
    *out          = copy;
    copy          = NULL;
done:
    br_config_close(&copy);
    br_free(&text);
    return st;
}

br_status br_shortlists_open(const br_setup *setup, int64_t n_rows, br_shortlists *out)
{
    br_status st = BR_OK;

    *out = (br_shortlists){.objective = &setup->objective,
                           .n_items   = setup->catalogue.n_items,
                           .n_rows    = n_rows,
                           .lowest    = INFINITY};
    BR_ALLOC(st, out->bound_U, n_rows, "bounds of shortlists");
    for (int64_t i = 0; setup->catalogue.bias_N != NULL && i < out->n_items; i++)
        out->bias_size = fmaxf(out->bias_size, fabsf(setup->catalogue.bias_N[i]));
done:
    return st;
}

void br_shortlists_close(br_shortlists *s)
{
    br_free(&s->item_UM);
    br_free(&s->score_UM);
    br_free(&s->bound_U);
    br_free(&s->bound_price_N);
}

br_status br_shortlists_begin(br_shortlists *s, int32_t k)
{
    br_status st       = BR_OK;
    int32_t   width    = s->width + k;
    int32_t  *item_UM  = NULL;
    float    *score_UM = NULL;

    BR_ALLOC(st, item_UM, s->n_rows * width, "shortlists");
    BR_ALLOC(st, score_UM, s->n_rows * width, "shortlists");
    for (int64_t u = 0; u < s->n_rows; u++)
        for (int32_t j = 0; j < width; j++) {
            bool is_old             = j < s->width;
            item_UM[u * width + j]  = is_old ? s->item_UM[u * s->width + j] : -1;
            score_UM[u * width + j] = is_old ? s->score_UM[u * s->width + j] : 0.0f;
        }
    br_free(&s->item_UM);
    br_free(&s->score_UM);
    s->item_UM  = item_UM;
    s->score_UM = score_UM;
    s->width    = width;
    item_UM     = NULL;
    score_UM    = NULL;
done:
    br_free(&item_UM);
    br_free(&score_UM);
    return st;
}

/* Puts an item into a row's shortlist of n, best first. */
static void insert(br_shortlists *s, int64_t row, int32_t n, int32_t item, float score)
{
    int32_t *item_M  = s->item_UM + row * s->width;
    float   *score_M = s->score_UM + row * s->width;
    int32_t  at      = n;

    for (;
         at > 0 && (score > score_M[at - 1] || (score == score_M[at - 1] && item < item_M[at - 1]));
         at--) {
        item_M[at]  = item_M[at - 1];
        score_M[at] = score_M[at - 1];
    }
    item_M[at]  = item;
    score_M[at] = score;
}

static int32_t length_of(const br_shortlists *s, int64_t row)
{
    int32_t n = 0;

    while (n < s->width && s->item_UM[row * s->width + n] >= 0)
        n++;
    return n;
}

static bool has_item(const int32_t *item_M, int32_t n, int32_t item)
{
    for (int32_t j = 0; j < n; j++)
        if (item_M[j] == item)
            return true;
    return false;
}

/* Do the bounds of this round replace those before? Not where penalised items took others' places.
 */
static bool is_bounding(const br_shortlists *s, const float *price_N)
{
    return s->n_rounds == 0 || (price_N != NULL && s->objective->n_repetitions == 0);
}

/* No item outside a full list is worth more than its last one, at the prices it was taken at, but
 * for roundings: candidates are ordered by fl(dot + fl(bias - price)). */
static float bound_of(const br_shortlists *s, const br_lists *part, int64_t b, const float *price_N)
{
    float lowest = INFINITY;

    if (part->n_B[b] < part->k || s->objective->type == BR_OBJECTIVE_EXPECTED_VALUE)
        return -INFINITY;
    for (int32_t j = 0; j < part->n_B[b]; j++) {
        int64_t at    = b * part->k + j;
        float   worth = part->score_BK[at];

        if (price_N != NULL) {
            float price = price_N[part->item_BK[at]];

            worth = worth - price + ROUNDINGS * (fabsf(worth) + fabsf(price) + s->bias_size);
        }
        lowest = worth < lowest ? worth : lowest;
    }
    return lowest;
}

void br_shortlists_take(br_shortlists *s, const br_lists *part, int64_t first_row,
                        const float *price_N)
{
    bool is_bound = is_bounding(s, price_N);

    for (int64_t b = 0; b < part->n_rows; b++) {
        int64_t  row    = first_row + b;
        int32_t  n      = length_of(s, row);
        int32_t *item_M = s->item_UM + row * s->width;

        for (int32_t j = 0; j < part->n_B[b]; j++) {
            float score = part->score_BK[b * part->k + j];

            s->lowest = score < s->lowest ? score : s->lowest;
            if (s->n_rounds == 0 || !has_item(item_M, n, part->item_BK[b * part->k + j]))
                insert(s, row, n++, part->item_BK[b * part->k + j], score);
        }
        if (is_bound)
            s->bound_U[row] = bound_of(s, part, b, price_N);
    }
}

br_status br_shortlists_end(br_shortlists *s, const float *price_N)
{
    br_status st = BR_OK;

    if (price_N != NULL && is_bounding(s, price_N)) {
        if (s->bound_price_N == NULL)
            BR_ALLOC(st, s->bound_price_N, s->n_items, "prices of shortlists");
        memcpy(s->bound_price_N, price_N, (size_t)s->n_items * sizeof *price_N);
    }
    s->n_rounds++;
done:
    return st;
}

double br_shortlists_floor(const br_shortlists *s, const br_config *config)
{
    if (!config->constraints_fill)
        return config->constraints_floor;
    if (!isfinite(s->lowest))
        return 0.0;
    return (double)s->lowest - 1e-6 * fabs((double)s->lowest) - 1e-9;
}
