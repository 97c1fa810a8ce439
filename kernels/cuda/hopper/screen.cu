/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen of topk/screen.cu by Hopper's own instructions; it finds the same candidates.
 * A block has 128 threads that feed it and two or three warpgroups that multiply:
 *
 *   warp 0        one thread asks for boxes of codes, 128 items by 128 bytes, into a ring of them
 *   warps 1 .. 3  for each panel and customer the number that sums must reach (bounds.cuh)
 *   warpgroups    64 customers each, their codes in registers from the first panel to the last.
 * They take turns: while one multiplies, the others look at what they have
 *
 * A thread looks at its 64 sums of a panel as whole numbers: the bits of floats above zero are
 * ordered as they are, and below every such number where they are not above zero. Eight sums of a
 * row are one block, of which the largest is enough; where one reaches the row's number, the
 * block's scores are made and those that pass are noted in the warp's own list in shared memory,
 * without atomics. A full list is pushed, and there rules are asked. Called as screen.cu is. Not
 * measured on a GPU: docs/PERFORMANCE.md counts its instructions. */
#include "kernels/cuda/hopper/async.cuh"
#include "kernels/cuda/hopper/screen.cuh"
#include "kernels/cuda/topk/place.cuh"

#define BOX     (BR_BOX_ROWS * BR_BOX_BYTES)
#define STAGES  10  /* boxes in the ring */
#define LIMITS  4   /* panels whose numbers are there at a time */
#define HITS    256 /* of a warp's list: 32 lanes of eight scores fit an empty one */
#define SETTERS (BR_WARPGROUP - BR_WARP) /* threads of warps 1 .. 3 */
#define NEVER   INT32_MAX                /* no sum has these bits */
#define ALWAYS  INT32_MIN
#define TURNS   1 /* the named barrier of the first warpgroup */

static_assert(BR_BOX_ROWS == BR_PANEL, "a panel is a box's rows");

/* STEPS products of 32 bytes hold a row of codes. */
template <int S> struct layout {
    static const int STEPS      = S;
    static const int PER_BOX    = BR_BOX_BYTES / BR_WGMMA_BYTES;
    static const int BOXES      = (S + PER_BOX - 1) / PER_BOX; /* of a panel */
    static const int WARPGROUPS = S <= 12 ? 3 : 2;
    static const int ROWS       = 64 * WARPGROUPS;
    static const int WARPS      = 4 * WARPGROUPS;
    static const int THREADS    = BR_WARPGROUP * (WARPGROUPS + 1);
    static const int TAKEN      = S <= 12 ? 160 : 232; /* registers of a multiplying thread */
    static const int LEFT       = S <= 12 ? 32 : 40;   /* of a feeding one */
};

typedef struct hit {
    int32_t place;
    float   approx;
    int32_t position;
} hit;

template <int S> struct shared_of {
    unsigned char              box[STAGES][BOX];
    br_places<layout<S>::ROWS> place;
    int32_t                    limit[LIMITS][layout<S>::ROWS];
    hit                        hits[layout<S>::WARPS][HITS];
    br_mbarrier                full[STAGES], empty[STAGES];
    br_mbarrier                set[LIMITS], seen[LIMITS];
};

/* A place in a ring of N; the parity of the phase in which it is filled. */
template <int N> struct ring {
    int      at     = 0;
    uint32_t parity = 0;

    __device__ void next(void)
    {
        at++;
        if (at == N) {
            at = 0;
            parity ^= 1;
        }
    }
};

/* ---- feeding --------------------------------------------------------------------------------- */

template <int S>
static __device__ void load_boxes(const br_stream &s, const br_tensor_map *map, shared_of<S> *to)
{
    ring<STAGES> r;

    for (int32_t panel = s.first_panel; panel < s.last_panel; panel++)
        for (int box = 0; box < layout<S>::BOXES; box++, r.next()) {
            br_mbarrier_wait(&to->empty[r.at], r.parity ^ 1);
            br_mbarrier_expect(&to->full[r.at], BOX);
            br_tensor_load(to->box[r.at], map, box * BR_BOX_BYTES, panel * BR_PANEL,
                           &to->full[r.at]);
        }
}

