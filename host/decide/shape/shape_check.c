/* SPDX-License-Identifier: Apache-2.0
 *
 * What no list could have: refused before any work. */
#include <inttypes.h>

#include "host/decide/shape.h"

static br_status check_quota(const br_shape *shape, const br_quota *quota)
{
    if (quota->max < 1)
        return br_fail(BR_E_USAGE, "quota on `%s`: at most %d items of a group, expected 1 or more",
                       quota->name, quota->max);
    for (int64_t i = 0; i < shape->n_items; i++)
        if (quota->group_N[i] < -1 || quota->group_N[i] >= quota->n_groups)
            return br_fail(BR_E_INPUT,
                           "quota on `%s`: item %" PRId64 " is in group %d, expected "
                           "-1 to %d",
                           quota->name, i, quota->group_N[i], quota->n_groups - 1);
    return BR_OK;
}

static br_status check_pin(const br_shape *shape, int32_t p)
{
    const br_pin *pin = &shape->pin[p];

    if (pin->slot < 0 || pin->slot >= shape->k)
        return br_fail(BR_E_USAGE, "pin of item %d: slot %d, expected 0 to %d", pin->item,
                       pin->slot, shape->k - 1);
    if (pin->item < 0 || pin->item >= shape->n_items)
        return br_fail(BR_E_USAGE, "pin at slot %d: item %d, expected 0 to %" PRId64, pin->slot,
                       pin->item, shape->n_items - 1);
    if (p > 0 && pin->slot < pin[-1].slot)
        return br_fail(BR_E_USAGE, "pins: slot %d behind slot %d, expected ascending slots",
                       pin->slot, pin[-1].slot);
    if (p > 0 && pin->slot == pin[-1].slot)
        return br_fail(BR_E_USAGE, "slot %d is pinned twice, to items %d and %d", pin->slot,
                       pin[-1].item, pin->item);
    for (int32_t other = 0; other < p; other++)
        if (shape->pin[other].item == pin->item)
            return br_fail(BR_E_USAGE, "item %d is pinned twice, at slots %d and %d", pin->item,
                           shape->pin[other].slot, pin->slot);
    return BR_OK;
}

br_status br_shape_check(const br_shape *shape)
{
    br_status st = BR_OK;

    if (shape->k < 1)
        BR_FAIL(st, BR_E_USAGE, "lists of %d items, expected 1 or more", shape->k);
    if (shape->n_items < 0 || shape->n_items > INT32_MAX)
        BR_FAIL(st, BR_E_USAGE, "%" PRId64 " items, expected 0 to %d", shape->n_items, INT32_MAX);
    if (shape->n_quotas < 0 || shape->n_quotas > BR_SHAPE_MAX_QUOTAS)
        BR_FAIL(st, BR_E_USAGE, "%d quotas, expected at most %d", shape->n_quotas,
                BR_SHAPE_MAX_QUOTAS);
    if (!(shape->lambda > 0.0 && shape->lambda <= 1.0))
        BR_FAIL(st, BR_E_USAGE, "diversity: lambda %g, expected above 0 and at most 1",
                shape->lambda);
    if (shape->lambda < 1.0 && shape->window < shape->k)
        BR_FAIL(st, BR_E_USAGE, "diversity: window %d, expected at least the list's %d items",
                shape->window, shape->k);
    if (shape->lambda < 1.0 && shape->D < 1)
        BR_FAIL(st, BR_E_USAGE, "diversity: vectors of width %d, expected 1 or more", shape->D);
    for (int32_t q = 0; q < shape->n_quotas; q++)
        BR_TRY(st, check_quota(shape, &shape->quota[q]));
    for (int32_t p = 0; p < shape->n_pins; p++)
        BR_TRY(st, check_pin(shape, p));
done:
    return st;
}
