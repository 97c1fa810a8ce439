/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk by its definition: the canonical score of every eligible item, the K best kept in
 * order by insertion. The specification, and the slow path of cpu. */
#include <math.h>

#include "host/base/clones.h"
#include "kernels/canonical.h"
#include "kernels/exp.h"
#include "kernels/ref/ref.h"
#include "kernels/ref/score_topk.h"

br_status br_ref_items_prepare(br_dev *dev, br_items *items)
{
    (void)dev;
    items->prepared = NULL;
    return BR_OK;
}

void br_ref_items_release(br_items *items)
{
    (void)items;
}

br_topk_rules br_topk_rules_of(const br_score_topk_args *args, int64_t row)
{
    br_topk_rules   r      = {0};
    const int64_t  *offset = br_mat_at(args->never_offset_B1);
    const uint64_t *have   = br_mat_at(args->have_B);
    const uint8_t  *wanted = br_mat_at(args->wanted_B);

    r.is_wanted = wanted == NULL || wanted[row * args->wanted_B.ld] != 0;
    r.require_N = br_mat_at(args->items->require_N);
    r.have      = have != NULL ? have[row * args->have_B.ld] : UINT64_MAX;
    if (offset != NULL && args->never_item_S.buf != NULL) {
        r.never   = br_mat_i32(args->never_item_S) + offset[row];
        r.n_never = offset[row + 1] - offset[row];
    }
    return r;
}

bool br_topk_is_allowed(const br_topk_rules *r, int32_t item)
{
    int64_t lo = 0, hi = r->n_never;

    if (!r->is_wanted)
        return false;
    if (r->require_N != NULL && (r->have & r->require_N[item]) != r->require_N[item])
        return false;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (r->never[mid] == item)
            return false;
        if (r->never[mid] < item)
            lo = mid + 1;
        else
            hi = mid;
    }
    return true;
}

int32_t br_topk_insert(int32_t *item_K, float *score_K, int32_t n, int32_t k, int32_t item,
                       float score)
{
    int32_t at = n;

    if (n == k && !br_canonical_before(score, item, score_K[k - 1], item_K[k - 1]))
        return n;
    at = n < k ? n : k - 1;
    for (; at > 0 && br_canonical_before(score, item, score_K[at - 1], item_K[at - 1]); at--) {
        score_K[at] = score_K[at - 1];
        item_K[at]  = item_K[at - 1];
    }
    score_K[at] = score;
    item_K[at]  = item;
    return n < k ? n + 1 : k;
}

br_status br_topk_bad_score(br_score_topk_args *args, int64_t row, int64_t item, float score)
{
    args->bad_row  = row;
    args->bad_item = item;
    return br_fail(BR_E_INPUT,
                   "score_topk: the score of row %lld and item %lld is %g, expected a "
                   "number that fits float32",
                   (long long)row, (long long)item, (double)score);
}

double br_ref_logsumexp(const br_score_topk_args *args, int64_t row)
{
    const br_items *items  = args->items;
    const float    *x_D    = br_mat_f32(args->query_BD) + row * args->query_BD.ld;
    const float    *z_ND   = br_mat_f32(items->item_ND);
    const float    *bias_N = br_mat_f32(items->bias_N);
    br_topk_rules   rules  = br_topk_rules_of(args, row);
    double          most = -INFINITY, sum = 0.0;

    for (int32_t i = 0; i < items->item_ND.n_rows; i++) {
        double dot = br_canonical_dot(x_D, z_ND + i * items->item_ND.ld, items->item_ND.n_cols);
        double y   = (double)br_canonical_round(dot, bias_N ? bias_N[i * items->bias_N.ld] : 0.0f) /
                   args->temperature;

        if (!br_topk_is_allowed(&rules, i))
            continue;
        if (y > most) {
            sum *= most > -INFINITY ? br_exp(most - y) : 0.0;
            most = y;
        }
        sum += br_exp(y - most);
    }
    return sum > 0.0 ? most + log(sum) : -INFINITY;
}

BR_CLONES br_status br_ref_score_topk_row(br_score_topk_args *args, int64_t row)
{
    const br_items *items   = args->items;
    int64_t         D       = items->item_ND.n_cols;
    const float    *x_D     = br_mat_f32(args->query_BD) + row * args->query_BD.ld;
    const float    *z_ND    = br_mat_f32(items->item_ND);
    const float    *bias_N  = br_mat_f32(items->bias_N);
    int32_t        *item_K  = br_mat_i32(args->item_BK) + row * args->item_BK.ld;
    float          *score_K = br_mat_f32(args->score_BK) + row * args->score_BK.ld;
    br_topk_rules   rules   = br_topk_rules_of(args, row);
    int32_t         n       = 0;

    for (int32_t i = 0; rules.is_wanted && i < items->item_ND.n_rows; i++) {
        double dot   = br_canonical_dot(x_D, z_ND + i * items->item_ND.ld, D);
        float  score = br_canonical_round(dot, bias_N ? bias_N[i * items->bias_N.ld] : 0.0f);

        if (!isfinite(score))
            return br_topk_bad_score(args, row, i, score);
        if (br_topk_is_allowed(&rules, i))
            n = br_topk_insert(item_K, score_K, n, args->k, i, score);
    }
    for (; n < args->k; n++) {
        item_K[n]  = -1;
        score_K[n] = NAN;
    }
    if (args->logsumexp_B.buf != NULL)
        br_mat_f32(args->logsumexp_B)[row * args->logsumexp_B.ld] =
            (float)br_ref_logsumexp(args, row);
    return BR_OK;
}

br_status br_ref_score_topk(br_dev *dev, br_score_topk_args *args)
{
    br_status st = BR_OK;

    (void)dev;
    for (int64_t b = 0; b < args->query_BD.n_rows; b++)
        BR_TRY(st, br_ref_score_topk_row(args, b));
    args->n_rescored = args->query_BD.n_rows * args->items->item_ND.n_rows;
done:
    return st;
}
