/* SPDX-License-Identifier: Apache-2.0
 *
 * embed, by the card: fp32, the tables added in the order item, position, gap, type, constant, so
 * that every backend stores the same bits. Called once per chunk and encoder. */
#include "kernels/ref/ref.h"

static int64_t position_row(const br_embed_args *args, int64_t n, int64_t t)
{
    if (args->position_rule == BR_POS_FROM_START)
        return t;
    return args->max_length - n + t + (args->position_rule == BR_POS_FROM_END_1 ? 1 : 0);
}

/* min(G-1, floor(log2(1 + gap))) */
static int64_t gap_row(const br_seqs *seqs, int64_t first, int64_t e, int64_t n_gaps)
{
    const int64_t *time_E = br_mat_at(seqs->time_E);
    int64_t        gap    = e == first ? 0 : time_E[e] - time_E[e - 1];
    int64_t        row    = 0;

    for (uint64_t rest = gap > 0 ? (uint64_t)gap + 1 : 1; rest > 1; rest >>= 1)
        row++;
    return row < n_gaps ? row : n_gaps - 1;
}

static float at(br_mat table, int64_t row, int64_t d)
{
    return table.buf == NULL ? 0.0f : br_mat_f32(table)[row * table.ld + d];
}

static br_status embed_event(const br_embed_args *args, int64_t first, int64_t n, int64_t e)
{
    br_status      st     = BR_OK;
    const br_seqs *seqs   = args->seqs;
    const uint8_t *type_E = br_mat_at(seqs->type_E);
    int64_t        item   = br_mat_i32(seqs->item_E)[e];
    int64_t        pos    = position_row(args, n, e - first);
    int64_t        gap    = 0;
    int64_t        type   = type_E == NULL ? 0 : type_E[e];
    float         *out_D  = br_mat_f32(args->out_ED) + e * args->out_ED.ld;

    BR_TRY(st, br_ref_check_row("embed: item_E", e, item, args->item_VD.n_rows));
    if (args->type_AD.buf != NULL)
        BR_TRY(st, br_ref_check_row("embed: type_E", e, type, args->type_AD.n_rows));
    if (args->gap_GD.buf != NULL)
        gap = gap_row(seqs, first, e, args->gap_GD.n_rows);
    for (int64_t d = 0; d < args->out_ED.n_cols; d++) {
        float sum = args->scale * at(args->item_VD, item, d);
        sum += at(args->position_PD, pos, d);
        sum += at(args->gap_GD, gap, d);
        sum += at(args->type_AD, type, d);
        sum += at(args->constant_1D, 0, d);
        out_D[d] = sum;
    }
done:
    return st;
}

br_layer_norm_args br_ref_embed_norm(const br_embed_args *args, int64_t first, int64_t n_rows)
{
    br_mat rows = br_mat_rows(args->out_ED, first, n_rows);

    return (br_layer_norm_args){.x_RD     = rows,
                                .gamma_1D = args->gamma_1D,
                                .beta_1D  = args->beta_1D,
                                .eps      = args->eps,
                                .out_RD   = rows};
}

br_status br_ref_embed(br_dev *dev, const br_embed_args *args)
{
    br_status      st     = BR_OK;
    const int32_t *offset = args->seqs->host_offset_B1;
    int64_t        n_seqs = args->seqs->n_seqs;

    for (int64_t b = 0; b < n_seqs; b++)
        for (int64_t e = offset[b]; e < offset[b + 1]; e++)
            BR_TRY(st, embed_event(args, offset[b], offset[b + 1] - offset[b], e));
    if (args->gamma_1D.buf != NULL) {
        br_layer_norm_args norm = br_ref_embed_norm(args, offset[0], offset[n_seqs] - offset[0]);
        BR_TRY(st, br_ref_layer_norm(dev, &norm));
    }
done:
    return st;
}
