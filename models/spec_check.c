/* SPDX-License-Identifier: Apache-2.0
 *
 * Contradictions inside a description: what no single value shows. Called once per model. */
#include <math.h>
#include <string.h>

#include "models/model_state.h"

static br_status check_width(const br_encoder_spec *e, int32_t expected)
{
    if (e->out_dim == expected)
        return BR_OK;
    return br_fail(BR_E_SELFCHECK, "modality '%s': out_dim is %d, its encoder gives %d columns",
                   e->name, (int)e->out_dim, (int)expected);
}

static br_status check_attention(const br_encoder_spec *e)
{
    if (e->n_heads < 1 || e->dim % e->n_heads != 0)
        return br_fail(BR_E_INPUT,
                       "modality '%s': dim %d does not split into %d heads of one width", e->name,
                       (int)e->dim, (int)e->n_heads);
    if (br_is_left_padded(e) && e->inner != e->dim)
        return br_fail(BR_E_INPUT, "modality '%s': inner is %d, expected dim (%d) in pmixer models",
                       e->name, (int)e->inner, (int)e->dim);
    if (br_is_left_padded(e) && e->activation != BR_ACT_RELU)
        return br_fail(BR_E_INPUT, "modality '%s': activation is not relu, as in pmixer models",
                       e->name);
    if (e->n_layers < 1 || e->inner < 1)
        return br_fail(BR_E_INPUT, "modality '%s': %d layers and inner %d, expected at least 1",
                       e->name, (int)e->n_layers, (int)e->inner);
    return check_width(e, e->dim);
}

static br_status check_gru(const br_encoder_spec *e)
{
    if (e->n_layers < 1 || e->hidden < 1)
        return br_fail(BR_E_INPUT, "modality '%s': %d layers and hidden %d, expected at least 1",
                       e->name, (int)e->n_layers, (int)e->hidden);
    return check_width(e, e->has_dense ? e->dim : e->hidden);
}

static br_status check_decay(const br_encoder_spec *e)
{
    if (e->n_half_lives < 1 || e->n_half_lives > BR_MAX_HALF_LIVES)
        return br_fail(BR_E_INPUT, "modality '%s': %d half-lives, expected 1..%d", e->name,
                       (int)e->n_half_lives, BR_MAX_HALF_LIVES);
    for (int32_t i = 0; i < e->n_half_lives; i++)
        if (!(e->half_life_s[i] > 0.0) || isinf(e->half_life_s[i]))
            return br_fail(BR_E_INPUT, "modality '%s': half-life %d is %g seconds, expected > 0",
                           e->name, (int)i, e->half_life_s[i]);
    if (e->n_gaps > 0 || e->n_types > 0 || e->has_constant)
        return br_fail(BR_E_INPUT,
                       "modality '%s': decay pools item vectors alone; gaps, types and "
                       "modality_embedding belong to attention and gru",
                       e->name);
    return check_width(e, e->dim * e->n_half_lives);
}

static br_status check_encoder(const br_model_spec *s, int32_t at)
{
    const br_encoder_spec *e = &s->encoder[at];

    for (int32_t i = 0; i < at; i++)
        if (strcmp(s->encoder[i].name, e->name) == 0)
            return br_fail(BR_E_INPUT, "modality '%s' is there twice, expected once", e->name);
    if (e->max_length < 1 || e->dim < 1)
        return br_fail(BR_E_INPUT, "modality '%s': max_length %d and dim %d, expected at least 1",
                       e->name, (int)e->max_length, (int)e->dim);
    if (e->kind == BR_ENCODER_ATTENTION)
        return check_attention(e);
    return e->kind == BR_ENCODER_GRU ? check_gru(e) : check_decay(e);
}

static br_status check_fusion(const br_model_spec *s)
{
    if (s->is_fused && s->n_encoders == 0)
        return br_fail(BR_E_INPUT, "fusion is gated, but there are no modalities");
    if (s->is_fused)
        return BR_OK;
    if (s->n_encoders > 1)
        return br_fail(BR_E_INPUT,
                       "fusion is none, but there are %d modalities; expected one, or gated fusion",
                       (int)s->n_encoders);
    if (s->n_encoders == 1 && s->encoder[0].out_dim != s->dim)
        return br_fail(BR_E_INPUT,
                       "fusion is none: modality '%s' gives %d columns, dim is %d; expected equal",
                       s->encoder[0].name, (int)s->encoder[0].out_dim, (int)s->dim);
    if (s->n_statics > 0 || s->n_aggregates > 0 || s->n_mlp_layers > 0 || s->has_band)
        return br_fail(BR_E_INPUT, "fusion is none, but there are %s; expected gated fusion",
                       s->n_statics > 0      ? "static attributes"
                       : s->n_aggregates > 0 ? "aggregates"
                                             : "MLP layers or a norm band");
    return BR_OK;
}

