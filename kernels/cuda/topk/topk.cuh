/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk on tensor cores: what its kernels share. A call goes through its customers in chunks:
 *
 *   plan.cu       picks the kind of codes (kind.cuh): fp16, bf16 or int8
 *   queries.cu    codes each customer, measures what the codes lose
 *   screen.cu     multiplies codes stage by stage of the catalogue; what may matter is pushed
 *   hopper/screen.cu  the same by Hopper's own instructions, where it is asked for
 *   foretell.cu   between stages: thresholds from what was found, candidates pruned
 *   finish.cu     canonical scores of what is left, the sorted list; who needs more is listed
 *   slow.cu       by the definition: customers that cannot be screened, or whose buffer was full
 *   sums.cu       the log-sum-exp's sums, or hopper/sums.cu; logsumexp.cu its end
 *   score_topk.cu the order of all this
 *
 * Positions count items in the order they are screened in (order.h), in panels of 128. A panel is
 * one tile's columns. docs/EXACTNESS.md proves why lists are exact. */
#ifndef BR_KERNELS_CUDA_TOPK_TOPK_CUH
#define BR_KERNELS_CUDA_TOPK_TOPK_CUH

#include "kernels/cuda/topk/rules.cuh"
#include "kernels/hash.h"

#define BR_TOPK_THREADS 256
#define BR_TOPK_WARPS   (BR_TOPK_THREADS / BR_WARP)
#define BR_PANEL        128 /* items */
#define BR_SLICE        64  /* bytes of a row of codes that are staged at a time */

/* ---- the prepared catalogue: items.cu -------------------------------------------------------- */

/* Bounds are rounded up. */
typedef struct br_topk_panel {
    float scale;     /* z is about scale * code */
    float inverse;   /* 1 / scale */
    float residual;  /* times |x|: the part of the error that comes from the items and the sums */
    float code_norm; /* times the customer's residual: the rest of it */
    float bias_most;
} br_topk_panel;

typedef struct br_cuda_items {
    int64_t             N;
    int64_t             n_panels;
    int64_t             dim;
    br_screen_kind      kind;      /* FP16, BF16 or INT8 */
    int64_t             width;     /* codes of a row: D padded to slices */
    int64_t             row_bytes; /* of them */
    double              norm_most; /* largest |z|; infinite: nobody can be screened */
    double              bias_size; /* largest |b| */
    int                 n_sms;
    size_t              shared_most; /* bytes a block may have */
    int32_t            *row_N;       /* position -> item row */
    float              *bias_N;      /* by position, to whole panels: -inf */
    uint64_t           *require_N;   /* by position, to whole panels; NULL: no segments */
    br_topk_panel      *panel_P;
    unsigned long long *size_2;   /* bits of norm_most and bias_size on their way */
    unsigned char      *code_ND;  /* of the kind, by position, to whole panels */
    float              *proof_PD; /* sums of a panel's codes, by column; NULL: no checksums */
    unsigned char *below_ND; /* what the codes lose, coded; NULL unless a log-sum-exp is wanted */
    struct br_box_map *map;  /* of the codes, on the host: hopper/screen.cu takes them. NULL: not */
    struct br_box_map *below_map; /* of below_ND, likewise: hopper/sums.cu */
} br_cuda_items;

/* ---- one chunk of customers ------------------------------------------------------------------ */

typedef struct br_topk_row {
    float   norm;     /* |x|, rounded up */
    float   residual; /* |x - scale * code|, rounded up */
    float   scale;
    float   threshold; /* whatever may reach it is among the candidates */
    int32_t n;         /* candidates pushed; beyond the capacity they are not there */
    bool    is_coded;  /* may be screened */
    bool    is_slow;   /* goes by the definition */
    bool    is_summed; /* its log-sum-exp needs no second look */
    int32_t is_wrong;  /* a checksum says so: goes by the definition too */
} br_topk_row;

typedef struct br_topk_candidate {
    float   approx;
    int32_t position;
} br_topk_candidate;

typedef struct br_topk_counters {
    unsigned long long bad; /* row << 32 | item of the first score that overflows; all ones: none */
    unsigned long long n_rescored;
    int32_t            n_second; /* rows in second_R */
    int32_t            n_slow;   /* rows in slow_R */
    int32_t            n_wrong;  /* checksums; then of the first */
    int32_t            wrong_row;
    int64_t            wrong_panel;
    double             found;
    double             expected;
} br_topk_counters;

/* Where a chunk's rows lie: on the device, so that one recorded sequence (graph.cuh) serves every
 * chunk of its shape. Rows count from the chunk's first. */
