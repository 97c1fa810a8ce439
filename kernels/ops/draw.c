/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns of groups made ready for draw_topk, once per job; checks of draw_topk, then the backend's
 * entry, once per tile of customers. */
#include "kernels/check.h"
#include "kernels/draw/step.h"

#define MOST_LISTED 1024

/* ---- quotas ---- */

typedef struct host_groups {
    int32_t *group_NQ;
    int32_t *max_G;
    int64_t *offset_G1;
    int32_t *item_P;
} host_groups;

static br_status check_columns(const br_quota_column *column_Q, int32_t n_quotas, int64_t n_items)
{
    if (n_quotas < 1 || n_quotas > BR_DRAW_MOST_QUOTAS)
        return br_fail(BR_E_SELFCHECK, "quotas: found %d, expected 1..%d", (int)n_quotas,
                       BR_DRAW_MOST_QUOTAS);
    for (int32_t q = 0; q < n_quotas; q++) {
        if (column_Q[q].max < 1)
            return br_fail(BR_E_SELFCHECK, "quota %d: at most %d of a group, expected 1 or more",
                           (int)q, (int)column_Q[q].max);
        for (int64_t i = 0; i < n_items; i++)
            if (column_Q[q].group_N[i] < -1 || column_Q[q].group_N[i] >= column_Q[q].n_groups)
                return br_fail(
                    BR_E_SELFCHECK, "quota %d: item %lld is in group %d, expected -1..%d", (int)q,
                    (long long)i, (int)column_Q[q].group_N[i], (int)column_Q[q].n_groups - 1);
    }
    return BR_OK;
}

/* Items by group, ascending: offset_G1 counts, then holds ends, then begins. */
static void fill_groups(const br_quota_column *column_Q, const br_quotas *quotas, int64_t n_items,
                        host_groups *h)
{
    int32_t Q = quotas->n_quotas, before = 0;

    for (int32_t q = 0; q < Q; before += column_Q[q++].n_groups) {
        for (int32_t g = 0; g < column_Q[q].n_groups; g++)
            h->max_G[before + g] = column_Q[q].max;
        for (int64_t i = 0; i < n_items; i++) {
            int32_t group = column_Q[q].group_N[i];

            h->group_NQ[i * Q + q] = group < 0 ? -1 : before + group;
            if (group >= 0)
                h->offset_G1[before + group]++;
        }
    }
    for (int32_t g = 1; g <= before; g++)
        h->offset_G1[g] += h->offset_G1[g - 1];
    for (int64_t i = n_items - 1; i >= 0; i--)
        for (int32_t q = 0; q < Q; q++)
            if (h->group_NQ[i * Q + q] >= 0)
                h->item_P[--h->offset_G1[h->group_NQ[i * Q + q]]] = (int32_t)i;
}

static br_status place(br_dev *dev, br_dtype dtype, int64_t n_rows, int64_t n_cols,
                       const void *from, br_mat *out)
{
    br_status st = BR_OK;

    BR_TRY(st, br_dev_alloc(dev, dtype, n_rows, n_cols, out));
    if (n_rows > 0)
        BR_TRY(st, br_upload(dev, *out, from));
done:
    return st;
}

static br_status place_all(br_dev *dev, br_quotas *to, int64_t n_items, const host_groups *h)
{
    br_status st = BR_OK;
    int64_t   G  = to->n_groups;

    BR_TRY(st, place(dev, BR_I32, n_items, to->n_quotas, h->group_NQ, &to->group_NQ));
    BR_TRY(st, place(dev, BR_I32, G, 1, h->max_G, &to->max_G));
    BR_TRY(st, place(dev, BR_I64, G + 1, 1, h->offset_G1, &to->offset_G1));
    BR_TRY(st, place(dev, BR_I32, h->offset_G1[G], 1, h->item_P, &to->item_P));
    BR_TRY(st, br_dev_sync(dev));
done:
    return st;
}

