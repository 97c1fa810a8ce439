/* SPDX-License-Identifier: Apache-2.0
 *
 * Pieces of one workspace, one after the other. */
#ifndef BR_KERNELS_CUDA_CARVE_CUH
#define BR_KERNELS_CUDA_CARVE_CUH

#include <stddef.h>

/* With base NULL the pieces are only measured. */
typedef struct br_carving {
    unsigned char *base;
    size_t         bytes;
} br_carving;

static inline void *br_carve(br_carving *from, size_t bytes)
{
    size_t at = from->bytes;

    from->bytes += (bytes + 255) / 256 * 256;
    return from->base == NULL ? NULL : from->base + at;
}

/* n of them into *to, which points to their type. */
template <typename T> static inline void br_carve_to(br_carving *from, size_t n, T **to)
{
    *to = static_cast<T *>(br_carve(from, n * sizeof(T)));
}

#endif
