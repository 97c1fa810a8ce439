/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of the driver's interface that the backend uses, with the toolkit's names and values:
 * tensor maps, made by a function that the runtime is asked for (hopper/tensor_map.c). */
#ifndef BR_TESTS_CUDA_ON_CPU_INCLUDE_CUDA_H
#define BR_TESTS_CUDA_ON_CPU_INCLUDE_CUDA_H

#include <stdint.h>

#include "tests/cuda_on_cpu/include/cuda_runtime_api.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CUDART_VERSION 13000

typedef enum { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1 } CUresult;
typedef uint32_t cuuint32_t;
typedef uint64_t cuuint64_t;

typedef enum { CU_TENSOR_MAP_DATA_TYPE_UINT8 } CUtensorMapDataType;
typedef enum { CU_TENSOR_MAP_INTERLEAVE_NONE } CUtensorMapInterleave;
typedef enum { CU_TENSOR_MAP_SWIZZLE_128B = 3 } CUtensorMapSwizzle;
typedef enum { CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3 } CUtensorMapL2promotion;
typedef enum { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE } CUtensorMapFloatOOBfill;

/* Opaque on a device; here what the twin of a load reads. */
typedef struct CUtensorMap_st {
    const unsigned char *from;
    int64_t              n_rows, row_bytes;
    uint64_t             unused[13];
} __attribute__((aligned(128))) CUtensorMap;

CUresult cuTensorMapEncodeTiled(CUtensorMap *out, CUtensorMapDataType type, cuuint32_t rank,
                                void *from, const cuuint64_t *size, const cuuint64_t *next,
                                const cuuint32_t *box, const cuuint32_t *step,
                                CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill);

typedef enum { cudaDriverEntryPointSuccess, cudaDriverEntryPointSymbolNotFound } emulator_entry;
typedef emulator_entry cudaDriverEntryPointQueryResult;
enum { cudaEnableDefault = 0 };

cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **out, unsigned version,
                                             unsigned long long flags, emulator_entry *how);

#ifdef __cplusplus
}
#endif

#endif