br_status br_quotas_prepare(br_dev *dev, const br_quota_column *column_Q, int32_t n_quotas,
                            int64_t n_items, br_quotas **out)
{
    br_status   st     = BR_OK;
    br_quotas  *quotas = NULL;
    host_groups h      = {0};

    BR_TRY(st, check_columns(column_Q, n_quotas, n_items));
    BR_ALLOC(st, quotas, 1, "quotas");
    quotas->table    = dev->table;
    quotas->n_quotas = n_quotas;
    for (int32_t q = 0; q < n_quotas; q++)
        quotas->n_groups += column_Q[q].n_groups;
    BR_ALLOC(st, h.group_NQ, n_items * n_quotas, "groups of items");
    BR_ALLOC(st, h.max_G, quotas->n_groups, "the most of each group");
    BR_ALLOC(st, h.offset_G1, quotas->n_groups + 1, "items of each group");
    BR_ALLOC(st, h.item_P, n_items * n_quotas, "items by group");
    fill_groups(column_Q, quotas, n_items, &h);
    BR_TRY(st, place_all(dev, quotas, n_items, &h));
    *out   = quotas;
    quotas = NULL;
done:
    br_free(&h.group_NQ);
    br_free(&h.max_G);
    br_free(&h.offset_G1);
    br_free(&h.item_P);
    br_quotas_free(&quotas);
    return st;
}

void br_quotas_free(br_quotas **quotas)
{
    if (*quotas == NULL)
        return;
    br_dev_free(&(*quotas)->group_NQ);
    br_dev_free(&(*quotas)->max_G);
    br_dev_free(&(*quotas)->offset_G1);
    br_dev_free(&(*quotas)->item_P);
    br_free(quotas);
}

/* ---- draw_topk ---- */

static br_status check_inputs(br_dev *dev, const br_draw_topk_args *args)
{
    br_status     st       = BR_OK;
    int64_t       B        = args->query_BD.n_rows;
    int64_t       S        = args->never_item_S.buf ? BR_ANY : 0;
    int64_t       X        = args->extra_item_X.buf ? args->extra_item_X.n_rows : 0;
    bool          is_drawn = args->law == BR_DRAW_PLACKETT_LUCE;
    const br_want wants[]  = {
         {"query_BD", args->query_BD, BR_F32, B, args->items->item_ND.n_cols, BR_MUST},
         {"never_offset_B1", args->never_offset_B1, BR_I64, B + 1, 1, S ? BR_MUST : BR_MAY},
         {"never_item_S", args->never_item_S, BR_I32, S, 1, BR_MAY},
         {"have_B", args->have_B, BR_U64, B, 1, BR_MAY},
         {"temperature_B", args->temperature_B, BR_F32, B, 1, is_drawn ? BR_MUST : BR_MAY},
         {"epsilon_B", args->epsilon_B, BR_F32, B, 1, is_drawn ? BR_MAY : BR_MUST},
         {"customer_B", args->customer_B, BR_U64, B, 1, BR_MUST},
         {"extra_offset_B1", args->extra_offset_B1, BR_I64, B + 1, 1, X ? BR_MUST : BR_MAY},
         {"extra_item_X", args->extra_item_X, BR_I32, X, 1, BR_MAY},
         {"extra_score_X", args->extra_score_X, BR_F32, X, 1, X ? BR_MUST : BR_MAY},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "draw_topk", wants));
done:
    return st;
}

static br_status check_quotas(br_dev *dev, const br_draw_topk_args *args)
{
    int64_t N = args->items->item_ND.n_rows;

    if (args->quotas->table != dev->table)
        return br_fail(BR_E_SELFCHECK, "draw_topk: quotas were prepared by backend %s, expected %s",
                       args->quotas->table->name, dev->table->name);
    if (args->quotas->group_NQ.n_rows != N)
        return br_fail(BR_E_SELFCHECK, "draw_topk: quotas are of %lld items, expected %lld",
                       (long long)args->quotas->group_NQ.n_rows, (long long)N);
    return BR_OK;
}

static br_presence needed(bool is_needed)
{
    return is_needed ? BR_MUST : BR_MAY;
}

