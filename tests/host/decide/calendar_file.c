/* SPDX-License-Identifier: Apache-2.0
 *
 * Zones, calendars and contacts for test_calendar.py and test_contact.py: calendar_file zones|
 * contacts IN OUT.
 * zones IN: i64 zones; per zone i64 bytes, u8 file[bytes], i64 times, i64 time[], i64 days, i32
 * day[]. OUT: per zone i64 status; if 0 i32 offset[times], i32 day[times], i64 midnight[days].
 * contacts IN: i64 zones; per zone i64 bytes, u8 file[bytes]; i64 worlds; per world i64 send_at,
 * days, quiet weekdays, quiet dates, caps, rest, customers; f64 weight, half-life; i32 quiet
 * date[]; per cap i64 max, days, by message; per customer i64 zone, n; i32 item[n]; i64 time[n].
 * OUT: per customer i64 day, weekday, quiet, midnight of the first day, capped, recent, penalised;
 * i32 item[recent], i32 item[penalised], f64 penalty[penalised]. */
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/decide/contact.h"
#include "tests/host/decide/case_file.h"

static br_status take_zone(case_file *f, br_zone **zone)
{
    int64_t     n_bytes = case_number(f);
    const void *bytes   = case_take(f, n_bytes, 1);

    return br_zone_create("test", bytes, (size_t)n_bytes, zone);
}

static br_status answer_zone(case_file *f)
{
    br_status      st       = BR_OK;
    br_zone       *zone     = NULL;
    int64_t        status   = take_zone(f, &zone);
    int64_t        n_times  = case_number(f);
    const int64_t *time     = case_take(f, n_times, sizeof *time);
    int64_t        n_days   = case_number(f);
    const int32_t *day      = case_take(f, n_days, sizeof *day);
    int32_t       *offset_T = NULL, *day_T = NULL;
    int64_t       *midnight_D = NULL;

    case_put(f, &status, 1, sizeof status);
    if (status != BR_OK)
        return BR_OK;
    BR_ALLOC(st, offset_T, n_times, "offsets");
    BR_ALLOC(st, day_T, n_times, "days");
    BR_ALLOC(st, midnight_D, n_days, "midnights");
    for (int64_t t = 0; t < n_times; t++) {
        offset_T[t] = br_zone_offset_s(zone, time[t]);
        day_T[t]    = br_zone_day(zone, time[t]);
    }
    for (int64_t d = 0; d < n_days; d++)
        midnight_D[d] = br_zone_midnight(zone, day[d]);
    case_put(f, offset_T, n_times, sizeof *offset_T);
    case_put(f, day_T, n_times, sizeof *day_T);
    case_put(f, midnight_D, n_days, sizeof *midnight_D);
done:
    br_free(&offset_T);
    br_free(&day_T);
    br_free(&midnight_D);
    br_zone_destroy(&zone);
    return st;
}

typedef struct world {
    br_calendar   *calendar;
    int64_t        n_caps, rest, n_customers;
    br_contact_cap cap[BR_CONTACT_MAX_CAPS];
    br_repetition  repetition;
} world;

static br_status take_world(case_file *f, const br_calendar_spec *zones, world *w)
{
    br_status        st   = BR_OK;
    br_calendar_spec spec = *zones;

    spec.send_at        = case_number(f);
    spec.n_days         = (int32_t)case_number(f);
    spec.quiet_weekdays = (uint32_t)case_number(f);
    spec.n_quiet_dates  = (int32_t)case_number(f);
    w->n_caps           = case_number(f);
    w->rest             = case_number(f);
    w->n_customers      = case_number(f);
    memcpy(&w->repetition.weight, case_take(f, 1, 8), 8);
    memcpy(&w->repetition.half_life_s, case_take(f, 1, 8), 8);
    spec.quiet_date = case_take(f, spec.n_quiet_dates, sizeof(int32_t));
    for (int64_t c = 0; c < w->n_caps; c++) {
        w->cap[c].max        = (int32_t)case_number(f);
        w->cap[c].days       = (int32_t)case_number(f);
        w->cap[c].by_message = case_number(f) != 0;
    }
    BR_TRY(st, br_calendar_create(&spec, &w->calendar));
    BR_TRY(st, br_contact_check_caps(w->calendar, (int32_t)w->n_caps, w->cap));
    BR_TRY(st, br_contact_check_days(w->calendar, (int32_t)w->rest));
    BR_TRY(st, br_contact_check_repetition(&w->repetition));
done:
    return st;
}

