/* SPDX-License-Identifier: Apache-2.0
 *
 * score_pairs, four canonical dot products at a time; vectors are asked for ahead of their turn.
 * Called once per head and tile of customers. */
#include <math.h>

#include "kernels/canonical.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/fetch.h"
#include "kernels/cpu/topk/candidates.h"
#include "kernels/ref/ref.h"

#define FETCH_AHEAD 8
#define NEAR_BYTES  (1 << 18) /* of vectors that stay in the caches of a core */
#define MOST_WIDE   1024      /* columns, a multiple of 8 */

static void fetch(br_mat items, int32_t item)
{
    if (item < 0 || item >= items.n_rows)
        return;
    br_fetch_bytes(br_mat_f32(items) + item * items.ld, items.n_cols * 4);
}

/* One row of the arguments. */
typedef struct pairs_row {
    const int32_t *item_K;
    const float   *penalty_K; /* NULL: 0 */
    float         *out_K;
    const float   *x_D;
    const double  *x_D8; /* NULL: wider than MOST_WIDE */
} pairs_row;

/* The pairs at four places (the last few: some of them again) of one row. */
static void score_four(const br_score_pairs_args *args, const pairs_row *row, const int64_t at_4[4])
{
    const float *bias_N = br_mat_f32(args->bias_N);
    int64_t      D      = args->item_ND.n_cols;
    const float *z_4D[4];
    double       dot_4[4];

    for (int i = 0; i < 4; i++)
        z_4D[i] = br_mat_f32(args->item_ND) + row->item_K[at_4[i]] * args->item_ND.ld;
    if (row->x_D8 != NULL)
        br_canonical_dots(row->x_D8, z_4D, D, dot_4);
    for (int i = 0; i < 4; i++) {
        int32_t item    = row->item_K[at_4[i]];
        float   bias    = bias_N != NULL ? bias_N[item * args->bias_N.ld] : 0.0f;
        float   penalty = row->penalty_K != NULL ? row->penalty_K[at_4[i]] : 0.0f;

        if (row->x_D8 == NULL)
            dot_4[i] = br_canonical_dot_fast(row->x_D, z_4D[i], D);
        row->out_K[at_4[i]] = br_canonical_penalised(dot_4[i], bias, penalty);
    }
}

static br_status score_row(const br_score_pairs_args *args, int64_t b, const pairs_row *row)
{
    br_status st     = BR_OK;
    int64_t   K      = args->item_BK.n_cols, at_4[4];
    int64_t   bytes  = args->item_ND.n_rows * args->item_ND.ld * (int64_t)sizeof(float);
    bool      is_far = bytes > NEAR_BYTES;
    int       n      = 0;

    for (int64_t j = 0; j < K; j++) {
        row->out_K[j] = NAN;
        if (is_far && j + FETCH_AHEAD < K)
            fetch(args->item_ND, row->item_K[j + FETCH_AHEAD]);
        if (row->item_K[j] == -1)
            continue;
        if ((uint64_t)(int64_t)row->item_K[j] >= (uint64_t)args->item_ND.n_rows)
            BR_TRY(st, br_ref_check_row("score_pairs", b, row->item_K[j], args->item_ND.n_rows));
        at_4[n++] = j;
        if (n == 4) {
            score_four(args, row, at_4);
            n = 0;
        }
    }
    if (n > 0) {
        for (int i = n; i < 4; i++)
            at_4[i] = at_4[0];
        score_four(args, row, at_4);
    }
done:
    return st;
}

br_status br_cpu_score_pairs(br_dev *dev, const br_score_pairs_args *args)
{
    br_status st = BR_OK;
    int64_t   D  = args->item_ND.n_cols;
    double    x_D8[MOST_WIDE];

    (void)dev;
    for (int64_t b = 0; b < args->query_BD.n_rows; b++) {
        pairs_row row = {.item_K = br_mat_i32(args->item_BK) + b * args->item_BK.ld,
                         .out_K  = br_mat_f32(args->out_BK) + b * args->out_BK.ld,
                         .x_D    = br_mat_f32(args->query_BD) + b * args->query_BD.ld,
                         .x_D8   = D <= MOST_WIDE ? x_D8 : NULL};

        if (args->penalty_BK.buf != NULL)
            row.penalty_K = br_mat_f32(args->penalty_BK) + b * args->penalty_BK.ld;
        if (row.x_D8 != NULL)
            br_canonical_widen(row.x_D, D, x_D8);
        BR_TRY(st, score_row(args, b, &row));
    }
done:
    return st;
}
