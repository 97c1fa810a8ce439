/* SPDX-License-Identifier: Apache-2.0
 *
 * The days of one send, in every zone that customers live in (docs/RULES.md, "Contacts and days").
 * Made once per job; what a customer needs is one look into a table. */
#ifndef BR_HOST_DECIDE_CALENDAR_H
#define BR_HOST_DECIDE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/date.h"
#include "host/decide/zone.h"

#define BR_CALENDAR_MAX_DAYS 3660

typedef struct br_calendar_spec {
    int64_t               send_at; /* epoch seconds, 1970 to BR_ZONE_LAST_YEAR */
    int32_t               n_days;  /* the most days that a rule counts, 1 .. BR_CALENDAR_MAX_DAYS */
    int32_t               n_zones;
    const br_zone *const *zone;           /* read here only */
    uint32_t              quiet_weekdays; /* bit 0 Monday .. 6 Sunday */
    int32_t               n_quiet_dates;
    const int32_t        *quiet_date;
} br_calendar_spec;

typedef struct br_calendar br_calendar;

/* BR_E_USAGE: a value outside its range. */
br_status br_calendar_create(const br_calendar_spec *spec, br_calendar **out);
void      br_calendar_destroy(br_calendar **calendar);

int64_t br_calendar_send_at(const br_calendar *calendar);
int32_t br_calendar_n_days(const br_calendar *calendar);
/* Of the zone's local date at send_at. */
int32_t br_calendar_day(const br_calendar *calendar, int32_t zone);
int32_t br_calendar_weekday(const br_calendar *calendar, int32_t zone); /* 0 Monday */
bool    br_calendar_is_quiet(const br_calendar *calendar, int32_t zone);
/* When that date began, or the one `days_ago` (0 .. n_days-1) before it (br_zone_midnight). So the
 * last n days, today included, are the instants from midnight(n - 1) to send_at. */
int64_t br_calendar_midnight(const br_calendar *calendar, int32_t zone, int32_t days_ago);

#endif
