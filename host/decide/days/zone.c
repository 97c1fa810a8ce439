/* SPDX-License-Identifier: Apache-2.0
 *
 * TZif into one table of offsets: the file's transitions, then those that its rule gives until
 * BR_ZONE_LAST_YEAR. */
#include "host/decide/zone.h"

#include <stdbool.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/decide/date.h"
#include "host/decide/days/tz_rule.h"

#define HEADER_BYTES     44
#define MAX_OFFSET_S     93599 /* RFC 8536: -24:59:59 to 25:59:59 */
#define MIN_OFFSET_S     (-89999)
#define FIRST_RULE_YEAR  1969
#define RULE_TRANSITIONS (2 * (BR_ZONE_LAST_YEAR + 2 - FIRST_RULE_YEAR))
#define RULE_BYTES       128

struct br_zone {
    int64_t  n;
    int64_t *from_T; /* ascending; the first is INT64_MIN */
    int32_t *offset_T;
};

typedef struct tzif {
    const char    *name;
    const uint8_t *at;
    size_t         left_bytes;
    int64_t        n_utc, n_standard, n_leaps, n_times, n_types, n_chars;
    int64_t        last_time; /* of the transitions that it lists */
} tzif;

static br_status refuse(const tzif *f, const char *why)
{
    return br_fail(BR_E_INPUT, "time zone '%s': its file %s", f->name, why);
}

static int64_t number_at(const uint8_t *at, int n_bytes)
{
    uint64_t value = at[0] >= 128 ? ~UINT64_C(0) : 0; /* big-endian, two's complement */

    for (int i = 0; i < n_bytes; i++)
        value = value << 8 | at[i];
    return (int64_t)value;
}

static size_t block_bytes(const tzif *f, int64_t time_bytes)
{
    return (size_t)(f->n_times * (time_bytes + 1) + f->n_types * 6 + f->n_chars +
                    f->n_leaps * (time_bytes + 4) + f->n_standard + f->n_utc);
}

static br_status take_header(tzif *f, int64_t time_bytes)
{
    int64_t *count[6] = {&f->n_utc,   &f->n_standard, &f->n_leaps,
                         &f->n_times, &f->n_types,    &f->n_chars};

    if (f->left_bytes < HEADER_BYTES || memcmp(f->at, "TZif", 4) != 0)
        return refuse(f, "is not in TZif format");
    for (int c = 0; c < 6; c++) {
        *count[c] = number_at(f->at + 20 + 4 * c, 4);
        if (*count[c] < 0 || *count[c] > (int64_t)f->left_bytes)
            return refuse(f, "is cut short");
    }
    f->at += HEADER_BYTES;
    f->left_bytes -= HEADER_BYTES;
    if (block_bytes(f, time_bytes) > f->left_bytes)
        return refuse(f, "is cut short");
    if (f->n_types < 1)
        return refuse(f, "has no local time");
    return BR_OK;
}

static void add(br_zone *zone, int64_t from, int32_t offset_s)
{
    if (zone->n > 0 && zone->from_T[zone->n - 1] == from)
        zone->n--;
    if (zone->n > 0 && zone->offset_T[zone->n - 1] == offset_s)
        return;
    zone->from_T[zone->n]     = from;
    zone->offset_T[zone->n++] = offset_s;
}

/* The transitions that the block lists. */
static br_status take_block(tzif *f, int64_t time_bytes, br_zone *zone)
{
    const uint8_t *time    = f->at;
    const uint8_t *type_of = time + f->n_times * time_bytes;
    const uint8_t *type    = type_of + f->n_times;

    if (f->n_leaps > 0)
        return refuse(f, "counts leap seconds, as no customers file does");
    for (int64_t t = 0; t < f->n_types; t++) {
        int64_t offset_s = number_at(type + 6 * t, 4);
        if (offset_s < MIN_OFFSET_S || offset_s > MAX_OFFSET_S)
            return refuse(f, "has an offset of more than a day");
    }
    add(zone, INT64_MIN, (int32_t)number_at(type, 4));
    f->last_time = INT64_MIN;
    for (int64_t t = 0; t < f->n_times; t++) {
        int64_t from = number_at(time + t * time_bytes, (int)time_bytes);

        if (type_of[t] >= f->n_types)
            return refuse(f, "names a local time that it does not have");
        if (t > 0 && from <= number_at(time + (t - 1) * time_bytes, (int)time_bytes))
            return refuse(f, "has times that do not ascend");
        add(zone, from, (int32_t)number_at(type + 6 * type_of[t], 4));
        f->last_time = from;
    }
    f->at += block_bytes(f, time_bytes);
    f->left_bytes -= block_bytes(f, time_bytes);
    return BR_OK;
}

