/* SPDX-License-Identifier: Apache-2.0
 *
 * Which GPU a process takes when it shares its machine with others. CUDA reads CUDA_VISIBLE_DEVICES
 * when it starts, so it is narrowed to one entry before: every thread's current device is then the
 * right one. Called once per process, before anything else of CUDA. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cuda.h"

#define VISIBLE     "CUDA_VISIBLE_DEVICES"
#define ENTRY_BYTES 128

/* Entry `place` of a list with commas, and how many there are. */
static int32_t find_entry(const char *list, int32_t place, char out[ENTRY_BYTES])
{
    int32_t n = 0;

    out[0] = '\0';
    while (*list != '\0') {
        size_t n_bytes = strcspn(list, ",");

        if (n == place && n_bytes < ENTRY_BYTES) {
            memcpy(out, list, n_bytes);
            out[n_bytes] = '\0';
        }
        n++;
        list += n_bytes;
        list += *list == ',';
    }
    return n;
}

br_status br_cuda_choose(int32_t place, bool is_asked_for)
{
    const char *list = getenv(VISIBLE);
    char        entry[ENTRY_BYTES];
    int32_t     n;

    if (list == NULL) {
        (void)snprintf(entry, sizeof entry, "%d", place);
    } else {
        n = find_entry(list, place, entry);
        if (n == 0 || (n == 1 && !is_asked_for))
            return BR_OK; /* none, or the launcher has chosen */
        if (entry[0] == '\0')
            return br_fail(BR_E_DEVICE,
                           "cuda: GPU %d of this machine is wanted (counted from 0), " VISIBLE
                           " lists %d: start one rank per GPU",
                           place, n);
    }
    if (setenv(VISIBLE, entry, 1) != 0)
        return br_fail(BR_E_MEMORY, "cuda: cannot set " VISIBLE);
    return BR_OK;
}
