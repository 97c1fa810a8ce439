/* SPDX-License-Identifier: Apache-2.0
 *
 * Inner loops of the candidate search. Called for each full buffer and once at the end of each
 * customer; the dot product for each survivor. */
#include "kernels/cpu/topk/candidates.h"

#include "host/base/clones.h"
#include "kernels/canonical.h"

#define SHORT_RUN 24

/* Of whole vectors of keys. */
BR_INLINE int32_t count_reaching(const int32_t *key_C, int32_t n, int32_t at_least)
{
    int32_t count = 0;

    for (int32_t i = 0; i < n; i += BR_RANK_STEP)
        for (int32_t l = 0; l < BR_RANK_STEP; l++)
            count += key_C[i + l] >= at_least;
    return count;
}

/* Keys and their range; whole vectors are filled up with the least number. */
BR_INLINE void keys_of(const float *value_C, int32_t n, int32_t *key_C, int32_t *least,
                       int32_t *most)
{
    int32_t lo = INT32_MAX, hi = INT32_MIN;

    for (int32_t i = 0; i < n; i++) {
        int32_t bits, key;

        memcpy(&bits, value_C + i, 4);
        key      = bits ^ ((bits >> 31) & 0x7fffffff);
        lo       = key < lo ? key : lo;
        hi       = key > hi ? key : hi;
        key_C[i] = key;
    }
    for (int32_t i = n; i % BR_RANK_STEP != 0; i++)
        key_C[i] = INT32_MIN;
    *least = lo;
    *most  = hi;
}

/* Bisection over the keys: a count is one pass in vector code, so this beats a quickselect whose
 * branches nobody can predict. */
BR_CLONES float br_candidates_rank(const float *value_C, int32_t n, int32_t rank, int32_t *key_C)
{
    int32_t least, most;
    int64_t lo, hi;

    keys_of(value_C, n, key_C, &least, &most);
    lo = least;
    hi = most;
    while (lo < hi) { /* `rank` of them reach lo */
        int64_t mid   = lo + (hi - lo + 1) / 2;
        int32_t count = count_reaching(key_C, n, (int32_t)mid);

        if (count < rank)
            hi = mid - 1;
        else
            lo = mid;
        if (count == rank)
            break;
    }
    return br_order_value((int32_t)lo);
}

void br_candidates_drop(br_candidates *c, float floor)
{
    int32_t n = 0;

    for (int32_t i = 0; i < c->n; i++) {
        br_candidate candidate = c->at_C[i];

        c->at_C[n] = candidate;
        n += candidate.approx + candidate.slack >= floor;
    }
    c->n = n;
}

int32_t br_candidates_part(br_candidates *c, float level)
{
    int32_t n = 0;

    for (int32_t i = 0; i < c->n; i++) {
        br_candidate candidate = c->at_C[i];

        if (candidate.approx < level)
            continue;
        c->at_C[i]   = c->at_C[n];
        c->at_C[n++] = candidate;
    }
    return n;
}

static void sort_short(uint64_t *key, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        uint64_t moving = key[i];
        int64_t  at     = i;

        for (; at > 0 && key[at - 1] > moving; at--)
            key[at] = key[at - 1];
        key[at] = moving;
    }
}

static void sift_down(uint64_t *key, int64_t at, int64_t n)
{
    uint64_t moving = key[at];

    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        child += child + 1 < n && key[child + 1] > key[child];
        if (key[child] <= moving)
            break;
        key[at] = key[child];
        at      = child;
    }
    key[at] = moving;
}

static void sort_heap(uint64_t *key, int64_t n)
{
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        sift_down(key, i, n);
    for (int64_t last = n - 1; last > 0; last--) {
        uint64_t largest = key[0];

        key[0]    = key[last];
        key[last] = largest;
        sift_down(key, 0, last);
    }
}

/* Hoare's partition about the middle one; returns where the right side begins. */
static int64_t partition(uint64_t *key, int64_t n)
{
    uint64_t pivot = key[(n - 1) / 2];
    int64_t  i = -1, j = n;

    for (;;) {
        uint64_t moving;

        while (key[++i] < pivot)
            continue;
        while (key[--j] > pivot)
            continue;
        if (i >= j)
            return j + 1;
        moving = key[i];
        key[i] = key[j];
        key[j] = moving;
    }
}

static void sort_quick(uint64_t *key, int64_t n, int depth_left)
{
    while (n > SHORT_RUN) {
        int64_t right;

        if (depth_left-- == 0) { /* an order made to be slow */
            sort_heap(key, n);
            return;
        }
        right = partition(key, n);
        sort_quick(key, right, depth_left);
        key += right;
        n -= right;
    }
    sort_short(key, n);
}

void br_rank_sort(uint64_t *key, int64_t n)
{
    sort_quick(key, n, 40);
}
