/* SPDX-License-Identifier: Apache-2.0
 *
 * One flag. Set at most a few times per process. */
#include "host/base/watch/interrupt.h"

#include <stdatomic.h>

static atomic_bool is_asked; /* lock-free, as a handler needs */

void br_interrupt(void)
{
    atomic_store(&is_asked, true);
}

bool br_is_interrupted(void)
{
    return atomic_load(&is_asked);
}
