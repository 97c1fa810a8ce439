/* SPDX-License-Identifier: Apache-2.0
 *
 * Tensor maps are made by the driver, which the backend is not linked with: the runtime knows where
 * its function is. Called once per catalogue. */
#include "kernels/cuda/hopper/tensor_map.cuh"

#define SINCE 12000 /* the CUDA version that brought them */

typedef CUresult (*encoder)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                            const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                            const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                            CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

static br_status find_encoder(encoder *out)
{
    br_status                       st    = BR_OK;
    void                           *found = NULL;
    cudaDriverEntryPointQueryResult how;

#if CUDART_VERSION >= 12050
    BR_CUDA(st, cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, SINCE,
                                                 cudaEnableDefault, &how));
#else
    BR_CUDA(st, cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &how));
#endif
    if (found == NULL || how != cudaDriverEntryPointSuccess)
        BR_FAIL(st, BR_E_DEVICE, "cuda: this driver makes no tensor maps, expected CUDA 12.0");
    *out = reinterpret_cast<encoder>(found);
done:
    return st;
}

br_status br_tensor_map_make(const void *from, int64_t n_rows, int64_t row_bytes,
                             br_tensor_map *out)
{
    br_status        st     = BR_OK;
    encoder          encode = NULL;
    const cuuint64_t size[] = {(cuuint64_t)row_bytes, (cuuint64_t)n_rows};
    const cuuint64_t next[] = {(cuuint64_t)row_bytes};
    const cuuint32_t box[]  = {BR_BOX_BYTES, BR_BOX_ROWS};
    const cuuint32_t step[] = {1, 1};
    CUresult         result;

    BR_TRY(st, find_encoder(&encode));
    result = encode(out, CU_TENSOR_MAP_DATA_TYPE_UINT8, 2, const_cast<void *>(from), size, next,
                    box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                    CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    if (result != CUDA_SUCCESS)
        BR_FAIL(st, BR_E_DEVICE,
                "cuda: no tensor map of %lld rows of %lld bytes: the driver says %d",
                (long long)n_rows, (long long)row_bytes, (int)result);
done:
    return st;
}
