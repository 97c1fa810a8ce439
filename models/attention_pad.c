/* SPDX-License-Identifier: Apache-2.0
 *
 * Left-padded models attend to their pads. All pads of a layer share one state, whatever follows
 * them, because attention looks back only; it is found by running the layers on a sequence of one
 * pad, and then stands for all of them as one virtual key. Called once per encoder. */
#include "models/encoder.h"

typedef struct pad_pass {
    br_encoder       *encoder;
    br_dev           *lane;
    br_seqs           seqs;
    br_seqs           none; /* one sequence without an event */
    br_attention_work work;
} pad_pass;

static const int32_t one_event_B1[2] = {0, 1};
static const int32_t no_event_B1[2]  = {0, 0};

static br_status place_pad_event(pad_pass *p)
{
    static const int32_t first_row = 0; /* of the item table: padding */
    br_status            st        = BR_OK;

    p->seqs = (br_seqs){.n_seqs = 1, .n_events = 1, .host_offset_B1 = one_event_B1};
    BR_TRY(st, br_dev_scratch(p->lane, BR_I32, 2, 1, &p->seqs.offset_B1));
    BR_TRY(st, br_dev_scratch(p->lane, BR_I32, 1, 1, &p->seqs.item_E));
    BR_TRY(st, br_upload(p->lane, p->seqs.offset_B1, one_event_B1));
    BR_TRY(st, br_upload(p->lane, p->seqs.item_E, &first_row));
    p->none = (br_seqs){.n_seqs = 1, .host_offset_B1 = no_event_B1};
    BR_TRY(st, br_dev_scratch(p->lane, BR_I32, 2, 1, &p->none.offset_B1));
    BR_TRY(st, br_upload(p->lane, p->none.offset_B1, no_event_B1));
done:
    return st;
}

/* The pad's input: item row 0, scaled, and position row 0; zero in pmixer_a. No gap, type or
 * modality table: upstream has none. */
static br_status embed_pad(const pad_pass *p)
{
    br_status               st    = BR_OK;
    const br_encoder_spec  *s     = p->encoder->spec;
    const br_copy_rows_args clear = {&p->none, p->work.x_ED, p->work.x_ED};
    br_encoder              bare  = *p->encoder;
    br_encoder_spec         spec  = *s;
    const br_attention_call call  = {.encoder = &bare, .lane = p->lane, .seqs = &p->seqs};

    if (s->variant == BR_VARIANT_PMIXER_A)
        return br_op_copy_rows(p->lane, &clear);
    /* a window of one event, whose place is row 0 of the position table */
    spec.max_length  = 1;
    spec.variant     = BR_VARIANT_PMIXER_A;
    bare.spec        = &spec;
    bare.gap_GD      = (br_mat){0};
    bare.type_AD     = (br_mat){0};
    bare.constant_1D = (br_mat){0};
    BR_TRY(st, br_attention_embed(&call, p->work.x_ED));
done:
    return st;
}

/* Keeps what layer l makes its pads' keys and values from, and both. */
static br_status keep_pad(const pad_pass *p, br_attention_layer *layer)
{
    br_status                st   = BR_OK;
    int64_t                  dim  = p->encoder->spec->dim;
    const br_copy_rows_args  copy = {.x_BD = p->work.x_ED, .out_BD = layer->pad_x_1D};
    const br_layer_norm_args norm = {.x_RD     = p->work.x_ED,
                                     .gamma_1D = layer->att_norm.gamma_1D,
                                     .beta_1D  = layer->att_norm.beta_1D,
                                     .eps      = p->encoder->spec->eps,
                                     .out_RD   = layer->pad_x_1D};

    if (p->encoder->spec->variant == BR_VARIANT_PMIXER_C_PRE)
        BR_TRY(st, br_op_layer_norm(p->lane, &norm));
    else
        BR_TRY(st, br_op_copy_rows(p->lane, &copy));
    for (int32_t i = 0; i < 2; i++) {
        const br_linear_args args = {
            .x_RI      = layer->pad_x_1D,
            .weight_OI = br_mat_rows(layer->qkv_weight_3DD, (1 + i) * dim, dim),
            .bias_1O   = br_mat_cols(layer->qkv_bias_13D, (1 + i) * dim, dim),
            .out_RO    = br_mat_rows(layer->pad_kv_2D, i, 1)};
        BR_TRY(st, br_op_linear(p->lane, &args));
    }
done:
    return st;
}

static br_status run_pad(pad_pass *p)
{
    br_status              st = BR_OK;
    const br_encoder_spec *s  = p->encoder->spec;

    BR_TRY(st, embed_pad(p));
    for (int32_t l = 0; l < s->n_layers; l++) {
        br_attention_layer     *layer = &p->encoder->attention[l];
        const br_attention_call call  = {.encoder    = p->encoder,
                                         .layer      = layer,
                                         .lane       = p->lane,
                                         .seqs       = &p->seqs,
                                         .max_length = 1};

        layer->pad_x_1D  = br_mat_rows(p->encoder->pad, 3 * l, 1);
        layer->pad_kv_2D = br_mat_rows(p->encoder->pad, 3 * l + 1, 2);
        BR_TRY(st, keep_pad(p, layer));
        if (l + 1 == s->n_layers)
            break;
        BR_TRY(st, br_attention_block(&call, &p->work));
        if (s->variant == BR_VARIANT_PMIXER_A)
            BR_TRY(st, embed_pad(p));
    }
done:
    return st;
}

br_status br_attention_prepare_pads(br_encoder *encoder, br_dev *dev)
{
    br_status              st       = BR_OK;
    const br_encoder_spec *s        = encoder->spec;
    int64_t                widest   = s->inner > 3 * s->dim ? s->inner : 3 * (int64_t)s->dim;
    size_t                 n_floats = 2 * (size_t)s->dim + (size_t)widest;
    pad_pass               p        = {.encoder = encoder};

    if (!br_is_left_padded(s))
        return BR_OK;
    BR_TRY(st, br_dev_alloc(dev, BR_F32, 3 * (int64_t)s->n_layers, s->dim, &encoder->pad));
    BR_TRY(st, br_dev_open_lane(dev, 4 * n_floats + 8 * 64, &p.lane));
    BR_TRY(st, place_pad_event(&p));
    BR_TRY(st, br_dev_scratch(p.lane, BR_F32, 1, s->dim, &p.work.x_ED));
    BR_TRY(st, br_dev_scratch(p.lane, BR_F32, 1, s->dim, &p.work.y_ED));
    BR_TRY(st, br_dev_scratch(p.lane, BR_F32, 1, widest, &p.work.work_EW));
    BR_TRY(st, run_pad(&p));
    BR_TRY(st, br_dev_sync(p.lane));
done:
    br_dev_close(&p.lane);
    return st;
}
