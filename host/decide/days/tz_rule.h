/* SPDX-License-Identifier: Apache-2.0
 *
 * The rule at the end of a TZif file for all years after its last transition: POSIX TZ with the
 * extensions of RFC 8536, "EET-2EEST,M4.5.5/0,M10.5.4/24". Private to host/decide/days. */
#ifndef BR_HOST_DECIDE_DAYS_TZ_RULE_H
#define BR_HOST_DECIDE_DAYS_TZ_RULE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct br_tz_date {
    char    form;   /* 'M' month.week.weekday, 'J' day 1-365 without 29 February, 'N' day 0-365 */
    int32_t month;  /* 1-12 */
    int32_t week;   /* 1-5, 5: the last */
    int32_t day;    /* weekday 0 Sunday .. 6 ('M'), or day of the year */
    int32_t time_s; /* local time of that day, also negative or beyond 24 h */
} br_tz_date;

typedef struct br_tz_rule {
    int32_t    standard_s; /* offsets: local time minus UTC */
    bool       has_summer;
    int32_t    summer_s;
    br_tz_date start, end; /* of summer time */
} br_tz_rule;

/* false: not such a rule. */
bool    br_tz_rule_parse(const char *text, br_tz_rule *out);
/* Epoch seconds at which summer time starts, or ends, in `year`. */
int64_t br_tz_rule_start(const br_tz_rule *rule, int32_t year);
int64_t br_tz_rule_end(const br_tz_rule *rule, int32_t year);

#endif
