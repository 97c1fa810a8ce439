/* SPDX-License-Identifier: Apache-2.0
 *
 * Asks score_topk for candidates. Called once per chunk of customers. */
#include "host/pipeline/choose/candidates.h"

br_status br_candidates_overflow(const br_job *job, const br_batch *batch, br_rows rows,
                                 int64_t bad_row, int64_t bad_item)
{
    char    customer[BR_KEY_TEXT_BYTES], item[BR_KEY_TEXT_BYTES];
    int32_t item_row = job->setup->catalogue_row[job->setup->held.first + bad_item];

    return br_fail(BR_E_INPUT,
                   "the score of customer %s (row %lld) and item %s (row %d) does not fit float32: "
                   "the vectors are too long",
                   br_keys_text(&batch->key, rows.first + bad_row, customer),
                   (long long)(batch->first_row + rows.first + bad_row),
                   br_keys_text(&job->setup->catalogue.key, item_row, item), item_row);
}

br_status br_candidates(br_job *job, br_batch *b, br_dev *lane, br_rows rows,
                        const br_candidates_args *wanted)
{
    br_status          st   = BR_OK;
    size_t             mark = br_dev_mark(lane);
    br_score_topk_args args = {.items    = job->items,
                               .query_BD = wanted->query_BQ,
                               .k        = wanted->m,
                               .floor_B  = wanted->floor_B,
                               .item_BK  = wanted->item_BM,
                               .score_BK = wanted->score_BM};

    if (wanted->subset != NULL) {
        args.never_offset_B1 = wanted->subset->never_offset_B1;
        args.never_item_S    = wanted->subset->never_item_S;
        args.have_B          = wanted->subset->have_B;
    } else if (b->held_offset_B1[b->n_rows] > 0) {
        args.never_offset_B1 = br_mat_rows(b->rule_offset_B1, rows.first, rows.n + 1);
        args.never_item_S    = b->rule_never_S;
    }
    if (wanted->subset == NULL && b->wanted_B != NULL)
        args.wanted_B = br_mat_rows(b->rule_wanted_B, rows.first, rows.n);
    if (wanted->subset == NULL && b->have_B != NULL)
        args.have_B = br_mat_rows(b->rule_have_B, rows.first, rows.n);
    args.bad_item = -1;
    st            = br_op_score_topk(lane, &args);
    if (wanted->subset != NULL && st == BR_E_INPUT && args.bad_item >= 0) {
        rows         = (br_rows){wanted->subset->row_B[args.bad_row], 1};
        args.bad_row = 0;
    }
    if (st == BR_E_INPUT && args.bad_item >= 0)
        st = br_candidates_overflow(job, b, rows, args.bad_row, args.bad_item);
    if (st != BR_OK)
        goto done;
    __atomic_fetch_add(&b->n_slow, args.n_slow, __ATOMIC_RELAXED);
    __atomic_fetch_add(&b->n_rescored, args.n_rescored, __ATOMIC_RELAXED);
    if (wanted->subset != NULL && args.witness.n_wrong > 0)
        args.witness.row = wanted->subset->row_B[args.witness.row];
    br_batch_add_witness(b, &args.witness, wanted->subset != NULL ? 0 : rows.first);
done:
    br_dev_rewind(lane, mark);
    return st;
}
