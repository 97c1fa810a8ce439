/* SPDX-License-Identifier: Apache-2.0
 *
 * embed: the rows of an event are added in ref's order, so the bits are ref's. Item rows are
 * fetched ahead: they are what the op waits for. A norm follows some rows behind, while they are in
 * cache. Called once per chunk and encoder. */
#include "host/base/clones.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/fetch.h"
#include "kernels/ref/ref.h"

#define AHEAD     8  /* events between the fetch of an item's row and its use */
#define NORM_ROWS 32 /* normed at a time; 8 took 2 % longer at D = 64 */

enum { POSITION, GAP, TYPE, CONSTANT, N_TABLES };

BR_CLONES static void put_scaled(const float *restrict item_D, float scale, int64_t n,
                                 float *restrict out_D)
{
    for (int64_t d = 0; d < n; d++)
        out_D[d] = scale * item_D[d];
}

BR_CLONES static void add_row(const float *restrict row_D, int64_t n, float *restrict out_D)
{
    for (int64_t d = 0; d < n; d++)
        out_D[d] += row_D[d];
}

static int64_t position_row(const br_embed_args *args, int64_t n, int64_t t)
{
    if (args->position_rule == BR_POS_FROM_START)
        return t;
    return args->max_length - n + t + (args->position_rule == BR_POS_FROM_END_1 ? 1 : 0);
}

static int64_t gap_row(int64_t gap, int64_t n_gaps)
{
    int64_t row = gap > 0 ? 63 - __builtin_clzll((uint64_t)gap + 1) : 0;
    return row < n_gaps ? row : n_gaps - 1;
}

static void fetch_item(const br_embed_args *args, int64_t e)
{
    const char *row = (const char *)(br_mat_f32(args->item_VD) +
                                     br_mat_i32(args->seqs->item_E)[e] * args->item_VD.ld);

    br_fetch_bytes(row, args->item_VD.n_cols * 4);
}

static const float *row_of(br_mat table, int64_t row)
{
    return table.buf == NULL ? NULL : br_mat_f32(table) + row * table.ld;
}

static br_status embed_event(const br_embed_args *args, int64_t first, int64_t n, int64_t e)
{
    br_status      st     = BR_OK;
    const br_seqs *seqs   = args->seqs;
    const uint8_t *type_E = br_mat_at(seqs->type_E);
    const int64_t *time_E = br_mat_at(seqs->time_E);
    int64_t        item   = br_mat_i32(seqs->item_E)[e];
    int64_t        type   = type_E == NULL ? 0 : type_E[e];
    int64_t        gap    = 0;
    float         *out_D  = br_mat_f32(args->out_ED) + e * args->out_ED.ld;
    const float   *table[N_TABLES];

    BR_TRY(st, br_ref_check_row("embed: item_E", e, item, args->item_VD.n_rows));
    if (args->type_AD.buf != NULL)
        BR_TRY(st, br_ref_check_row("embed: type_E", e, type, args->type_AD.n_rows));
    if (args->gap_GD.buf != NULL)
        gap = gap_row(e == first ? 0 : time_E[e] - time_E[e - 1], args->gap_GD.n_rows);
    table[POSITION] = row_of(args->position_PD, position_row(args, n, e - first));
    table[GAP]      = row_of(args->gap_GD, gap);
    table[TYPE]     = row_of(args->type_AD, type);
    table[CONSTANT] = row_of(args->constant_1D, 0);
    put_scaled(row_of(args->item_VD, item), args->scale, args->out_ED.n_cols, out_D);
    for (int i = 0; i < N_TABLES; i++)
        if (table[i] != NULL)
            add_row(table[i], args->out_ED.n_cols, out_D);
done:
    return st;
}

/* Rows *normed .. end-1 */
static br_status norm_rows(br_dev *dev, const br_embed_args *args, int64_t *normed, int64_t end)
{
    br_layer_norm_args norm = br_ref_embed_norm(args, *normed, end - *normed);

    *normed = end;
    return br_cpu_layer_norm(dev, &norm);
}

br_status br_cpu_embed(br_dev *dev, const br_embed_args *args)
{
    br_status      st     = BR_OK;
    const int32_t *offset = args->seqs->host_offset_B1;
    int64_t        end    = offset[args->seqs->n_seqs];
    int64_t        normed = args->gamma_1D.buf == NULL ? end : offset[0];

    for (int64_t b = 0; b < args->seqs->n_seqs; b++) {
        for (int64_t e = offset[b]; e < offset[b + 1]; e++) {
            if (e + AHEAD < end)
                fetch_item(args, e + AHEAD);
            BR_TRY(st, embed_event(args, offset[b], offset[b + 1] - offset[b], e));
            if (e + 1 >= normed + NORM_ROWS)
                BR_TRY(st, norm_rows(dev, args, &normed, e + 1));
        }
    }
    if (normed < end)
        BR_TRY(st, norm_rows(dev, args, &normed, end));
done:
    return st;
}
