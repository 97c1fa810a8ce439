/* SPDX-License-Identifier: Apache-2.0
 *
 * attention: for each query one causal softmax over its own sequence, the pad's virtual key first,
 * largest logit subtracted, all in fp64; bf16 rounds q, k, v and the exponentials. Called once per
 * layer and chunk. */
#include <math.h>

#include "kernels/ref/ref.h"

typedef struct head {
    const br_attention_args *args;
    int64_t                  first;    /* event of the sequence */
    int64_t                  n;        /* length of the sequence */
    int64_t                  col;      /* first column of the head in q, k and v */
    int64_t                  width;    /* D / H */
    double                  *weight_T; /* [0] the pad's, [1 + s] of event s */
} head;

static const float *qkv_at(const head *h, int64_t t, int64_t part)
{
    const br_mat *m = &h->args->qkv_E3D;
    return br_mat_f32(*m) + (h->first + t) * m->ld + part * h->args->out_ED.n_cols + h->col;
}

/* Softmax weights of query t over the pad and events 0..t; the pad's is 0 where there is none. */
static void softmax_of_query(const head *h, int64_t t)
{
    const float *w_E       = br_mat_f32(h->args->seqs->weight_E);
    int64_t      n_pads    = h->args->max_length - h->n;
    double       scale     = 1.0 / sqrt((double)h->width);
    double       largest   = -INFINITY;
    double       sum       = 0.0;
    br_precision precision = h->args->precision;

    h->weight_T[0] = -INFINITY;
    if (h->args->pad_key_1D.buf != NULL && n_pads > 0)
        h->weight_T[0] = br_ref_dot(qkv_at(h, t, 0), br_mat_f32(h->args->pad_key_1D) + h->col,
                                    h->width, precision) *
                             scale +
                         log((double)n_pads);
    for (int64_t s = 0; s <= t; s++)
        h->weight_T[1 + s] =
            br_ref_dot(qkv_at(h, t, 0), qkv_at(h, s, 1), h->width, precision) * scale +
            (w_E == NULL ? 0.0 : log((double)w_E[h->first + s]));
    for (int64_t s = 0; s <= t + 1; s++)
        largest = h->weight_T[s] > largest ? h->weight_T[s] : largest;
    for (int64_t s = 0; s <= t + 1; s++) {
        h->weight_T[s] = exp(h->weight_T[s] - largest);
        sum += h->weight_T[s];
        h->weight_T[s] = br_ref_operand(h->weight_T[s], precision);
    }
    for (int64_t s = 0; s <= t + 1; s++)
        h->weight_T[s] /= sum;
}

static void attend(const head *h)
{
    const float *pad_D     = br_mat_f32(h->args->pad_value_1D);
    br_precision precision = h->args->precision;

    for (int64_t t = 0; t < h->n; t++) {
        float *out_D = br_mat_f32(h->args->out_ED) + (h->first + t) * h->args->out_ED.ld + h->col;

        softmax_of_query(h, t);
        for (int64_t c = 0; c < h->width; c++) {
            double sum = 0.0;
            if (pad_D != NULL)
                sum = h->weight_T[0] * br_ref_operand(pad_D[h->col + c], precision);
            for (int64_t s = 0; s <= t; s++)
                sum += h->weight_T[1 + s] * br_ref_operand(qkv_at(h, s, 2)[c], precision);
            out_D[c] = (float)sum;
        }
    }
}

br_status br_ref_attention(br_dev *dev, const br_attention_args *args)
{
    br_status      st     = BR_OK;
    const int32_t *offset = args->seqs->host_offset_B1;
    head           h      = {.args = args, .width = args->out_ED.n_cols / args->n_heads};

    (void)dev;
    BR_ALLOC(st, h.weight_T, (int64_t)args->max_length + 1, "attention: logits");
    for (int64_t b = 0; b < args->seqs->n_seqs; b++) {
        h.first = offset[b];
        h.n     = offset[b + 1] - offset[b];
        for (int64_t i = 0; i < args->n_heads; i++) {
            h.col = i * h.width;
            attend(&h);
        }
    }
done:
    br_free(&h.weight_T);
    return st;
}
