/* SPDX-License-Identifier: Apache-2.0
 *
 * The warpgroups of a block of Hopper's screen and of its log-sum-exp: 64 customers each, their
 * codes in registers from the first panel to the last. They take turns: while one multiplies, the
 * others look at what they have. What feeds them: feed.cuh. */
#ifndef BR_KERNELS_CUDA_HOPPER_MULTIPLY_CUH
#define BR_KERNELS_CUDA_HOPPER_MULTIPLY_CUH

#include "kernels/cuda/hopper/feed.cuh"

#define BR_TURNS 1 /* the named barrier of the first warpgroup */

/* The thread's part of its warp's 16 customers, the first one's place given: rows of code_RD, and
 * zeros behind their codes. */
template <int S>
static __device__ void br_load_fragments(const br_stream &s, const unsigned char *code_RD,
                                         int first, uint32_t a[S][4])
{
    int64_t bytes = s.items->row_bytes;

#pragma unroll
    for (int half = 0; half < 2; half++) {
        int32_t              row  = br_stream_row(s, first + half * 8 + br_lane() / 4);
        const unsigned char *code = code_RD + (row < 0 ? 0 : row) * bytes;

#pragma unroll
        for (int i = 0; i < 2 * S; i++) {
            int64_t byte = i * 16 + br_lane() % 4 * 4;

            a[i / 2][i % 2 * 2 + half] =
                row < 0 || byte >= bytes ? 0 : *reinterpret_cast<const uint32_t *>(code + byte);
        }
    }
}

static __device__ __forceinline__ void br_give_back(br_mbarrier *barrier)
{
    if (br_lane() == 0)
        br_mbarrier_arrive(barrier);
}

/* Columns of a box by fragments of A, a group of products. */
template <typename K, int S>
static __device__ __forceinline__ void br_multiply_box(const void *box, int first,
                                                       const uint32_t a[][4], bool is_more,
                                                       typename K::sum d[BR_WGMMA_SUMS])
{
    uint64_t b = br_wgmma_box(br_shared_address(box), 0);

    br_wgmma_fence();
#pragma unroll
    for (int i = 0; i < BR_BOX_BYTES / BR_WGMMA_BYTES && first + i < S; i++)
        K::multiply_box(d, a[first + i], b + i * BR_WGMMA_BYTES / 16, is_more || i > 0);
    br_wgmma_commit();
}

/* A panel's products: of code and code, or, small ones first, of code and what items lose, of what
 * customers lose (fragments S and on) and code, of code and code. A box is given back once its last
 * products are done, the turn passed on as soon as all are under way (pass_to 0: to nobody). */
template <typename K, int S, int P>
static __device__ __forceinline__ void br_multiply(br_feed<S, P> *from, br_ring<BR_FEED_BOXES> *r,
                                                   const uint32_t a[][4], int pass_to,
                                                   typename K::sum d[BR_WGMMA_SUMS])
{
    const int              n      = br_layout<S, P>::BOXES;
    int                    before = 0;
    br_ring<BR_FEED_BOXES> ahead;

    br_wgmma_hold(d);
#pragma unroll
    for (int use = 0; use < P * n; use++) {
        const int               part = use / n, first = use % n * br_layout<S, P>::PER_BOX;
        br_ring<BR_FEED_BOXES> *at = part == 1 ? &ahead : r; /* codes' boxes are read twice */

        if (P > 1 && use == n)
            ahead = *r;
        if (part < 2)
            br_mbarrier_wait(&from->full[at->at], at->parity);
        br_multiply_box<K, S>(from->box[at->at], first, part == 1 ? a + S : a, use > 0, d);
        if (use == P * n - 1 && pass_to != 0)
            br_named_arrive(pass_to, 2 * BR_WARPGROUP);
        if (use > 0 && (use - 1) / n != 1) {
            br_wgmma_wait<1>();
            br_give_back(&from->empty[before]);
        }
        if (part != 1)
            before = at->at;
        at->next();
    }
    br_wgmma_wait<0>();
    br_wgmma_hold(d);
    br_give_back(&from->empty[before]);
}

/* The whole life of a warpgroup's threads, n_groups of which have customers: for each panel
 * end(sums, panel, its place among the numbers). a: the thread's fragments, of br_layout. */
template <typename K, int S, int P, typename E>
static __device__ __forceinline__ void br_consume(const br_stream &s, br_feed<S, P> *feed,
                                                  int n_groups, const uint32_t a[][4], E &end)
{
    int                     group = br_warpgroup() - 1;
    int                     turn  = n_groups > 1 ? BR_TURNS + group : 0;
    int                     next  = n_groups > 1 ? BR_TURNS + (group + 1) % n_groups : 0;
    typename K::sum         d[BR_WGMMA_SUMS];
    br_ring<BR_FEED_BOXES>  boxes;
    br_ring<BR_FEED_PANELS> panels;

    if (next == BR_TURNS)
        br_named_arrive(BR_TURNS, 2 * BR_WARPGROUP);
    for (int32_t panel = s.first_panel; panel < s.last_panel; panel++, panels.next()) {
        bool is_end = panel == s.last_panel - 1 && next == BR_TURNS;

        if (turn != 0)
            br_named_wait(turn, 2 * BR_WARPGROUP);
        br_multiply<K, S, P>(feed, &boxes, a, is_end ? 0 : next, d);
        br_mbarrier_wait(&feed->set[panels.at], panels.parity);
        end(d, panel, panels.at);
        __syncwarp();
        br_give_back(&feed->seen[panels.at]);
    }
}

#endif
