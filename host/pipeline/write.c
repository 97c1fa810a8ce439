/* SPDX-License-Identifier: Apache-2.0
 *
 * Stage 6: counts the lists and publishes them as a part of the run. Runs in a writing thread,
 * once per work unit. */
#include <pthread.h>

#include "host/pipeline/stages.h"

/* Writers take turns. */
static br_status add_stats(br_job *job, const br_lists *lists)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    br_status              st;

    (void)pthread_mutex_lock(&lock);
    st = br_stats_add(&job->stats, lists);
    (void)pthread_mutex_unlock(&lock);
    return st;
}

br_status br_stage_write(br_job *job, br_batch *batch, br_run *run)
{
    br_status st = BR_OK;

    br_stats_count(job->setup, batch);
    BR_TRY(st, br_run_publish_unit(run, batch->unit, &batch->lists));
    BR_TRY(st, add_stats(job, &batch->lists));
done:
    return st;
}
