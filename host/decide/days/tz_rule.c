/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing and evaluating the rule of a TZif footer. Each take_* reads at *at and moves it on. */
#include "host/decide/days/tz_rule.h"

#include <ctype.h>
#include <string.h>

#include "host/decide/date.h"

#define MAX_HOURS 167

static bool take_char(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

static bool take_number(const char **at, int32_t low, int32_t high, int32_t *out)
{
    int32_t value = 0;

    if (!isdigit((unsigned char)**at))
        return false;
    for (; isdigit((unsigned char)**at) && value <= high; ++*at)
        value = value * 10 + (**at - '0');
    *out = value;
    return value >= low && value <= high;
}

/* At least three letters, or anything of letters, digits and signs in <>. */
static bool take_name(const char **at)
{
    const char *from = *at;

    if (take_char(at, '<')) {
        while (isalnum((unsigned char)**at) || **at == '+' || **at == '-')
            ++*at;
        return *at - from >= 4 && take_char(at, '>');
    }
    while (isalpha((unsigned char)**at))
        ++*at;
    return *at - from >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **at, int32_t *out)
{
    bool    is_negative = **at == '-';
    int32_t h, m = 0, s = 0;

    if (!take_char(at, '-'))
        (void)take_char(at, '+');
    if (!take_number(at, 0, MAX_HOURS, &h) ||
        (take_char(at, ':') &&
         (!take_number(at, 0, 59, &m) || (take_char(at, ':') && !take_number(at, 0, 59, &s)))))
        return false;
    *out = (h * 60 + m) * 60 + s;
    if (is_negative)
        *out = -*out;
    return true;
}

static bool take_date(const char **at, br_tz_date *out)
{
    bool is_good;

    if (take_char(at, 'M')) {
        out->form = 'M';
        is_good   = take_number(at, 1, 12, &out->month) && take_char(at, '.') &&
                  take_number(at, 1, 5, &out->week) && take_char(at, '.') &&
                  take_number(at, 0, 6, &out->day);
    } else {
        out->form = take_char(at, 'J') ? 'J' : 'N';
        is_good   = take_number(at, out->form == 'J', 365, &out->day);
    }
    out->time_s = 2 * 3600;
    return is_good && (!take_char(at, '/') || take_time(at, &out->time_s));
}

bool br_tz_rule_parse(const char *text, br_tz_rule *out)
{
    const char *at = text;

    memset(out, 0, sizeof *out);
    if (!take_name(&at) || !take_time(&at, &out->standard_s))
        return false;
    out->standard_s = -out->standard_s; /* POSIX counts westwards */
    if (*at == '\0')
        return true;
    out->has_summer = true;
    out->summer_s   = out->standard_s + 3600;
    if (!take_name(&at))
        return false;
    if (*at != ',') {
        if (!take_time(&at, &out->summer_s))
            return false;
        out->summer_s = -out->summer_s;
    }
    return take_char(&at, ',') && take_date(&at, &out->start) && take_char(&at, ',') &&
           take_date(&at, &out->end) && *at == '\0';
}

static int32_t day_in_year(const br_tz_date *date, int32_t year)
{
    int32_t first = br_date_day(year, 1, 1);
    int32_t end;

    if (date->form == 'N')
        return first + date->day;
    if (date->form == 'J') /* day 60 is always 1 March */
        return date->day >= 60 ? br_date_day(year, 3, 1) + date->day - 60 : first + date->day - 1;
    first = br_date_day(year, date->month, 1);
    end   = date->month == 12 ? first + 31 : br_date_day(year, date->month + 1, 1);
    first += (date->day - (br_date_weekday(first) + 1) % 7 + 7) % 7;
    first += (date->week - 1) * 7;
    return first < end ? first : first - 7;
}

int64_t br_tz_rule_start(const br_tz_rule *rule, int32_t year)
{
    return day_in_year(&rule->start, year) * BR_DAY_S + rule->start.time_s - rule->standard_s;
}

int64_t br_tz_rule_end(const br_tz_rule *rule, int32_t year)
{
    return day_in_year(&rule->end, year) * BR_DAY_S + rule->end.time_s - rule->summer_s;
}
