/* SPDX-License-Identifier: Apache-2.0
 *
 * Work lists: units are counted into buckets of falling cost on the host and put there on the
 * device. Called once per attention, attention_last and gru. */
#include "kernels/cuda/encoder/units.cuh"

#define N_BUCKETS   256
#define EXACT_SEQS  192 /* lengths with a bucket of their own, then 64 that are coarser */
#define COARSE      32
#define MOST_COARSE (N_BUCKETS - EXACT_SEQS - 1)
#define LONG_TILES  32 /* buckets of long sequences' tiles */
#define FILL_BLOCK  256
#define SHORT_FIRST LONG_TILES

static __host__ __device__ int32_t units_of(br_unit_rule rule, int32_t n)
{
    int32_t tile = n <= BR_SHORT_LENGTH ? BR_SHORT_TILE : BR_LONG_TILE;

    return rule == BR_UNITS_SEQS ? 1 : rule == BR_UNITS_SLOTS ? n > 0 : (n + tile - 1) / tile;
}

/* Of a tile: the later, the more keys it sees. */
static __host__ __device__ int bucket_of(br_unit_rule rule, int32_t n, int32_t tile)
{
    int coarse = (n - EXACT_SEQS) / COARSE;

    if (rule == BR_UNITS_SLOTS)
        return n > BR_MOST_SLOT / 2 ? 0 : n > BR_MOST_SLOT / 4 ? 1 : 2;
    if (rule == BR_UNITS_TILES && n <= BR_SHORT_LENGTH)
        return SHORT_FIRST + 1 - tile;
    if (rule == BR_UNITS_TILES)
        return tile < LONG_TILES ? LONG_TILES - 1 - tile : 0;
    if (n < EXACT_SEQS)
        return N_BUCKETS - 1 - n;
    return MOST_COARSE - (coarse < MOST_COARSE ? coarse : MOST_COARSE);
}

typedef struct fill_params {
    br_unit_rule   rule;
    int64_t        n_seqs;
    const int32_t *offset_B1;
    int32_t       *used; /* [N_BUCKETS], zeros */
    br_unit       *to;
    int32_t        first[N_BUCKETS];
} fill_params;

/* Grid: 256 sequences per block, one per thread. Shared: of each bucket the block's units, counted
 * and then placed. */
static __global__ void __launch_bounds__(FILL_BLOCK) fill_kernel(fill_params p)
{
    __shared__ int32_t count[N_BUCKETS], place[N_BUCKETS];
    int64_t            b       = (int64_t)blockIdx.x * FILL_BLOCK + threadIdx.x;
    int32_t            n       = b < p.n_seqs ? p.offset_B1[b + 1] - p.offset_B1[b] : 0;
    int32_t            n_units = b < p.n_seqs ? units_of(p.rule, n) : 0;
    int                own     = (int)threadIdx.x;

    count[own] = 0;
    __syncthreads();
    for (int32_t i = 0; i < n_units; i++)
        atomicAdd(&count[bucket_of(p.rule, n, i)], 1);
    __syncthreads();
    if (count[own] > 0)
        place[own] = p.first[own] + atomicAdd(&p.used[own], count[own]);
    __syncthreads();
    for (int32_t i = 0; i < n_units; i++)
        p.to[atomicAdd(&place[bucket_of(p.rule, n, i)], 1)] = {(int32_t)b, i};
}

br_status br_cuda_units(br_dev *dev, const br_seqs *seqs, br_unit_rule rule, br_units *out)
{
    br_status      st               = BR_OK;
    const int32_t *offset           = seqs->host_offset_B1;
    fill_params    p                = {};
    int32_t        count[N_BUCKETS] = {};
    void          *memory           = NULL;
    int64_t        n                = 0;

    for (int64_t b = 0; b < seqs->n_seqs; b++) {
        int32_t length = offset[b + 1] - offset[b];

        for (int32_t i = 0; i < units_of(rule, length); i++)
            count[bucket_of(rule, length, i)]++;
    }
    for (int i = 0; i < N_BUCKETS; i++) {
        p.first[i] = (int32_t)n;
        n += count[i];
    }
    BR_TRY(st,
           br_cuda_workspace(dev, BR_WORK_UNITS,
                             N_BUCKETS * sizeof(int32_t) + (size_t)n * sizeof(br_unit), &memory));
    p.rule      = rule;
    p.n_seqs    = seqs->n_seqs;
    p.offset_B1 = br_mat_i32(seqs->offset_B1);
    p.used      = static_cast<int32_t *>(memory);
    p.to        = reinterpret_cast<br_unit *>(p.used + N_BUCKETS);
    BR_CUDA(st,
            cudaMemsetAsync(p.used, 0, N_BUCKETS * sizeof *p.used, br_cuda_lane_of(dev)->stream));
    BR_TRY(st, BR_LAUNCH(dev, fill_kernel, br_cuda_blocks(p.n_seqs, FILL_BLOCK), FILL_BLOCK, 0, p));
    out->at     = p.to;
    out->n      = n;
    out->n_long = rule == BR_UNITS_TILES ? p.first[SHORT_FIRST] : n;
    for (int i = 0; i < BR_N_SLOTS; i++)
        out->n_slot[i] = count[i];
done:
    return st;
}
