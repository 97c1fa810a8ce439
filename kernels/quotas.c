/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns of groups made ready for draw_topk: groups numbered through, and the items of each.
 * Called once per job. */
#include "kernels/backend.h"

typedef struct host_groups {
    int32_t *group_NQ;
    int32_t *max_G;
    int64_t *offset_G1;
    int32_t *item_P;
} host_groups;

static br_status check(const br_quota_column *column_Q, int32_t n_quotas, int64_t n_items)
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
static void fill(const br_quota_column *column_Q, const br_quotas *quotas, int64_t n_items,
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

    BR_TRY(st, check(column_Q, n_quotas, n_items));
    BR_ALLOC(st, quotas, 1, "quotas");
    quotas->table    = dev->table;
    quotas->n_quotas = n_quotas;
    for (int32_t q = 0; q < n_quotas; q++)
        quotas->n_groups += column_Q[q].n_groups;
    BR_ALLOC(st, h.group_NQ, n_items * n_quotas, "groups of items");
    BR_ALLOC(st, h.max_G, quotas->n_groups, "the most of each group");
    BR_ALLOC(st, h.offset_G1, quotas->n_groups + 1, "items of each group");
    BR_ALLOC(st, h.item_P, n_items * n_quotas, "items by group");
    fill(column_Q, quotas, n_items, &h);
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
