/* SPDX-License-Identifier: Apache-2.0
 *
 * A build without the cuda backend has no vendor's library to measure. */
#include "bench/device/device_case.h"

void device_measure_peaks(device_bench *bench)
{
    (void)bench;
}
