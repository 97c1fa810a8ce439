/* SPDX-License-Identifier: Apache-2.0
 *
 * What verbs do before several ranks can work on one configuration. */
#ifndef BR_HOST_VERBS_RUN_RANKS_H
#define BR_HOST_VERBS_RUN_RANKS_H

#include "host/comm/comm.h"
#include "host/config/config.h"
#include "host/io/run_dir.h"
#include "host/pipeline/setup/setup.h"

/* The configuration of rank 0 on all ranks (it reads the file; *config is its own, and made on the
 * others), with the prices and the earlier run that no key holds: br_ranks_lent free them after it.
 * Sets log level and deadlines. Collective. */
typedef struct br_lent {
    float *price_N;
    char  *vectors_from;
} br_lent;
br_status br_ranks_config(br_comm *comm, int64_t n_items, br_config **config, br_lent *lent);
void      br_ranks_return(br_lent *lent);

/* The identity of the run, the same on all ranks: BR_E_USAGE naming what a rank has otherwise (an
 * input file, a kind of device, the program). Collective. */
br_status br_ranks_identity(br_comm *comm, const br_setup *setup, char **out);

/* The run directory, opened by rank 0 and attached by the others; *is_complete: nothing is to be
 * done, and the others have none. Collective. */
br_status br_ranks_open_run(br_comm *comm, const br_setup *setup, const char *identity,
                            br_run **out, bool *is_complete);

#endif
