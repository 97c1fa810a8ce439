/* SPDX-License-Identifier: Apache-2.0
 *
 * "Did you mean": for messages about unknown names. */
#ifndef BR_HOST_BASE_NEAREST_H
#define BR_HOST_BASE_NEAREST_H

#include <stdint.h>

/* The nearest of `names` to `name` by edit distance, NULL when none is near. */
const char *br_nearest(const char *name, const char *const *names, int32_t n_names);

#endif
