/* SPDX-License-Identifier: Apache-2.0
 *
 * The driver's tensor maps, as far as tensor_map.cu makes them: what it must not be asked for is
 * refused, as a driver does. Compiled without sanitizers. */
#include <string.h>

#include "tests/cuda_on_cpu/include/cuda.h"

enum { BOX = 128, MOST_BYTES = 1 << 30 };

/* Rows of bytes, boxes of 128 by 128, the 128-byte swizzle. */
CUresult cuTensorMapEncodeTiled(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank,
                                void *from, const cuuint64_t *size, const cuuint64_t *next,
                                const cuuint32_t *box, const cuuint32_t *step,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill)
{
    (void)promotion;
    (void)fill;
    if ((uintptr_t)out % 64 != 0 || (uintptr_t)from % 16 != 0 || rank != 2 ||
        type != CU_TENSOR_MAP_DATA_TYPE_UINT8 || interleave != CU_TENSOR_MAP_INTERLEAVE_NONE ||
        swizzle != CU_TENSOR_MAP_SWIZZLE_128B || box[0] != BOX || box[1] != BOX || step[0] != 1 ||
        step[1] != 1)
        return CUDA_ERROR_INVALID_VALUE;
    if (size[0] == 0 || size[0] > MOST_BYTES || size[1] == 0 || size[1] > UINT32_MAX ||
        next[0] != size[0] || next[0] % 16 != 0)
        return CUDA_ERROR_INVALID_VALUE;
    *out = (CUtensorMap){.from = from, .n_rows = (int64_t)size[1], .row_bytes = (int64_t)size[0]};
    return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **out, unsigned version,
                                             unsigned long long flags, emulator_entry *how)
{
    (void)version;
    (void)flags;
    *how = cudaDriverEntryPointSymbolNotFound;
    *out = NULL;
    if (strcmp(name, "cuTensorMapEncodeTiled") == 0) {
        union {
            void *address;
            CUresult (*function)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                                 const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                                 const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                                 CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
        } found = {.function = cuTensorMapEncodeTiled};

        *out = found.address;
        *how = cudaDriverEntryPointSuccess;
    }
    return cudaSuccess;
}
