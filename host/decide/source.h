/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a listed item comes from (docs/FORMATS.md): /list/source. */
#ifndef BR_HOST_DECIDE_SOURCE_H
#define BR_HOST_DECIDE_SOURCE_H

typedef enum br_list_source {
    BR_SOURCE_NONE,             /* unused slot */
    BR_SOURCE_MODEL,            /* ranked by score */
    BR_SOURCE_POPULARITY,       /* filled: popular with everybody */
    BR_SOURCE_GROUP_POPULARITY, /* filled: popular in the customer's group */
    BR_SOURCE_NEWEST,           /* filled: newest items */
    BR_SOURCE_PINNED            /* placed by hand */
} br_list_source;

#define BR_SOURCE_LAST BR_SOURCE_PINNED

#endif
