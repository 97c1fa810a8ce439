/* SPDX-License-Identifier: Apache-2.0
 *
 * decay_pool: the sum S grows in the output row itself, in fp32 and in time order; the factor
 * 2^(-gap/tau), fp64 by fixed operations, is rounded to fp32 once. Called once per chunk. */
#include "kernels/exp.h"
#include "kernels/ref/ref.h"

#define EMPTY_GUARD 1e-6f

static br_status pool(const br_decay_pool_args *args, int64_t b, int64_t block)
{
    br_status      st      = BR_OK;
    const br_seqs *seqs    = args->seqs;
    const int64_t *time_E  = br_mat_at(seqs->time_E);
    const float   *w_E     = br_mat_f32(seqs->weight_E);
    int64_t        first   = seqs->host_offset_B1[b];
    int64_t        end     = seqs->host_offset_B1[b + 1];
    int64_t        width   = args->item_VD.n_cols;
    float         *sum_D   = br_mat_f32(args->out_BJ) + b * args->out_BJ.ld + block * width;
    float          weights = 0.0f;

    for (int64_t d = 0; d < width; d++)
        sum_D[d] = 0.0f;
    for (int64_t e = first; e < end; e++) {
        int64_t      item   = br_mat_i32(seqs->item_E)[e];
        const float *item_D = br_mat_f32(args->item_VD) + item * args->item_VD.ld;
        double       gap    = e == first ? 0.0 : (double)(time_E[e] - time_E[e - 1]);
        float        decay  = (float)br_exp2(-gap / args->half_life_s[block]);
        float        w      = w_E == NULL ? 1.0f : w_E[e];

        BR_TRY(st, br_ref_check_row("decay_pool: item_E", e, item, args->item_VD.n_rows));
        for (int64_t d = 0; d < width; d++)
            sum_D[d] = sum_D[d] * decay + w * item_D[d];
        weights = weights * decay + w;
    }
    for (int64_t d = 0; d < width; d++)
        sum_D[d] = sum_D[d] / (weights + EMPTY_GUARD);
done:
    return st;
}

br_status br_ref_decay_pool(br_dev *dev, const br_decay_pool_args *args)
{
    br_status st = BR_OK;

    (void)dev;
    for (int64_t b = 0; b < args->seqs->n_seqs; b++)
        for (int64_t block = 0; block < args->n_half_lives; block++)
            BR_TRY(st, pool(args, b, block));
done:
    return st;
}
