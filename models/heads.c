/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads (eq. 6 and 9): logit_k = (W_k x_u) . z_i + b_{k,i} + c_k, or q_psi(x_u, z_i) + b_{k,i}
 * (pair heads, eq. 5), and its probability; survival heads (eq. 17): hazards of periods, and S(t).
 * Called once per head and tile of customers. */
#include <assert.h>
#include <math.h>

#include "host/base/memory.h"
#include "models/model_state.h"

int32_t br_heads_n_weights(const br_model_spec *spec)
{
    int32_t n = 0;

    for (int32_t i = 0; i < spec->n_heads; i++)
        n += spec->head[i].kind == BR_HEAD_PAIR ? 2 * (spec->head[i].n_hidden + 1) + 1 : 3;
    return n;
}

/* head.<name>.<l>.{weight,bias}, the logit's last. */
static void declare_pair(br_model *model, const br_head_spec *s, br_head *h)
{
    int32_t n_in = 3 * model->spec.dim;

    for (int32_t l = 0; l <= s->n_hidden; l++) {
        int32_t n_out = l < s->n_hidden ? s->hidden[l] : 1;

        br_weights_matrix(model->weights, &h->pair_weight_OI[l], n_out, n_in, "head.%s.%d.weight",
                          s->name, (int)l);
        br_weights_vector(model->weights, &h->pair_bias_1O[l], n_out, "head.%s.%d.bias", s->name,
                          (int)l);
        n_in = n_out;
    }
}

void br_heads_declare(br_model *model)
{
    for (int32_t i = 0; i < model->spec.n_heads; i++) {
        const br_head_spec *s = &model->spec.head[i];
        br_head            *h = &model->head[i];

        if (s->kind == BR_HEAD_SURVIVAL) {
            br_weights_matrix(model->weights, &h->hazard_weight_PD, s->n_periods, model->spec.dim,
                              "head.%s.weight", s->name);
            br_weights_vector(model->weights, &h->hazard_bias_1P, s->n_periods, "head.%s.bias",
                              s->name);
            continue;
        }
        if (s->kind == BR_HEAD_PAIR) {
            declare_pair(model, s, h);
        } else {
            br_weights_matrix(model->weights, &h->weight_DD, model->spec.dim, model->spec.dim,
                              "head.%s.weight", s->name);
            br_weights_scalar(model->weights, &h->bias, "head.%s.bias", s->name);
        }
        if (s->has_item_bias)
            br_weights_column(model->weights, &h->item_bias_V1, "head.%s.item_bias", s->name);
    }
}

br_status br_heads_upload_knots(br_model *model, br_dev *dev)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < model->spec.n_heads; i++) {
        const br_head_spec *s = &model->spec.head[i];
        br_head            *h = &model->head[i];

        if (s->calibration != BR_CALIBRATION_ISOTONIC)
            continue;
        BR_TRY(st, br_dev_alloc(dev, BR_F32, s->n_points, 2, &h->knot_P2));
        BR_TRY(st, br_upload(dev, h->knot_P2, s->knot_P2));
    }
done:
    return st;
}

br_mat br_model_head_item_bias(const br_model *model, int32_t head)
{
    assert(head >= 0 && head < model->spec.n_heads);
    return model->head[head].item_bias_V1;
}

br_mat br_model_head_weight(const br_model *model, int32_t head)
{
    assert(head >= 0 && head < model->spec.n_heads);
    assert(model->spec.head[head].kind == BR_HEAD_ITEM);
    return model->head[head].weight_DD;
}

float br_model_head_bias(const br_model *model, int32_t head)
{
    assert(head >= 0 && head < model->spec.n_heads);
    return model->head[head].bias;
}

br_status br_model_head_query(const br_model *model, br_dev *lane, int32_t head, br_mat x_BD,
                              br_mat out_BD)
{
    const br_linear_args args = {
        .x_RI = x_BD, .weight_OI = model->head[head].weight_DD, .out_RO = out_BD};

    assert(head >= 0 && head < model->spec.n_heads);
    assert(model->spec.head[head].kind == BR_HEAD_ITEM);
    return br_op_linear(lane, &args);
}

br_status br_model_head_pairs(const br_model *model, br_dev *lane, int32_t head,
                              const br_score_pairs_args *args)
{
    const br_head   *h    = &model->head[head];
    br_pair_mlp_args pair = {.query_BD = args->query_BD,
                             .item_ND  = args->item_ND,
                             .bias_N   = args->bias_N,
                             .item_BK  = args->item_BK,
                             .n_layers = model->spec.head[head].n_hidden,
                             .logit_BK = args->out_BK};

    assert(head >= 0 && head < model->spec.n_heads);
    assert(model->spec.head[head].kind != BR_HEAD_SURVIVAL && args->penalty_BK.buf == NULL);
    if (model->spec.head[head].kind == BR_HEAD_ITEM)
        return br_op_score_pairs(lane, args);
    for (int32_t l = 0; l <= pair.n_layers; l++) {
        pair.weight_OI[l] = h->pair_weight_OI[l];
        pair.bias_1O[l]   = h->pair_bias_1O[l];
    }
    return br_op_pair_mlp(lane, &pair);
}

