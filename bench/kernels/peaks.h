/* SPDX-License-Identifier: Apache-2.0
 *
 * What one core can do at most in registers, measured: the multiply-add of each screen kind in a
 * loop that touches no memory. Kernels are stated as shares of these. Takes about 0.3 s. */
#ifndef BR_BENCH_KERNELS_PEAKS_H
#define BR_BENCH_KERNELS_PEAKS_H

typedef enum { BR_PEAK_FP32, BR_PEAK_BF16, BR_PEAK_INT16, BR_PEAK_INT8, BR_N_PEAKS } br_peak_kind;

typedef struct br_peak {
    const char *kind;        /* "fp32" */
    const char *instruction; /* the one measured, "none" where this processor has none for it */
    double      gops;        /* 10^9 products and sums a second of processor time; 0 for none */
} br_peak;

/* One kind, one round of about 1 ms: for before and after each timed pass. 0 for none. */
double br_peak_once(br_peak_kind kind);

/* The calling thread's core; the best of several rounds. */
void br_peaks_measure(br_peak out[BR_N_PEAKS]);

#endif
