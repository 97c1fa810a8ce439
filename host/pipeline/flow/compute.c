/* SPDX-License-Identifier: Apache-2.0
 *
 * A unit from its events to its lists, by one rank or in step with its team. Called once per unit,
 * by the thread that computes. */
#include "host/pipeline/flow/compute.h"

#include "host/base/clock.h"
#include "host/base/fault.h"
#include "host/base/watch/trace.h"
#include "host/pipeline/detect/detect.h"
#include "host/pipeline/shards/shards.h"
#include "host/pipeline/stages.h"

typedef br_status (*lane_stage)(br_job *job, br_batch *batch, double *cpu_s);

static br_status timed(br_job *job, br_stage which, lane_stage stage, br_batch *batch)
{
    br_stage_clock *clock  = &job->timing.stage[which];
    double          wall_s = br_clock_wall_s();
    br_status       st;

    br_trace_lanes(br_stage_name(which), batch->unit);
    st = stage(job, batch, &clock->cpu_s);
    clock->wall_s += br_clock_wall_s() - wall_s;
    br_trace_lanes(NULL, -1);
    br_trace_add(BR_TRACK_COMPUTE, br_stage_name(which), batch->unit, wall_s);
    return st;
}

static br_status share_vectors(br_job *job, br_batch *batch, double *cpu_s)
{
    (void)cpu_s;
    return br_shards_share_vectors(job, batch);
}

static br_status merge_lists(br_job *job, br_batch *batch, double *cpu_s)
{
    return br_shards_merge(job, batch, cpu_s);
}

static br_status encode_and_fuse(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, timed(job, BR_STAGE_ENCODE, br_stage_encode, batch));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_ENCODED, NULL));
    BR_TRY(st, timed(job, BR_STAGE_FUSE, br_stage_fuse, batch));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_FUSED, NULL));
done:
    return st;
}

/* x_u is there: from here on it is watched. */
static br_status score_watched(br_job *job, br_batch *batch)
{
    br_status st   = BR_OK;
    br_mat    x_BD = br_mat_rows(batch->x_BD, 0, batch->n_rows);

    BR_TRY(st, br_detect_flip(job, "x as made", x_BD));
    BR_TRY(st, br_detect_note_vectors(job->detect, batch));
    BR_TRY(st, br_detect_flip(job, "x", x_BD));
    st = br_detect_blame_vectors(job->detect, batch,
                                 timed(job, BR_STAGE_SCORE, br_stage_score, batch));
    if (st != BR_OK)
        goto done;
    BR_TRY(st, br_detect_flip(job, "item", br_mat_rows(batch->item_BK, 0, batch->n_rows)));
    BR_TRY(st, br_detect_flip(job, "score", br_mat_rows(batch->score_BK, 0, batch->n_rows)));
done:
    return st;
}

static br_status vectors_to_lists(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, timed(job, BR_STAGE_FUSE, share_vectors, batch));
    BR_TRY(st, score_watched(job, batch));
    BR_TRY(st, br_detect_shard(job->detect, batch));
done:
    return st;
}

static br_status lists_to_values(br_job *job, br_batch *batch)
{
    br_status st = BR_OK;

    BR_TRY(st, timed(job, BR_STAGE_SCORE, merge_lists, batch));
    BR_TRY(st, timed(job, BR_STAGE_SCORE, br_stage_tell, batch));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_SCORED, NULL));
done:
    return st;
}

/* A step of a team, in which a rank may fail by itself; all leave after it where one did. */
typedef br_status (*team_step)(br_job *job, br_batch *batch);

/* *is_whole: the unit is computed, and nobody of the team failed. */
static br_status compute_together(br_job *job, br_batch *batch, bool *is_whole)
{
    static const team_step steps[] = {encode_and_fuse, vectors_to_lists, lists_to_values,
                                      br_shards_collect};
    br_status              st      = BR_OK;

    *is_whole = true;
    for (size_t i = 0; *is_whole && i < sizeof steps / sizeof steps[0]; i++) {
        st        = steps[i](job, batch);
        *is_whole = br_shards_go_on(job->shards, batch->unit, st != BR_OK);
    }
    return st;
}

br_status br_flow_compute(br_job *job, br_batch *batch, bool *is_whole)
{
    br_status st = BR_OK;

    if (job->shards != NULL)
        return compute_together(job, batch, is_whole);
    BR_TRY(st, encode_and_fuse(job, batch));
    BR_TRY(st, score_watched(job, batch));
    BR_TRY(st, br_fault_point(BR_FAULT_UNIT_SCORED, NULL));
done:
    *is_whole = st == BR_OK;
    return st;
}
