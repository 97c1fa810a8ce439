/* SPDX-License-Identifier: Apache-2.0
 *
 * The yardstick of the encoders' benches: what one thread multiplies at most, in registers only. */
#ifndef BR_BENCH_KERNELS_DOT_PEAK_H
#define BR_BENCH_KERNELS_DOT_PEAK_H

/* GFLOP/s of 24 independent chains of vdpbf16ps, or of fused fp32 multiply-adds, over about 5 ms of
 * processor time; 0 where the processor does not have them. */
double br_bench_peak_bf16(void);
double br_bench_peak_f32(void);

#endif
