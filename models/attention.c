/* SPDX-License-Identifier: Apache-2.0
 *
 * The SASRec family over packed sequences: embed, the blocks, and the last block for the last event
 * of each sequence only. Called once per chunk. */
#include "models/encoder.h"

static br_status take_work(const br_encoder_spec *s, int64_t n_rows, int64_t n_events,
                           br_taker *taker, br_attention_work *work)
{
    br_status st     = BR_OK;
    int64_t   widest = s->inner > 3 * s->dim ? s->inner : 3 * (int64_t)s->dim;

    *work = (br_attention_work){0};
    BR_TRY(st, br_take(taker, BR_F32, n_events, s->dim, &work->x_ED));
    if (s->n_layers > 1 || s->variant == BR_VARIANT_PMIXER_C_PRE)
        BR_TRY(st, br_take(taker, BR_F32, n_events, s->dim, &work->y_ED));
    if (s->n_layers > 1)
        BR_TRY(st, br_take(taker, BR_F32, n_events, widest, &work->work_EW));
    BR_TRY(st, br_take(taker, BR_F32, n_rows, s->dim, &work->last_BD));
    BR_TRY(st, br_take(taker, BR_F32, n_rows, s->dim, &work->query_BD));
    BR_TRY(st, br_take(taker, BR_F32, n_rows, s->dim, &work->mixed_BD));
    BR_TRY(st, br_take(taker, BR_F32, n_rows, s->inner, &work->inner_BI));
done:
    return st;
}

static size_t scratch_bytes(const br_encoder *encoder, int64_t n_rows, int64_t n_events)
{
    br_taker          taker = {0};
    br_attention_work work;
    br_status         st = take_work(encoder->spec, n_rows, n_events, &taker, &work);

    (void)st; /* adding up cannot fail */
    return taker.n_bytes;
}

static br_status encode(const br_encoder *encoder, br_dev *lane, const br_seqs *seqs, br_mat out_BS)
{
    br_status              st    = BR_OK;
    const br_encoder_spec *s     = encoder->spec;
    br_taker               taker = {.lane = lane};
    br_attention_work      work;
    br_attention_call      call = {.encoder    = encoder,
                                   .lane       = lane,
                                   .seqs       = seqs,
                                   .max_length = s->max_length,
                                   .has_pad    = br_is_left_padded(s)};

    BR_TRY(st, take_work(s, seqs->n_seqs, seqs->n_events, &taker, &work));
    BR_TRY(st, br_attention_embed(&call, work.x_ED));
    for (int32_t l = 0; l < s->n_layers; l++) {
        call.layer = &encoder->attention[l];
        if (l + 1 == s->n_layers)
            break;
        BR_TRY(st, br_attention_block(&call, &work));
    }
    BR_TRY(st, br_attention_block_last(&call, &work, out_BS));
done:
    return st;
}

const br_architecture br_attention_architecture = {
    .n_weights     = br_attention_n_weights,
    .declare       = br_attention_declare,
    .prepare       = br_attention_prepare,
    .scratch_bytes = scratch_bytes,
    .encode        = encode,
};