/* What a row's sums of a panel must reach, as bits. */
template <typename K, int ROWS>
static __device__ int32_t limit_of(const br_places<ROWS> &place, int at, const br_topk_panel &p)
{
    float error = br_bound_of_panel(p, place.norm[at], place.residual[at]);
    float least = br_least_of_panel(place.down[at], error), sum;

    if (place.row[at] < 0)
        return NEVER;
    if constexpr (K::IS_WHOLE)
        return br_least_of_sums(least, p.bias_most, place.inverse[at] * p.inverse);
    sum = br_least_of_float_sums(least, p.bias_most, place.inverse[at], p.inverse);
    return sum > 0.0f ? __float_as_int(sum) : ALWAYS;
}

template <typename K, int S>
static __device__ void set_limits(const br_topk_chunk &c, const br_stream &s, shared_of<S> *to)
{
    ring<LIMITS> r;

    for (int32_t panel = s.first_panel; panel < s.last_panel; panel++, r.next()) {
        br_topk_panel p = c.items.panel_P[panel];

        br_mbarrier_wait(&to->seen[r.at], r.parity ^ 1);
        for (int at = (int)threadIdx.x - BR_WARP; at < layout<S>::ROWS; at += SETTERS)
            to->limit[r.at][at] = limit_of<K>(to->place, at, p);
        __syncwarp();
        if (br_lane() == 0)
            br_mbarrier_arrive(&to->set[r.at]);
    }
}

/* ---- what may matter ------------------------------------------------------------------------- */

template <typename K> static __device__ __forceinline__ int32_t bits_of(typename K::sum sum)
{
    if constexpr (K::IS_WHOLE)
        return sum;
    else
        return __float_as_int(sum);
}

/* A warp's list, and what it is of. */
template <typename K, int S> struct sieve {
    const br_topk_chunk *c;
    shared_of<S>        *shared;
    int                  warp;     /* of those that multiply */
    int                  n = 0;    /* hits noted, the same for all lanes */
    int                  place[2]; /* of the thread's rows */

    __device__ hit *hits(void) const
    {
        return shared->hits[warp];
    }
    __device__ void flush(void);
    __device__ void note(const typename K::sum v[8], int32_t panel, int block);
    __device__ void look(const typename K::sum d[BR_WGMMA_SUMS], const int32_t limit[2],
                         int32_t panel);
};

/* All that is noted, a hit a lane. */
template <typename K, int S> __device__ void sieve<K, S>::flush(void)
{
    __syncwarp();
    for (int i = br_lane(); i < n; i += BR_WARP) {
        hit     h   = hits()[i];
        int32_t row = shared->place.row[h.place];

        if (br_may_push(*c, row, h.position))
            br_push(*c, row, atomicAdd(&c->row_R[row].n, 1), {h.approx, h.position});
    }
    __syncwarp();
    n = 0;
}

/* The scores of a block that pass: block 4 half + q is columns 32 q .. 32 q + 31 of row `half`. */
template <typename K, int S>
__device__ __forceinline__ void sieve<K, S>::note(const typename K::sum v[8], int32_t panel,
                                                  int block)
{
    int           at    = block < 4 ? place[0] : place[1];
    br_topk_panel p     = c->items.panel_P[panel];
    float         error = br_bound_of_panel(p, shared->place.norm[at], shared->place.residual[at]);
    float         least = br_least_of_panel(shared->place.down[at], error);
    float         scale = shared->place.scale[at] * p.scale;
    int32_t       position = panel * BR_PANEL + block % 4 * 32 + br_lane() % 4 * 2;
    float         approx[8];
    uint32_t      vote[8];
    int           total = 0;

#pragma unroll
    for (int i = 0; i < 8; i += 2) {
        float2 bias = *reinterpret_cast<const float2 *>(&c->items.bias_N[position + i / 2 * 8]);

        approx[i]     = fmaf((float)v[i], scale, bias.x);
        approx[i + 1] = fmaf((float)v[i + 1], scale, bias.y);
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        vote[i] = __ballot_sync(BR_FULL_WARP, approx[i] >= least);
        total += __popc(vote[i]);
    }
    if (n + total > HITS)
        flush();
#pragma unroll
    for (int i = 0; i < 8; i++) {
        if (vote[i] == 0)
            continue;
        if (approx[i] >= least)
            hits()[n + __popc(vote[i] & ((1u << br_lane()) - 1))] = {at, approx[i],
                                                                     position + i / 2 * 8 + i % 2};
        n += __popc(vote[i]);
    }
}

