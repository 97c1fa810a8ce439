/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of log.trace: a timeline of each rank. */
#ifndef BR_HOST_VERBS_RUN_TRACE_FILE_H
#define BR_HOST_VERBS_RUN_TRACE_FILE_H

#include "host/comm/comm.h"
#include "host/config/config.h"

/* Begins the timeline where the configuration names a file for it. BR_E_USAGE: the file is an
 * input, or a folder; BR_E_IO: it cannot be written. Of one rank. */
br_status br_trace_file_open(const br_comm *comm, const br_config *config);

/* Writes it, whatever became of the run, and ends it: `st`, or BR_E_IO where that was BR_OK. Of one
 * rank. */
br_status br_trace_file_close(const br_comm *comm, const br_config *config, br_status st);

#endif
