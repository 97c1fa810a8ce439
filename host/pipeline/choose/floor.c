/* SPDX-License-Identifier: Apache-2.0 */
#include "host/pipeline/choose/floor.h"

#include <math.h>

bool br_floor_helps(const br_job *job, const br_batch *batch)
{
    return job->config->policy_type == BR_POLICY_GREEDY && job->shaping == NULL &&
           job->setup->objective.n_candidates == 0 && batch->held_extra_offset_B1 == NULL &&
           job->config->price_N == NULL;
}

size_t br_floor_scratch_bytes(const br_job *job)
{
    return job->setup->n_weightings > 0 ? (size_t)job->score_rows * (size_t)(job->k + 1) * 4 + 128
                                        : 0;
}

/* The least of k scores; -inf where some are none, or no numbers. */
static float least_of(const float *score_K, int32_t k)
{
    float least = INFINITY;

    for (int32_t j = 0; j < k; j++) {
        if (!isfinite(score_K[j]))
            return -INFINITY;
        least = score_K[j] < least ? score_K[j] : least;
    }
    return least;
}

br_status br_floor_rows(br_job *job, br_batch *batch, br_dev *lane, br_rows rows, br_mat query_BQ,
                        br_mat *out)
{
    br_status           st       = BR_OK;
    float              *floor_B  = batch->floor_B + rows.first;
    float              *score_BK = batch->seed_score_BK + rows.first * job->k;
    br_score_pairs_args args     = {
            .query_BD = query_BQ, .item_ND = job->rank.item_NQ, .bias_N = job->rank.bias_N};
    size_t mark;

    *out = (br_mat){0};
    if (batch->seed_BK.buf == NULL)
        return BR_OK;
    BR_TRY(st, br_dev_scratch(lane, BR_F32, rows.n, 1, out));
    mark         = br_dev_mark(lane);
    args.item_BK = br_mat_rows(batch->seed_BK, rows.first, rows.n);
    BR_TRY(st, br_dev_scratch(lane, BR_F32, rows.n, job->k, &args.out_BK));
    BR_TRY(st, br_op_score_pairs(lane, &args));
    BR_TRY(st, br_download(lane, args.out_BK, score_BK));
    br_dev_rewind(lane, mark);
    for (int64_t b = 0; b < rows.n; b++)
        floor_B[b] = least_of(score_BK + b * job->k, job->k);
    BR_TRY(st, br_upload(lane, *out, floor_B));
done:
    return st;
}
