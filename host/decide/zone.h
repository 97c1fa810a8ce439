/* SPDX-License-Identifier: Apache-2.0
 *
 * A time zone: its offsets from UTC over time, out of a TZif file (RFC 8536) in memory. Exact from
 * 1970 to 2199. The C library's own zones are not used: they live in the environment of the whole
 * process, and an unknown name is UTC to them. Made at set-up, read by any thread. */
#ifndef BR_HOST_DECIDE_ZONE_H
#define BR_HOST_DECIDE_ZONE_H

#include <stddef.h>
#include <stdint.h>

#include "host/base/status.h"

#define BR_ZONE_LAST_YEAR 2199

typedef struct br_zone br_zone;

/* `bytes` is the whole file. BR_E_INPUT naming `name`: not TZif, or damaged, or counting leap
 * seconds. */
br_status br_zone_create(const char *name, const void *bytes, size_t n_bytes, br_zone **out);
br_status br_zone_create_utc(br_zone **out);
void      br_zone_destroy(br_zone **zone);

/* Local time minus UTC at the instant `at` (epoch seconds). */
int32_t br_zone_offset_s(const br_zone *zone, int64_t at);
/* The local date at `at`. */
int32_t br_zone_day(const br_zone *zone, int64_t at);
/* When local day `day` begins: the first instant whose local date is `day` or later. So 01:00 where
 * the clock skips midnight, the first of two midnights, and the next day's where a date is skipped.
 */
int64_t br_zone_midnight(const br_zone *zone, int32_t day);

#endif
