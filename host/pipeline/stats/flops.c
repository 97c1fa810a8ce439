/* SPDX-License-Identifier: Apache-2.0
 *
 * Flop counts for the table of timings and for `plan`. Called once per work unit. */
#include "host/pipeline/stats/flops.h"

static double attention_flops(const br_encoder_spec *e, double n_rows, double n_events,
                              double n_pairs)
{
    double D = e->dim, I = e->inner;
    double full = n_events * (8.0 * D * D + 4.0 * D * I) + 4.0 * n_pairs * D;
    /* last layer: query, absorbed key, value, output and feed-forward once per customer; two dot
     * products per event and head over D */
    double last = n_rows * (8.0 * D * D + 4.0 * D * I) + 4.0 * n_events * D * e->n_heads;

    return (e->n_layers - 1) * full + last;
}

static double gru_flops(const br_encoder_spec *e, double n_rows, double n_events)
{
    double H = e->hidden, flop = n_events * 6.0 * H * e->dim;

    flop += n_events * 6.0 * H * H * (2.0 * e->n_layers - 1.0);
    return flop + (e->has_dense ? 2.0 * n_rows * H * e->dim : 0.0);
}

double br_flops_encode(const br_encoder_spec *encoder, int64_t n_rows, const int64_t *offset_B1)
{
    double n_events = (double)(offset_B1[n_rows] - offset_B1[0]), n_pairs = 0.0;

    if (encoder->kind == BR_ENCODER_DECAY)
        return 2.0 * n_events * encoder->out_dim;
    if (encoder->kind == BR_ENCODER_GRU)
        return gru_flops(encoder, (double)n_rows, n_events);
    for (int64_t b = 0; b < n_rows; b++) {
        double n = (double)(offset_B1[b + 1] - offset_B1[b]);
        n_pairs += n * (n + 1.0) / 2.0;
    }
    return attention_flops(encoder, (double)n_rows, n_events, n_pairs);
}

double br_flops_fuse(const br_model_spec *spec, int64_t n_rows)
{
    double D = spec->dim, S = 0.0, per_row = 0.0;

    if (!spec->is_fused)
        return 0.0;
    for (int32_t m = 0; m < spec->n_encoders; m++)
        S += spec->encoder[m].out_dim;
    per_row += 2.0 * D * S + 2.0 * D * (S + spec->n_encoders) * spec->n_encoders;
    for (int32_t i = 0; i < spec->n_statics; i++)
        per_row += 2.0 * D * spec->statics[i].dim;
    per_row += 4.0 * D * spec->n_aggregates + 2.0 * D * D * spec->n_mlp_layers;
    return per_row * (double)n_rows;
}

double br_flops_score(int64_t n_rows, int64_t n_items, int32_t dim, int32_t n_heads)
{
    return (double)n_rows * (2.0 * (double)n_items * dim + 2.0 * dim * (double)dim * n_heads);
}

/* Of one pair; 0 of other heads. */
static double pair_flops(const br_head_spec *head, int32_t dim)
{
    double n_in = dim, flop = 0.0; /* the columns of x are the customer's */

    if (head->kind != BR_HEAD_PAIR)
        return 0.0;
    for (int32_t l = 0; l < head->n_hidden; l++) {
        flop += 2.0 * n_in * head->hidden[l];
        n_in = head->hidden[l];
    }
    return flop + 2.0 * n_in;
}

double br_flops_pairs(const br_setup *s, int64_t n_rows)
{
    const br_objective *o = &s->objective;
    double              k = (double)s->config->list_k, per_row = 0.0;
    double              n_listed = 1.0 + (s->is_sweep ? s->n_weightings : 0);

    for (int32_t i = 0; i < s->n_heads; i++)
        per_row += k * pair_flops(&s->spec->head[s->head[i]], s->dim);
    for (int32_t t = 0; t < o->n_terms; t++)
        if (o->term[t].is_pair)
            per_row += (k * n_listed + (double)o->n_candidates * (1.0 + s->n_weightings)) *
                       pair_flops(&s->spec->head[o->term[t].head], s->dim);
    return per_row * (double)n_rows;
}

double br_flops_hazards(int64_t n_rows, int32_t dim, int32_t n_periods)
{
    return (double)n_rows * 2.0 * dim * n_periods;
}