br_status br_model_head_calibrate(const br_model *model, br_dev *lane, int32_t head,
                                  br_mat logit_BK)
{
    const br_head_spec     *s    = &model->spec.head[head];
    const br_head          *h    = &model->head[head];
    const br_calibrate_args args = {.logit_BK    = logit_BK,
                                    .offset      = (double)h->bias,
                                    .link        = s->link,
                                    .calibration = s->calibration,
                                    .platt_a     = s->platt_a,
                                    .platt_b     = s->platt_b,
                                    .n_points    = s->n_points,
                                    .knot_P2     = h->knot_P2};

    assert(head >= 0 && head < model->spec.n_heads);
    return br_op_calibrate(lane, &args);
}

br_status br_model_head_hazards(const br_model *model, br_dev *lane, int32_t head, br_mat x_BD,
                                br_mat out_BP)
{
    br_status            st   = BR_OK;
    const br_head       *h    = &model->head[head];
    const br_linear_args args = {.x_RI      = x_BD,
                                 .weight_OI = h->hazard_weight_PD,
                                 .bias_1O   = h->hazard_bias_1P,
                                 .out_RO    = out_BP};

    assert(head >= 0 && head < model->spec.n_heads);
    assert(model->spec.head[head].kind == BR_HEAD_SURVIVAL);
    BR_TRY(st, br_op_linear(lane, &args));
    BR_TRY(st, br_model_head_calibrate(model, lane, head, out_BP));
done:
    return st;
}

/* How much S_p may change for a change of all logits by 1. Without a table S changes by S sum(h) <=
 * -S ln S <= 1/e; a table with slopes up to m changes each of P hazards by m/4 at most. */
static br_status steepest(const br_model *model, br_dev *lane, int32_t head, double *slope)
{
    br_status           st     = BR_OK;
    const br_head_spec *s      = &model->spec.head[head];
    float              *knot_P = NULL;
    double              most   = 0.0;

    *slope = 0.36787944117144233;
    if (s->calibration == BR_CALIBRATION_PLATT)
        *slope *= fabs(s->platt_a);
    if (s->calibration != BR_CALIBRATION_ISOTONIC)
        return BR_OK;
    BR_ALLOC(st, knot_P, 2 * (int64_t)s->n_points, "a head's table");
    BR_TRY(st, br_download(lane, model->head[head].knot_P2, knot_P));
    for (int32_t i = 1; i < s->n_points; i++)
        most = fmax(most, fabs((double)knot_P[2 * i + 1] - (double)knot_P[2 * i - 1]) /
                              ((double)knot_P[2 * i] - (double)knot_P[2 * i - 2]));
    *slope = s->n_periods * most / 4.0;
done:
    br_free(&knot_P);
    return st;
}

br_status br_model_survival_error(const br_model *model, br_dev *lane, int32_t head,
                                  double *per_norm, double *constant)
{
    br_status      st        = BR_OK;
    const br_head *h         = &model->head[head];
    int64_t        D         = model->spec.dim;
    int32_t        n         = model->spec.head[head].n_periods;
    float         *weight_PD = NULL, *bias_P = NULL;
    double         slope, rounding           = 2.0 * (double)(D + 2) * 0x1p-24;

    *per_norm = *constant = 0.0;
    BR_TRY(st, steepest(model, lane, head, &slope));
    BR_ALLOC(st, weight_PD, n * D, "weights of hazards");
    BR_ALLOC(st, bias_P, n, "biases of hazards");
    BR_TRY(st, br_download(lane, h->hazard_weight_PD, weight_PD));
    BR_TRY(st, br_download(lane, h->hazard_bias_1P, bias_P));
    for (int32_t p = 0; p < n; p++) {
        double square = 0.0;

        for (int64_t d = 0; d < D; d++)
            square += (double)weight_PD[p * D + d] * (double)weight_PD[p * D + d];
        *per_norm = fmax(*per_norm, rounding * slope * sqrt(square));
        *constant = fmax(*constant, rounding * slope * fabs((double)bias_P[p]));
    }
done:
    br_free(&weight_PD);
    br_free(&bias_P);
    return st;
}

void br_survival_of_hazards(int64_t n_rows, int32_t n_periods, float *hazard_BP)
{
    for (int64_t b = 0; b < n_rows; b++) {
        double survival = 1.0;

        for (int32_t p = 0; p < n_periods; p++) {
            float *at = &hazard_BP[b * n_periods + p];

            survival *= 1.0 - (double)*at;
            *at = (float)survival;
        }
    }
}
