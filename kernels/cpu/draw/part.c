/* SPDX-License-Identifier: Apache-2.0
 *
 * What is said of a part of a catalogue (draw/part.h). Called once per customer and step. */
#include <math.h>

#include "kernels/cpu/draw/block.h"

void br_draw_tell_list(br_draw_block *k, int64_t b)
{
    br_draw_row *row = &k->row[b];

    br_draw_write_list(k->args, row, k->head.y_K, br_draw_best_left(k, row));
}

void br_draw_tell_best(br_draw_block *k, int64_t b)
{
    br_draw_row *row = &k->row[b];

    br_draw_fill_best(k, b, row->k);
    br_draw_begin(row);
    for (int32_t i = 0; i < k->head.n; i++)
        br_draw_list(row, k->head.item_H[i], k->head.score_H[i]);
    br_draw_write_best(k->args, row, br_draw_count(k, row));
}

bool br_draw_tell_left(br_draw_block *k, int64_t b, int32_t m)
{
    br_draw_row *row = &k->row[b];

    row->n = row->k; /* -1 among them */
    if (k->args->law == BR_DRAW_EPSILON) {
        for (int32_t j = 0; j < row->k; j++)
            row->score_K[j] = row->item_K[j] < 0 ? NAN : br_draw_score_of(k, row, row->item_K[j]);
        return true;
    }
    k->left_R[b] = br_draw_given_left(k->args, row);
    br_draw_fill_head(k, b, m);
    br_draw_take_listed(k, b);
    return br_draw_left_of_head(k, b);
}
