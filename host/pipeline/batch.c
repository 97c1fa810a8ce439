/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of a batch. Grown a few times per job, when a larger unit comes. */
#include "host/pipeline/batch.h"

#include <pthread.h>

#include "host/base/memory.h"
#include "host/pipeline/choose/weightings.h"

br_status br_span_reserve(br_span *span, int64_t n_items, size_t item_bytes, const char *what)
{
    br_status st = BR_OK;

    if (n_items <= span->capacity)
        return BR_OK;
    br_free(&span->data);
    span->capacity = 0;
    BR_TRY(st, br_alloc(n_items, item_bytes, what, &span->data));
    span->capacity = n_items;
done:
    return st;
}

static void free_device(br_batch *batch)
{
    br_dev_free(&batch->state_BS);
    br_dev_free(&batch->x_BD);
    br_dev_free(&batch->alpha_BM);
    br_dev_free(&batch->gate_BM);
    br_dev_free(&batch->self_B);
    br_dev_free(&batch->square_B);
    br_dev_free(&batch->rule_have_B);
    br_dev_free(&batch->rule_wanted_B);
    br_dev_free(&batch->rule_offset_B1);
    br_dev_free(&batch->rule_never_S);
    br_dev_free(&batch->item_BK);
    br_dev_free(&batch->score_BK);
    br_dev_free(&batch->heat_mat_B);
    br_dev_free(&batch->customer_mat_B);
    br_dev_free(&batch->log_propensity_BK);
    br_dev_free(&batch->log_normaliser_B);
    br_dev_free(&batch->log_remaining_B);
    br_dev_free(&batch->part.item_BM);
    br_dev_free(&batch->part.score_BM);
    br_dev_free(&batch->part.key_BM);
    br_dev_free(&batch->part.best_B);
    br_dev_free(&batch->part.n_B);
    br_dev_free(&batch->part.left_B2);
    for (int h = 0; h < BR_MAX_HEADS; h++) {
        br_dev_free(&batch->probability_BK[h]);
        br_dev_free(&batch->hazard_BP[h]);
    }
    for (int t = 0; t < BR_MAX_TERMS; t++)
        br_dev_free(&batch->term_BK[t]);
}

void br_batch_add_witness(br_batch *batch, const br_witness *witness, int64_t first_row)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    (void)pthread_mutex_lock(&lock);
    br_witness_add(&batch->witness, witness, first_row);
    (void)pthread_mutex_unlock(&lock);
}

bool br_batch_has_events(const br_batch *batch, int32_t n_encoders, int64_t b)
{
    for (int32_t m = 0; m < n_encoders; m++)
        if (batch->present_BM[b * n_encoders + m])
            return true;
    return n_encoders == 0;
}

void br_batch_free(br_batch *batch)
{
    for (int m = 0; m < BR_MAX_MODALITIES; m++)
        for (size_t i = 0; i < sizeof batch->packed[m].span / sizeof(br_span); i++)
            br_free(&batch->packed[m].span[i].data);
    for (size_t i = 0; i < sizeof batch->span / sizeof(br_span); i++)
        br_free(&batch->span[i].data);
    for (size_t i = 0; i < sizeof batch->rule_span / sizeof(br_span); i++)
        br_free(&batch->rule_span[i].data);
    for (size_t i = 0; i < sizeof batch->extra_span / sizeof(br_span); i++)
        br_free(&batch->extra_span[i].data);
    for (size_t i = 0; i < sizeof batch->held_span / sizeof(br_span); i++)
        br_free(&batch->held_span[i].data);
    batch->key = (br_keys){0}; /* lives in a span */
    free_device(batch);
    br_dev_close(&batch->out_lane);
    br_weightings_free_batch(batch);
    br_free(&batch->host_square_B);
    br_free(&batch->source_BK);
    br_free(&batch->short_B);
    batch->lists.key = (br_keys){0};
    br_lists_free(&batch->lists);
}

void br_batch_take_unit(br_batch *batch, const br_setup *setup, int64_t unit)
{
    batch->unit      = unit;
    batch->first_row = setup->unit_rows[unit].first;
    batch->n_rows    = setup->unit_rows[unit].n;
}

int64_t br_batch_extra(const br_batch *batch, int64_t b, int32_t row)
{
    int64_t lo, hi, end;

    if (batch->extra_offset_B1 == NULL)
        return -1;
    lo  = batch->extra_offset_B1[b];
    end = hi = batch->extra_offset_B1[b + 1];
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (batch->extra_item_P[mid] < row)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < end && batch->extra_item_P[lo] == row ? lo : -1;
}
