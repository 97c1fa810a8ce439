/* SPDX-License-Identifier: Apache-2.0
 *
 * The item prices that a run of shortlists was taken at: SHORTLISTS.prices.npy beside it, known by
 * the hash in the run's identity. */
#ifndef BR_HOST_PIPELINE_ALLOCATE_PRICES_H
#define BR_HOST_PIPELINE_ALLOCATE_PRICES_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"

br_status br_prices_write(const char *shortlists, const float *price_N, int64_t n);

/* *are_there is false for a run that knows no prices. BR_E_INPUT when its prices are missing or
 * others. */
br_status br_prices_read(const char *shortlists, int64_t n, float *price_N, bool *are_there);

#endif
