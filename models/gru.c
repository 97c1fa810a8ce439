/* SPDX-License-Identifier: Apache-2.0
 *
 * GRU4Rec: stacked GRU layers in PyTorch's gate order, the last state, a linear layer behind it
 * when the model has one. Called once per chunk. */
#include "host/base/memory.h"
#include "models/encoder.h"

#define GATE_TABLE_BYTES ((int64_t)1 << 30)
#define GATE_TABLE_ROWS  ((int64_t)4096) /* made at a time */

typedef struct gru_work {
    br_mat x_EX; /* X = max(D, H): event vectors, then the states of each layer */
    br_mat gate_E3H;
    br_mat last_BH;
} gru_work;

static int32_t n_weights(const br_encoder_spec *spec)
{
    return 6 + 4 * spec->n_layers;
}

static br_status declare(br_encoder *encoder, br_weights *weights)
{
    br_status              st = BR_OK;
    const br_encoder_spec *s  = encoder->spec;
    int64_t                h  = s->hidden;

    br_encoder_declare_tables(encoder, weights);
    BR_ALLOC(st, encoder->gru, s->n_layers, "GRU layers");
    for (int32_t l = 0; l < s->n_layers; l++) {
        br_gru_layer *layer = &encoder->gru[l];

        br_weights_matrix(weights, &layer->weight_ih_3HI, 3 * h, l == 0 ? s->dim : h,
                          "%sgru_layers.weight_ih_l%d", s->prefix, (int)l);
        br_weights_matrix(weights, &layer->weight_hh_3HH, 3 * h, h, "%sgru_layers.weight_hh_l%d",
                          s->prefix, (int)l);
        if (!s->has_bias)
            continue;
        br_weights_vector(weights, &layer->bias_ih_13H, 3 * h, "%sgru_layers.bias_ih_l%d",
                          s->prefix, (int)l);
        br_weights_vector(weights, &layer->bias_hh_13H, 3 * h, "%sgru_layers.bias_hh_l%d",
                          s->prefix, (int)l);
    }
    if (s->has_dense) {
        br_weights_matrix(weights, &encoder->dense_weight_EH, s->out_dim, h, "%sdense.weight",
                          s->prefix);
        br_weights_vector(weights, &encoder->dense_bias_1E, s->out_dim, "%sdense.bias", s->prefix);
    }
done:
    return st;
}

/* One layer whose gates are kept by item needs neither vectors nor gates of events. */
static br_status take_work(const br_encoder *encoder, int64_t n_rows, int64_t n_events,
                           br_taker *taker, gru_work *work)
{
    br_status              st     = BR_OK;
    const br_encoder_spec *s      = encoder->spec;
    int64_t                widest = s->n_layers > 1 && s->hidden > s->dim ? s->hidden : s->dim;

    *work = (gru_work){0};
    if (s->n_layers > 1 || encoder->gate_V3H.buf == NULL) {
        BR_TRY(st, br_take(taker, BR_F32, n_events, widest, &work->x_EX));
        BR_TRY(st, br_take(taker, BR_F32, n_events, 3 * (int64_t)s->hidden, &work->gate_E3H));
    }
    if (s->has_dense)
        BR_TRY(st, br_take(taker, BR_F32, n_rows, s->hidden, &work->last_BH));
done:
    return st;
}

static size_t scratch_bytes(const br_encoder *encoder, int64_t n_rows, int64_t n_events)
{
    br_taker  taker = {0};
    gru_work  work;
    br_status st = take_work(encoder, n_rows, n_events, &taker, &work);

    (void)st; /* adding up cannot fail */
    return taker.n_bytes;
}

/* The event vectors of layer l, as many columns of x as it reads. */
static br_mat layer_input(const br_encoder_spec *s, const gru_work *work, int32_t l)
{
    return br_mat_reshape(work->x_EX, l == 0 ? s->dim : s->hidden);
}

