/* SPDX-License-Identifier: Apache-2.0
 *
 * Time zones by their IANA names, from the files of the package tzdata. Called at set-up. */
#ifndef BR_HOST_IO_ZONES_ZONES_H
#define BR_HOST_IO_ZONES_ZONES_H

#include "host/base/status.h"
#include "host/decide/zone.h"

/* `name` as "Europe/Paris"; "UTC" needs no file. Looks in $TZDIR, else where systems keep them.
 * BR_E_INPUT: no such zone. BR_E_IO: this machine has no zone files, or one cannot be read. */
br_status br_zones_read(const char *name, br_zone **out);

#endif
