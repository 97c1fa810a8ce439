#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The one step of a job: `batchrank run` on all its ranks, then what its end means. Called by the
# .sbatch files beside it, with the arguments of `batchrank run`.
#   BATCHRANK          the program (build/cpu/batchrank, or bin/batchrank of a bundle)
#   BATCHRANK_VERB     what to run instead of `run`, e.g. bench
#   BATCHRANK_MPI      how ranks find each other: pmix (Debian's knows no other), pmi2, none
#   BATCHRANK_RESTARTS how often a job may start again (5)
# Requeued: exit code 5 (interrupted, or a rank lost) and ranks ended by any signal. A lost node is
# requeued by Slurm itself (--requeue). The same command goes on where it was; every other code is
# an answer that would be the same again.
set -uo pipefail

home=${BATCHRANK_HOME:-$SLURM_SUBMIT_DIR}
program=${BATCHRANK:-}
if [ -z "$program" ]; then
    program=$home/bin/batchrank
    [ -x "$program" ] || program=$home/build/cpu/batchrank
fi
most=${BATCHRANK_RESTARTS:-5}
restarts=${SLURM_RESTART_COUNT:-0}

echo "step.sh: job $SLURM_JOB_ID, start $((restarts + 1)) of at most $((most + 1))," \
     "$SLURM_NTASKS ranks on $SLURM_JOB_NODELIST" >&2
if [ "$restarts" -gt "$most" ]; then
    echo "step.sh: started again $restarts times already: not requeued" >&2
    exit 5
fi

# Ranks fill a node socket by socket, as GPUs are numbered; memory stays beside its cores. Since
# 22.05 a step does not inherit the job's --cpus-per-task.
srun --mpi="${BATCHRANK_MPI:-pmix}" --kill-on-bad-exit=1 \
     --distribution=block:block --cpu-bind=cores --mem-bind=local \
     ${SLURM_CPUS_PER_TASK:+--cpus-per-task="$SLURM_CPUS_PER_TASK"} \
     "$program" "${BATCHRANK_VERB:-run}" "$@"
code=$?

case $code in
    0)  exit 0 ;;
    5 | 129 | 1[3-5][0-9]) ;;
    *)  echo "step.sh: exit code $code: not requeued" >&2
        exit "$code" ;;
esac
if [ "$restarts" -ge "$most" ]; then
    echo "step.sh: exit code $code after $((restarts + 1)) starts: not requeued" >&2
    exit 5
fi
echo "step.sh: exit code $code: requeued" >&2
scontrol requeue "$SLURM_JOB_ID" || exit 5
sleep 60 # Slurm ends this script; its code does not count
exit 5
