/* SPDX-License-Identifier: Apache-2.0
 *
 * Marks small functions whose bits must be the same in every backend: compiled for host and device
 * from one source. */
#ifndef BR_KERNELS_EVERYWHERE_H
#define BR_KERNELS_EVERYWHERE_H

#ifdef __CUDACC__
#define BR_EVERYWHERE static __host__ __device__ inline
#else
#define BR_EVERYWHERE static inline
#endif

#endif
