/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of the backends on a command line. Called once per process. */
#include "host/verbs/backend_arg.h"

#include <string.h>

br_status br_backend_from_arg(const char *verb, const char *name, br_backend *out)
{
    static const char *const names[] = {"auto", "ref", "cpu", "cuda"};

    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (br_backend)i;
            return BR_OK;
        }
    return br_fail(BR_E_USAGE, "%s: --backend: found '%s', expected auto, ref, cpu or cuda", verb,
                   name);
}