static br_status run_layer(const br_encoder *encoder, br_dev *lane, const br_seqs *seqs,
                           const gru_work *work, int32_t l, br_mat last_BH)
{
    br_status              st     = BR_OK;
    const br_encoder_spec *s      = encoder->spec;
    const br_gru_layer    *layer  = &encoder->gru[l];
    const br_linear_args   linear = {.x_RI      = layer_input(s, work, l),
                                     .weight_OI = layer->weight_ih_3HI,
                                     .bias_1O   = layer->bias_ih_13H,
                                     .out_RO    = work->gate_E3H,
                                     .prepared  = layer->prepared_ih};
    br_gru_args            args   = {.seqs          = seqs,
                                     .weight_hh_3HH = layer->weight_hh_3HH,
                                     .bias_hh_13H   = layer->bias_hh_13H,
                                     .prepared      = layer->prepared_hh};

    if (l == 0 && encoder->gate_V3H.buf != NULL)
        args.gate_V3H = encoder->gate_V3H;
    else
        args.gate_E3H = work->gate_E3H;
    if (l + 1 == s->n_layers)
        args.last_BH = last_BH;
    else
        args.state_EH = layer_input(s, work, l + 1); /* over the vectors just used up */
    if (args.gate_E3H.buf != NULL)
        BR_TRY(st, br_op_linear(lane, &linear));
    BR_TRY(st, br_op_gru(lane, &args));
done:
    return st;
}

static br_status encode(const br_encoder *encoder, br_dev *lane, const br_seqs *seqs, br_mat out_BS)
{
    br_status              st    = BR_OK;
    const br_encoder_spec *s     = encoder->spec;
    br_taker               taker = {.lane = lane};
    gru_work               work;
    br_embed_args          embed = {.seqs        = seqs,
                                    .item_VD     = encoder->item_VD,
                                    .scale       = 1.0f,
                                    .max_length  = s->max_length,
                                    .gap_GD      = encoder->gap_GD,
                                    .type_AD     = encoder->type_AD,
                                    .constant_1D = encoder->constant_1D};

    BR_TRY(st, take_work(encoder, seqs->n_seqs, seqs->n_events, &taker, &work));
    embed.out_ED = layer_input(s, &work, 0);
    if (encoder->gate_V3H.buf == NULL)
        BR_TRY(st, br_op_embed(lane, &embed));
    for (int32_t l = 0; l < s->n_layers; l++)
        BR_TRY(st, run_layer(encoder, lane, seqs, &work, l, s->has_dense ? work.last_BH : out_BS));
    if (s->has_dense) {
        const br_linear_args dense = {.x_RI      = work.last_BH,
                                      .weight_OI = encoder->dense_weight_EH,
                                      .bias_1O   = encoder->dense_bias_1E,
                                      .out_RO    = out_BS,
                                      .prepared  = encoder->prepared_dense};
        BR_TRY(st, br_op_linear(lane, &dense));
    }
done:
    return st;
}

int64_t br_gate_table_bytes(const br_encoder_spec *spec, int64_t n_rows)
{
    int64_t bytes      = n_rows * 3 * spec->hidden * (int64_t)sizeof(float);
    bool    is_by_item = spec->kind == BR_ENCODER_GRU && spec->n_gaps == 0 && spec->n_types == 0;

    return is_by_item && bytes <= GATE_TABLE_BYTES ? bytes : 0;
}

