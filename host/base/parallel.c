/* SPDX-License-Identifier: Apache-2.0
 *
 * Tasks over lanes by OpenMP. Called a few times per work unit, with many tasks. */
#include "host/base/parallel.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "host/base/clock.h"
#include "host/base/watch/trace.h"
#include "host/base/watch/watch.h"

typedef struct lanes_state {
    br_task         fn;
    void           *context;
    int64_t         n_tasks;
    _Atomic int64_t next;
    atomic_bool     has_failed;
    int64_t         failed_task;
    br_error        error;
    double          cpu_s;
    br_trace_work   work; /* what it is, for a timeline */
} lanes_state;

static void keep_lowest_failure(lanes_state *s, int64_t task)
{
#pragma omp critical(br_parallel_failure)
    {
        if (!atomic_load(&s->has_failed) || task < s->failed_task) {
            s->failed_task = task;
            br_error_take(&s->error);
        }
        atomic_store(&s->has_failed, true);
    }
}

static void run_lane(lanes_state *s, int lane)
{
    double start_s = br_clock_thread_cpu_s();

    while (!atomic_load_explicit(&s->has_failed, memory_order_relaxed)) {
        int64_t task    = atomic_fetch_add(&s->next, 1);
        double  begin_s = s->work.name != NULL ? br_clock_wall_s() : 0.0;
        if (task >= s->n_tasks)
            break;
        br_watch_tick();
        if (s->fn(s->context, lane, task) != BR_OK)
            keep_lowest_failure(s, task);
        if (s->work.name != NULL)
            br_trace_add(BR_TRACK_LANE + lane, s->work.name, s->work.unit, begin_s);
    }
    start_s = br_clock_thread_cpu_s() - start_s;
#pragma omp atomic
    s->cpu_s += start_s;
}

br_status br_parallel_for(int n_lanes, int64_t n_tasks, br_task fn, void *context, double *cpu_s)
{
    lanes_state s = {
        .fn = fn, .context = context, .n_tasks = n_tasks, .work = br_trace_lanes_now()};

    if (n_lanes > n_tasks)
        n_lanes = n_tasks > 0 ? (int)n_tasks : 1;
    if (n_lanes == 1) {
        run_lane(&s, 0);
    } else {
#pragma omp parallel num_threads(n_lanes)
        run_lane(&s, omp_get_thread_num());
    }
    if (cpu_s != NULL)
        *cpu_s += s.cpu_s;
    if (atomic_load(&s.has_failed))
        return br_error_put(&s.error);
    return BR_OK;
}

static atomic_int n_cores_share; /* 0: all */

int br_n_cores(void)
{
    int share = atomic_load(&n_cores_share);

    return share > 0 ? share : omp_get_num_procs();
}

void br_set_n_cores(int n)
{
    atomic_store(&n_cores_share, n);
}
