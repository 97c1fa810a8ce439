/* SPDX-License-Identifier: Apache-2.0
 *
 * The definition, for customers that the screen cannot serve: the canonical score of every item,
 * the k best kept. Finds the first score that does not fit float32. Called where there are any. */
#include "kernels/cuda/score/canonical.cuh"
#include "kernels/cuda/topk/select.cuh"

#define KEYS  2048 /* of a buffer that is sorted when it is nearly full; above k and a round */
#define ROUND 256  /* items between two barriers */

typedef struct scanning {
    int32_t             row; /* of the chunk */
    unsigned long long *key_P;
    int32_t            *n;
    unsigned long long  worst; /* keys from here on are not among the k */
} scanning;

/* What eight lanes found: kept, or noted as the first that overflows. */
static __device__ void take(const br_topk_chunk &c, const scanning &s, int32_t item, double dot)
{
    float score = br_canonical_round(dot, c.bias_N.at == NULL ? 0.0f : *c.bias_N.row(item));
    unsigned long long key;

    if (!isfinite(score)) {
        atomicMin(&c.counters->bad,
                  (unsigned long long)(c.rows->first_row + s.row) << 32 | (uint32_t)item);
        return;
    }
    key = br_list_key(score, item);
    if (key < s.worst && br_is_allowed(c.rows->rules, s.row, item))
        s.key_P[atomicAdd(s.n, 1)] = key;
}

/* Sorts what there is and keeps the k best. */
static __device__ void sort_keys(const br_topk_chunk &c, scanning *s)
{
    int32_t n = *s->n, padded = br_power_of_two(n);

    for (int32_t i = n + (int32_t)threadIdx.x; i < padded; i += BR_TOPK_THREADS)
        s->key_P[i] = BR_NO_KEY;
    br_block_sort(s->key_P, padded);
    s->worst = n >= c.k ? s->key_P[c.k - 1] : BR_NO_KEY;
    if (threadIdx.x == 0)
        *s->n = n < c.k ? n : c.k;
    __syncthreads();
}

static __device__ void scan_round(const br_topk_chunk &c, const scanning &s, int64_t first)
{
    const float *query_D = c.rows->query_BD.row(s.row);

    for (int64_t i = first; i < first + ROUND && i < c.items.N; i += BR_TOPK_THREADS / BR_CHAINS) {
        int64_t item = i + threadIdx.x / BR_CHAINS;
        bool    any  = item < c.items.N;
        double  dot =
            br_canonical_dot_by_8(query_D, c.item_ND.row(any ? item : 0), any ? c.items.dim : 0);

        if (any && threadIdx.x % BR_CHAINS == 0)
            take(c, s, (int32_t)item, dot);
    }
}

/* Grid: a block per slow row; eight lanes own an item at a time. */
static __global__ void __launch_bounds__(BR_TOPK_THREADS) slow_kernel(br_topk_chunk c)
{
    __shared__ unsigned long long key_P[KEYS];
    __shared__ int32_t            n;
    scanning                      s = {c.slow_R[blockIdx.x], key_P, &n, BR_NO_KEY};

    if (threadIdx.x == 0)
        n = 0;
    __syncthreads();
    for (int64_t first = 0; first < c.items.N; first += ROUND) {
        bool is_full;

        scan_round(c, s, first);
        __syncthreads();
        is_full = n > KEYS - ROUND;
        __syncthreads(); /* all have seen it */
        if (is_full)
            sort_keys(c, &s);
    }
    sort_keys(c, &s);
    for (int32_t j = (int32_t)threadIdx.x; j < c.k; j += BR_TOPK_THREADS) {
        c.rows->item_BK.row(s.row)[j]  = j < n ? br_key_item(key_P[j]) : -1;
        c.rows->score_BK.row(s.row)[j] = j < n ? br_key_score(key_P[j]) : NAN;
    }
}

br_status br_topk_slow(br_dev *dev, const br_topk_chunk *chunk, int32_t n_slow)
{
    br_status st = BR_OK;

    BR_TRY(st, BR_LAUNCH(dev, slow_kernel, (unsigned)n_slow, BR_TOPK_THREADS, 0, *chunk));
done:
    return st;
}
