/* SPDX-License-Identifier: Apache-2.0
 *
 * --backend of the verbs that take no configuration. */
#ifndef BR_HOST_VERBS_BACKEND_ARG_H
#define BR_HOST_VERBS_BACKEND_ARG_H

#include "kernels/ops.h"

/* BR_E_USAGE names the verb, found and expected. */
br_status br_backend_from_arg(const char *verb, const char *name, br_backend *out);

#endif
