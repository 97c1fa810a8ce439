/* SPDX-License-Identifier: Apache-2.0
 *
 * How a block of Hopper's screen (screen.cu) and of its log-sum-exp (sums.cu) is fed. It has 128
 * threads that feed it and two or three warpgroups that multiply (multiply.cuh):
 *
 *   warp 0        one thread asks for boxes of codes, 128 items by 128 bytes, into a ring of them
 *   warps 1 .. 3  for each panel and customer the number that sums must reach (bounds.cuh)
 *
 * S products of 32 bytes hold a row of codes. A score is of P parts: 1, or 3 where codes are split
 * (topk/tile.cuh): then a panel has the boxes of what its codes lose, and behind them its codes'.
 */
#ifndef BR_KERNELS_CUDA_HOPPER_FEED_CUH
#define BR_KERNELS_CUDA_HOPPER_FEED_CUH

#include "kernels/cuda/hopper/async.cuh"
#include "kernels/cuda/topk/place.cuh"

#define BR_BOX         (BR_BOX_ROWS * BR_BOX_BYTES)
#define BR_FEED_BOXES  10                       /* in the ring */
#define BR_FEED_PANELS 4                        /* whose numbers are there at a time */
#define BR_SETTERS     (BR_WARPGROUP - BR_WARP) /* threads of warps 1 .. 3 */
#define BR_NEVER       INT32_MAX                /* no sum has these bits */
#define BR_ALWAYS      INT32_MIN

static_assert(BR_BOX_ROWS == BR_PANEL, "a panel is a box's rows");

template <int S, int P> struct br_layout {
    static const int  PER_BOX = BR_BOX_BYTES / BR_WGMMA_BYTES;
    static const int  BOXES   = (S + PER_BOX - 1) / PER_BOX; /* of a panel and one kind of codes */
    static const int  FRAGMENTS  = P == 1 ? S : 2 * S;       /* of a customer, in registers */
    static const bool IS_SHORT   = FRAGMENTS <= 12;
    static const int  WARPGROUPS = IS_SHORT ? 3 : 2;
    static const int  ROWS       = 64 * WARPGROUPS;
    static const int  WARPS      = 4 * WARPGROUPS;
    static const int  THREADS    = BR_WARPGROUP * (WARPGROUPS + 1);
    static const int  TAKEN      = IS_SHORT ? 160 : 232; /* registers of a multiplying thread */
    static const int  LEFT       = IS_SHORT ? 32 : 40;   /* of a feeding one */
};

/* In shared memory, 1,024-aligned. */
template <int S, int P> struct br_feed {
    unsigned char                    box[BR_FEED_BOXES][BR_BOX];
    br_places<br_layout<S, P>::ROWS> place;
    int32_t                          limit[BR_FEED_PANELS][br_layout<S, P>::ROWS];
    float                            bias[BR_FEED_PANELS][P == 1 ? 1 : BR_PANEL];
    br_mbarrier                      full[BR_FEED_BOXES], empty[BR_FEED_BOXES];
    br_mbarrier                      set[BR_FEED_PANELS], seen[BR_FEED_PANELS];
};

/* Warpgroups of the tile that have customers. */
template <int ROWS> static __device__ int br_groups(const br_stream &s)
{
    int n_rows = s.n_rows - s.first_row < ROWS ? s.n_rows - s.first_row : ROWS;

    return (n_rows + 63) / 64;
}

/* A place in a ring of N; the parity of the phase in which it is filled. */
template <int N> struct br_ring {
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

/* By one thread; n_groups warpgroups multiply. */
template <int S, int P> static __device__ void br_feed_make(br_feed<S, P> *feed, int n_groups)
{
    uint32_t n_warps = (uint32_t)n_groups * BR_WARPGROUP / BR_WARP;

    for (int i = 0; i < BR_FEED_BOXES; i++) {
        br_mbarrier_init(&feed->full[i], 1);
        br_mbarrier_init(&feed->empty[i], n_warps);
    }
    for (int i = 0; i < BR_FEED_PANELS; i++) {
        br_mbarrier_init(&feed->set[i], BR_SETTERS / BR_WARP);
        br_mbarrier_init(&feed->seen[i], n_warps);
    }
    br_mbarriers_made();
}

/* By one thread: a panel's boxes, of the maps one after the other; the second one is of P 3. */
template <int S, int P>
static __device__ void br_feed_boxes(const br_stream &s, const br_tensor_map *first,
                                     const br_tensor_map *second, br_feed<S, P> *to)
{
    const int              n = br_layout<S, P>::BOXES;
    br_ring<BR_FEED_BOXES> r;

    for (int32_t panel = s.first_panel; panel < s.last_panel; panel++)
        for (int box = 0; box < (P == 1 ? n : 2 * n); box++, r.next()) {
            br_mbarrier_wait(&to->empty[r.at], r.parity ^ 1);
            br_mbarrier_expect(&to->full[r.at], BR_BOX);
            br_tensor_load(to->box[r.at], box < n ? first : second, box % n * BR_BOX_BYTES,
                           panel * BR_PANEL, &to->full[r.at]);
        }
}

/* What a row's sums of a panel must reach, as bits. */
template <typename K, int ROWS>
static __device__ int32_t br_limit_of(const br_places<ROWS> &place, int at, const br_topk_panel &p)
{
    float error = br_bound_of_panel(p, place.norm[at], place.residual[at]);
    float least = br_least_of_panel(place.down[at], error), sum;

    if (place.row[at] < 0)
        return BR_NEVER;
    if constexpr (K::IS_WHOLE)
        return br_least_of_sums(least, p.bias_most, place.inverse[at] * p.inverse);
    sum = br_least_of_float_sums(least, p.bias_most, place.inverse[at], p.inverse);
    return sum > 0.0f ? __float_as_int(sum) : BR_ALWAYS;
}

/* By warps 1 .. 3. */
template <typename K, int S, int P>
static __device__ void br_feed_limits(const br_topk_chunk &c, const br_stream &s, br_feed<S, P> *to)
{
    int                     first = (int)threadIdx.x - BR_WARP;
    br_ring<BR_FEED_PANELS> r;

    for (int32_t panel = s.first_panel; panel < s.last_panel; panel++, r.next()) {
        br_topk_panel p = c.items.panel_P[panel];

        br_mbarrier_wait(&to->seen[r.at], r.parity ^ 1);
        for (int at = first; at < br_layout<S, P>::ROWS; at += BR_SETTERS)
            to->limit[r.at][at] = br_limit_of<K>(to->place, at, p);
        for (int at = first; P > 1 && at < BR_PANEL; at += BR_SETTERS)
            to->bias[r.at][at] = c.items.bias_N[(int64_t)panel * BR_PANEL + at];
        __syncwarp();
        if (br_lane() == 0)
            br_mbarrier_arrive(&to->set[r.at]);
    }
}

#endif
