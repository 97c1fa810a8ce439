/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 6: counts the lists and publishes them as a part of the run. Runs in the writing thread,
 * once per work unit. */
#include "host/pipeline/stages.h"

br_status br_stage_write(br_job *job, br_batch *batch, br_run *run)
{
    br_status st = BR_OK;

    br_stats_count(job->setup, batch);
    BR_TRY(st, br_run_publish_unit(run, batch->unit, &batch->lists));
    BR_TRY(st, br_stats_add(&job->stats, &batch->lists));
done:
    return st;
}
