/* SPDX-License-Identifier: Apache-2.0
 *
 * Caps, rest and repetition over one customer's past contacts. */
#include "host/decide/contact.h"

#include <math.h>
#include <stddef.h>

#include "kernels/ops.h"

/* A cap or a rest of `days` days, as a person wrote it. */
static br_status check_days(const br_calendar *calendar, const char *what, int32_t days)
{
    if (days < 1 || days > br_calendar_n_days(calendar))
        return br_fail(BR_E_USAGE, "%s of %d days, expected 1 to %d", what, days,
                       br_calendar_n_days(calendar));
    return BR_OK;
}

br_status br_contact_check_caps(const br_calendar *calendar, int32_t n_caps,
                                const br_contact_cap *caps)
{
    br_status st = BR_OK;

    if (n_caps < 0 || n_caps > BR_CONTACT_MAX_CAPS)
        BR_FAIL(st, BR_E_USAGE, "%d frequency caps, expected at most %d", n_caps,
                BR_CONTACT_MAX_CAPS);
    for (int32_t c = 0; c < n_caps; c++) {
        BR_TRY(st, check_days(calendar, "frequency cap", caps[c].days));
        if (caps[c].max < 1)
            BR_FAIL(st, BR_E_USAGE, "frequency cap of %d contacts, expected 1 or more",
                    caps[c].max);
    }
done:
    return st;
}

br_status br_contact_check_days(const br_calendar *calendar, int32_t days)
{
    return check_days(calendar, "rest", days);
}

br_status br_contact_check_repetition(const br_repetition *repetition)
{
    if (!(repetition->weight >= 0.0 && isfinite(repetition->weight)))
        return br_fail(BR_E_USAGE, "repetition: weight %g, expected 0 or more", repetition->weight);
    if (!(repetition->half_life_s > 0.0 && isfinite(repetition->half_life_s)))
        return br_fail(BR_E_USAGE, "repetition: half-life of %g s, expected more than 0",
                       repetition->half_life_s);
    return BR_OK;
}

/* How many contacts are earlier than `time`. */
static int64_t n_before(const br_contacts *contacts, int64_t time)
{
    int64_t low = 0, high = contacts->n;

    while (low < high) {
        int64_t mid = low + (high - low) / 2;

        if (contacts->time_S[mid] < time)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Is the cap reached by the known contacts, [0, n_known)? Counts from the latest back. */
static bool is_reached(const br_contacts *contacts, int64_t n_known, int64_t since,
                       const br_contact_cap *cap)
{
    const int64_t *time_S = contacts->time_S;
    int32_t        count  = 0;

    for (int64_t s = n_known - 1; s >= 0 && time_S[s] >= since && count < cap->max; s--)
        if (!cap->by_message || s == n_known - 1 || time_S[s] != time_S[s + 1])
            count++;
    return count >= cap->max;
}

uint32_t br_contact_capped(const br_calendar *calendar, int32_t zone, const br_contacts *contacts,
                           int32_t n_caps, const br_contact_cap *caps)
{
    int64_t  n_known = n_before(contacts, br_calendar_send_at(calendar) + 1);
    uint32_t reached = 0;

    for (int32_t c = 0; c < n_caps; c++) {
        int64_t since = br_calendar_midnight(calendar, zone, caps[c].days - 1);

        if (is_reached(contacts, n_known, since, &caps[c]))
            reached |= UINT32_C(1) << c;
    }
    return reached;
}

/* Heapsort: no allocation, and no worst case. */
static void sift_down(uint64_t *heap, int64_t at, int64_t n)
{
    uint64_t value = heap[at];

    for (int64_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= value)
            break;
        heap[at] = heap[child];
        at       = child;
    }
    heap[at] = value;
}

static void sort(uint64_t *values, int64_t n)
{
    for (int64_t at = n / 2; at-- > 0;)
        sift_down(values, at, n);
    for (int64_t last = n - 1; last > 0; last--) {
        uint64_t greatest = values[0];

        values[0]    = values[last];
        values[last] = greatest;
        sift_down(values, 0, last);
    }
}

int64_t br_contact_recent(const br_calendar *calendar, int32_t zone, const br_contacts *contacts,
                          int32_t days, int32_t *item_S, uint64_t *order_S)
{
    int64_t first = n_before(contacts, br_calendar_midnight(calendar, zone, days - 1));
    int64_t end   = n_before(contacts, br_calendar_send_at(calendar) + 1);
    int64_t n     = 0;

    for (int64_t s = first; s < end; s++)
        order_S[n++] = (uint64_t)(uint32_t)contacts->item_S[s];
    sort(order_S, n);
    end = n;
    n   = 0;
    for (int64_t s = 0; s < end; s++)
        if (s == 0 || order_S[s] != order_S[s - 1])
            item_S[n++] = (int32_t)order_S[s];
    return n;
}

int64_t br_contact_penalties(const br_calendar *calendar, const br_contacts *contacts,
                             const br_repetition *repetition, const br_penalties *out)
{
    int64_t  send_at = br_calendar_send_at(calendar);
    int64_t  n_known = n_before(contacts, send_at + 1);
    int64_t  n       = 0;
    uint64_t at, last_item = UINT64_MAX;

    for (int64_t s = 0; s < n_known; s++)
        out->order_S[s] = (uint64_t)(uint32_t)contacts->item_S[s] << 32 | (uint64_t)s;
    sort(out->order_S, n_known); /* by item, then oldest first */
    for (int64_t s = 0; s < n_known; s++) {
        at = out->order_S[s] & UINT32_MAX;
        if (out->order_S[s] >> 32 != last_item) {
            last_item         = out->order_S[s] >> 32;
            out->item_S[n]    = (int32_t)last_item;
            out->penalty_S[n] = 0.0;
            n++;
        }
        out->penalty_S[n - 1] +=
            br_exp2_fixed((double)(contacts->time_S[at] - send_at) / repetition->half_life_s);
    }
    for (int64_t i = 0; i < n; i++)
        out->penalty_S[i] *= repetition->weight;
    return n;
}
