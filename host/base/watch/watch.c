/* SPDX-License-Identifier: Apache-2.0
 *
 * The state behind br_watch_*. Written many times per unit, read a few times per second. */
#include "host/base/watch/watch.h"

#include <stdatomic.h>

static const char *const phase_text[] = {
#define X(name, text) text,
    BR_PHASE_MAP(X)
#undef X
};

static _Atomic int     phase_now = BR_PHASE_WORK;
static _Atomic int64_t unit_now  = -1;
static _Atomic int64_t n_ticks;
static atomic_bool     is_waiting_now;

void br_watch_tick(void)
{
    atomic_fetch_add_explicit(&n_ticks, 1, memory_order_relaxed);
}

void br_watch_phase(br_phase phase)
{
    atomic_store(&phase_now, (int)phase);
    atomic_store(&unit_now, -1);
    br_watch_tick();
}

void br_watch_unit(int64_t unit)
{
    atomic_store(&unit_now, unit);
    br_watch_tick();
}

void br_watch_wait(bool is_waiting)
{
    atomic_store(&is_waiting_now, is_waiting);
    br_watch_tick();
}

br_watch br_watch_read(void)
{
    return (br_watch){.phase      = (br_phase)atomic_load(&phase_now),
                      .unit       = atomic_load(&unit_now),
                      .n_ticks    = atomic_load(&n_ticks),
                      .is_waiting = atomic_load(&is_waiting_now)};
}

const char *br_phase_text(br_phase phase)
{
    return phase_text[phase];
}
