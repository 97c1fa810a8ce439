/* SPDX-License-Identifier: Apache-2.0
 *
 * The ranking pair: the fp32 queries and items whose canonical score lists are ordered by. The
 * plain score ranks by x_u, z_i and b_i themselves; a linear objective (eq. 8) folds its terms into
 * them once per job, so that it costs nothing per customer but one small product. */
#ifndef BR_HOST_PIPELINE_CHOOSE_RANK_H
#define BR_HOST_PIPELINE_CHOOSE_RANK_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "kernels/ops.h"

struct br_job;

typedef struct br_rank {
    br_mat fold_QD;   /* q_u = fold x_u; absent: q_u = x_u */
    br_mat column_BQ; /* i32, 0, 1, 2, ... in each row */
    br_mat item_NQ;   /* shares item_ND of the job where no value multiplies it */
    br_mat bias_N;    /* shares the job's where nothing is added to it */
    br_mat select_N;  /* what candidates are selected by: bias_N, less an allocation's prices */
    bool   owns_item;
    bool   owns_bias;
    bool   owns_select;
    bool   owns_column;
} br_rank;

/* Needs the job's model, catalogue and setup; then, for chunks of up to n_rows customers, the
 * columns of the fold. */
br_status br_rank_open(struct br_job *job);
/* The same for other weights of the same terms: `base` lends the items, and its columns later. */
br_status br_rank_open_like(struct br_job *job, const br_rank *base);
br_status br_rank_open_columns(struct br_job *job, int64_t n_rows);
void      br_rank_close(br_rank *rank);

/* out_BO = x_BD weight_OD^T by canonical dot products, so that the same x_u gives the same bits on
 * every backend: what lists depend on. At most Q rows of weights, which is D or more. */
br_status br_rank_project(const br_rank *rank, br_dev *lane, br_mat weight_OD, br_mat x_BD,
                          br_mat out_BO);

/* q_u of a chunk: x itself, or [B, Q] in the lane's scratch. */
br_status br_rank_query(const br_rank *rank, br_dev *lane, br_mat x_BD, br_mat *query_BQ);

#endif
