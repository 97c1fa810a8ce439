/* SPDX-License-Identifier: Apache-2.0
 *
 * The only file that knows cuBLASLt. Called for every tile of every projection; what a shape needs
 * (descriptors, the algorithm) is made once per lane and kept. */
#include <cublasLt.h>

#include "kernels/cuda/gemm.cuh"

#define MAX_PLANS 32

typedef struct plan {
    int64_t                n_in;
    int64_t                n_out;
    br_precision           precision;
    cublasLtMatmulDesc_t   product;
    cublasLtMatrixLayout_t weight;
    cublasLtMatrixLayout_t x;
    cublasLtMatrixLayout_t sum;
    cublasLtMatmulAlgo_t   algorithm;
} plan;

struct br_cuda_gemm_lane {
    cublasLtHandle_t handle;
    plan             plans[MAX_PLANS];
    int              n_plans; /* made so far; the oldest gives way */
};

static br_status lt_status(cublasStatus_t status, const char *what)
{
    if (status == CUBLAS_STATUS_SUCCESS)
        return BR_OK;
    return br_fail(status == CUBLAS_STATUS_ALLOC_FAILED ? BR_E_MEMORY : BR_E_DEVICE, "cuda: %s: %s",
                   what, cublasLtGetStatusString(status));
}

#define BR_LT(st, call) BR_TRY(st, lt_status((call), #call))

static br_status gemm_lane(br_dev *dev, br_cuda_gemm_lane **out)
{
    br_status     st   = BR_OK;
    br_cuda_lane *lane = br_cuda_lane_of(dev);

    if (lane->gemm == NULL) {
        BR_ALLOC(st, lane->gemm, 1, "products of a cuda lane");
        BR_LT(st, cublasLtCreate(&lane->gemm->handle));
    }
    *out = lane->gemm;
done:
    return st;
}

static void plan_free(plan *p)
{
    (void)cublasLtMatrixLayoutDestroy(p->sum);
    (void)cublasLtMatrixLayoutDestroy(p->x);
    (void)cublasLtMatrixLayoutDestroy(p->weight);
    (void)cublasLtMatmulDescDestroy(p->product);
    *p = plan{};
}

void br_cuda_gemm_close(br_cuda_lane *lane)
{
    if (lane->gemm == NULL)
        return;
    for (int i = 0; i < MAX_PLANS; i++)
        if (lane->gemm->plans[i].n_in > 0)
            plan_free(&lane->gemm->plans[i]);
    if (lane->gemm->handle != NULL)
        (void)cublasLtDestroy(lane->gemm->handle);
    br_free(&lane->gemm);
}

/* Column-major, as the library sees it: sum[O, R] = weight[I, O]^T x[I, R]. */
static br_status describe(plan *p)
{
    br_status           st        = BR_OK;
    bool                is_half   = p->precision == BR_PRECISION_BF16;
    cudaDataType_t      type      = is_half ? CUDA_R_16BF : CUDA_R_32F;
    cublasOperation_t   transpose = CUBLAS_OP_T;
    cublasComputeType_t compute   = is_half ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_PEDANTIC;

    BR_LT(st, cublasLtMatmulDescCreate(&p->product, compute, CUDA_R_32F));
    BR_LT(st, cublasLtMatmulDescSetAttribute(p->product, CUBLASLT_MATMUL_DESC_TRANSA, &transpose,
                                             sizeof transpose));
    BR_LT(st, cublasLtMatrixLayoutCreate(&p->weight, type, p->n_in, p->n_out, p->n_in));
    BR_LT(st, cublasLtMatrixLayoutCreate(&p->x, type, p->n_in, BR_GEMM_ROWS, p->n_in));
    BR_LT(st, cublasLtMatrixLayoutCreate(&p->sum, CUDA_R_32F, p->n_out, BR_GEMM_ROWS, p->n_out));
done:
    return st;
}

/* The library's first choice among algorithms whose outputs are each summed in one place. */
static br_status choose(cublasLtHandle_t handle, plan *p)
{
    br_status                       st         = BR_OK;
    uint32_t                        reductions = CUBLASLT_REDUCTION_SCHEME_NONE;
    uint64_t                        workspace  = 0;
    int                             n_found    = 0;
    cublasLtMatmulPreference_t      want       = NULL;
    cublasLtMatmulHeuristicResult_t found      = {};

    BR_LT(st, cublasLtMatmulPreferenceCreate(&want));
    BR_LT(st, cublasLtMatmulPreferenceSetAttribute(want, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                   &workspace, sizeof workspace));
    BR_LT(st, cublasLtMatmulPreferenceSetAttribute(want, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                                                   &reductions, sizeof reductions));
    BR_LT(st, cublasLtMatmulAlgoGetHeuristic(handle, p->product, p->weight, p->x, p->sum, p->sum,
                                             want, 1, &found, &n_found));
    if (n_found == 0)
        BR_FAIL(st, BR_E_DEVICE, "cuda: cuBLASLt has no algorithm for [%d, %lld] x [%lld, %lld]",
                BR_GEMM_ROWS, (long long)p->n_in, (long long)p->n_in, (long long)p->n_out);
    p->algorithm = found.algo;
done:
    if (want != NULL)
        (void)cublasLtMatmulPreferenceDestroy(want);
    return st;
}

static br_status find_plan(br_cuda_gemm_lane *gemm, const br_cuda_product *product, plan **out)
{
    br_status st = BR_OK;
    plan     *p  = NULL;

    for (int i = 0; i < MAX_PLANS; i++) {
        p = &gemm->plans[i];
        if (p->n_in == product->n_in && p->n_out == product->n_out &&
            p->precision == product->precision) {
            *out = p;
            return BR_OK;
        }
    }
    p = &gemm->plans[gemm->n_plans++ % MAX_PLANS];
    if (p->n_in > 0)
        plan_free(p);
    p->precision = product->precision;
    p->n_in      = product->n_in;
    p->n_out     = product->n_out;
    BR_TRY(st, describe(p));
    BR_TRY(st, choose(gemm->handle, p));
    *out = p;
done:
    if (st != BR_OK)
        plan_free(p);
    return st;
}

br_status br_cuda_multiply(br_dev *dev, const br_cuda_product *product)
{
    br_status          st   = BR_OK;
    br_cuda_gemm_lane *gemm = NULL;
    plan              *p    = NULL;
    const float        one = 1.0f, zero = 0.0f;

    BR_TRY(st, gemm_lane(dev, &gemm));
    BR_TRY(st, find_plan(gemm, product, &p));
    br_cuda_count_launch(dev);
    BR_LT(st, cublasLtMatmul(gemm->handle, p->product, &one, product->weight_OI, p->weight,
                             product->x_RI, p->x, &zero, product->sum_RO, p->sum, product->sum_RO,
                             p->sum, &p->algorithm, NULL, 0, br_cuda_lane_of(dev)->stream));
done:
    return st;
}
