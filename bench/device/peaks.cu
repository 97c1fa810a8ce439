/* SPDX-License-Identifier: Apache-2.0
 *
 * What the device reaches: a copy within its memory, and products through cuBLASLt as gemm.cu calls
 * it. Measured once per run, on data that is not zero, which would run faster. */
#include <string.h>

#include "bench/device/device_case.h"
#include "host/base/memory.h"
#include "kernels/cuda/gemm.cuh"

#define PATTERN ((int64_t)1 << 20)

struct copy_case {
    br_dev *dev;
    br_mat  from, to;
    size_t  bytes;
};

static br_status copy_once(void *context)
{
    copy_case *c  = static_cast<copy_case *>(context);
    br_status  st = BR_OK;

    BR_CUDA(st, cudaMemcpyAsync(br_mat_at(c->to), br_mat_at(c->from), c->bytes,
                                cudaMemcpyDeviceToDevice, br_cuda_lane_of(c->dev)->stream));
done:
    return st;
}

static void measure_copy(device_bench *bench)
{
    br_status  st      = BR_OK;
    int64_t    n_bytes = bench->is_small ? (int64_t)1 << 20 : (int64_t)1 << 31;
    copy_case  c       = {};
    device_row row     = {};

    row.op = "peak copy";
    snprintf(row.shape, sizeof row.shape, "%lld MiB", (long long)(n_bytes >> 20));
    c.dev   = bench->dev;
    c.bytes = (size_t)n_bytes;
    BR_TRY(st, br_dev_alloc(bench->dev, BR_U8, 1, n_bytes, &c.from));
    BR_TRY(st, br_dev_alloc(bench->dev, BR_U8, 1, n_bytes, &c.to));
    BR_TRY(st, device_time(bench->dev, copy_once, &c, &row.times));
    row.gbytes            = 2e-9 * (double)n_bytes;
    bench->peaks.copy_gbs = row.gbytes / row.times.least;
done:
    device_print(bench, &row, st);
    br_dev_free(&c.from);
    br_dev_free(&c.to);
}

struct product_case {
    br_dev         *dev;
    br_mat          x_RI, weight_OI, sum_RO;
    br_cuda_product product;
};

static br_status multiply_once(void *context)
{
    product_case *c = static_cast<product_case *>(context);
    return br_cuda_multiply(c->dev, &c->product);
}

/* Numbers of both signs near 1, 2^20 of them over and over. */
static br_status place(br_dev *dev, br_precision precision, int64_t n_rows, int64_t n_cols,
                       br_mat *out)
{
    br_status st   = BR_OK;
    int64_t   unit = (int64_t)br_cuda_operand_bytes(precision);
    int64_t   n    = n_rows * n_cols;
    uint8_t  *host = NULL;

    BR_TRY(st, br_dev_alloc(dev, unit == 2 ? BR_BF16 : BR_F32, n_rows, n_cols, out));
    BR_ALLOC(st, host, n * unit, "operands of the peak");
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)(i % PATTERN) * 2654435761u;
        uint32_t word = (bits & 0x807FFFFFu) | 0x3F000000u;

        memcpy(host + i * unit, reinterpret_cast<uint8_t *>(&word) + 4 - unit, (size_t)unit);
    }
    BR_TRY(st, br_upload(dev, *out, host));
    BR_TRY(st, br_dev_sync(dev));
done:
    br_free(&host);
    return st;
}

static void measure_product(device_bench *bench, br_precision precision)
{
    br_status    st      = BR_OK;
    bool         is_bf16 = precision == BR_PRECISION_BF16;
    int64_t      n       = bench->is_small ? 64 : is_bf16 ? 8192 : 4096;
    product_case c       = {};
    device_row   row     = {};

    row.op = is_bf16 ? "peak GEMM bf16" : "peak GEMM fp32";
    snprintf(row.shape, sizeof row.shape, "%d x %lld x %lld, fp32 out", BR_GEMM_ROWS, (long long)n,
             (long long)n);
    c.dev = bench->dev;
    BR_TRY(st, place(bench->dev, precision, BR_GEMM_ROWS, n, &c.x_RI));
    BR_TRY(st, place(bench->dev, precision, n, n, &c.weight_OI));
    BR_TRY(st, br_dev_alloc(bench->dev, BR_F32, BR_GEMM_ROWS, n, &c.sum_RO));
    c.product.x_RI      = br_mat_at(c.x_RI);
    c.product.weight_OI = br_mat_at(c.weight_OI);
    c.product.sum_RO    = static_cast<float *>(br_mat_at(c.sum_RO));
    c.product.n_in      = n;
    c.product.n_out     = n;
    c.product.n_rows    = BR_GEMM_ROWS;
    c.product.precision = precision;
    BR_TRY(st, device_time(bench->dev, multiply_once, &c, &row.times));
    row.gflop                           = 2e-9 * BR_GEMM_ROWS * (double)n * (double)n;
    bench->peaks.gemm_gflops[precision] = row.gflop / row.times.least;
done:
    device_print(bench, &row, st);
    br_dev_free(&c.x_RI);
    br_dev_free(&c.weight_OI);
    br_dev_free(&c.sum_RO);
}

void device_measure_peaks(device_bench *bench)
{
    if (bench->backend != BR_BACKEND_CUDA)
        return;
    measure_copy(bench);
    measure_product(bench, BR_PRECISION_FP32);
    measure_product(bench, BR_PRECISION_BF16);
}
