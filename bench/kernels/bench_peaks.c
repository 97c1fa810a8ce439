/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints what one core can do at most in registers, by kind of number (peaks.h). Run by hand beside
 * other benchmarks.
 *   bench_peaks */
#include <stdio.h>

#include "bench/kernels/peaks.h"

int main(void)
{
    br_peak peak[BR_N_PEAKS];

    br_peaks_measure(peak);
    (void)printf("# products and sums in registers, one core, processor time, best of 9\n");
    (void)printf("# kind    GOP/s  instruction\n");
    for (int i = 0; i < BR_N_PEAKS; i++)
        (void)printf("%6s %8.1f  %s\n", peak[i].kind, peak[i].gops, peak[i].instruction);
    return 0;
}
