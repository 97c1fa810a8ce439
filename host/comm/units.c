/* SPDX-License-Identifier: Apache-2.0
 *
 * Handing out units: a counter where there is one rank, else rank 0's service. Once per unit. */
#include <stdatomic.h>

#include "host/base/memory.h"
#include "host/comm/service.h"

struct br_units {
    br_service     *service; /* NULL: one rank */
    int64_t         n;
    _Atomic int64_t next;
    atomic_bool     is_stopped;
};

br_status br_units_open(br_comm *comm, int64_t n, br_units_progress progress, void *context,
                        br_units **out)
{
    br_status st    = BR_OK;
    br_units *units = NULL;

    *out = NULL;
    BR_ALLOC(st, units, 1, "hand-out of units");
    units->service = comm != NULL ? comm->service : NULL;
    units->n       = n;
    if (units->service != NULL)
        br_service_begin(units->service, n, progress, context);
    *out  = units;
    units = NULL;
done:
    br_free(&units);
    return st;
}

br_status br_units_next(br_units *units, int64_t n_rows, int64_t *unit)
{
    if (units->service != NULL)
        return br_service_next(units->service, n_rows, unit);
    *unit = atomic_fetch_add(&units->next, 1);
    if (*unit >= units->n || atomic_load(&units->is_stopped))
        *unit = -1;
    return BR_OK;
}

void br_units_stop(br_units *units)
{
    if (units->service != NULL)
        br_service_stop(units->service);
    else
        atomic_store(&units->is_stopped, true);
}

bool br_units_are_stopped(const br_units *units)
{
    return units->service != NULL ? br_service_is_stopped(units->service)
                                  : atomic_load(&units->is_stopped);
}

br_status br_units_close(br_units **units, int64_t n_rows)
{
    br_status st = BR_OK;

    if (*units != NULL && (*units)->service != NULL)
        st = br_service_end((*units)->service, n_rows);
    br_free(units);
    return st;
}
