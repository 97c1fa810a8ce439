/* SPDX-License-Identifier: Apache-2.0
 *
 * A model made from its description and tensors. Created once per run; encode runs once per
 * modality and chunk. */
#include "models/model.h"

#include <assert.h>
#include <string.h>

#include "host/base/memory.h"
#include "models/model_state.h"

static br_status copy_spec(br_model *model, const br_model_spec *spec)
{
    br_status st = BR_OK;

    model->spec = *spec;
    for (int32_t i = 0; i < BR_MAX_HEADS; i++)
        model->spec.head[i].knot_P2 = NULL;
    for (int32_t i = 0; i < spec->n_heads; i++) {
        br_head_spec *head    = &model->spec.head[i];
        size_t        n_bytes = 2 * (size_t)head->n_points * sizeof *head->knot_P2;

        if (head->calibration != BR_CALIBRATION_ISOTONIC)
            continue;
        BR_ALLOC(st, head->knot_P2, 2 * (int64_t)head->n_points, "calibration points");
        memcpy(head->knot_P2, spec->head[i].knot_P2, n_bytes);
    }
done:
    return st;
}

static int32_t n_weights(const br_model_spec *spec)
{
    int32_t n = 2 + br_heads_n_weights(spec) + br_fusion_n_weights(spec);

    for (int32_t i = 0; i < spec->n_encoders; i++)
        n += br_encoder_architecture(&spec->encoder[i])->n_weights(&spec->encoder[i]);
    return n;
}

static br_status declare(br_model *model)
{
    br_status st = BR_OK;

    BR_TRY(st, br_weights_create(n_weights(&model->spec), &model->weights));
    for (int32_t i = 0; i < model->spec.n_encoders; i++) {
        model->encoder[i].spec = &model->spec.encoder[i];
        BR_TRY(st, br_encoder_architecture(model->encoder[i].spec)
                       ->declare(&model->encoder[i], model->weights));
    }
    if (model->spec.item_table[0] != '\0')
        br_weights_matrix(model->weights, &model->item_VD, BR_ANY_ROWS, model->spec.dim, "%s",
                          model->spec.item_table);
    if (model->spec.item_bias[0] != '\0')
        br_weights_column(model->weights, &model->item_bias_V1, "%s", model->spec.item_bias);
    br_fusion_declare(model);
    br_heads_declare(model);
done:
    return st;
}

/* Biases have one value per row of the item table. */
static br_status check_biases(const br_model *model)
{
    const br_model_spec *s      = &model->spec;
    int64_t              n_rows = model->item_VD.n_rows;

    if (model->item_bias_V1.buf != NULL && model->item_bias_V1.n_rows != n_rows)
        return br_fail(
            BR_E_INPUT,
            "model '%s': tensor '%s': found %lld values, expected %lld, the rows of '%s'", s->name,
            s->item_bias, (long long)model->item_bias_V1.n_rows, (long long)n_rows, s->item_table);
    for (int32_t i = 0; i < s->n_heads; i++) {
        br_mat bias = model->head[i].item_bias_V1;
        if (bias.buf != NULL && bias.n_rows != n_rows)
            return br_fail(BR_E_INPUT,
                           "model '%s': tensor 'head.%s.item_bias': found %lld values, expected "
                           "%lld, the rows of '%s'",
                           s->name, s->head[i].name, (long long)bias.n_rows, (long long)n_rows,
                           s->item_table);
    }
    return BR_OK;
}

br_status br_model_create(br_dev *dev, const br_model_spec *spec, const br_tensor *tensors,
                          int32_t n_tensors, br_precision precision, br_model **out)
{
    br_status st    = BR_OK;
    br_model *model = NULL;

    *out = NULL;
    BR_TRY(st, br_model_check_spec(spec));
    BR_ALLOC(st, model, 1, "model");
    BR_TRY(st, copy_spec(model, spec));
    BR_TRY(st, declare(model));
    BR_TRY(st, br_weights_fill(model->weights, dev, spec->name, tensors, n_tensors));
    BR_TRY(st, check_biases(model));
    BR_TRY(st, br_heads_upload_knots(model, dev));
    for (int32_t i = 0; i < spec->n_encoders; i++) {
        const br_architecture *kind = br_encoder_architecture(&spec->encoder[i]);

        model->encoder[i].precision = precision;
        if (kind->prepare != NULL)
            BR_TRY(st, kind->prepare(&model->encoder[i], dev));
    }
    BR_TRY(st, br_dev_sync(dev));
    *out  = model;
    model = NULL;
done:
    br_model_destroy(&model);
    return st;
}

void br_model_destroy(br_model **model_at)
{
    br_model *model = *model_at;

    if (model == NULL)
        return;
    for (int32_t i = 0; i < model->spec.n_encoders; i++)
        br_encoder_free(&model->encoder[i]);
    for (int32_t i = 0; i < model->spec.n_heads; i++) {
        br_dev_free(&model->head[i].knot_P2);
        br_free(&model->spec.head[i].knot_P2);
    }
    br_weights_destroy(&model->weights);
    br_free(model_at);
}

br_status br_model_visit(const br_model *model, br_resident_fn fn, void *context)
{
    br_status st = BR_OK;

    BR_TRY(st, br_weights_visit(model->weights, fn, context));
    for (int32_t i = 0; i < model->spec.n_encoders; i++)
        BR_TRY(st, br_encoder_visit(&model->encoder[i], fn, context));
    for (int32_t i = 0; i < model->spec.n_heads; i++)
        if (model->head[i].knot_P2.buf != NULL)
            BR_TRY(st, fn(context, "calibration points", model->head[i].knot_P2));
done:
    return st;
}

const br_model_spec *br_model_spec_of(const br_model *model)
{
    return &model->spec;
}

int64_t br_model_vocabulary_rows(const br_model *model, int32_t modality)
{
    assert(modality >= 0 && modality < model->spec.n_encoders);
    return model->encoder[modality].item_VD.n_rows;
}

br_mat br_model_item_table(const br_model *model)
{
    return model->item_VD;
}

br_mat br_model_item_bias(const br_model *model)
{
    return model->item_bias_V1;
}

size_t br_model_scratch_bytes(const br_model *model, int64_t n_rows, int64_t n_events)
{
    size_t most = br_fusion_scratch_bytes(model, n_rows);

    for (int32_t i = 0; i < model->spec.n_encoders; i++) {
        const br_encoder *encoder = &model->encoder[i];
        size_t            bytes =
            br_encoder_architecture(encoder->spec)->scratch_bytes(encoder, n_rows, n_events);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static bool has_empty(const br_seqs *seqs)
{
    for (int64_t b = 0; b < seqs->n_seqs; b++)
        if (seqs->host_offset_B1[b + 1] == seqs->host_offset_B1[b])
            return true;
    return false;
}

br_status br_model_encode(const br_model *model, br_dev *lane, int32_t modality,
                          const br_seqs *seqs, br_mat out_BS)
{
    br_status               st      = BR_OK;
    size_t                  mark    = br_dev_mark(lane);
    const br_encoder       *encoder = &model->encoder[modality];
    const br_copy_rows_args clear   = {.seqs = seqs, .x_BD = out_BS, .out_BD = out_BS};

    assert(modality >= 0 && modality < model->spec.n_encoders);
    if (seqs->n_events > 0)
        BR_TRY(st, br_encoder_architecture(encoder->spec)->encode(encoder, lane, seqs, out_BS));
    if (has_empty(seqs))
        BR_TRY(st, br_op_copy_rows(lane, &clear));
done:
    br_dev_rewind(lane, mark);
    return st;
}
