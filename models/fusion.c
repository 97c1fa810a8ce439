/* SPDX-License-Identifier: Apache-2.0
 *
 * x_u from the modalities' states, static attributes and aggregates (eq. 2-3, docs/FORMATS.md):
 * band(h(LN(W_s a + W_a r + sum_d alpha_d z_d * g_d))). Called once per chunk. */
#include <math.h>

#include "models/model_state.h"

typedef struct fusion_work {
    br_mat gate_BI;
    br_mat flag_BF;
    br_mat g_BO; /* O = M D */
    br_mat z_BO;
    br_mat static_BC;
    br_mat side_BD; /* statics and aggregates; then what mlp needs beside x */
    br_mat x_BD;
} fusion_work;

int32_t br_fusion_n_weights(const br_model_spec *spec)
{
    if (!spec->is_fused)
        return 0;
    return 4 * spec->n_encoders + 2 + 2 + spec->n_statics + 2 + 2 + 2 * spec->n_mlp_layers;
}

static void declare_gates(br_model *model)
{
    const br_model_spec *s      = &model->spec;
    br_fusion           *f      = &model->fusion;
    int64_t              n_in   = f->state_width + s->n_encoders;
    int64_t              n_out  = (int64_t)s->n_encoders * s->dim;
    int32_t              weight = br_weights_stack(model->weights, &f->z_weight_OI, n_out, n_in);
    int32_t              bias   = br_weights_stack(model->weights, &f->z_bias_1O, 1, n_out);

    for (int32_t m = 0; m < s->n_encoders; m++) {
        const char   *name   = s->encoder[m].name;
        const br_part matrix = {weight, 2, m * (int64_t)s->dim, 0, s->dim, n_in};
        const br_part vector = {bias, 1, 0, m * (int64_t)s->dim, 1, s->dim};

        br_weights_matrix(model->weights, &f->g_weight_DS[m], s->dim, f->width[m],
                          "fusion.%s.g.weight", name);
        br_weights_vector(model->weights, &f->g_bias_1D[m], s->dim, "fusion.%s.g.bias", name);
        br_weights_part(model->weights, &matrix, "fusion.%s.z.weight", name);
        br_weights_part(model->weights, &vector, "fusion.%s.z.bias", name);
    }
}

void br_fusion_declare(br_model *model)
{
    const br_model_spec *s = &model->spec;
    br_fusion           *f = &model->fusion;
    br_weights          *w = model->weights;

    for (int32_t m = 0; m < s->n_encoders; m++) {
        f->width[m] = s->encoder[m].out_dim;
        f->state_width += s->encoder[m].out_dim;
    }
    if (!s->is_fused)
        return;
    declare_gates(model);
    br_weights_vector(w, &f->attention_1D, s->dim, "fusion.attention");
    br_weights_vector(w, &f->default_1D, s->dim, "fusion.default");
    for (int32_t i = 0; i < s->n_statics; i++) {
        br_weights_matrix(w, &f->static_VD[i], s->statics[i].n_rows, s->statics[i].dim,
                          "static.%s.weight", s->statics[i].name);
        f->static_width += s->statics[i].dim;
    }
    if (s->n_statics > 0)
        br_weights_matrix(w, &f->static_weight_DC, s->dim, f->static_width, "fusion.static.weight");
    if (s->n_aggregates > 0)
        br_weights_matrix(w, &f->aggregate_weight_DF, s->dim, 2 * (int64_t)s->n_aggregates,
                          "fusion.aggregate.weight");
    for (int32_t i = 0; i < s->n_aggregates; i++) {
        f->mean_A[i] = s->aggregate[i].mean;
        f->std_A[i]  = s->aggregate[i].std;
    }
    br_weights_vector(w, &f->norm.gamma_1D, s->dim, "fusion.LayerNorm.weight");
    br_weights_vector(w, &f->norm.beta_1D, s->dim, "fusion.LayerNorm.bias");
    for (int32_t l = 0; l < s->n_mlp_layers; l++) {
        br_weights_matrix(w, &f->mlp_weight_DD[l], s->dim, s->dim, "h.%d.weight", (int)l);
        br_weights_vector(w, &f->mlp_bias_1D[l], s->dim, "h.%d.bias", (int)l);
    }
}

