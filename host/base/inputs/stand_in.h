/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bytes of an input file are read from: the file, or what stands in for it (a copy that
 * rank 0 sent, in memory). Readers open br_stand_in(path) and say `path` in their messages. Set
 * and dropped by one thread while nobody reads. */
#ifndef BR_HOST_BASE_INPUTS_STAND_IN_H
#define BR_HOST_BASE_INPUTS_STAND_IN_H

#include "host/base/status.h"

#define BR_MAX_STAND_INS 8

/* `path` itself where nothing stands in for it; valid until it is dropped. */
const char *br_stand_in(const char *path);
br_status   br_stand_in_set(const char *path, const char *place);
void        br_stand_in_drop_all(void);

#endif
