/* SPDX-License-Identifier: Apache-2.0
 *
 * The twins of kernels/cuda/hopper/wgmma.cuh. A product is made at the wait for its group, of what
 * A and shared memory hold by then; sums are bytes of 0xFF until it is. Arithmetic as on_cpu_mma.h
 * has it, 32 bytes of a row at a time. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_WGMMA_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_WGMMA_H

#include <on_cpu_mma.h>

#include "tests/cuda_on_cpu/hopper/hopper.h"

/* As an address in shared memory: dynamic shared memory begins at 0. */
static inline uint32_t br_shared_address(const void *at)
{
    return (uint32_t)(static_cast<const unsigned char *>(at) -
                      static_cast<const unsigned char *>(emulator_shared()));
}

/* The one access of a product that is a kernel's own. */
static __attribute__((noinline)) uint4 br_shared_piece(uint32_t address)
{
    return *reinterpret_cast<const uint4 *>(static_cast<const unsigned char *>(emulator_shared()) +
                                            address);
}

/* Row n of a box, 16 bytes: as its descriptor and the 128-byte swizzle say. */
static inline uint4 br_box_piece(uint64_t b, int n, int half)
{
    uint32_t address = (uint32_t)(b & 0x3FFF) * 16 +
                       (uint32_t)(n / 8) * (uint32_t)(b >> 32 & 0x3FFF) * 16 +
                       (uint32_t)(n % 8) * 128 + (uint32_t)half * 16;

    return br_shared_piece(address ^ (address >> 7 & 7) << 4);
}

/* Row n of a box, all 32 bytes, as numbers. */
template <typename T, typename S> BR_UNWATCHED static void br_box_row(uint64_t box, int n, S *to_K)
{
    enum { K = BR_WGMMA_BYTES / sizeof(T) };

    for (int half = 0; half < 2; half++) {
        uint4 piece = br_box_piece(box, n, half);
        T     value[K / 2];

        __builtin_memcpy(value, &piece, sizeof value);
        for (int k = 0; k < K / 2; k++)
            to_K[half * (K / 2) + k] = (S)br_value(value[k]);
    }
}

/* Row m of A, from the registers of the lanes that have it, or from its box. */
template <typename T, typename S>
BR_UNWATCHED static void br_row_of_a(const emulator_product *const lane[128], int m, S *to_K)
{
    if (lane[0]->a == NULL) {
        br_box_row<T, S>(lane[0]->a_box, m, to_K);
        return;
    }
    for (int k = 0; k < (int)(BR_WGMMA_BYTES / sizeof(T)); k++) {
        int      byte = k * (int)sizeof(T), t = byte % 16 / 4;
        uint32_t word = lane[m / 16 * 32 + m % 8 * 4 + t]->a[byte / 16 * 2 + m % 16 / 8];

        to_K[k] = (S)br_value(br_element<T>(word, byte % 4 / (int)sizeof(T)));
    }
}

template <typename T, typename D, typename S>
BR_UNWATCHED static void br_resolve_wgmma(const emulator_product *const lane[128])
{
    enum { K = BR_WGMMA_BYTES / sizeof(T), M = 64, N = 128 };
    static S a_MK[M][K], b_NK[N][K];

    for (int m = 0; m < M; m++)
        br_row_of_a<T, S>(lane, m, a_MK[m]);
    for (int n = 0; n < N; n++)
        br_box_row<T, S>(lane[0]->b, n, b_NK[n]);
    for (int m = 0; m < M; m++)
        for (int n = 0; n < N; n++) {
            int l  = m / 16 * 32 + m % 8 * 4 + n % 8 / 2;
            D  *to = static_cast<D *>(lane[l]->d) + n / 8 * 4 + m % 16 / 8 * 2 + n % 2;
            S   part[K + 1], sum = lane[l]->is_more ? (S)*to : (S)0;

            part[K] = sum;
            for (int k = 0; k < K; k++) {
                part[k] = a_MK[m][k] * b_NK[n][k];
                sum += part[k];
            }
            if (std::is_floating_point<S>::value && emulator_cuts_sums())
                sum = br_cut_sum(part, K + 1);
            br_store(to, sum);
        }
}

static inline bool br_is_box(uint64_t box)
{
    return box >> 62 == 1 && (box & 7) % 2 == 0 && (box >> 32 & 0x3FFF) == 64;
}

template <typename T, typename D, typename S>
static inline void br_wgmma(emulator_site site, D *d, const uint32_t *a, uint64_t a_box, uint64_t b,
                            bool is_more)
{
    const emulator_product product = {d, a, a_box, b, is_more, br_resolve_wgmma<T, D, S>, 0};

    emulator_require(br_is_box(b) && (a != NULL || br_is_box(a_box)), site);
    if (!is_more)
        memset(d, 0xFF, BR_WGMMA_SUMS * sizeof *d);
    emulator_product_later(site, &product);
}

static inline void br_wgmma_fence(void)
{
    emulator_product_fence();
}

static inline void br_wgmma_commit(void)
{
    emulator_product_commit();
}

template <int N> static inline void br_wgmma_wait(BR_SITE_ARGS)
{
    emulator_product_wait(BR_SITE("br_wgmma_wait"), N);
}

template <typename T> static inline void br_wgmma_hold(T *)
{
}

#define BR_WGMMA_TWIN(name, code, sum, wide)                                                       \
    static inline void name(sum d[BR_WGMMA_SUMS], const uint32_t a[4], uint64_t b, bool is_more,   \
                            BR_SITE_ARGS)                                                          \
    {                                                                                              \
        br_wgmma<code, sum, wide>(BR_SITE(#name), d, a, 0, b, is_more);                            \
    }
BR_WGMMA_TWIN(br_wgmma_fp16, __half, float, double)
BR_WGMMA_TWIN(br_wgmma_bf16, __nv_bfloat16, float, double)
BR_WGMMA_TWIN(br_wgmma_s8, signed char, int32_t, long long)
#undef BR_WGMMA_TWIN
#define BR_WGMMA_TWIN(name, is_more)                                                               \
    static inline void name(float d[BR_WGMMA_SUMS], uint64_t a, uint64_t b, BR_SITE_ARGS)          \
    {                                                                                              \
        br_wgmma<__nv_bfloat16, float, double>(BR_SITE(#name), d, NULL, a, b, is_more);            \
    }
BR_WGMMA_TWIN(br_wgmma_boxes_first, false)
BR_WGMMA_TWIN(br_wgmma_boxes_more, true)
#undef BR_WGMMA_TWIN

#endif
