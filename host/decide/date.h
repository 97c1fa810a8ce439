/* SPDX-License-Identifier: Apache-2.0
 *
 * Calendar dates as days since 1970-01-01 (Gregorian). Called at set-up. */
#ifndef BR_HOST_DECIDE_DATE_H
#define BR_HOST_DECIDE_DATE_H

#include <stdint.h>

#include "host/base/status.h"

#define BR_DAY_S INT64_C(86400)

int32_t br_date_day(int32_t year, int32_t month, int32_t day_of_month);
int32_t br_date_year(int32_t day);
int32_t br_date_weekday(int32_t day); /* 0 Monday .. 6 Sunday */

/* "2026-12-25", a date that exists. BR_E_USAGE. */
br_status br_date_parse(const char *text, int32_t *day);
/* "monday" or "mon", in any case. BR_E_USAGE. */
br_status br_date_parse_weekday(const char *text, int32_t *weekday);

#define BR_DATE_TEXT_BYTES 16
/* YYYY-MM-DD. Returns `text`. */
const char *br_date_text(int32_t day, char text[BR_DATE_TEXT_BYTES]);

#endif
