/* SPDX-License-Identifier: Apache-2.0
 *
 * The twins of kernels/cuda/mma.cuh. Products are exact; a float sum of 16 products and its start
 * is rounded once, where tensor cores round in their own way: bounds must not rest on either.
 * Asynchronous copies are made as late as their wait, so that who does not wait reads 0xFF. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_MMA_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_MMA_H

#include <cuda_bf16.h>
#include <cuda_fp16.h>

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

/* D[m][n] += sum over k of A[m][k] B[k][n]; E elements per register, S the type of the sum. */
template <typename T, typename D, typename S>
BR_UNWATCHED static inline void br_resolve_mma(void *lane[32], uint32_t)
{
    enum { E = 4 / sizeof(T), K = 8 * E };
    auto registers = [=](int l) { return static_cast<br_registers<D> *>(lane[l]); };

    for (int m = 0; m < 16; m++)
        for (int n = 0; n < 8; n++) {
            D *to  = &registers(m % 8 * 4 + n / 2)->d[m / 8 * 2 + n % 2];
            S  sum = *to;

            for (int k = 0; k < K; k++) {
                int      half = k / (K / 2), t = k % (K / 2) / E, place = k % E;
                uint32_t a = registers(m % 8 * 4 + t)->a[half * 2 + m / 8];
                uint32_t b = registers(n * 4 + t)->b[half];

                sum += (S)br_value(br_element<T>(a, place)) * (S)br_value(br_element<T>(b, place));
            }
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

/* Element `column` of the row that a lane named: each lane reads what it gets. */
static inline uint32_t br_row_element(uint64_t row, int column)
{
    return reinterpret_cast<const uint16_t *>(row)[column];
}

static inline void br_load_matrices(uint32_t r[4], const void *row, BR_SITE_ARGS)
{
    int      lane    = emulator_lane();
    uint64_t address = reinterpret_cast<uint64_t>(row);

    emulator_require(address % 16 == 0, BR_SITE("br_load_matrices, a row not aligned to 16"));
    for (int m = 0; m < 4; m++) {
        uint64_t from =
            br_shuffle(BR_SITE("br_load_matrices"), 0xFFFFFFFFu, address, m * 8 + lane / 4);

        r[m] = br_row_element(from, lane % 4 * 2) | br_row_element(from, lane % 4 * 2 + 1) << 16;
    }
}

static inline void br_load_matrices_transposed(uint32_t r[4], const void *row, BR_SITE_ARGS)
{
    int      lane    = emulator_lane();
    uint64_t address = reinterpret_cast<uint64_t>(row);

    emulator_require(address % 16 == 0, BR_SITE("br_load_matrices, a row not aligned to 16"));
    for (int m = 0; m < 4; m++) {
        emulator_site site = BR_SITE("br_load_matrices_transposed");
        uint64_t      low  = br_shuffle(site, 0xFFFFFFFFu, address, m * 8 + lane % 4 * 2);
        uint64_t      high = br_shuffle(site, 0xFFFFFFFFu, address, m * 8 + lane % 4 * 2 + 1);

        r[m] = br_row_element(low, lane / 4) | br_row_element(high, lane / 4) << 16;
    }
}

static inline void br_copy_async(void *to, const void *from, bool is_there, BR_SITE_ARGS)
{
    emulator_require(reinterpret_cast<uint64_t>(to) % 16 == 0 &&
                         (!is_there || reinterpret_cast<uint64_t>(from) % 16 == 0),
                     BR_SITE("br_copy_async, an address not aligned to 16"));
    emulator_copy_later(to, is_there ? from : nullptr);
}

static inline void br_copy_commit(void)
{
    emulator_copy_commit();
}

template <int N> static inline void br_copy_wait(void)
{
    const void *from;

    while (void *to = emulator_copy_take(N, &from))
        *static_cast<uint4 *>(to) =
            from == nullptr ? uint4{0, 0, 0, 0} : *static_cast<const uint4 *>(from);
}

#endif
