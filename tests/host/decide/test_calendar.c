/* SPDX-License-Identifier: Apache-2.0
 *
 * Dates and weekdays as people write them; calendars, caps and penalties that make no sense are
 * refused; UTC worked out by hand. Zones: test_calendar.py; contacts: test_contact.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "host/decide/contact.h"

static void test_dates(void **state)
{
    static const char *const bad[] = {"2026-02-29", "2026-13-01", "2026-00-10",  "2026-01-00",
                                      "2026-1-1",   "20260101",   "2026-01-01 ", "",
                                      "+026-01-01", "2026/01/01"};
    char                     text[BR_DATE_TEXT_BYTES];
    int32_t                  day;

    (void)state;
    for (int32_t d = -800000; d < 800000; d += 17) {
        if (d >= -719162) { /* 0001-01-01 */
            assert_int_equal(br_date_parse(br_date_text(d, text), &day), BR_OK);
            assert_int_equal(day, d);
        }
        assert_int_equal((br_date_weekday(d) + 17) % 7, br_date_weekday(d + 17));
    }
    assert_int_equal(br_date_parse("2028-02-29", &day), BR_OK);
    assert_int_equal(day, 21243);
    assert_int_equal(br_date_weekday(day), 1);
    assert_int_equal(br_date_day(1970, 1, 1), 0);
    assert_int_equal(br_date_weekday(0), 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(br_date_parse(bad[i], &day), BR_E_USAGE);
    assert_string_equal(br_error_last()->text,
                        "date '2026/01/01', expected an existing day as YYYY-MM-DD");
}

static void test_weekdays(void **state)
{
    int32_t weekday;

    (void)state;
    assert_int_equal(br_date_parse_weekday("Sunday", &weekday), BR_OK);
    assert_int_equal(weekday, 6);
    assert_int_equal(br_date_parse_weekday("mon", &weekday), BR_OK);
    assert_int_equal(weekday, 0);
    assert_int_equal(br_date_parse_weekday("su", &weekday), BR_E_USAGE);
    assert_int_equal(br_date_parse_weekday("sundays", &weekday), BR_E_USAGE);
    assert_string_equal(br_error_last()->text, "weekday 'sundays', expected monday to sunday");
}

static void expect_refused(br_status found, const char *text)
{
    assert_int_equal(found, BR_E_USAGE);
    assert_string_equal(br_error_last()->text, text);
}

static void test_refused(void **state)
{
    br_zone         *zone     = NULL;
    br_calendar     *calendar = NULL;
    br_calendar_spec spec     = {.send_at = -1, .n_days = 7, .n_zones = 1};
    br_contact_cap   cap      = {.max = 0, .days = 7};

    (void)state;
    assert_int_equal(br_zone_create_utc(&zone), BR_OK);
    spec.zone = (const br_zone *const *)&zone;
    expect_refused(br_calendar_create(&spec, &calendar),
                   "send_at -1, expected 0 (1970) to 7258031999 (2199)");
    spec.send_at = INT64_C(7258032000);
    expect_refused(br_calendar_create(&spec, &calendar),
                   "send_at 7258032000, expected 0 (1970) to 7258031999 (2199)");
    spec.send_at--;
    spec.n_days = 3661;
    expect_refused(br_calendar_create(&spec, &calendar),
                   "a rule counts 3661 days, expected 1 to 3660");
    spec.n_days  = 7;
    spec.n_zones = 0;
    expect_refused(br_calendar_create(&spec, &calendar), "no time zone, expected 1 or more");
    spec.n_zones = 1;
    assert_int_equal(br_calendar_create(&spec, &calendar), BR_OK);
    expect_refused(br_contact_check_caps(calendar, 1, &cap),
                   "frequency cap of 0 contacts, expected 1 or more");
    cap = (br_contact_cap){.max = 1, .days = 8};
    expect_refused(br_contact_check_caps(calendar, 1, &cap),
                   "frequency cap of 8 days, expected 1 to 7");
    expect_refused(br_contact_check_caps(calendar, 33, NULL),
                   "33 frequency caps, expected at most 32");
    expect_refused(br_contact_check_days(calendar, 0), "rest of 0 days, expected 1 to 7");
    expect_refused(br_contact_check_repetition(&(br_repetition){-0.5, 1.0}),
                   "repetition: weight -0.5, expected 0 or more");
    expect_refused(br_contact_check_repetition(&(br_repetition){1.0, 0.0}),
                   "repetition: half-life of 0 s, expected more than 0");
    expect_refused(br_contact_check_repetition(&(br_repetition){1.0, (double)INFINITY}),
                   "repetition: half-life of inf s, expected more than 0");
    br_calendar_destroy(&calendar);
    br_zone_destroy(&zone);
    assert_null(calendar);
    assert_null(zone);
}

/* Two contacts yesterday at 23:59:59 and one today at 0:00, of items 7, 5, 7. */
static void test_utc_by_hand(void **state)
{
    const int64_t       today      = 20000 * BR_DAY_S;
    const int64_t       time_S[4]  = {today - 1, today - 1, today, today + 7201};
    const int32_t       item_S[4]  = {7, 5, 7, 9};
    const br_contacts   contacts   = {.n = 4, .item_S = item_S, .time_S = time_S};
    const br_repetition repetition = {.weight = 2.0, .half_life_s = 7200.0};
    br_contact_cap      caps[4]    = {{1, 1, false}, {2, 1, false}, {3, 2, false}, {3, 2, true}};
    br_zone            *zone       = NULL;
    br_calendar        *calendar   = NULL;
    br_calendar_spec    spec       = {.send_at = today + 7200, .n_days = 2, .n_zones = 1};
    int32_t             found_S[4];
    double              penalty_S[4];
    uint64_t            order_S[4];
    br_penalties        out = {found_S, penalty_S, order_S};

    (void)state;
    assert_int_equal(br_zone_create_utc(&zone), BR_OK);
    spec.zone = (const br_zone *const *)&zone;
    assert_int_equal(br_calendar_create(&spec, &calendar), BR_OK);
    assert_int_equal(br_calendar_day(calendar, 0), 20000);
    assert_int_equal(br_calendar_midnight(calendar, 0, 1), today - BR_DAY_S);
    assert_int_equal(br_contact_capped(calendar, 0, &contacts, 4, caps), 5);
    assert_int_equal(br_contact_recent(calendar, 0, &contacts, 1, found_S, order_S), 1);
    assert_int_equal(found_S[0], 7);
    assert_int_equal(br_contact_recent(calendar, 0, &contacts, 2, found_S, order_S), 2);
    assert_int_equal(found_S[0], 5);
    assert_int_equal(br_contact_penalties(calendar, &contacts, &repetition, &out), 2);
    assert_int_equal(found_S[1], 7);
    assert_true(fabs(penalty_S[0] - 2.0 * exp2(-7201.0 / 7200.0)) < 1e-15);
    assert_true(fabs(penalty_S[1] - 2.0 * (exp2(-7201.0 / 7200.0) + 0.5)) < 2e-15);
    br_calendar_destroy(&calendar);
    br_zone_destroy(&zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates), cmocka_unit_test(test_weekdays),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_utc_by_hand)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
