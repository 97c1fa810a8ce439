/* SPDX-License-Identifier: Apache-2.0
 *
 * The shortlists of all customers (or of a sample) in memory: what places are given from. Filled
 * in rounds, each with one run of lists. */
#ifndef BR_HOST_PIPELINE_ALLOCATE_SHORTLISTS_H
#define BR_HOST_PIPELINE_ALLOCATE_SHORTLISTS_H

#include "host/io/lists.h"
#include "host/pipeline/setup/setup.h"

typedef struct br_shortlists {
    const br_objective *objective; /* borrowed */
    int64_t             n_items;
    int64_t             n_rows; /* U */
    int32_t             n_rounds;
    int32_t             width; /* M, of all rounds together */
    int32_t            *item_UM;
    float              *score_UM;
    float              *bound_U;       /* no item outside is worth more, less bound_price_N */
    float              *bound_price_N; /* NULL: 0 */
    float               lowest;        /* score of all shortlists */
    float               bias_size;     /* largest |b| of the catalogue */
} br_shortlists;

/* The configuration of a run of shortlists: the k best items of each customer, by score less
 * price_N (NULL: 0; it must outlive it), without constraints. br_config_close it. */
br_status br_shortlists_config(const br_config *config, int32_t k, const char *path,
                               const float *price_N, br_config **out);

br_status br_shortlists_open(const br_setup *setup, int64_t n_rows, br_shortlists *out);
void      br_shortlists_close(br_shortlists *s);

/* A round begins: room for k more items in each row. */
br_status br_shortlists_begin(br_shortlists *s, int32_t k);

/* Adds a part's lists, taken at price_N (NULL: none), to the rows from first_row on. */
void br_shortlists_take(br_shortlists *s, const br_lists *part, int64_t first_row,
                        const float *price_N);

/* The round is over. */
br_status br_shortlists_end(br_shortlists *s, const float *price_N);

/* What a place must be worth under `fill`, where it is worth more than none even with the worst
 * item of all shortlists; else constraints.floor. */
double br_shortlists_floor(const br_shortlists *s, const br_config *config);

#endif