/* "\n" rule "\n"; an empty one says nothing of later years. */
static br_status take_rule(const tzif *f, br_tz_rule *rule)
{
    char           text[RULE_BYTES] = {0};
    const uint8_t *end              = NULL;
    size_t         n_bytes;

    *rule = (br_tz_rule){0};
    if (f->left_bytes > 1 && f->at[0] == '\n')
        end = memchr(f->at + 1, '\n', f->left_bytes - 1);
    if (end == NULL)
        return refuse(f, "is cut short");
    n_bytes = (size_t)(end - f->at) - 1;
    if (n_bytes >= sizeof text)
        return refuse(f, "ends in a rule that is too long");
    memcpy(text, f->at + 1, n_bytes);
    if (n_bytes > 0 && !br_tz_rule_parse(text, rule))
        return br_fail(BR_E_INPUT, "time zone '%s': its file ends in the rule '%s', which is none",
                       f->name, text);
    return BR_OK;
}

typedef struct transition {
    int64_t from;
    bool    is_start;
} transition;

/* Where summer time ends at the instant at which the next one starts, the start comes last. */
static void add_rule(br_zone *zone, const br_tz_rule *rule, int64_t last_time)
{
    transition by_time[RULE_TRANSITIONS];
    int32_t    n = 0;

    for (int32_t year = FIRST_RULE_YEAR; year <= BR_ZONE_LAST_YEAR + 1; year++) {
        transition both[2] = {{br_tz_rule_start(rule, year), true},
                              {br_tz_rule_end(rule, year), false}};

        for (int i = 0; i < 2; i++) {
            int32_t at = n++;
            for (; at > 0 && both[i].from < by_time[at - 1].from; at--)
                by_time[at] = by_time[at - 1];
            by_time[at] = both[i];
        }
    }
    for (int32_t i = 0; i < n; i++)
        if (by_time[i].from > last_time)
            add(zone, by_time[i].from, by_time[i].is_start ? rule->summer_s : rule->standard_s);
}

static br_status zone_alloc(int64_t n, br_zone **out)
{
    br_status st   = BR_OK;
    br_zone  *zone = NULL;

    BR_ALLOC(st, zone, 1, "time zone");
    BR_ALLOC(st, zone->from_T, n, "times of a time zone");
    BR_ALLOC(st, zone->offset_T, n, "offsets of a time zone");
    *out = zone;
    zone = NULL;
done:
    br_zone_destroy(&zone);
    return st;
}

br_status br_zone_create(const char *name, const void *bytes, size_t n_bytes, br_zone **out)
{
    br_status  st         = BR_OK;
    tzif       f          = {.name = name, .at = bytes, .left_bytes = n_bytes};
    br_zone   *zone       = NULL;
    int64_t    time_bytes = 4;
    br_tz_rule rule       = {0};

    BR_TRY(st, take_header(&f, 4));
    if (((const uint8_t *)bytes)[4] >= '2') { /* the same again with times of 8 bytes */
        f.at += block_bytes(&f, 4);
        f.left_bytes -= block_bytes(&f, 4);
        time_bytes = 8;
        BR_TRY(st, take_header(&f, 8));
    }
    BR_TRY(st, zone_alloc(f.n_times + 1 + RULE_TRANSITIONS, &zone));
    BR_TRY(st, take_block(&f, time_bytes, zone));
    if (time_bytes == 8)
        BR_TRY(st, take_rule(&f, &rule));
    if (rule.has_summer)
        add_rule(zone, &rule, f.last_time);
    *out = zone;
    zone = NULL;
done:
    br_zone_destroy(&zone);
    return st;
}

br_status br_zone_create_utc(br_zone **out)
{
    br_status st = BR_OK;

    BR_TRY(st, zone_alloc(1, out));
    add(*out, INT64_MIN, 0);
done:
    return st;
}

void br_zone_destroy(br_zone **zone)
{
    if (*zone == NULL)
        return;
    br_free(&(*zone)->from_T);
    br_free(&(*zone)->offset_T);
    br_free(zone);
}

/* The last entry that begins at `at` or before. */
static int64_t entry_at(const br_zone *zone, int64_t at)
{
    int64_t low = 0, high = zone->n;

    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;

        if (zone->from_T[mid] <= at)
            low = mid;
        else
            high = mid;
    }
    return low;
}

int32_t br_zone_offset_s(const br_zone *zone, int64_t at)
{
    return zone->offset_T[entry_at(zone, at)];
}

int32_t br_zone_day(const br_zone *zone, int64_t at)
{
    int64_t local = at + br_zone_offset_s(zone, at);

    return (int32_t)(local / BR_DAY_S - (local % BR_DAY_S < 0));
}

int64_t br_zone_midnight(const br_zone *zone, int32_t day)
{
    int64_t local = day * BR_DAY_S;
    int64_t e     = entry_at(zone, local - 2 * BR_DAY_S); /* no offset is as large */

    for (;; e++) {
        int64_t at = local - zone->offset_T[e];

        if (at < zone->from_T[e])
            at = zone->from_T[e];
        if (e + 1 == zone->n || at < zone->from_T[e + 1])
            return at;
    }
}
