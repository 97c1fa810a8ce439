/* SPDX-License-Identifier: Apache-2.0
 *
 * Section `deadlines`: when a command that does not move any more is ended, in seconds
 * (docs/RANKS.md). */
#ifndef BR_HOST_CONFIG_SECTIONS_DEADLINES_H
#define BR_HOST_CONFIG_SECTIONS_DEADLINES_H

/* clang-format off */
#define BR_DEADLINES_KEYS(X) \
    X(INT, "deadlines.setup", deadlines_setup, "900", 0, 604800, BR_KEY_LOCAL, \
      "seconds in which nothing moves while inputs are read and hashed and the device is filled, " \
      "before `run` ends with code 5; 0: none", "") \
    X(INT, "deadlines.unit", deadlines_unit, "900", 0, 604800, BR_KEY_LOCAL, \
      "the same while units are read, scored and written", "") \
    X(INT, "deadlines.allocate", deadlines_allocate, "3600", 0, 604800, BR_KEY_LOCAL, \
      "the same while places are given under constraints", "") \
    X(INT, "deadlines.finish", deadlines_finish, "900", 0, 604800, BR_KEY_LOCAL, \
      "the same while parts are counted and the manifest is written", "") \
    X(INT, "deadlines.answer", deadlines_answer, "60", 0, 604800, BR_KEY_LOCAL, \
      "seconds in which one of several ranks says nothing before all end with code 5; 0: none", "")
/* clang-format on */

#endif