/* Sums 8 block .. 8 block + 7, by a number that the compiler does not know. */
template <typename T>
static __device__ __forceinline__ void pick(T v[8], const T d[BR_WGMMA_SUMS], int block)
{
    switch (block) {
#define PICK(b)                                                                                    \
    case b:                                                                                        \
        for (int i = 0; i < 8; i++)                                                                \
            v[i] = d[(b) % 4 * 16 + i / 2 * 4 + (b) / 4 * 2 + i % 2];                              \
        break
        PICK(0);
        PICK(1);
        PICK(2);
        PICK(3);
        PICK(4);
        PICK(5);
        PICK(6);
    default:
        PICK(7);
#undef PICK
    }
}

template <typename K, int S>
__device__ __forceinline__ void sieve<K, S>::look(const typename K::sum d[BR_WGMMA_SUMS],
                                                  const int32_t limit[2], int32_t panel)
{
    int32_t  most[8], row[2];
    uint32_t blocks = 0;

#pragma unroll
    for (int b = 0; b < 8; b++) {
        const typename K::sum *of = d + b % 4 * 16 + b / 4 * 2; /* two sums, every four */

        most[b] = __vimax3_s32(bits_of<K>(of[0]), bits_of<K>(of[1]), bits_of<K>(of[4]));
        most[b] = __vimax3_s32(most[b], bits_of<K>(of[5]), bits_of<K>(of[8]));
        most[b] = __vimax3_s32(most[b], bits_of<K>(of[9]), bits_of<K>(of[12]));
        most[b] = max(most[b], bits_of<K>(of[13]));
    }
#pragma unroll
    for (int half = 0; half < 2; half++)
        row[half] = max(__vimax3_s32(most[4 * half], most[4 * half + 1], most[4 * half + 2]),
                        most[4 * half + 3]);
    if (!__any_sync(BR_FULL_WARP, row[0] >= limit[0] || row[1] >= limit[1]))
        return;
#pragma unroll
    for (int b = 0; b < 8; b++)
        blocks |= most[b] >= limit[b / 4] ? 1u << b : 0;
    for (blocks = __reduce_or_sync(BR_FULL_WARP, blocks); blocks != 0; blocks &= blocks - 1) {
        int             block = __ffs((int)blocks) - 1;
        typename K::sum v[8];

        pick(v, d, block);
        note(v, panel, block);
    }
}

/* ---- multiplying ----------------------------------------------------------------------------- */

/* The thread's part of its warp's 16 customers; zeros behind their codes. */
template <int S>
static __device__ void load_fragments(const br_stream &s, int first, uint32_t a[S][4])
{
    int64_t bytes = s.items->row_bytes;

#pragma unroll
    for (int half = 0; half < 2; half++) {
        int32_t              row  = br_stream_row(s, first + half * 8 + br_lane() / 4);
        const unsigned char *code = s.code_RD + (row < 0 ? 0 : row) * bytes;

#pragma unroll
        for (int i = 0; i < 2 * S; i++) {
            int64_t byte = i * 16 + br_lane() % 4 * 4;

            a[i / 2][i % 2 * 2 + half] =
                row < 0 || byte >= bytes ? 0 : *reinterpret_cast<const uint32_t *>(code + byte);
        }
    }
}

static __device__ __forceinline__ void give_back(br_mbarrier *empty)
{
    if (br_lane() == 0)
        br_mbarrier_arrive(empty);
}

/* A panel's products. Its boxes but the last are given back on the way, and the turn as soon as all
 * is under way. */
