/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress and the table of stage timings. Called once per work unit. */
#include "host/pipeline/stats/timing.h"

#include <stdio.h>

#include "host/base/clock.h"
#include "host/base/log.h"

#define REPORT_EVERY_S 10.0

static const char *const stage_name[BR_N_STAGES] = {"read",   "encode", "fuse", "score",
                                                    "policy", "detect", "write"};

const char *br_stage_name(br_stage stage)
{
    return stage_name[stage];
}

void br_timing_start(br_timing *timing, int64_t n_total, int n_writers)
{
    *timing               = (br_timing){0};
    timing->start_s       = br_clock_wall_s();
    timing->last_report_s = timing->start_s;
    timing->n_total       = n_total;
    timing->n_writers     = n_writers;
}

static void left_text(double seconds, char *out, size_t n_bytes)
{
    long s = (long)(seconds + 0.5);

    if (s >= 3600)
        (void)snprintf(out, n_bytes, "%ld h %02ld min", s / 3600, s % 3600 / 60);
    else
        (void)snprintf(out, n_bytes, "%ld min %02ld s", s / 60, s % 60);
}

void br_timing_progress(br_timing *timing, int64_t n_customers)
{
    double now_s = br_clock_wall_s();
    double rate;
    char   line[160], left[40];

    timing->n_done += n_customers;
    rate = (double)timing->n_done / (now_s - timing->start_s + 1e-9);
    left_text((double)(timing->n_total - timing->n_done) / rate, left, sizeof left);
    (void)snprintf(line, sizeof line, "%5.1f %%  %lld of %lld customers  %.0f/s  %s left",
                   100.0 * (double)timing->n_done / (double)timing->n_total,
                   (long long)timing->n_done, (long long)timing->n_total, rate, left);
    if (br_log_is_terminal()) {
        br_log_progress(line);
    } else if (now_s - timing->last_report_s >= REPORT_EVERY_S) {
        br_log(BR_LOG_INFO, "run", "%s", line);
        timing->last_report_s = now_s;
    }
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* What a perfect overlap would need: of processor time over the lanes, or, where a GPU computes, of
 * the stages that wait for it. */
static double least_wall_s(const br_timing *timing, int n_cores)
{
    const br_stage_clock *stage   = timing->stage;
    double                write_s = stage[BR_STAGE_WRITE].wall_s, work_s = 0.0;

    if (n_cores == 0) {
        write_s += stage[BR_STAGE_POLICY].wall_s + stage[BR_STAGE_DETECT].wall_s;
        work_s = stage[BR_STAGE_ENCODE].wall_s + stage[BR_STAGE_FUSE].wall_s +
                 stage[BR_STAGE_SCORE].wall_s;
    }
    for (int i = 0; i < BR_N_STAGES && n_cores > 0; i++)
        work_s += stage[i].cpu_s / n_cores;
    return larger(work_s, larger(stage[BR_STAGE_READ].wall_s, write_s / timing->n_writers));
}

void br_timing_report(const br_timing *timing, int n_cores)
{
    double wall_s = br_clock_wall_s() - timing->start_s, cpu_s = 0.0;
    double bound_s = least_wall_s(timing, n_cores);

    br_log_progress(NULL);
    for (int i = 0; i < BR_N_STAGES; i++)
        cpu_s += timing->stage[i].cpu_s;
    br_log(BR_LOG_INFO, "run", "%-8s %10s %10s %7s %10s %10s", "stage", "wall s", "cpu s", "share",
           "Gflop", "Gflop/s");
    for (int i = 0; i < BR_N_STAGES; i++) {
        const br_stage_clock *c = &timing->stage[i];

        br_log(BR_LOG_INFO, "run", "%-8s %10.3f %10.3f %6.1f%% %10.1f %10.1f", stage_name[i],
               c->wall_s, c->cpu_s, 100.0 * c->cpu_s / (cpu_s + 1e-12), c->flop * 1e-9,
               c->flop * 1e-9 / (c->cpu_s + 1e-12));
    }
    br_log(BR_LOG_INFO, "run",
           "%lld customers in %.3f s: %.0f customers/s; wall is %.2f x %s = %.3f s",
           (long long)timing->n_done, wall_s, (double)timing->n_done / wall_s,
           wall_s / (bound_s + 1e-12),
           n_cores > 0 ? "max(cpu / cores, read, write)" : "max(read, device, write)", bound_s);
}