static br_status take_work(const br_model *model, int64_t n_rows, br_taker *taker,
                           fusion_work *work)
{
    br_status            st    = BR_OK;
    const br_model_spec *s     = &model->spec;
    int64_t              n_out = (int64_t)s->n_encoders * s->dim;

    *work = (fusion_work){0};
    if (!s->is_fused)
        return BR_OK;
    BR_TRY(st, br_take(taker, BR_F32, n_rows, model->fusion.state_width + s->n_encoders,
                       &work->gate_BI));
    BR_TRY(st, br_take(taker, BR_F32, n_rows, n_out, &work->g_BO));
    BR_TRY(st, br_take(taker, BR_F32, n_rows, n_out, &work->z_BO));
    if (s->n_aggregates > 0)
        BR_TRY(st, br_take(taker, BR_F32, n_rows, 2 * (int64_t)s->n_aggregates, &work->flag_BF));
    if (s->n_statics > 0)
        BR_TRY(st, br_take(taker, BR_F32, n_rows, model->fusion.static_width, &work->static_BC));
    BR_TRY(st, br_take(taker, BR_F32, n_rows, s->dim, &work->side_BD));
    BR_TRY(st, br_take(taker, BR_F32, n_rows, s->dim, &work->x_BD));
done:
    return st;
}

size_t br_fusion_scratch_bytes(const br_model *model, int64_t n_rows)
{
    br_taker    taker = {0};
    fusion_work work;
    br_status   st = take_work(model, n_rows, &taker, &work);

    (void)st; /* adding up cannot fail */
    return taker.n_bytes;
}

/* W_s a + W_a r; *out is absent when the model has neither. */
static br_status side_input(const br_model *model, br_dev *lane, const br_fusion_args *args,
                            const fusion_work *work, br_mat *out)
{
    br_status            st  = BR_OK;
    const br_model_spec *s   = &model->spec;
    const br_fusion     *f   = &model->fusion;
    int64_t              col = 0;

    *out = (br_mat){0};
    for (int32_t i = 0; i < s->n_statics; i++) {
        const br_gather_rows_args gather = {
            .table_VD = f->static_VD[i],
            .row_B    = br_mat_cols(args->static_BC, i, 1),
            .out_BD   = br_mat_cols(work->static_BC, col, s->statics[i].dim)};
        BR_TRY(st, br_op_gather_rows(lane, &gather));
        col += s->statics[i].dim;
    }
    if (s->n_statics > 0) {
        const br_linear_args linear = {
            .x_RI = work->static_BC, .weight_OI = f->static_weight_DC, .out_RO = work->side_BD};
        BR_TRY(st, br_op_linear(lane, &linear));
        *out = work->side_BD;
    }
    if (s->n_aggregates > 0) {
        const br_linear_args linear = {.x_RI        = work->flag_BF,
                                       .weight_OI   = f->aggregate_weight_DF,
                                       .residual_RO = *out,
                                       .out_RO      = work->side_BD};
        BR_TRY(st, br_op_linear(lane, &linear));
        *out = work->side_BD;
    }
done:
    return st;
}

/* g_d = tanh(W_d s^(d) + b_d) and the gates z_d of all modalities. */
static br_status gate_modalities(const br_model *model, br_dev *lane, const fusion_work *work)
{
    br_status            st    = BR_OK;
    const br_model_spec *s     = &model->spec;
    const br_fusion     *f     = &model->fusion;
    int64_t              col   = 0;
    const br_linear_args gates = {.x_RI       = work->gate_BI,
                                  .weight_OI  = f->z_weight_OI,
                                  .bias_1O    = f->z_bias_1O,
                                  .activation = BR_ACT_SIGMOID,
                                  .out_RO     = work->z_BO};

    BR_TRY(st, br_op_linear(lane, &gates));
    for (int32_t m = 0; m < s->n_encoders; m++) {
        const br_linear_args linear = {.x_RI       = br_mat_cols(work->gate_BI, col, f->width[m]),
                                       .weight_OI  = f->g_weight_DS[m],
                                       .bias_1O    = f->g_bias_1D[m],
                                       .activation = BR_ACT_TANH,
                                       .out_RO =
                                           br_mat_cols(work->g_BO, m * (int64_t)s->dim, s->dim)};
        BR_TRY(st, br_op_linear(lane, &linear));
        col += f->width[m];
    }
done:
    return st;
}