static br_status check_columns(const br_model_spec *s)
{
    for (int32_t i = 0; i < s->n_statics; i++)
        for (int32_t j = 0; j < i; j++)
            if (strcmp(s->statics[i].name, s->statics[j].name) == 0)
                return br_fail(BR_E_INPUT, "static '%s' is there twice, expected once",
                               s->statics[i].name);
    for (int32_t i = 0; i < s->n_aggregates; i++)
        for (int32_t j = 0; j < i; j++)
            if (strcmp(s->aggregate[i].name, s->aggregate[j].name) == 0)
                return br_fail(BR_E_INPUT, "aggregate '%s' is there twice, expected once",
                               s->aggregate[i].name);
    if (s->has_band && !(s->band_lo >= 0.0 && s->band_lo <= s->band_hi))
        return br_fail(BR_E_INPUT, "fusion band: lo is %g and hi is %g, expected 0 <= lo <= hi",
                       s->band_lo, s->band_hi);
    return BR_OK;
}

/* Hazards are probabilities: what calibration makes of them too. */
static br_status check_survival(const br_head_spec *h)
{
    if (h->n_periods < 1 || h->n_periods > BR_MAX_PERIODS || h->period_s < 1)
        return br_fail(BR_E_INPUT,
                       "head '%s': %d periods of %lld seconds, expected 1..%d periods of at least "
                       "1 second",
                       h->name, (int)h->n_periods, (long long)h->period_s, BR_MAX_PERIODS);
    if (h->has_item_bias || h->link != BR_LINK_LOGISTIC)
        return br_fail(BR_E_INPUT,
                       "head '%s': a survival head has no item_bias and a logistic link", h->name);
    for (int32_t i = 0; i < h->n_points && h->knot_P2 != NULL; i++)
        if (!(h->knot_P2[2 * i + 1] >= 0.0f && h->knot_P2[2 * i + 1] <= 1.0f))
            return br_fail(BR_E_INPUT,
                           "head '%s': calibration point %d has output %g, expected 0..1: it is a "
                           "hazard",
                           h->name, (int)i, (double)h->knot_P2[2 * i + 1]);
    return BR_OK;
}

static br_status check_pair(const br_head_spec *h)
{
    if (h->n_hidden < 1 || h->n_hidden > BR_MAX_PAIR_LAYERS)
        return br_fail(BR_E_INPUT, "head '%s': %d hidden layers, expected 1..%d", h->name,
                       (int)h->n_hidden, BR_MAX_PAIR_LAYERS);
    for (int32_t l = 0; l < h->n_hidden; l++)
        if (h->hidden[l] < 1 || h->hidden[l] > BR_MAX_PAIR_WIDTH)
            return br_fail(BR_E_INPUT, "head '%s': hidden layer %d has width %d, expected 1..%d",
                           h->name, (int)l, (int)h->hidden[l], BR_MAX_PAIR_WIDTH);
    return BR_OK;
}

/* Ascending inputs; outputs that go one way. */
static br_status check_table(const br_head_spec *h)
{
    int way = 0;

    if (h->n_points < 1 || h->knot_P2 == NULL)
        return br_fail(BR_E_INPUT, "head '%s': isotonic calibration has no points", h->name);
    for (int32_t i = 1; i < h->n_points; i++) {
        const float *at = &h->knot_P2[2 * i];
        int          to = (at[1] > at[-1]) - (at[1] < at[-1]);

        if (!(at[0] > at[-2]))
            return br_fail(BR_E_INPUT,
                           "head '%s': calibration point %d has input %g after %g, expected "
                           "ascending inputs",
                           h->name, (int)i, (double)at[0], (double)at[-2]);
        if (way * to < 0)
            return br_fail(BR_E_INPUT,
                           "head '%s': calibration point %d has output %g after %g, expected "
                           "outputs that only rise or only fall",
                           h->name, (int)i, (double)at[1], (double)at[-1]);
        way = way == 0 ? to : way;
    }
    return BR_OK;
}

static br_status check_head(const br_model_spec *s, int32_t at)
{
    const br_head_spec *h = &s->head[at];

    for (int32_t i = 0; i < at; i++)
        if (strcmp(s->head[i].name, h->name) == 0)
            return br_fail(BR_E_INPUT, "head '%s' is there twice, expected once", h->name);
    if (h->has_item_bias && s->item_table[0] == '\0')
        return br_fail(BR_E_INPUT,
                       "head '%s' has an item_bias, but item is null: its rows have no keys",
                       h->name);
    if (h->kind == BR_HEAD_SURVIVAL && check_survival(h) != BR_OK)
        return BR_E_INPUT;
    if (h->kind == BR_HEAD_PAIR && check_pair(h) != BR_OK)
        return BR_E_INPUT;
    if (h->calibration == BR_CALIBRATION_ISOTONIC)
        return check_table(h);
    return BR_OK;
}

br_status br_model_check_spec(const br_model_spec *spec)
{
    br_status st = BR_OK;

    for (int32_t i = 0; i < spec->n_encoders; i++)
        BR_TRY(st, check_encoder(spec, i));
    BR_TRY(st, check_fusion(spec));
    BR_TRY(st, check_columns(spec));
    for (int32_t i = 0; i < spec->n_heads; i++)
        BR_TRY(st, check_head(spec, i));
    if (spec->item_bias[0] != '\0' && spec->item_table[0] == '\0')
        BR_FAIL(st, BR_E_INPUT, "item has a bias '%s', but no table", spec->item_bias);
done:
    return st;
}
