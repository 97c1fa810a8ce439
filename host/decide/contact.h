/* SPDX-License-Identifier: Apache-2.0
 *
 * What past contacts forbid and cost, for one customer (docs/RULES.md, "Contacts and days"). "Days"
 * are calendar days in the customer's zone, today included. Called once per customer; nothing is
 * allocated. Contacts later than send_at are not known yet and never count. */
#ifndef BR_HOST_DECIDE_CONTACT_H
#define BR_HOST_DECIDE_CONTACT_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"
#include "host/decide/calendar.h"

#define BR_CONTACT_MAX_CAPS 32

/* Who had `max` contacts in the last `days` days gets no other one today. */
typedef struct br_contact_cap {
    int32_t max;
    int32_t days;
    bool    by_message; /* contacts of one instant are one message; else each item counts */
} br_contact_cap;

/* Each contact of an item adds weight * 2^(-age / half_life_s) to the item's penalty. */
typedef struct br_repetition {
    double weight;
    double half_life_s;
} br_repetition;

/* BR_E_USAGE: a cap's days exceed the calendar's, a half-life of 0, ... Once per job. */
br_status br_contact_check_caps(const br_calendar *calendar, int32_t n_caps,
                                const br_contact_cap *caps);
br_status br_contact_check_days(const br_calendar *calendar, int32_t days); /* of _recent */
br_status br_contact_check_repetition(const br_repetition *repetition);

/* One customer's contacts, or purchases, times not decreasing. */
typedef struct br_contacts {
    int64_t        n;      /* S */
    const int32_t *item_S; /* >= 0 */
    const int64_t *time_S;
} br_contacts;

/* Bit c: caps[c] is reached. 0: the customer may be contacted. */
uint32_t br_contact_capped(const br_calendar *calendar, int32_t zone, const br_contacts *contacts,
                           int32_t n_caps, const br_contact_cap *caps);

/* The items of the last `days` days, each once, ascending; returns how many. n entries each;
 * `order_S` is scratch. */
int64_t br_contact_recent(const br_calendar *calendar, int32_t zone, const br_contacts *contacts,
                          int32_t days, int32_t *item_S, uint64_t *order_S);

/* Penalties of the contacted items, ascending; n entries each. `order_S` is scratch. */
typedef struct br_penalties {
    int32_t  *item_S;
    double   *penalty_S;
    uint64_t *order_S;
} br_penalties;

/* weight * (the sum over the item's contacts, oldest first, of 2^(-age / half_life_s)). Returns how
 * many items. fp64 in a fixed order: the same bits everywhere. At most 2^32 contacts. */
int64_t br_contact_penalties(const br_calendar *calendar, const br_contacts *contacts,
                             const br_repetition *repetition, const br_penalties *out);

#endif
