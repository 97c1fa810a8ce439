/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread per rank for what happens between rank 0 and the others while they work: signs of life,
 * the next unit, a wish to stop. Private to host/comm. */
#ifndef BR_HOST_COMM_SERVICE_H
#define BR_HOST_COMM_SERVICE_H

#include "host/comm/state.h"

typedef struct br_service br_service;

/* Collective at both ends (NULL: not one of several). The watchdog may look until it is freed. */
br_status br_service_open(br_comm *comm, br_service **out);
void      br_service_end_thread(br_service *service);
void      br_service_free(br_service **service);

/* What rank 0 last heard of a rank, or (rank 0) what another last heard of it. */
typedef struct br_sign {
    double   heard_s; /* br_clock_wall_s */
    br_watch watch;
    char     host[BR_HOST_BYTES];
} br_sign;
void br_service_sign(br_service *service, int rank, br_sign *out);
/* Silence was our own (the process stood still): begins anew. */
void br_service_forgive(br_service *service);

/* Units, as in comm.h; one hand-out at a time. */
void br_service_begin(br_service *service, int64_t n, br_units_progress progress, void *context);
br_status br_service_next(br_service *service, int64_t n_rows, int64_t *unit);
void      br_service_stop(br_service *service);
bool      br_service_is_stopped(const br_service *service);
/* Rank 0 waits for the others. */
br_status br_service_end(br_service *service, int64_t n_rows);

#endif
