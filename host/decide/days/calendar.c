/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of one send, made once. */
#include "host/decide/calendar.h"

#include <inttypes.h>

#include "host/base/memory.h"

struct br_calendar {
    int64_t  send_at;
    int32_t  n_days;
    int32_t  n_zones;
    int32_t *day_Z;
    uint8_t *is_quiet_Z;
    int64_t *midnight_ZA; /* [n_zones][n_days] */
};

static br_status check_spec(const br_calendar_spec *spec)
{
    int64_t end = br_date_day(BR_ZONE_LAST_YEAR, 12, 31) * BR_DAY_S;

    if (spec->send_at < 0 || spec->send_at >= end)
        return br_fail(BR_E_USAGE, "send_at %" PRId64 ", expected 0 (1970) to %" PRId64 " (%d)",
                       spec->send_at, end - 1, BR_ZONE_LAST_YEAR);
    if (spec->n_days < 1 || spec->n_days > BR_CALENDAR_MAX_DAYS)
        return br_fail(BR_E_USAGE, "a rule counts %d days, expected 1 to %d", spec->n_days,
                       BR_CALENDAR_MAX_DAYS);
    if (spec->n_zones < 1)
        return br_fail(BR_E_USAGE, "no time zone, expected 1 or more");
    return BR_OK;
}

static bool is_quiet(const br_calendar_spec *spec, int32_t day)
{
    if ((spec->quiet_weekdays >> br_date_weekday(day) & 1) != 0)
        return true;
    for (int32_t q = 0; q < spec->n_quiet_dates; q++)
        if (spec->quiet_date[q] == day)
            return true;
    return false;
}

br_status br_calendar_create(const br_calendar_spec *spec, br_calendar **out)
{
    br_status    st = BR_OK;
    br_calendar *c  = NULL;

    BR_TRY(st, check_spec(spec));
    BR_ALLOC(st, c, 1, "calendar");
    c->send_at = spec->send_at;
    c->n_days  = spec->n_days;
    c->n_zones = spec->n_zones;
    BR_ALLOC(st, c->day_Z, c->n_zones, "dates of the calendar");
    BR_ALLOC(st, c->is_quiet_Z, c->n_zones, "quiet days");
    BR_ALLOC(st, c->midnight_ZA, (int64_t)c->n_zones * c->n_days, "midnights of the calendar");
    for (int32_t z = 0; z < c->n_zones; z++) {
        c->day_Z[z]      = br_zone_day(spec->zone[z], c->send_at);
        c->is_quiet_Z[z] = is_quiet(spec, c->day_Z[z]);
        for (int32_t a = 0; a < c->n_days; a++)
            c->midnight_ZA[(int64_t)z * c->n_days + a] =
                br_zone_midnight(spec->zone[z], c->day_Z[z] - a);
    }
    *out = c;
    c    = NULL;
done:
    br_calendar_destroy(&c);
    return st;
}

void br_calendar_destroy(br_calendar **calendar)
{
    if (*calendar == NULL)
        return;
    br_free(&(*calendar)->day_Z);
    br_free(&(*calendar)->is_quiet_Z);
    br_free(&(*calendar)->midnight_ZA);
    br_free(calendar);
}

int64_t br_calendar_send_at(const br_calendar *calendar)
{
    return calendar->send_at;
}

int32_t br_calendar_n_days(const br_calendar *calendar)
{
    return calendar->n_days;
}

int32_t br_calendar_day(const br_calendar *calendar, int32_t zone)
{
    return calendar->day_Z[zone];
}

int32_t br_calendar_weekday(const br_calendar *calendar, int32_t zone)
{
    return br_date_weekday(calendar->day_Z[zone]);
}

bool br_calendar_is_quiet(const br_calendar *calendar, int32_t zone)
{
    return calendar->is_quiet_Z[zone] != 0;
}

int64_t br_calendar_midnight(const br_calendar *calendar, int32_t zone, int32_t days_ago)
{
    return calendar->midnight_ZA[(int64_t)zone * calendar->n_days + days_ago];
}