typedef struct br_topk_rows {
    br_topk_rules        rules;
    br_view<const float> query_BD;
    br_view<const float> floor_B; /* absent: -inf */
    br_view<int32_t>     item_BK;
    br_view<float>       score_BK;
    br_view<float>       logsumexp_B;
    int64_t              first_row; /* in the call */
} br_topk_rows;

/* The parameter of every kernel, the same for every chunk of n_rows. */
typedef struct br_topk_chunk {
    br_cuda_items        items;
    br_view<const float> item_ND; /* by item row */
    br_view<const float> bias_N;
    double               temperature;
    br_topk_rows        *rows;
    int32_t              n_rows;
    int32_t              k;
    int32_t              capacity; /* candidates of a row */
    int32_t              n_runs;
    br_topk_counters    *counters;
    br_topk_row         *row_R;
    br_topk_candidate   *candidate_RC;
    unsigned char       *code_RD;
    unsigned char       *below_RD; /* NULL: no log-sum-exp */
    double              *part_RQ;  /* sums over runs of panels; NULL: no log-sum-exp */
    int32_t             *second_R;
    int32_t             *slow_R;
    uint64_t             turn; /* below BR_PROOF_TURNS: which panels are proven */
} br_topk_chunk;

/* Panels [first, last) for all rows, or for those in row_L. */
typedef struct br_topk_range {
    int64_t        first;
    int64_t        last;
    const int32_t *row_L; /* NULL: all */
    int32_t        n_rows;
} br_topk_range;

/* Candidates of a row, at most: what is pushed between two thresholds, with much to spare. */
static inline int32_t br_topk_capacity(int32_t k)
{
    return 4 * k + 1024;
}

#define BR_SHORT 128 /* candidates */

/* A row with so few candidates has a warp where thresholds are foretold and lists finished, others
 * have a block each. -1: all have one, since few rows would be short. */
static __host__ __device__ inline int32_t br_topk_short(int32_t k)
{
    return k <= BR_SHORT / 2 ? BR_SHORT : -1;
}

static inline int64_t br_topk_code_bytes(br_screen_kind kind)
{
    return kind == BR_SCREEN_INT8 ? 1 : 2;
}

/* Codes of a row, with zeros to whole slices. */
static inline int64_t br_topk_width(br_screen_kind kind, int64_t dim)
{
    int64_t codes = BR_SLICE / br_topk_code_bytes(kind);

    return (dim + codes - 1) / codes * codes;
}

/* plan.cu: the kind that screens a catalogue; says in the log which and why. */
br_status br_topk_plan(br_dev *dev, const br_items *items, br_screen_kind *kind);
/* Does Hopper's screen take it? Once its codes' size is known; says why, or why not. */
br_status br_topk_plan_hopper(const br_cuda_items *items, const cudaDeviceProp *about,
                              bool *is_taken);

#ifndef BR_PROOF_EVERY
#define BR_PROOF_EVERY 64 /* panels, of which one is proven; what it costs is not measured yet */
#endif
#define BR_PROOF_TURNS 16 /* sets of them, one after the other; each is a recorded sequence */

/* Panels of a range whose sums are proven: [first, last), none where they are equal. */
static inline br_topk_range br_topk_proven(uint64_t turn, br_topk_range range)
{
    uint64_t draw   = br_hash_word(turn, (uint64_t)range.first);
    int64_t  n      = range.last - range.first;
    int64_t  wanted = n / BR_PROOF_EVERY;

    if (draw % BR_PROOF_EVERY < (uint64_t)(n % BR_PROOF_EVERY))
        wanted++;
    range.first += (int64_t)(br_hash_word(draw, 0) % (uint64_t)(n - wanted + 1));
    range.last = range.first + wanted;
    return range;
}

br_status br_topk_queries(br_dev *dev, const br_topk_chunk *chunk);
br_status br_topk_screen(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range);
/* After the first n_positions of the catalogue. */
br_status br_topk_foretell(br_dev *dev, const br_topk_chunk *chunk, int64_t n_positions);
/* Rows that need more go to second_R, or to slow_R; after a second pass to slow_R only. */
br_status br_topk_finish(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range);
br_status br_topk_slow(br_dev *dev, const br_topk_chunk *chunk, int32_t n_slow);
/* After the lists: their first score is the largest term. */
br_status br_topk_logsumexp(br_dev *dev, const br_topk_chunk *chunk);
/* sums.cu: how many runs of panels have a sum of their own. */
int32_t   br_topk_runs(int64_t n_panels);
br_status br_topk_sums(br_dev *dev, const br_topk_chunk *chunk);
/* Can sums.cu's blocks have the shared memory they need? Else all goes by the definition. */
bool      br_topk_can_sum(const br_cuda_items *items);

#endif
