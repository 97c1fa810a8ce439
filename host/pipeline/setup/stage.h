/* SPDX-License-Identifier: Apache-2.0
 *
 * Catalogue and model read once: rank 0 reads the files and sends them to the first rank of every
 * other machine, where they lie in memory; the ranks of a machine read them there
 * (host/base/inputs/stand_in.h). On one machine there is nothing to send. */
#ifndef BR_HOST_PIPELINE_SETUP_STAGE_H
#define BR_HOST_PIPELINE_SETUP_STAGE_H

#include "host/comm/comm.h"
#include "host/config/config.h"

#define BR_N_STAGED 4

typedef struct br_stage_files {
    int fd[BR_N_STAGED]; /* of this rank; -1: none */
} br_stage_files;

/* Collective. A file that rank 0 cannot read is left to the readers, who say why. */
br_status br_stage_open(br_comm *comm, const br_config *config, br_stage_files *out);
/* Once no rank opens these files any more. */
void      br_stage_close(br_stage_files *files);

#endif
