/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model keeps in device memory: tensors, what was prepared from them, tables made of both.
 * Called a few times per run. */
#include "models/model_state.h"
#include "models/weights_match.h"

static br_status visit_view(br_mat mat, const char *what, br_resident_fn fn, void *context)
{
    return mat.buf == NULL ? BR_OK : fn(context, what, mat);
}

/* Whole allocations: views of several tensors stand in them. */
static br_status visit_weights(const br_weights *w, br_resident_fn fn, void *context)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < w->n_weights; i++) {
        const br_weight *weight = &w->weight[i];

        if (weight->home >= 0 && w->home[weight->home].same_as == NULL &&
            (i == 0 || w->weight[i - 1].home != weight->home))
            BR_TRY(st, visit_view(w->home[weight->home].mat, weight->name, fn, context));
    }
done:
    return st;
}

static br_status visit_encoder(const br_encoder *e, br_resident_fn fn, void *context)
{
    br_status st = BR_OK;

    BR_TRY(st, visit_view(e->gate_V3H, "gates of the items", fn, context));
    BR_TRY(st, visit_view(e->pad, "padding of the layers", fn, context));
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

br_status br_model_visit(const br_model *model, br_resident_fn fn, void *context)
{
    br_status st = BR_OK;

    BR_TRY(st, visit_weights(model->weights, fn, context));
    for (int32_t i = 0; i < model->spec.n_encoders; i++)
        BR_TRY(st, visit_encoder(&model->encoder[i], fn, context));
    for (int32_t i = 0; i < model->spec.n_heads; i++)
        BR_TRY(st, visit_view(model->head[i].knot_P2, "calibration points", fn, context));
done:
    return st;
}
