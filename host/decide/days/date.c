/* SPDX-License-Identifier: Apache-2.0
 *
 * Days from dates and back: a year counts from 1 March, so that a leap day ends it. */
#include "host/decide/date.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DAYS_OF_400_YEARS 146097
#define DAY_OF_YEAR_0     (-719468) /* 0000-03-01 */

static int32_t floor_div(int32_t a, int32_t b)
{
    return a / b - (a % b < 0);
}

int32_t br_date_day(int32_t year, int32_t month, int32_t day_of_month)
{
    int32_t y           = month <= 2 ? year - 1 : year;
    int32_t era         = floor_div(y, 400);
    int32_t year_of_era = y - era * 400;
    int32_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day_of_month - 1;

    return DAY_OF_YEAR_0 + era * DAYS_OF_400_YEARS + year_of_era * 365 + year_of_era / 4 -
           year_of_era / 100 + day_of_year;
}

int32_t br_date_year(int32_t day)
{
    int32_t year = 1970 + floor_div(day, 366);

    while (br_date_day(year + 1, 1, 1) <= day)
        year++;
    while (br_date_day(year, 1, 1) > day)
        year--;
    return year;
}

int32_t br_date_weekday(int32_t day)
{
    return day + 3 - 7 * floor_div(day + 3, 7); /* 1970-01-01 was a Thursday */
}

const char *br_date_text(int32_t day, char text[BR_DATE_TEXT_BYTES])
{
    int32_t year = br_date_year(day), month = 12;

    while (br_date_day(year, month, 1) > day)
        month--;
    (void)snprintf(text, BR_DATE_TEXT_BYTES, "%04d-%02d-%02d", year, month,
                   day - br_date_day(year, month, 1) + 1);
    return text;
}

br_status br_date_parse(const char *text, int32_t *day)
{
    static const char pattern[] = "0000-00-00";
    int               year, month, day_of_month;
    char              again[BR_DATE_TEXT_BYTES];
    bool              is_date = strlen(text) == sizeof pattern - 1;

    for (size_t i = 0; is_date && i < sizeof pattern - 1; i++)
        is_date = pattern[i] == '0' ? isdigit((unsigned char)text[i]) != 0 : text[i] == pattern[i];
    if (is_date && sscanf(text, "%4d-%2d-%2d", &year, &month, &day_of_month) == 3 && month >= 1 &&
        month <= 12) {
        *day = br_date_day(year, month, day_of_month);
        if (strcmp(br_date_text(*day, again), text) == 0)
            return BR_OK;
    }
    return br_fail(BR_E_USAGE, "date '%s', expected an existing day as YYYY-MM-DD", text);
}

br_status br_date_parse_weekday(const char *text, int32_t *weekday)
{
    static const char *const names[7] = {"monday", "tuesday",  "wednesday", "thursday",
                                         "friday", "saturday", "sunday"};

    for (*weekday = 0; *weekday < 7; ++*weekday)
        if (strcasecmp(text, names[*weekday]) == 0 ||
            (strlen(text) == 3 && strncasecmp(text, names[*weekday], 3) == 0))
            return BR_OK;
    return br_fail(BR_E_USAGE, "weekday '%s', expected monday to sunday", text);
}