/* band(h(LN(x))) into out_BD; x lies in work->x_BD. */
static br_status apply_mlp(const br_model *model, br_dev *lane, const fusion_work *work,
                           br_mat out_BD)
{
    const br_model_spec *s   = &model->spec;
    const br_fusion     *f   = &model->fusion;
    br_mlp_args          mlp = {.x_BD       = work->x_BD,
                                .gamma_1D   = f->norm.gamma_1D,
                                .beta_1D    = f->norm.beta_1D,
                                .eps        = s->fusion_eps,
                                .n_layers   = s->n_mlp_layers,
                                .activation = s->mlp_activation,
                                .has_band   = s->has_band,
                                .lo         = s->band_lo,
                                .hi         = s->band_hi,
                                .spare_BD   = work->side_BD,
                                .out_BD     = out_BD};

    for (int32_t l = 0; l < s->n_mlp_layers; l++) {
        mlp.weight_DD[l] = f->mlp_weight_DD[l];
        mlp.bias_1D[l]   = f->mlp_bias_1D[l];
    }
    return br_op_mlp(lane, &mlp);
}

static br_status run_fusion(const br_model *model, br_dev *lane, const br_fusion_args *args,
                            const fusion_work *work)
{
    br_status            st     = BR_OK;
    const br_model_spec *s      = &model->spec;
    const br_fusion     *f      = &model->fusion;
    br_fuse_inputs_args  inputs = {.n_modalities = s->n_encoders,
                                   .state_BS     = args->state_BS,
                                   .present_BM   = args->present_BM,
                                   .gate_BI      = work->gate_BI,
                                   .flag_BF      = work->flag_BF,
                                   .mean_A       = f->mean_A,
                                   .std_A        = f->std_A};
    br_fuse_args         fuse   = {.n_modalities  = s->n_encoders,
                                   .g_BMD         = work->g_BO,
                                   .z_BMD         = work->z_BO,
                                   .attention_1D  = f->attention_1D,
                                   .default_1D    = f->default_1D,
                                   .present_BM    = args->present_BM,
                                   .confidence_BM = args->confidence_BM,
                                   .out_BD        = work->x_BD,
                                   .alpha_BM      = args->alpha_BM,
                                   .gate_BM       = args->gate_BM};

    for (int32_t m = 0; m < s->n_encoders; m++)
        inputs.width[m] = f->width[m];
    if (s->n_aggregates > 0)
        inputs.aggregate_BA = args->aggregate_BA;
    BR_TRY(st, br_op_fuse_inputs(lane, &inputs));
    BR_TRY(st, gate_modalities(model, lane, work));
    BR_TRY(st, side_input(model, lane, args, work, &fuse.residual_BD));
    BR_TRY(st, br_op_fuse(lane, &fuse));
    BR_TRY(st, apply_mlp(model, lane, work, args->out_BD));
done:
    return st;
}

br_status br_model_fuse(const br_model *model, br_dev *lane, const br_fusion_args *args)
{
    br_status               st    = BR_OK;
    size_t                  mark  = br_dev_mark(lane);
    br_taker                taker = {.lane = lane};
    const br_copy_rows_args copy  = {.x_BD = args->state_BS, .out_BD = args->out_BD};
    fusion_work             work;

    if (!model->spec.is_fused)
        return br_op_copy_rows(lane, &copy);
    BR_TRY(st, take_work(model, args->out_BD.n_rows, &taker, &work));
    BR_TRY(st, run_fusion(model, lane, args, &work));
done:
    br_dev_rewind(lane, mark);
    return st;
}
