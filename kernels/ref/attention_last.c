/* SPDX-License-Identifier: Apache-2.0
 *
 * attention_last: the same numbers as projecting every x_t to a key and a value and attending with
 * the last event's query, with both projections moved out of the sum over events. Called once per
 * chunk, in an encoder's last layer. */
#include <math.h>

#include "kernels/ref/ref.h"

typedef struct head {
    const br_attention_last_args *args;
    int64_t                       b;
    int64_t                       first;    /* event of the sequence */
    int64_t                       n;        /* length of the sequence */
    int64_t                       row;      /* first weight row of the head */
    int64_t                       width;    /* D / H */
    double                       *u_D;      /* W_k^T q */
    double                       *c_D;      /* sum p_t x_t */
    double                       *weight_T; /* [0] the pad's, [1 + s] of event s */
} head;

/* x of slot 0, the pad, and of slot 1 + s, event s */
static const float *x_at(const head *h, int64_t slot)
{
    if (slot == 0)
        return br_mat_f32(h->args->pad_x_1D);
    return br_mat_f32(h->args->x_ED) + (h->first + slot - 1) * h->args->x_ED.ld;
}

/* ln of how often slot counts; -inf where there is no such slot */
static double log_weight(const head *h, int64_t slot)
{
    const float *w_E    = br_mat_f32(h->args->seqs->weight_E);
    int64_t      n_pads = h->args->max_length - h->n;

    if (slot > 0)
        return w_E == NULL ? 0.0 : log((double)w_E[h->first + slot - 1]);
    return h->args->pad_x_1D.buf == NULL || n_pads == 0 ? -INFINITY : log((double)n_pads);
}

static void softmax(const head *h, double q_bias)
{
    double  scale   = 1.0 / sqrt((double)h->width);
    double  largest = -INFINITY;
    double  sum     = 0.0;
    int64_t n_cols  = h->args->x_ED.n_cols;

    for (int64_t slot = 0; slot <= h->n; slot++) {
        double logit = log_weight(h, slot);
        if (logit > -INFINITY) {
            double dot = q_bias;
            for (int64_t d = 0; d < n_cols; d++)
                dot += h->u_D[d] * x_at(h, slot)[d];
            logit += dot * scale;
        }
        h->weight_T[slot] = logit;
        largest           = logit > largest ? logit : largest;
    }
    for (int64_t slot = 0; slot <= h->n; slot++) {
        h->weight_T[slot] = exp(h->weight_T[slot] - largest);
        sum += h->weight_T[slot];
    }
    for (int64_t slot = 0; slot <= h->n; slot++)
        h->weight_T[slot] /= sum;
}

static void attend(const head *h)
{
    const br_attention_last_args *args   = h->args;
    int64_t                       n_cols = args->x_ED.n_cols;
    const float *q_D       = br_mat_f32(args->query_BD) + h->b * args->query_BD.ld + h->row;
    const float *bk_D      = br_mat_f32(args->key_bias_1D);
    const float *bv_D      = br_mat_f32(args->value_bias_1D);
    float       *out_D     = br_mat_f32(args->out_BD) + h->b * args->out_BD.ld + h->row;
    double       q_bias    = 0.0;
    br_precision precision = br_prepared_precision(args->key_prepared);

    for (int64_t c = 0; c < h->width && bk_D != NULL; c++)
        q_bias += (double)q_D[c] * bk_D[h->row + c];
    for (int64_t d = 0; d < n_cols; d++) {
        h->u_D[d] = 0.0;
        for (int64_t c = 0; c < h->width; c++)
            h->u_D[d] +=
                br_ref_operand(q_D[c], precision) *
                br_ref_operand(
                    br_mat_f32(args->key_weight_DD)[(h->row + c) * args->key_weight_DD.ld + d],
                    precision);
    }
    softmax(h, q_bias);
    for (int64_t d = 0; d < n_cols; d++) {
        h->c_D[d] = 0.0;
        for (int64_t slot = 0; slot <= h->n; slot++)
            if (h->weight_T[slot] > 0.0)
                h->c_D[d] += h->weight_T[slot] * x_at(h, slot)[d];
        h->c_D[d] = br_ref_operand(h->c_D[d], precision);
    }
    for (int64_t c = 0; c < h->width; c++) {
        double sum = bv_D == NULL ? 0.0 : bv_D[h->row + c];
        for (int64_t d = 0; d < n_cols; d++)
            sum +=
                h->c_D[d] *
                br_ref_operand(
                    br_mat_f32(args->value_weight_DD)[(h->row + c) * args->value_weight_DD.ld + d],
                    precision);
        out_D[c] = (float)sum;
    }
}

br_status br_ref_attention_last(br_dev *dev, const br_attention_last_args *args)
{
    br_status      st     = BR_OK;
    const int32_t *offset = args->seqs->host_offset_B1;
    int64_t        n_cols = args->out_BD.n_cols;
    head           h      = {.args = args, .width = n_cols / args->n_heads};

    (void)dev;
    BR_ALLOC(st, h.u_D, n_cols, "attention_last: u");
    BR_ALLOC(st, h.c_D, n_cols, "attention_last: c");
    BR_ALLOC(st, h.weight_T, (int64_t)args->max_length + 1, "attention_last: logits");
    for (h.b = 0; h.b < args->seqs->n_seqs; h.b++) {
        float *out_D = br_mat_f32(args->out_BD) + h.b * args->out_BD.ld;

        h.first = offset[h.b];
        h.n     = offset[h.b + 1] - offset[h.b];
        for (int64_t d = 0; d < n_cols; d++)
            out_D[d] = 0.0f;
        for (h.row = 0; h.row < n_cols && h.n > 0; h.row += h.width)
            attend(&h);
    }
done:
    br_free(&h.weight_T);
    br_free(&h.c_D);
    br_free(&h.u_D);
    return st;
}