template <typename K, int S>
static __device__ __forceinline__ void multiply(shared_of<S> *from, ring<STAGES> *r,
                                                const uint32_t a[S][4], int pass_to,
                                                typename K::sum d[BR_WGMMA_SUMS])
{
    typedef layout<S> l;
    int               before = 0;

    br_wgmma_hold(d);
#pragma unroll
    for (int box = 0; box < l::BOXES; box++) {
        uint64_t b = br_wgmma_box(br_shared_address(from->box[r->at]), 0);

        br_mbarrier_wait(&from->full[r->at], r->parity);
        br_wgmma_fence();
#pragma unroll
        for (int i = 0; i < l::PER_BOX && box * l::PER_BOX + i < S; i++)
            K::multiply_box(d, a[box * l::PER_BOX + i], b + i * BR_WGMMA_BYTES / 16, box + i > 0);
        br_wgmma_commit();
        if (box == l::BOXES - 1 && pass_to != 0)
            br_named_arrive(pass_to, 2 * BR_WARPGROUP);
        if (box > 0) {
            br_wgmma_wait<1>();
            give_back(&from->empty[before]);
        }
        before = r->at;
        r->next();
    }
    br_wgmma_wait<0>();
    br_wgmma_hold(d);
    give_back(&from->empty[before]);
}

/* A warpgroup's life; n_groups of them have customers. */
template <typename K, int S>
static __device__ void sift(const br_topk_chunk &c, const br_stream &s, shared_of<S> *shared,
                            int n_groups)
{
    int             group = br_warpgroup() - 1;
    int             turn  = n_groups > 1 ? TURNS + group : 0;
    int             next  = n_groups > 1 ? TURNS + (group + 1) % n_groups : 0;
    int             warp  = (int)threadIdx.x / BR_WARP - 4;
    uint32_t        a[S][4];
    typename K::sum d[BR_WGMMA_SUMS];
    ring<STAGES>    boxes;
    ring<LIMITS>    limits;
    sieve<K, S>     own = {&c, shared, warp, 0, {}};

    own.place[0] = warp * 16 + br_lane() / 4;
    own.place[1] = own.place[0] + 8;
    load_fragments<S>(s, warp * 16, a);
    if (next == TURNS)
        br_named_arrive(TURNS, 2 * BR_WARPGROUP);
    for (int32_t panel = s.first_panel; panel < s.last_panel; panel++, limits.next()) {
        int32_t limit[2];
        bool    is_end = panel == s.last_panel - 1 && next == TURNS;

        if (turn != 0)
            br_named_wait(turn, 2 * BR_WARPGROUP);
        multiply<K, S>(shared, &boxes, a, is_end ? 0 : next, d);
        br_mbarrier_wait(&shared->set[limits.at], limits.parity);
        limit[0] = shared->limit[limits.at][own.place[0]];
        limit[1] = shared->limit[limits.at][own.place[1]];
        __syncwarp();
        give_back(&shared->seen[limits.at]);
        own.look(d, limit, panel);
    }
    own.flush();
}

/* ---- the kernel ------------------------------------------------------------------------------ */

/* By one thread. */
template <int S> static __device__ void make_barriers(shared_of<S> *shared, int n_groups)
{
    uint32_t n_warps = (uint32_t)n_groups * BR_WARPGROUP / BR_WARP;

    for (int i = 0; i < STAGES; i++) {
        br_mbarrier_init(&shared->full[i], 1);
        br_mbarrier_init(&shared->empty[i], n_warps);
    }
    for (int i = 0; i < LIMITS; i++) {
        br_mbarrier_init(&shared->set[i], SETTERS / BR_WARP);
        br_mbarrier_init(&shared->seen[i], n_warps);
    }
    br_mbarriers_made();
}

/* Grid: x tiles of layout<S>::ROWS rows, y parts of the panels; a block per multiprocessor. A
 * warpgroup owns 64 rows, a thread 64 sums of each panel: of two rows, 32 columns each. */
