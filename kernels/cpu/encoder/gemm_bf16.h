/* SPDX-License-Identifier: Apache-2.0
 *
 * The matrix product of bfloat16 operands on processors with AVX-512 BF16. One instruction adds two
 * products per lane, so inputs go in pairs: an x row is consecutive bf16 values, a weight panel
 * holds for each pair of inputs 32 outputs side by side. Every sum is one chain over the pairs in
 * index order. Nothing here is called where br_cpu_has_dot() is false. */
#ifndef BR_KERNELS_CPU_ENCODER_GEMM_BF16_H
#define BR_KERNELS_CPU_ENCODER_GEMM_BF16_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/cpu/gemm.h"

#define BR_DOT_ROWS 12 /* rows of one register block */
#define BR_DOT_COLS 32 /* columns of one register block, and of one packed panel */

bool br_cpu_has_dot(void);

/* Inputs in pairs; the odd one out has a zero beside it. */
static inline int64_t br_cpu_pairs(int64_t n_in)
{
    return (n_in + 1) / 2;
}

/* 4-byte pairs that br_cpu_pack_pairs writes: [n_out/32][pairs][32], zeros behind n_out. */
int64_t br_cpu_packed_pairs(int64_t n_in, int64_t n_out);
void    br_cpu_pack_pairs(const br_cpu_weight *from, uint32_t *packed);

/* Rounds n values to bf16; a zero behind an odd n. */
void br_cpu_to_bf16(const float *x, int64_t n, uint16_t *out);

/* out[r][o] = bias[o] + residual[r][o] + sum over the first n_pairs of x[r] and the panels (of
 * panel_pairs): a chain begins with what is there of the first two. ld_x is even; out may be
 * residual. */
typedef struct br_cpu_dot_args {
    const uint16_t *x;
    int64_t         ld_x;
    int64_t         n_rows;
    const uint32_t *packed;
    int64_t         panel_pairs;
    int64_t         n_pairs;
    int64_t         n_out;
    float          *out;
    int64_t         ld_out;
    const float    *bias;     /* or NULL */
    const float    *residual; /* or NULL */
    int64_t         ld_residual;
} br_cpu_dot_args;
void br_cpu_gemm_dot(const br_cpu_dot_args *args);

#endif