/* Items [first, first + n) as n sequences of one event. */
static br_status make_gates(const br_encoder *encoder, br_dev *lane, int64_t first, int64_t n)
{
    br_status           st   = BR_OK;
    size_t              mark = br_dev_mark(lane);
    int32_t             offset_B1[GATE_TABLE_ROWS + 1];
    int32_t             item_E[GATE_TABLE_ROWS];
    br_seqs             seqs  = {.n_seqs = n, .n_events = n, .host_offset_B1 = offset_B1};
    br_embed_args       embed = {.seqs        = &seqs,
                                 .item_VD     = encoder->item_VD,
                                 .scale       = 1.0f,
                                 .max_length  = 1,
                                 .constant_1D = encoder->constant_1D};
    const br_gru_layer *layer = &encoder->gru[0];
    br_linear_args      linear;

    for (int64_t i = 0; i <= n; i++)
        offset_B1[i] = (int32_t)i;
    for (int64_t i = 0; i < n; i++)
        item_E[i] = (int32_t)(first + i);
    BR_TRY(st, br_dev_scratch(lane, BR_I32, n + 1, 1, &seqs.offset_B1));
    BR_TRY(st, br_dev_scratch(lane, BR_I32, n, 1, &seqs.item_E));
    BR_TRY(st, br_dev_scratch(lane, BR_F32, n, encoder->spec->dim, &embed.out_ED));
    BR_TRY(st, br_upload(lane, seqs.offset_B1, offset_B1));
    BR_TRY(st, br_upload(lane, seqs.item_E, item_E));
    BR_TRY(st, br_op_embed(lane, &embed));
    linear = (br_linear_args){.x_RI      = embed.out_ED,
                              .weight_OI = layer->weight_ih_3HI,
                              .bias_1O   = layer->bias_ih_13H,
                              .out_RO    = br_mat_rows(encoder->gate_V3H, first, n),
                              .prepared  = layer->prepared_ih};
    BR_TRY(st, br_op_linear(lane, &linear));
    BR_TRY(st, br_dev_sync(lane)); /* the host arrays go away */
done:
    br_dev_rewind(lane, mark);
    return st;
}

/* The same bits as embedding and multiplying each event: a row's do not depend on its company. */
static br_status make_gate_table(br_encoder *encoder, br_dev *dev)
{
    br_status              st      = BR_OK;
    const br_encoder_spec *s       = encoder->spec;
    int64_t                V       = encoder->item_VD.n_rows;
    br_dev                *lane    = NULL;
    size_t                 scratch = (size_t)GATE_TABLE_ROWS * (size_t)(8 + 4 * s->dim) + 4 * 64;

    BR_TRY(st, br_dev_alloc(dev, BR_F32, V, 3 * (int64_t)s->hidden, &encoder->gate_V3H));
    BR_TRY(st, br_dev_open_lane(dev, scratch, &lane));
    for (int64_t v = 0; v < V; v += GATE_TABLE_ROWS)
        BR_TRY(st, make_gates(encoder, lane, v, V - v < GATE_TABLE_ROWS ? V - v : GATE_TABLE_ROWS));
done:
    br_dev_close(&lane);
    return st;
}

static br_status prepare(br_encoder *encoder, br_dev *dev)
{
    br_status      st    = BR_OK;
    br_weight_args dense = {encoder->dense_weight_EH, encoder->precision, 1, false};

    for (int32_t l = 0; l < encoder->spec->n_layers; l++) {
        br_gru_layer  *layer = &encoder->gru[l];
        br_weight_args ih    = {layer->weight_ih_3HI, encoder->precision, 1, false};
        br_weight_args hh    = {layer->weight_hh_3HH, encoder->precision, 1, false};

        BR_TRY(st, br_weight_prepare(dev, &ih, &layer->prepared_ih));
        BR_TRY(st, br_weight_prepare(dev, &hh, &layer->prepared_hh));
    }
    if (encoder->spec->has_dense)
        BR_TRY(st, br_weight_prepare(dev, &dense, &encoder->prepared_dense));
    if (br_gate_table_bytes(encoder->spec, encoder->item_VD.n_rows) > 0)
        BR_TRY(st, make_gate_table(encoder, dev));
done:
    return st;
}

const br_architecture br_gru_architecture = {
    .n_weights     = n_weights,
    .declare       = declare,
    .prepare       = prepare,
    .scratch_bytes = scratch_bytes,
    .encode        = encode,
};