template <typename K, int S>
static __global__ void __launch_bounds__(layout<S>::THREADS, 1)
    hopper_kernel(const __grid_constant__ br_topk_chunk c,
                  const __grid_constant__ br_topk_range range,
                  const __grid_constant__ br_tensor_map map)
{
#ifdef BR_HOPPER_CODE
    BR_DYNAMIC_SHARED(unsigned char, memory);
    typedef layout<S> l;
    shared_of<S>     *shared = reinterpret_cast<shared_of<S> *>(memory);
    br_stream         s      = br_stream_of<l::ROWS>(c, range);
    int               n_rows = s.n_rows - s.first_row < l::ROWS ? s.n_rows - s.first_row : l::ROWS;
    int               n_groups = (n_rows + 63) / 64;
    int               group    = br_warpgroup() - 1;

    if (s.first_panel >= s.last_panel)
        return;
    br_fill_places<l::ROWS>(c, s, &shared->place);
    if (threadIdx.x == 0)
        make_barriers(shared, n_groups);
    __syncthreads();
    if (group < 0) {
        br_registers_give<l::LEFT>();
        if (threadIdx.x == 0)
            load_boxes<S>(s, &map, shared);
        if (threadIdx.x >= BR_WARP)
            set_limits<K, S>(c, s, shared);
    } else {
        br_registers_take<l::TAKEN>();
        if (group < n_groups)
            sift<K, S>(c, s, shared, n_groups);
    }
#else
    __trap(); /* br_hopper_refusal */
#endif
}

template <typename K, int S>
static br_status launch(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    br_tensor_map map;

    memcpy(&map, chunk->items.map, sizeof map); /* which lies where a map need not be aligned */
    return BR_LAUNCH(dev, (hopper_kernel<K, S>), br_screen_grid(chunk, range, layout<S>::ROWS, 1),
                     layout<S>::THREADS, sizeof(shared_of<S>), *chunk, *range, map);
}

template <typename K>
static br_status screen(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    int64_t steps = chunk->items.row_bytes / BR_WGMMA_BYTES;

    if (steps <= 2)
        return launch<K, 2>(dev, chunk, range);
    if (steps <= 4)
        return launch<K, 4>(dev, chunk, range);
    if (steps <= 8)
        return launch<K, 8>(dev, chunk, range);
    if (steps <= 12)
        return launch<K, 12>(dev, chunk, range);
    if (steps <= 16)
        return launch<K, 16>(dev, chunk, range);
    if constexpr (!K::IS_WHOLE) {
        if (steps <= 24)
            return launch<K, 24>(dev, chunk, range);
        return launch<K, 32>(dev, chunk, range);
    } else {
        return br_fail(BR_E_SELFCHECK, "Hopper's screen: %lld products a row of bytes, expected 16",
                       (long long)steps); /* br_hopper_refusal */
    }
}

br_status br_hopper_screen(br_dev *dev, const br_topk_chunk *chunk, const br_topk_range *range)
{
    return BR_BY_KIND(chunk->items.kind, screen, dev, chunk, range);
}

/* ---- the catalogue --------------------------------------------------------------------------- */

const char *br_hopper_refusal(const br_cuda_items *items, int device_major)
{
    int64_t most = 32 * BR_WGMMA_BYTES / (items->kind == BR_SCREEN_INT8 ? 2 : 1);

#ifndef BR_WITH_HOPPER
    return "this build has no code for sm_90a";
#endif
    if (device_major != 9)
        return "the device is not of compute capability 9";
    if (items->row_bytes > most)
        return "its registers hold 512 codes of a customer, and the vectors are longer";
    if (sizeof(shared_of<32>) + BR_SHARED_ALIGN > items->shared_most ||
        sizeof(shared_of<16>) + BR_SHARED_ALIGN > items->shared_most)
        return "the device has too little shared memory";
    return NULL;
}

br_status br_hopper_prepare(br_cuda_items *items)
{
    br_status     st = BR_OK;
    br_tensor_map map;

    BR_TRY(st,
           br_tensor_map_make(items->code_ND, items->n_panels * BR_PANEL, items->row_bytes, &map));
    BR_ALLOC(st, items->map, 1, "the items' tensor map");
    memcpy(items->map, &map, sizeof map);
done:
    return st;
}