static br_status answer_customer(case_file *f, const world *w)
{
    br_status    st       = BR_OK;
    int32_t      zone     = (int32_t)case_number(f);
    br_contacts  contacts = {.n = case_number(f)};
    br_penalties p        = {0};
    int32_t     *recent_S = NULL;
    int64_t      answer[7];

    contacts.item_S = case_take(f, contacts.n, sizeof(int32_t));
    contacts.time_S = case_take(f, contacts.n, sizeof(int64_t));
    BR_ALLOC(st, p.item_S, contacts.n, "items");
    BR_ALLOC(st, p.penalty_S, contacts.n, "penalties");
    BR_ALLOC(st, p.order_S, contacts.n, "order");
    BR_ALLOC(st, recent_S, contacts.n, "items");
    answer[0] = br_calendar_day(w->calendar, zone);
    answer[1] = br_calendar_weekday(w->calendar, zone);
    answer[2] = br_calendar_is_quiet(w->calendar, zone);
    answer[3] = br_calendar_midnight(w->calendar, zone, br_calendar_n_days(w->calendar) - 1);
    answer[4] = br_contact_capped(w->calendar, zone, &contacts, (int32_t)w->n_caps, w->cap);
    answer[5] =
        br_contact_recent(w->calendar, zone, &contacts, (int32_t)w->rest, recent_S, p.order_S);
    answer[6] = br_contact_penalties(w->calendar, &contacts, &w->repetition, &p);
    case_put(f, answer, 7, sizeof *answer);
    case_put(f, recent_S, answer[5], sizeof *recent_S);
    case_put(f, p.item_S, answer[6], sizeof *p.item_S);
    case_put(f, p.penalty_S, answer[6], sizeof *p.penalty_S);
done:
    br_free(&p.item_S);
    br_free(&p.penalty_S);
    br_free(&p.order_S);
    br_free(&recent_S);
    return st;
}

static br_status answer_contacts(case_file *f)
{
    br_status        st    = BR_OK;
    br_calendar_spec spec  = {.n_zones = (int32_t)case_number(f)};
    br_zone        **zones = NULL;
    world            w     = {0};

    BR_ALLOC(st, zones, spec.n_zones, "zones");
    for (int32_t z = 0; z < spec.n_zones; z++)
        BR_TRY(st, take_zone(f, &zones[z]));
    spec.zone = (const br_zone *const *)zones;
    for (int64_t n = case_number(f); n > 0; n--) {
        BR_TRY(st, take_world(f, &spec, &w));
        for (int64_t u = 0; u < w.n_customers; u++)
            BR_TRY(st, answer_customer(f, &w));
        br_calendar_destroy(&w.calendar);
    }
done:
    br_calendar_destroy(&w.calendar);
    for (int32_t z = 0; zones != NULL && z < spec.n_zones; z++)
        br_zone_destroy(&zones[z]);
    br_free(&zones);
    return st;
}

static br_status run(char **word)
{
    br_status st = BR_OK;
    case_file f  = {0};

    BR_TRY(st, case_open(word[2], word[3], &f));
    if (strcmp(word[1], "contacts") == 0)
        BR_TRY(st, answer_contacts(&f));
    else
        for (int64_t n = case_number(&f); n > 0; n--)
            BR_TRY(st, answer_zone(&f));
done:
    return case_close(&f, st);
}

int main(int argc, char **argv)
{
    br_status st = argc == 4 ? run(argv) : br_fail(BR_E_USAGE, "expected zones|contacts, IN, OUT");

    if (st != BR_OK)
        (void)fprintf(stderr, "%s\n", br_error_last()->text);
    return br_status_exit_code(st);
}
