/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks draw_topk for lists. Called once per chunk of customers, by the lanes. */
#include "host/pipeline/choose/draw.h"

#include "host/base/hash.h"
#include "host/pipeline/choose/candidates.h"

uint64_t br_draw_customer(const br_keys *key, int64_t row)
{
    char        digits[BR_KEY_TEXT_BYTES];
    size_t      n_bytes;
    const char *bytes = br_keys_bytes(key, row, digits, &n_bytes);

    return br_hash_bytes(bytes, n_bytes);
}

br_status br_draw_open(br_job *job)
{
    const br_shape *shape = &job->setup->shape.shape;
    br_quota_column column_Q[BR_DRAW_MOST_QUOTAS];

    if (job->config->policy_type == BR_POLICY_GREEDY || shape->n_quotas == 0)
        return BR_OK;
    for (int32_t q = 0; q < shape->n_quotas; q++)
        column_Q[q] = (br_quota_column){shape->quota[q].group_N, shape->quota[q].n_groups,
                                        shape->quota[q].max};
    return br_quotas_prepare(job->dev, column_Q, shape->n_quotas, shape->n_items, &job->quotas);
}

br_status br_draw_rows(br_job *job, br_batch *b, br_dev *lane, br_rows rows, br_mat query_BQ,
                       const br_draw_extras *extras)
{
    br_status         st   = BR_OK;
    const br_config  *c    = job->config;
    br_mat            heat = br_mat_rows(b->heat_mat_B, rows.first, rows.n);
    br_draw_topk_args args = {
        .items             = job->items,
        .query_BD          = query_BQ,
        .seed              = (uint64_t)c->policy_seed,
        .customer_B        = br_mat_rows(b->customer_mat_B, rows.first, rows.n),
        .extra_offset_B1   = extras->offset_B1,
        .extra_item_X      = extras->item_X,
        .extra_score_X     = extras->score_X,
        .n_shortlist       = (int32_t)c->policy_shortlist,
        .quotas            = job->quotas,
        .k                 = job->k,
        .item_BK           = br_mat_rows(b->item_BK, rows.first, rows.n),
        .score_BK          = br_mat_rows(b->score_BK, rows.first, rows.n),
        .log_propensity_BK = br_mat_rows(b->log_propensity_BK, rows.first, rows.n),
        .log_normaliser_B  = br_mat_rows(b->log_normaliser_B, rows.first, rows.n),
        .log_remaining_B   = br_mat_rows(b->log_remaining_B, rows.first, rows.n)};

    if (c->policy_type == BR_POLICY_PLACKETT_LUCE) {
        args.law           = BR_DRAW_PLACKETT_LUCE;
        args.temperature_B = heat;
    } else {
        args.law       = BR_DRAW_EPSILON;
        args.epsilon_B = heat;
    }
    if (b->held_offset_B1[b->n_rows] > 0) {
        args.never_offset_B1 = br_mat_rows(b->rule_offset_B1, rows.first, rows.n + 1);
        args.never_item_S    = b->rule_never_S;
    }
    if (b->have_B != NULL)
        args.have_B = br_mat_rows(b->rule_have_B, rows.first, rows.n);
    args.bad_item = -1;
    st            = br_op_draw_topk(lane, &args);
    if (st == BR_E_INPUT && args.bad_item >= 0)
        st = br_candidates_overflow(job, b, rows, args.bad_row, args.bad_item);
    if (st == BR_OK) {
        __atomic_fetch_add(&b->n_slow, args.n_slow, __ATOMIC_RELAXED);
        br_batch_add_witness(b, &args.witness, rows.first);
    }
    return st;
}
