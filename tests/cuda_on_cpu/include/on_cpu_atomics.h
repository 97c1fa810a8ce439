/* SPDX-License-Identifier: Apache-2.0
 *
 * Atomics, ordered (acquire and release): what a kernel passes on by a flag needs its fences on a
 * device all the same. Other threads may run around each one where the order is random. */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_ATOMICS_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_ON_CPU_ATOMICS_H

#include <string.h>
#include <type_traits>

template <typename T> using br_word = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

/* *at = f(*at) in one piece; the old value. */
template <typename T, typename F> static inline T br_atomic(T *at, F f)
{
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "atomics are of 4 or 8 bytes");
    auto      *word = reinterpret_cast<br_word<T> *>(at);
    br_word<T> old  = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    br_word<T> bits;
    T          value;

    emulator_pause();
    do {
        memcpy(&value, &old, sizeof value);
        T next = f(value);
        memcpy(&bits, &next, sizeof bits);
    } while (
        !__atomic_compare_exchange_n(word, &old, bits, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    memcpy(&value, &old, sizeof value);
    return value;
}

/* The second argument converts to the first one's type, as the toolkit's overloads do. */
template <typename T> using br_same = std::common_type_t<T>;

#define BR_ATOMIC(name, expression)                                                                \
    template <typename T> static inline T name(T *at, br_same<T> by)                               \
    {                                                                                              \
        return br_atomic(at, [=](T old) -> T { return (expression); });                            \
    }
BR_ATOMIC(atomicAdd, old + by)
BR_ATOMIC(atomicSub, old - by)
BR_ATOMIC(atomicMax, old > by ? old : by)
BR_ATOMIC(atomicMin, old < by ? old : by)
BR_ATOMIC(atomicAnd, old &by)
BR_ATOMIC(atomicOr, old | by)
BR_ATOMIC(atomicXor, old ^ by)
BR_ATOMIC(atomicExch, ((void)old, by))
#undef BR_ATOMIC

template <typename T> static inline T atomicCAS(T *at, br_same<T> want, br_same<T> by)
{
    return br_atomic(at, [=](T old) -> T { return old == want ? by : old; });
}

static inline void __threadfence()
{
}

static inline void __threadfence_block()
{
}

/* Lets others run: a thread that waits for a flag sleeps in its loop. */
static inline void __nanosleep(unsigned)
{
    emulator_yield();
}

#endif
