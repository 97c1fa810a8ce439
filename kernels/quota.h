/* SPDX-License-Identifier: Apache-2.0
 *
 * Which groups of a list are full: a table of the groups that its items are in, as large as the
 * list and not as the catalogue. Once a group has its most, its other items have no room, now and
 * in every later slot. draw_topk counts by it in every backend. */
#ifndef BR_KERNELS_QUOTA_H
#define BR_KERNELS_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "kernels/everywhere.h"

/* What is prepared of quotas (draw.h). Groups of all columns are numbered through: 0 .. G-1. */
typedef struct br_quota_groups {
    int32_t        n_quotas; /* Q; 0: none, and nothing below is there */
    const int32_t *group_NQ; /* -1: in no group of this column */
    const int32_t *max_G;
    const int64_t *offset_G1; /* item rows of each group, ascending */
    const int32_t *item_P;
} br_quota_groups;

typedef struct br_room_entry {
    int32_t  group_1;    /* group + 1; 0: free */
    uint16_t n;          /* items listed */
    uint16_t full_after; /* slot of the last of them, from 1; 0: has room */
} br_room_entry;

/* Open addressing, at most half full. */
typedef struct br_room {
    br_room_entry *entry;
    uint32_t       mask; /* entries - 1 */
} br_room;

/* A power of two. */
BR_EVERYWHERE int64_t br_room_entries(int32_t k, int32_t n_quotas)
{
    int64_t n = 2;

    while (n < 2 * (int64_t)k * n_quotas)
        n *= 2;
    return n;
}

BR_EVERYWHERE void br_room_clear(const br_room *room)
{
    const br_room_entry none = {0, 0, 0};

    for (uint32_t at = 0; at <= room->mask; at++)
        room->entry[at] = none;
}

/* The group's entry, or the free one where it would stand. */
BR_EVERYWHERE br_room_entry *br_room_find(const br_room *room, int32_t group)
{
    uint32_t at = (uint32_t)group * 2654435769u;

    at = (at ^ at >> 16) & room->mask;
    while (room->entry[at].group_1 != 0 && room->entry[at].group_1 != group + 1)
        at = (at + 1) & room->mask;
    return &room->entry[at];
}

/* The slot (from 1) after which the item has no room, and the first column whose group says so; 0
 * and -1: it has room. */
BR_EVERYWHERE int32_t br_room_leaves(const br_quota_groups *groups, const br_room *room,
                                     int32_t item, int32_t *column)
{
    int32_t least = 0;

    *column = -1;
    for (int32_t q = 0; q < groups->n_quotas; q++) {
        int32_t group = groups->group_NQ[(int64_t)item * groups->n_quotas + q];
        int32_t after = group < 0 ? 0 : br_room_find(room, group)->full_after;

        if (after > 0 && (least == 0 || after < least)) {
            least   = after;
            *column = q;
        }
    }
    return least;
}

BR_EVERYWHERE bool br_room_has(const br_quota_groups *groups, const br_room *room, int32_t item)
{
    int32_t column;

    return br_room_leaves(groups, room, item, &column) == 0;
}

/* Lists the item at a slot (from 1). */
BR_EVERYWHERE void br_room_place(const br_quota_groups *groups, const br_room *room, int32_t item,
                                 int32_t slot)
{
    for (int32_t q = 0; q < groups->n_quotas; q++) {
        int32_t        group = groups->group_NQ[(int64_t)item * groups->n_quotas + q];
        br_room_entry *entry;

        if (group < 0)
            continue;
        entry          = br_room_find(room, group);
        entry->group_1 = group + 1;
        entry->n++;
        if ((int32_t)entry->n == groups->max_G[group])
            entry->full_after = (uint16_t)slot;
    }
}

#endif
