/* SPDX-License-Identifier: Apache-2.0
 *
 * BR_CLONES before a function with vector loops: gcc compiles it for plain x86-64, AVX2 and
 * AVX-512 and the loader picks. Elsewhere, and under TSan, which is not there yet when the loader
 * picks, the function is compiled once. No clone contracts products and sums by itself
 * (-ffp-contract=off).
 *
 * BR_MULADD(a, b, c) is a b + c, rounded once where that is one instruction in the clones that
 * run today; the plain x86-64 clone then calls the C library for the same bits. */
#ifndef BR_HOST_BASE_CLONES_H
#define BR_HOST_BASE_CLONES_H

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
#define BR_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))

#define BR_MULADD(a, b, c) __builtin_fmaf((a), (b), (c))
#else
#define BR_CLONES
#define BR_MULADD(a, b, c) ((a) * (b) + (c))
#endif

#define BR_INLINE static inline __attribute__((always_inline))

#endif
