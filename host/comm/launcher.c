/* SPDX-License-Identifier: Apache-2.0
 *
 * Who started this process. Asked once, so that a plain command never loads MPI. */
#include <stdlib.h>

#include "host/comm/state.h"

/* A size counts where the rank is set too. SLURM_NTASKS says nothing: sbatch sets it, and a rank,
 * for plain commands of its script; the size of a step is srun's alone. */
static const struct {
    const char *launcher;
    const char *size;
    const char *with;
} known[] = {{"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
             {"a PMI launcher", "PMI_SIZE", "PMI_RANK"},
             {"Slurm's srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}};

int br_launcher_size(const char **name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const char *size = getenv(known[i].size);
        bool        both = size != NULL && getenv(known[i].with) != NULL;
        long        n    = both ? strtol(size, NULL, 10) : 1;

        if (n > 1 && n < 1 << 24) {
            *name = known[i].launcher;
            return (int)n;
        }
    }
    *name = "none";
    return 1;
}
