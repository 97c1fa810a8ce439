/* SPDX-License-Identifier: Apache-2.0
 *
 * Zones and days of the rules. Called once per job. */
#include "host/pipeline/rules/rule_days.h"

#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/decide/date.h"
#include "host/io/zones/zones.h"
#include "host/pipeline/setup/setup.h"
#include "host/pipeline/setup/setup_feeds.h"

#define MAX_ZONES 640 /* tzdata knows about 600 names */

typedef struct zones {
    int32_t  n;
    br_zone *zone[MAX_ZONES];
} zones;

/* One zone per category of the column, that of rules.time_zone first. */
static br_status read_column(br_setup *s, br_rulebook *book, zones *all)
{
    br_status   st     = BR_OK;
    const char *column = s->config->rules_time_zone_column;
    br_keys     keys   = {0};
    char        name[256];

    book->zone_place = br_rules_static_place(s, "rules.time_zone_column", column, &st);
    if (st != BR_OK)
        goto done;
    BR_TRY(st, br_customers_static_keys(s->customers, column, &keys));
    if (keys.is_number || keys.n_keys >= MAX_ZONES)
        BR_FAIL(st, BR_E_USAGE,
                "rules.time_zone_column: /static_key/%s: found %lld %s, expected at most %d names "
                "of zones",
                column, (long long)keys.n_keys, keys.is_number ? "numbers" : "names",
                MAX_ZONES - 1);
    BR_ALLOC(st, book->zone_of_category, keys.n_keys, "zones of categories");
    for (int64_t i = 0; i < keys.n_keys; i++) {
        (void)snprintf(name, sizeof name, "%.*s", (int)keys.width_bytes,
                       (const char *)keys.data + i * keys.width_bytes);
        BR_TRY(st, br_zones_read(name, &all->zone[all->n]));
        book->zone_of_category[i] = all->n++;
    }
done:
    br_keys_free(&keys);
    return st;
}

/* The most days that any rule counts. */
static int32_t most_days(const br_config *c)
{
    int64_t most = 1;

    for (int32_t i = 0; i < c->rules_caps.n; i++)
        most = c->rules_caps.item[i].days > most ? c->rules_caps.item[i].days : most;
    for (int32_t i = 0; i < c->rules_recent.n; i++)
        most = c->rules_recent.item[i].days > most ? c->rules_recent.item[i].days : most;
    return (int32_t)most;
}

static br_status parse_quiet(const br_config_quiet_rule *rule, const br_rulebook *book,
                             uint8_t *quiet_Z)
{
    br_status st = BR_OK;
    int32_t   day;

    for (int32_t i = 0; i < rule->weekdays.n; i++) {
        BR_TRY(st, br_date_parse_weekday(rule->weekdays.item[i], &day));
        for (int32_t z = 0; z < book->n_zones; z++)
            quiet_Z[z] |= br_calendar_weekday(book->calendar, z) == day;
    }
    for (int32_t i = 0; i < rule->dates.n; i++) {
        BR_TRY(st, br_date_parse(rule->dates.item[i], &day));
        for (int32_t z = 0; z < book->n_zones; z++)
            quiet_Z[z] |= br_calendar_day(book->calendar, z) == day;
    }
done:
    return st;
}

static br_status open_quiet(const br_config *c, br_rulebook *book)
{
    br_status st = BR_OK;

    book->n_quiet = c->rules_quiet.n;
    BR_ALLOC(st, book->quiet_QZ, (int64_t)book->n_quiet * book->n_zones, "quiet days");
    for (int32_t q = 0; q < book->n_quiet; q++)
        BR_TRY(st, parse_quiet(&c->rules_quiet.item[q], book,
                               book->quiet_QZ + (int64_t)q * book->n_zones));
done:
    return st;
}

static br_status open_caps(br_setup *s, br_rulebook *book)
{
    const br_config *c = s->config;

    for (int32_t i = 0; i < c->rules_caps.n; i++)
        book->cap[i] =
            (br_contact_cap){(int32_t)c->rules_caps.item[i].max,
                             (int32_t)c->rules_caps.item[i].days, c->rules_caps.item[i].by_message};
    book->n_caps = c->rules_caps.n;
    return br_contact_check_caps(book->calendar, book->n_caps, book->cap);
}

