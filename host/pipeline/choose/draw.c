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

br_draw_law br_draw_law_of(const br_config *config)
{
    return config->policy_type == BR_POLICY_EPSILON ? BR_DRAW_EPSILON : BR_DRAW_PLACKETT_LUCE;
}

int32_t br_draw_width(const br_config *config)
{
    return (int32_t)(config->policy_shortlist > 0 ? config->policy_shortlist : config->list_k);
}

bool br_draw_is_from_best(const br_config *config)
{
    return config->policy_type == BR_POLICY_EPSILON || config->policy_shortlist > 0;
}

/* Where a chunk's lists and what is logged go. */
static void take_outputs(br_job *job, br_batch *b, br_rows rows, br_draw_topk_args *args)
{
    args->n_shortlist       = (int32_t)job->config->policy_shortlist;
    args->quotas            = job->quotas;
    args->k                 = job->k;
    args->item_BK           = br_mat_rows(b->item_BK, rows.first, rows.n);
    args->score_BK          = br_mat_rows(b->score_BK, rows.first, rows.n);
    args->log_propensity_BK = br_mat_rows(b->log_propensity_BK, rows.first, rows.n);
    args->log_normaliser_B  = br_mat_rows(b->log_normaliser_B, rows.first, rows.n);
    args->log_remaining_B   = br_mat_rows(b->log_remaining_B, rows.first, rows.n);
}

/* Of a shard. */
static void take_part(br_job *job, br_batch *b, const br_draw_task *task, br_draw_topk_args *args)
{
    br_rows rows = task->rows;

    args->part = (br_draw_part){.step       = task->step,
                                .first_item = job->setup->held.first,
                                .n_items    = job->setup->n_listed,
                                .key_BK     = br_mat_rows(b->part.key_BM, rows.first, rows.n),
                                .best_B     = br_mat_rows(b->part.best_B, rows.first, rows.n),
                                .n_B        = br_mat_rows(b->part.n_B, rows.first, rows.n),
                                .left_B2    = br_mat_rows(b->part.left_B2, rows.first, rows.n)};
    if (task->step == BR_DRAW_LISTS) {
        args->n_shortlist = (int32_t)job->config->policy_shortlist;
        args->k           = br_draw_width(job->config);
        args->item_BK     = br_mat_rows(b->part.item_BM, rows.first, rows.n);
        args->score_BK    = br_mat_rows(b->part.score_BM, rows.first, rows.n);
    } else {
        args->k           = job->k;
        args->item_BK     = br_mat_rows(b->item_BK, rows.first, rows.n);
        args->score_BK    = br_mat_rows(b->score_BK, rows.first, rows.n);
        args->part.key_BK = (br_mat){0};
    }
}

br_status br_draw_rows(br_job *job, br_batch *b, br_dev *lane, const br_draw_task *task)
{
    br_status         st   = BR_OK;
    br_rows           rows = task->rows;
    br_mat            heat = br_mat_rows(b->heat_mat_B, rows.first, rows.n);
    br_draw_topk_args args = {.items           = job->items,
                              .query_BD        = task->query_BQ,
                              .law             = br_draw_law_of(job->config),
                              .seed            = (uint64_t)job->config->policy_seed,
                              .customer_B      = br_mat_rows(b->customer_mat_B, rows.first, rows.n),
                              .extra_offset_B1 = task->extras.offset_B1,
                              .extra_item_X    = task->extras.item_X,
                              .extra_score_X   = task->extras.score_X};

    if (task->step == BR_DRAW_WHOLE)
        take_outputs(job, b, rows, &args);
    else
        take_part(job, b, task, &args);
    if (args.law == BR_DRAW_PLACKETT_LUCE)
        args.temperature_B = heat;
    else
        args.epsilon_B = heat;
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
