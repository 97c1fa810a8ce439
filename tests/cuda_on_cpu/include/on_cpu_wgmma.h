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

template <typename T, typename D, typename S>
BR_UNWATCHED static void br_resolve_wgmma(const emulator_product *const lane[128])
{
    enum { K = BR_WGMMA_BYTES / sizeof(T), M = 64, N = 128 };
    static S a_MK[M][K], b_NK[N][K];

    for (int m = 0; m < M; m++)
        for (int k = 0; k < K; k++) {
            int      byte = k * (int)sizeof(T), t = byte % 16 / 4;
            uint32_t word = lane[m / 16 * 32 + m % 8 * 4 + t]->a[byte / 16 * 2 + m % 16 / 8];

            a_MK[m][k] = (S)br_value(br_element<T>(word, byte % 4 / (int)sizeof(T)));
        }
    for (int n = 0; n < N; n++)
        for (int half = 0; half < 2; half++) {
            uint4 piece = br_box_piece(lane[0]->b, n, half);
            T     value[K / 2];

            __builtin_memcpy(value, &piece, sizeof value);
            for (int k = 0; k < K / 2; k++)
                b_NK[n][half * (K / 2) + k] = (S)br_value(value[k]);
        }
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

template <typename T, typename D, typename S>
static inline void br_wgmma(emulator_site site, D *d, const uint32_t *a, uint64_t b, bool is_more)
{
    const emulator_product product = {d, a, b, is_more, br_resolve_wgmma<T, D, S>, 0};

    emulator_require(b >> 62 == 1 && (b & 7) % 2 == 0 && (b >> 32 & 0x3FFF) == 64, site);
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

static inline void br_wgmma_fp16(float d[BR_WGMMA_SUMS], const uint32_t a[4], uint64_t b,
                                 bool is_more, BR_SITE_ARGS)
{
    br_wgmma<__half, float, double>(BR_SITE("br_wgmma_fp16"), d, a, b, is_more);
}

static inline void br_wgmma_bf16(float d[BR_WGMMA_SUMS], const uint32_t a[4], uint64_t b,
                                 bool is_more, BR_SITE_ARGS)
{
    br_wgmma<__nv_bfloat16, float, double>(BR_SITE("br_wgmma_bf16"), d, a, b, is_more);
}

static inline void br_wgmma_s8(int32_t d[BR_WGMMA_SUMS], const uint32_t a[4], uint64_t b,
                               bool is_more, BR_SITE_ARGS)
{
    br_wgmma<signed char, int32_t, long long>(BR_SITE("br_wgmma_s8"), d, a, b, is_more);
}

#endif
