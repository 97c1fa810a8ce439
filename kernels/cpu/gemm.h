/* SPDX-License-Identifier: Apache-2.0
 *
 * The cpu backend's matrix product. OpenBLAS is not used for it: its AVX2 kernels sum a row in
 * another order by its place among twelve, so that even on tiles of fixed size a row's bits depend
 * on where it falls. Here every sum is one chain over the inputs in index order. */
#ifndef BR_KERNELS_CPU_GEMM_H
#define BR_KERNELS_CPU_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#define BR_GEMM_ROWS 6  /* rows of one register block */
#define BR_GEMM_COLS 16 /* columns of one register block, and of one packed panel */

/* Floats that br_cpu_pack writes. */
int64_t br_cpu_packed_floats(int64_t n_in, int64_t n_out);

/* Weights as panels [n_out/16][n_in][16], zeros behind n_out. Element (o, i) lies at
 * weight[o * out_step + i * in_step]. */
typedef struct br_cpu_weight {
    const float *weight;
    int64_t      out_step;
    int64_t      in_step;
    int64_t      n_in;
    int64_t      n_out;
} br_cpu_weight;
void br_cpu_pack(const br_cpu_weight *from, float *packed);

/* out[r][o] = sum_i x[r][i] weight[o][i], i ascending: fused multiply-adds where the processor has
 * them. n_in may be less than what was packed: panel_in is the packed one. */
typedef struct br_cpu_gemm_args {
    const float *x;
    int64_t      ld_x;
    int64_t      n_rows;
    const float *packed;
    int64_t      panel_in;
    int64_t      n_in;
    int64_t      n_out;
    float       *out;
    int64_t      ld_out;
} br_cpu_gemm_args;
void br_cpu_gemm(const br_cpu_gemm_args *args);

/* Its two forms: blocks of 6 x 16 (AVX2, or plain loops), and gemm_wide.c's for AVX-512. Where both
 * have fused multiply-adds they give the same bits. */
bool br_cpu_has_wide(void);
void br_cpu_gemm_wide(const br_cpu_gemm_args *args);
void br_cpu_gemm_narrow(const br_cpu_gemm_args *args);

#endif
