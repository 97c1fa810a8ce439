/* SPDX-License-Identifier: Apache-2.0
 *
 * What the architectures share: tables of the event vector, scratch. Called once per encoder, and
 * per chunk for scratch. */
#include "models/encoder.h"

#include "host/base/memory.h"

#define SCRATCH_ALIGN_BYTES ((size_t)64) /* what br_dev_scratch rounds to */

const br_architecture *br_encoder_architecture(const br_encoder_spec *spec)
{
    static const br_architecture *const table[] = {
        [BR_ENCODER_ATTENTION] = &br_attention_architecture,
        [BR_ENCODER_GRU]       = &br_gru_architecture,
        [BR_ENCODER_DECAY]     = &br_decay_architecture,
    };
    return table[spec->kind];
}

br_status br_take(br_taker *taker, br_dtype dtype, int64_t n_rows, int64_t n_cols, br_mat *out)
{
    size_t bytes = (size_t)n_rows * (size_t)n_cols * br_dtype_bytes(dtype);

    taker->n_bytes += (bytes + SCRATCH_ALIGN_BYTES - 1) & ~(SCRATCH_ALIGN_BYTES - 1);
    if (taker->lane != NULL)
        return br_dev_scratch(taker->lane, dtype, n_rows, n_cols, out);
    *out = (br_mat){0};
    return BR_OK;
}

br_mat br_mat_reshape(br_mat mat, int64_t n_cols)
{
    mat.n_cols = n_cols;
    mat.ld     = n_cols;
    return mat;
}

br_mat br_mat_operand(br_mat mat, int64_t n_cols, br_precision precision)
{
    if (precision == BR_PRECISION_BF16) {
        mat.dtype = BR_BF16;
        mat.offset *= 2; /* in elements, which are half as large */
    }
    return br_mat_reshape(mat, n_cols);
}

void br_encoder_declare_tables(br_encoder *encoder, br_weights *weights)
{
    const br_encoder_spec *s = encoder->spec;

    br_weights_matrix(weights, &encoder->item_VD, BR_ANY_ROWS, s->dim, "%s", s->item_table);
    if (s->n_gaps > 0)
        br_weights_matrix(weights, &encoder->gap_GD, s->n_gaps, s->dim, "%sgap_embedding.weight",
                          s->prefix);
    if (s->n_types > 0)
        br_weights_matrix(weights, &encoder->type_AD, s->n_types, s->dim, "%stype_embedding.weight",
                          s->prefix);
    if (s->has_constant)
        br_weights_matrix(weights, &encoder->constant_1D, 1, s->dim, "%smodality_embedding.weight",
                          s->prefix);
}

void br_encoder_free(br_encoder *encoder)
{
    br_dev_free(&encoder->pad);
    br_dev_free(&encoder->gate_V3H);
    br_prepared_free(&encoder->prepared_dense);
    for (int32_t l = 0; encoder->attention != NULL && l < encoder->spec->n_layers; l++)
        for (int i = 0; i < BR_N_PREPARED; i++)
            br_prepared_free(&encoder->attention[l].prepared[i]);
    for (int32_t l = 0; encoder->gru != NULL && l < encoder->spec->n_layers; l++) {
        br_prepared_free(&encoder->gru[l].prepared_ih);
        br_prepared_free(&encoder->gru[l].prepared_hh);
    }
    br_free(&encoder->attention);
    br_free(&encoder->gru);
}

br_status br_encoder_visit(const br_encoder *e, br_resident_fn fn, void *context)
{
    br_status st = BR_OK;

    if (e->gate_V3H.buf != NULL)
        BR_TRY(st, fn(context, "gates of the items", e->gate_V3H));
    if (e->pad.buf != NULL)
        BR_TRY(st, fn(context, "padding of the layers", e->pad));
    BR_TRY(st, br_prepared_visit(e->prepared_dense, fn, context));
    for (int32_t l = 0; e->attention != NULL && l < e->spec->n_layers; l++)
        for (int32_t i = 0; i < BR_N_PREPARED; i++)
            BR_TRY(st, br_prepared_visit(e->attention[l].prepared[i], fn, context));
    for (int32_t l = 0; e->gru != NULL && l < e->spec->n_layers; l++) {
        BR_TRY(st, br_prepared_visit(e->gru[l].prepared_ih, fn, context));
        BR_TRY(st, br_prepared_visit(e->gru[l].prepared_hh, fn, context));
    }
done:
    return st;
}
