/* SPDX-License-Identifier: Apache-2.0
 *
 * score_pairs with the vectorised canonical dot product; vectors are asked for ahead of their turn.
 * Called once per head and tile of customers. */
#include <math.h>

#include "kernels/canonical.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/topk/candidates.h"
#include "kernels/ref/ref.h"

#define FETCH_AHEAD 6

static void fetch(br_mat items, int32_t item)
{
    const char *z_D;

    if (item < 0 || item >= items.n_rows)
        return;
    z_D = (const char *)(br_mat_f32(items) + item * items.ld);
    for (int64_t at = 0; at < items.n_cols * (int64_t)sizeof(float); at += 64)
        __builtin_prefetch(z_D + at);
}

static br_status score_row(const br_score_pairs_args *args, int64_t b)
{
    br_status      st        = BR_OK;
    const float   *x_D       = br_mat_f32(args->query_BD) + b * args->query_BD.ld;
    const float   *z_ND      = br_mat_f32(args->item_ND);
    const float   *bias_N    = br_mat_f32(args->bias_N);
    const int32_t *item_K    = br_mat_i32(args->item_BK) + b * args->item_BK.ld;
    const float   *penalty_K = br_mat_f32(args->penalty_BK);
    float         *out_K     = br_mat_f32(args->out_BK) + b * args->out_BK.ld;
    int64_t        K         = args->item_BK.n_cols;

    if (penalty_K != NULL)
        penalty_K += b * args->penalty_BK.ld;
    for (int64_t j = 0; j < K; j++) {
        int32_t item = item_K[j];
        double  dot;

        out_K[j] = NAN;
        if (item == -1)
            continue;
        BR_TRY(st, br_ref_check_row("score_pairs", b, item, args->item_ND.n_rows));
        if (j + FETCH_AHEAD < K)
            fetch(args->item_ND, item_K[j + FETCH_AHEAD]);
        dot      = br_canonical_dot_fast(x_D, z_ND + item * args->item_ND.ld, args->item_ND.n_cols);
        out_K[j] = br_canonical_penalised(dot, bias_N ? bias_N[item * args->bias_N.ld] : 0.0f,
                                          penalty_K ? penalty_K[j] : 0.0f);
    }
done:
    return st;
}

br_status br_cpu_score_pairs(br_dev *dev, const br_score_pairs_args *args)
{
    br_status st = BR_OK;

    (void)dev;
    for (int64_t b = 0; b < args->query_BD.n_rows; b++)
        BR_TRY(st, score_row(args, b));
done:
    return st;
}
