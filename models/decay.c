/* SPDX-License-Identifier: Apache-2.0
 *
 * Time-decayed pooling of item vectors, one block of columns per half-life. Called once per chunk.
 */
#include "models/encoder.h"

static int32_t n_weights(const br_encoder_spec *spec)
{
    (void)spec;
    return 4;
}

static br_status declare(br_encoder *encoder, br_weights *weights)
{
    br_encoder_declare_tables(encoder, weights);
    return BR_OK;
}

static size_t scratch_bytes(const br_encoder *encoder, int64_t n_rows, int64_t n_events)
{
    (void)encoder;
    (void)n_rows;
    (void)n_events;
    return 0;
}

static br_status encode(const br_encoder *encoder, br_dev *lane, const br_seqs *seqs, br_mat out_BS)
{
    const br_encoder_spec *s    = encoder->spec;
    br_decay_pool_args     args = {.seqs         = seqs,
                                   .item_VD      = encoder->item_VD,
                                   .n_half_lives = s->n_half_lives,
                                   .out_BJ       = out_BS};

    for (int32_t i = 0; i < s->n_half_lives; i++)
        args.half_life_s[i] = s->half_life_s[i];
    return br_op_decay_pool(lane, &args);
}

const br_architecture br_decay_architecture = {
    .n_weights     = n_weights,
    .declare       = declare,
    .scratch_bytes = scratch_bytes,
    .encode        = encode,
};
