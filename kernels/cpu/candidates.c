/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of the candidate search. Called for each customer and block of 64 items
 * (br_any_reaches), each survivor (the dot product), each full buffer (the others). */
#include "kernels/cpu/candidates.h"

#include <stdlib.h>

#include "kernels/canonical.h"
#include "kernels/cpu/clones.h"

static float median_of_three(float a, float b, float c)
{
    if (a > b)
        return b > c ? b : a > c ? c : a;
    return a > c ? a : b > c ? c : b;
}

float br_kth_largest(float *value, int64_t n, int64_t k)
{
    int64_t lo = 0, hi = n - 1;

    while (lo < hi) {
        float   pivot = median_of_three(value[lo], value[lo + (hi - lo) / 2], value[hi]);
        int64_t i = lo, j = hi;

        while (i <= j) {
            while (value[i] > pivot)
                i++;
            while (value[j] < pivot)
                j--;
            if (i <= j) {
                float swap = value[i];

                value[i++] = value[j];
                value[j--] = swap;
            }
        }
        if (k - 1 <= j)
            hi = j;
        else if (k - 1 >= i)
            lo = i;
        else
            break;
    }
    return value[k - 1];
}

static int compare_candidates(const void *a, const void *b)
{
    const br_candidate *x = a, *y = b;

    if (x->approx != y->approx)
        return x->approx > y->approx ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item);
}

void br_candidates_sort(br_candidate *candidate, int64_t n)
{
    qsort(candidate, (size_t)n, sizeof *candidate, compare_candidates);
}

BR_CLONES int br_any_reaches(const float *score, const float *bias, int64_t n, float threshold)
{
    int any = 0;

    for (int64_t j = 0; j < n; j++)
        any |= score[j] + bias[j] >= threshold;
    return any;
}

BR_CLONES double br_canonical_dot_fast(const float *x_D, const float *z_D, int64_t D)
{
    return br_canonical_dot(x_D, z_D, D);
}
