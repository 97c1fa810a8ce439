/* SPDX-License-Identifier: Apache-2.0
 *
 * The rank by which a sample of the catalogue foretells a threshold; cpu and cuda screen by it. */
#ifndef BR_KERNELS_FORETELL_H
#define BR_KERNELS_FORETELL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The least rank that fewer than `rank` of the k best items reach in a fair sample of `share` of
 * the catalogue, but once in 30,000 times. */
int32_t br_foretell_rank(int32_t k, double share);

#ifdef __cplusplus
}
#endif

#endif
