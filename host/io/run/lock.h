/* SPDX-License-Identifier: Apache-2.0
 *
 * One process at a time: a kernel lock on a file, gone with the process however it ends. */
#ifndef BR_HOST_IO_RUN_LOCK_H
#define BR_HOST_IO_RUN_LOCK_H

#include "host/base/status.h"

/* BR_E_USAGE when another process holds it (named by what that process wrote into the file). */
br_status br_lock_take(const char *path, int *fd);
void      br_lock_drop(int *fd); /* takes -1 */

#endif
