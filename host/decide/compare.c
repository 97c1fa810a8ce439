/* SPDX-License-Identifier: Apache-2.0
 *
 * Comparing policies. br_compare_lists once per customer, the rest once per job. */
#include "host/decide/compare.h"

#include <math.h>
#include <stdlib.h>

#include "host/base/memory.h"

#define RBO_P 0.9

br_status br_comparer_open(int64_t n_items, br_comparer *out)
{
    br_status st = BR_OK;

    *out = (br_comparer){0};
    BR_ALLOC(st, out->stamp_N, n_items, "items seen");
done:
    return st;
}

void br_comparer_close(br_comparer *comparer)
{
    br_free(&comparer->stamp_N);
}

/* Is the item's stamp that of the other list? Else it gets this one's. */
static int32_t meet(br_comparer *c, int32_t item, int64_t mine, int64_t other)
{
    if (c->stamp_N[item] == other)
        return 1;
    c->stamp_N[item] = mine;
    return 0;
}

/* Webber, Moffat, Zobel 2010, eq. 32: X_d items are common to both prefixes of length d. */
br_likeness br_compare_lists(br_comparer *c, const int32_t *a_K, const int32_t *b_K, int32_t k)
{
    br_likeness out    = {0};
    int64_t     in_a   = ++c->serial;
    int64_t     in_b   = ++c->serial;
    bool        more_a = true, more_b = true;
    double      weight = 1.0, sum = 0.0;
    int32_t     depth = 0;

    for (int32_t j = 0; j < k; j++) {
        more_a = more_a && a_K[j] >= 0;
        more_b = more_b && b_K[j] >= 0;
        if (!more_a && !more_b)
            break;
        if (more_a)
            out.n_common += meet(c, a_K[j], in_a, in_b);
        if (more_b)
            out.n_common += meet(c, b_K[j], in_b, in_a);
        depth = j + 1;
        sum += weight * out.n_common / depth;
        weight *= RBO_P;
    }
    out.share = depth == 0 ? 1.0 : (double)out.n_common / depth;
    out.rbo   = out.share * weight + (1.0 - RBO_P) * sum;
    return out;
}

double br_total_variation(const int64_t *a_N, const int64_t *b_N, int64_t n)
{
    int64_t sum_a = 0, sum_b = 0;
    double  sum = 0.0;

    for (int64_t i = 0; i < n; i++) {
        sum_a += a_N[i];
        sum_b += b_N[i];
    }
    if (sum_a == 0 || sum_b == 0)
        return 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += fabs((double)a_N[i] / (double)sum_a - (double)b_N[i] / (double)sum_b);
    return 0.5 * sum;
}

static int compare_counts(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

double br_gini(int64_t *count_N, int64_t n)
{
    double sum = 0.0, moment = 0.0;

    qsort(count_N, (size_t)n, sizeof *count_N, compare_counts);
    for (int64_t i = 0; i < n; i++) {
        sum += (double)count_N[i];
        moment += (double)(2 * i + 1 - n) * (double)count_N[i];
    }
    return sum > 0.0 ? moment / ((double)n * sum) : 0.0;
}

/* Is row w at least as good as row v everywhere, and better somewhere? */
static bool dominates(const double *w_C, const double *v_C, int32_t n_cols, const bool *is_less_C)
{
    bool is_better = false;

    for (int32_t c = 0; c < n_cols; c++) {
        double gain = is_less_C[c] ? v_C[c] - w_C[c] : w_C[c] - v_C[c];

        if (!(gain >= 0.0))
            return false;
        is_better |= gain > 0.0;
    }
    return is_better;
}

void br_pareto(const double *outcome_VC, int32_t n_rows, int32_t n_cols, const bool *is_less_C,
               bool *efficient_V)
{
    for (int32_t v = 0; v < n_rows; v++) {
        efficient_V[v] = true;
        for (int32_t w = 0; w < n_rows; w++)
            efficient_V[v] &= !dominates(outcome_VC + (int64_t)w * n_cols,
                                         outcome_VC + (int64_t)v * n_cols, n_cols, is_less_C);
    }
}