/* Rules and penalties that look at /contact need it to be there. */
static br_status request_contacts(br_setup *s)
{
    br_status        st    = BR_OK;
    const br_config *c     = s->config;
    const char      *where = c->rules_caps.n > 0 ? "rules.caps" : NULL;

    for (int32_t i = 0; where == NULL && i < c->rules_recent.n; i++)
        if (c->rules_recent.item[i].timeline[0] == '\0')
            where = "rules.recent";
    for (int32_t i = 0; where == NULL && i < c->objective_penalties.n; i++)
        if (c->objective_penalties.item[i].type == BR_PENALTY_REPETITION &&
            c->objective_penalties.item[i].timeline[0] == '\0')
            where = "objective.penalties";
    if (where == NULL)
        return BR_OK;
    BR_TRY(st, br_governance_allow(s, where, BR_INPUT_CUSTOMERS, "contact", ""));
    if (!br_customers_info_of(s->customers)->has_contact)
        BR_FAIL(st, BR_E_USAGE, "%s: %s has no /contact", where, c->input_customers);
    s->request.wants_contact = true;
done:
    return st;
}

static br_status open_recent(br_setup *s, br_rulebook *book)
{
    br_status                         st    = BR_OK;
    const br_config_recent_rule_list *rules = &s->config->rules_recent;

    for (int32_t i = 0; i < rules->n; i++) {
        br_recent *to = &book->recent[i];

        *to = (br_recent){rules->item[i].name, -1, (int32_t)rules->item[i].days};
        if (rules->item[i].timeline[0] != '\0')
            BR_TRY(st,
                   br_setup_catalogue_feed(s, "rules.recent", rules->item[i].timeline, &to->feed));
    }
    book->n_recent = rules->n;
done:
    return st;
}

static bool counts_days(const br_config *c)
{
    for (int32_t i = 0; i < c->objective_penalties.n; i++)
        if (c->objective_penalties.item[i].type == BR_PENALTY_REPETITION)
            return true;
    return c->rules_caps.n > 0 || c->rules_recent.n > 0 || c->rules_quiet.n > 0;
}

/* Zones are looked up even where no rule needs them yet: a wrong name is an error today. */
static bool names_zones(const br_config *c)
{
    return strcmp(c->rules_time_zone, "UTC") != 0 || c->rules_time_zone_column[0] != '\0';
}

br_status br_rule_days_open(br_setup *s, br_rulebook *book)
{
    br_status        st   = BR_OK;
    const br_config *c    = s->config;
    zones            all  = {0};
    br_calendar_spec spec = {.n_days = most_days(c)};

    spec.send_at = c->rules_send_at != INT64_MAX ? c->rules_send_at : c->run_as_of;
    if (!counts_days(c) && !names_zones(c))
        return BR_OK;
    if (counts_days(c) && spec.send_at == INT64_MAX)
        BR_FAIL(st, BR_E_USAGE,
                "rules.send_at and run.as_of are empty: the objective's penalties count days");
    BR_TRY(st, br_zones_read(c->rules_time_zone, &all.zone[all.n]));
    all.n = 1;
    if (c->rules_time_zone_column[0] != '\0')
        BR_TRY(st, read_column(s, book, &all));
    if (!counts_days(c))
        goto done;
    spec.n_zones = all.n;
    spec.zone    = (const br_zone *const *)all.zone;
    BR_TRY(st, br_calendar_create(&spec, &book->calendar));
    book->n_zones = all.n;
    BR_TRY(st, open_quiet(c, book));
    BR_TRY(st, open_caps(s, book));
    BR_TRY(st, open_recent(s, book));
    BR_TRY(st, request_contacts(s));
done:
    for (int32_t z = 0; z < all.n; z++)
        br_zone_destroy(&all.zone[z]);
    return st;
}

void br_rule_days_close(br_rulebook *book)
{
    br_calendar_destroy(&book->calendar);
    br_free(&book->zone_of_category);
    br_free(&book->quiet_QZ);
}