static br_status check_outputs(br_dev *dev, const br_draw_topk_args *args)
{
    br_status           st       = BR_OK;
    const br_draw_part *part     = &args->part;
    bool                is_whole = part->step == BR_DRAW_WHOLE;
    bool                is_lists = part->step == BR_DRAW_LISTS, is_left = !is_whole && !is_lists;
    bool                by_score = br_draw_is_by_score(args);
    int64_t             B = args->query_BD.n_rows, k = args->k;
    br_presence         score = needed(!is_left || by_score), best = needed(!is_whole && !by_score);
    const br_want       wants[] = {
              {"item_BK", args->item_BK, BR_I32, B, k, BR_MUST},
              {"score_BK", args->score_BK, BR_F32, B, k, score},
              {"log_propensity_BK", args->log_propensity_BK, BR_F32, B, k, needed(is_whole)},
              {"log_normaliser_B", args->log_normaliser_B, BR_F32, B, 1, BR_MAY},
              {"log_remaining_B", args->log_remaining_B, BR_F32, B, 1, BR_MAY},
              {"key_BK", part->key_BK, BR_F64, B, k, needed(is_lists)},
              {"best_B", part->best_B, BR_F32, B, 1, best},
              {"n_B", part->n_B, BR_I64, B, 1, needed(is_lists && by_score)},
              {"left_B2", part->left_B2, BR_U64, B, 2, needed(is_left && !by_score)},
    };

    BR_TRY(st, BR_CHECK_VIEWS(dev, "draw_topk", wants));
done:
    return st;
}

static br_status check_part(const br_draw_topk_args *args)
{
    br_status           st   = BR_OK;
    const br_draw_part *part = &args->part;
    int64_t             N    = args->items->item_ND.n_rows;

    BR_TRY(st, br_check_range("draw_topk", "step", part->step, BR_DRAW_WHOLE, BR_DRAW_LEFT));
    if (part->step == BR_DRAW_WHOLE)
        goto done;
    if (part->first_item < 0 || part->first_item > part->n_items - N || part->n_items > INT32_MAX)
        BR_FAIL(st, BR_E_SELFCHECK, "draw_topk: a part of %lld items from %lld on, of %lld in all",
                (long long)N, (long long)part->first_item, (long long)part->n_items);
    if (args->quotas != NULL)
        BR_FAIL(st, BR_E_SELFCHECK, "draw_topk: quotas on a part of a catalogue");
    if (part->step == BR_DRAW_LISTS && args->n_shortlist > 0 && args->n_shortlist != args->k)
        BR_FAIL(st, BR_E_SELFCHECK,
                "draw_topk: lists of %d from a part, expected the shortlist's %d", (int)args->k,
                (int)args->n_shortlist);
    if (part->step == BR_DRAW_LEFT && args->n_shortlist > 0)
        BR_FAIL(st, BR_E_SELFCHECK, "draw_topk: a shortlist leaves nothing in a part");
done:
    return st;
}

br_status br_op_draw_topk(br_dev *dev, br_draw_topk_args *args)
{
    br_status st = BR_OK;

    args->bad_row = args->bad_item = -1;
    args->n_first = args->n_longer = args->n_slow = args->n_summed = 0;
    args->witness                                                  = (br_witness){0};
    BR_TRY(st,
           br_check_range("draw_topk", "law", args->law, BR_DRAW_PLACKETT_LUCE, BR_DRAW_EPSILON));
    BR_TRY(st, br_check_range("draw_topk", "k", args->k, 1, MOST_LISTED));
    if (args->n_shortlist != 0)
        BR_TRY(st,
               br_check_range("draw_topk", "n_shortlist", args->n_shortlist, args->k, MOST_LISTED));
    BR_TRY(st, check_inputs(dev, args));
    BR_TRY(st, check_outputs(dev, args));
    if (args->items->table != dev->table)
        BR_FAIL(st, BR_E_SELFCHECK, "draw_topk: items were prepared by backend %s, expected %s",
                args->items->table->name, dev->table->name);
    if (args->quotas != NULL)
        BR_TRY(st, check_quotas(dev, args));
    BR_TRY(st, check_part(args));
    BR_TRY(st, dev->table->draw_topk(dev, args));
done:
    return st;
}
