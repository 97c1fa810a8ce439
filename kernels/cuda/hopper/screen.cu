/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen of topk/screen.cu by Hopper's own instructions; it finds the same candidates: fed as
 * feed.cuh says, multiplied as multiply.cuh does, and what may matter noted by sieve.cuh. A full
 * list is pushed, and there rules are asked. Called as screen.cu is. Not measured on a GPU:
 * docs/PERFORMANCE.md counts its instructions. */
#include "kernels/cuda/hopper/multiply.cuh"
#include "kernels/cuda/hopper/screen.cuh"
#include "kernels/cuda/hopper/sieve.cuh"

/* Pushes all that is noted, a hit a lane. */
struct pusher {
    static const bool    KEEPS_SUMS = false;
    const br_topk_chunk *c;
    const int32_t       *row; /* of the chunk, by place */

    __device__ void take(const br_hit *hits, int n) const
    {
        for (int i = br_lane(); i < n; i += BR_WARP) {
            br_hit h = hits[i];

            if (br_may_push(*c, row[h.place], h.position))
                br_push(*c, row[h.place], atomicAdd(&c->row_R[row[h.place]].n, 1),
                        {h.value, h.position});
        }
    }
};

template <int S> struct shared_of {
    br_feed<S, 1> feed;
    br_hit        hits[br_layout<S, 1>::WARPS][BR_HITS];
};

/* What a warpgroup's threads do with a panel's sums. */
template <typename K, int S> struct sifter {
    const br_feed<S, 1>                       *feed;
    br_sieve<K, br_layout<S, 1>::ROWS, pusher> own;

    __device__ __forceinline__ void operator()(typename K::sum d[BR_WGMMA_SUMS], int32_t panel,
                                               int at)
    {
        const int32_t limit[] = {feed->limit[at][own.place], feed->limit[at][own.place + 8]};

        own.look(d, limit, panel);
    }
};

template <typename K, int S>
static __device__ void sift(const br_topk_chunk &c, const br_stream &s, shared_of<S> *shared,
                            int n_groups)
{
    int          warp = (int)threadIdx.x / BR_WARP - 4;
    int          at   = warp * 16 + br_lane() / 4;
    uint32_t     a[S][4];
    sifter<K, S> end = {
        &shared->feed,
        {&c, &shared->feed.place, shared->hits[warp], 0, at, {&c, shared->feed.place.row}}};

    br_load_fragments<S>(s, s.code_RD, warp * 16, a);
    br_consume<K, S, 1>(s, &shared->feed, n_groups, a, end);
    end.own.flush();
}

/* Grid: x tiles of br_layout<S, 1>::ROWS rows, y parts of the panels; a block per multiprocessor. A
 * warpgroup owns 64 rows, a thread 64 sums of each panel: of two rows, 32 columns each. */
template <typename K, int S>
static __global__ void __launch_bounds__((br_layout<S, 1>::THREADS), 1)
    hopper_kernel(const __grid_constant__ br_topk_chunk c,
                  const __grid_constant__ br_topk_range range,
                  const __grid_constant__ br_tensor_map map)
{
#ifdef BR_HOPPER_CODE
    BR_DYNAMIC_SHARED(unsigned char, memory);
    typedef br_layout<S, 1> l;
    shared_of<S>           *shared   = reinterpret_cast<shared_of<S> *>(memory);
    br_stream               s        = br_stream_of<l::ROWS>(c, range);
    int                     n_groups = br_groups<l::ROWS>(s);
    int                     group    = br_warpgroup() - 1;

    if (s.first_panel >= s.last_panel)
        return;
    br_fill_places<l::ROWS>(c, s, &shared->feed.place);
    if (threadIdx.x == 0)
        br_feed_make(&shared->feed, n_groups);
    __syncthreads();
    if (group < 0) {
        br_registers_give<l::LEFT>();
        if (threadIdx.x == 0)
            br_feed_boxes(s, &map, NULL, &shared->feed);
        if (threadIdx.x >= BR_WARP)
            br_feed_limits<K>(c, s, &shared->feed);
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
    typedef br_layout<S, 1> l;
    br_tensor_map           map;

    memcpy(&map, chunk->items.map, sizeof map); /* which lies where a map need not be aligned */
    return BR_LAUNCH(dev, (hopper_kernel<K, S>), br_screen_grid(chunk, range, l::ROWS, 1),
                     l::THREADS, sizeof(shared_of<S>), *chunk, *range, map);
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

static br_status make_map(const br_cuda_items *items, const void *from, br_box_map **out)
{
    br_status     st = BR_OK;
    br_tensor_map map;

    BR_TRY(st, br_tensor_map_make(from, items->n_panels * BR_PANEL, items->row_bytes, &map));
    BR_ALLOC(st, *out, 1, "the items' tensor map");
    memcpy(*out, &map, sizeof map);
done:
    return st;
}

br_status br_hopper_prepare(br_cuda_items *items)
{
    br_status st = BR_OK;

    BR_TRY(st, make_map(items, items->code_ND, &items->map));
    if (items->below_ND != NULL && br_hopper_sums_refusal(items) == NULL)
        BR_TRY(st, make_map(items, items->below_ND, &items->below_map));
done:
    return st;
}
