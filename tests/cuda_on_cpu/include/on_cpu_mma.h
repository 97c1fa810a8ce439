/* SPDX-License-Identifier: Apache-2.0
 *
 * The twins of kernels/cuda/mma.cuh. Products are exact; a float sum of 16 products and its start
 * is rounded once, where tensor cores round in their own way: bounds must not rest on either
 * (emulator_cut_sums). */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_MMA_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_MMA_H

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <on_cpu_copies.h>

/* One lane's registers in a product. */
template <typename T> struct br_registers {
    T              *d;
    const uint32_t *a, *b;
};

template <typename T> BR_UNWATCHED static inline T br_element(uint32_t word, int place)
{
    typename std::conditional<sizeof(T) == 2, uint16_t, uint8_t>::type bits =
        (decltype(bits))(word >> (8 * sizeof(T) * place));
    T element;

    __builtin_memcpy(&element, &bits, sizeof element);
    return element;
}

BR_UNWATCHED static inline double br_value(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}
BR_UNWATCHED static inline int br_value(signed char x)
{
    return x;
}
BR_UNWATCHED static inline double br_value(__half x)
{
    return __half2float(x);
}
template <typename D, typename S> BR_UNWATCHED static inline void br_store(D *to, S sum)
{
    *to = (D)sum;
}

/* The sum of n numbers, each and the result cut by up to 2^-22 of the largest: downwards. */
BR_UNWATCHED static inline double br_cut_sum(const double *x, int n)
{
    double most = 0.0, sum = 0.0, unit;

    for (int i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    if (most == 0.0)
        return 0.0;
    unit = ldexp(1.0, ilogb(most) - 22);
    for (int i = 0; i < n; i++)
        sum += floor(x[i] / unit) * unit;
    unit = fabs(sum) > most ? ldexp(1.0, ilogb(sum) - 22) : unit;
    return floor(sum / unit) * unit;
}
BR_UNWATCHED static inline long long br_cut_sum(const long long *, int)
{
    return 0; /* whole sums are exact */
}

/* D[m][n] += sum over k of A[m][k] B[k][n]; E elements per register, S the type of the sum. */
template <typename T, typename D, typename S>
BR_UNWATCHED static inline void br_resolve_mma(void *lane[32], uint32_t)
{
    enum { E = 4 / sizeof(T), K = 8 * E };
    auto registers = [=](int l) { return static_cast<br_registers<D> *>(lane[l]); };

    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 8; n++) {
            D *to  = &registers(m % 8 * 4 + n / 2)->d[m / 8 * 2 + n % 2];
            S  sum = *to, part[K + 1];

            part[K] = sum;
            for (int k = 0; k < K; k++) {
                int      half = k / (K / 2), t = k % (K / 2) / E, place = k % E;
                uint32_t a = registers(m % 8 * 4 + t)->a[half * 2 + m / 8];
                uint32_t b = registers(n * 4 + t)->b[half];

                part[k] =
                    (S)br_value(br_element<T>(a, place)) * (S)br_value(br_element<T>(b, place));
                sum += part[k];
            }
            if (std::is_floating_point<S>::value && emulator_cuts_sums())
                sum = br_cut_sum(part, K + 1);
            br_store(to, sum);
        }
}

template <typename T, typename D, typename S>
BR_UNWATCHED static inline void br_mma(emulator_site site, D *d, const uint32_t *a,
                                       const uint32_t *b)
{
    br_registers<D>           own = {d, a, b};
    const emulator_collective c   = {site, 0xFFFFFFFFu, br_resolve_mma<T, D, S>, 0};

    emulator_collect(&c, &own);
}

static inline void br_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], BR_SITE_ARGS)
{
    br_mma<__nv_bfloat16, float, double>(BR_SITE("br_mma_bf16"), d, a, b);
}

static inline void br_mma_fp16(float d[4], const uint32_t a[4], const uint32_t b[2], BR_SITE_ARGS)
{
    br_mma<__half, float, double>(BR_SITE("br_mma_fp16"), d, a, b);
}

static inline void br_mma_s8(int32_t d[4], const uint32_t a[4], const uint32_t b[2], BR_SITE_ARGS)
{
    br_mma<signed char, int32_t, long long>(BR_SITE("br_mma_s8"), d, a, b);
}

#endif
