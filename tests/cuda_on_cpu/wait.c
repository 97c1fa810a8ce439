/* SPDX-License-Identifier: Apache-2.0
 *
 * Where threads wait: block barriers, and warps whose last lane to arrive settles for all.
 * Compiled without sanitizers. */
#include <string.h>

#include "tests/cuda_on_cpu/block.h"

/* ---- barriers ------------------------------------------------------------------------------- */

void block_check_barrier(void)
{
    if (now.n_at_barrier == 0 || now.n_at_barrier < now.n_live)
        return;
    for (int i = 0; i < now.n_threads; i++)
        if (now.threads[i].state == AT_BARRIER)
            now.threads[i].state = READY;
    now.result       = now.sum;
    now.n_at_barrier = now.sum = 0;
    now.phase++;
}

static void check_same_site(const thread *t, const thread *other)
{
    if (t->site.line != other->site.line || strcmp(t->site.file, other->site.file) != 0)
        block_fail(t, "divergent barrier: %s at %s:%d, but thread (%u,%u,%u) waits in %s at %s:%d",
                   t->site.what, t->site.file, t->site.line, other->idx.x, other->idx.y,
                   other->idx.z, other->site.what, other->site.file, other->site.line);
}

int emulator_barrier(emulator_site site, int value)
{
    thread *t   = now.current;
    char   *tag = &now.barrier[now.phase % 2];

    t->site  = site;
    t->state = AT_BARRIER;
    for (int i = 0; i < now.n_threads && now.n_at_barrier > 0; i++)
        if (&now.threads[i] != t && now.threads[i].state == AT_BARRIER) {
            check_same_site(t, &now.threads[i]);
            break;
        }
    fiber_release(tag);
    now.n_at_barrier++;
    now.sum += value;
    block_check_barrier();
    if (t->state == AT_BARRIER)
        block_suspend(t);
    fiber_acquire(tag);
    return now.result;
}

/* ---- warps ---------------------------------------------------------------------------------- */

static thread *lane_of(const thread *t, int lane)
{
    int at = (int)(t - now.threads) / WARP * WARP + lane;
    return at < now.n_threads ? &now.threads[at] : NULL;
}

/* Has this lane of the mask arrived? Waiting elsewhere, or for others, is divergence. */
static int has_arrived(const thread *t, int lane)
{
    const emulator_collective *c     = &t->collective;
    const thread              *other = lane_of(t, lane);

    if (other == NULL || other->state == DONE)
        block_fail(t, "divergent warp: %s at %s:%d names lane %d, which is done or not there",
                   c->site.what, c->site.file, c->site.line, lane);
    if (other->state != AT_COLLECTIVE || !((other->collective.mask >> emulator_lane()) & 1))
        return 0;
    if (other->collective.resolve != c->resolve || other->collective.mask != c->mask)
        block_fail(
            t, "divergent warp: %s (mask %08x) at %s:%d, but lane %d is in %s (mask %08x) at %s:%d",
            c->site.what, c->mask, c->site.file, c->site.line, lane, other->site.what,
            other->collective.mask, other->site.file, other->site.line);
    return 1;
}

static void settle(thread *t)
{
    void *lane[WARP] = {0};

    for (int i = 0; i < WARP; i++)
        if ((t->collective.mask >> i) & 1) {
            thread *other = lane_of(t, i);

            lane[i] = other->data;
            if (t->collective.is_fence)
                fiber_acquire(&other->arrived);
        }
    block_warp_of(t)->n_waiting -= __builtin_popcount(t->collective.mask);
    if (t->collective.resolve != NULL)
        t->collective.resolve(lane, t->collective.mask);
    for (int i = 0; i < WARP; i++)
        if ((t->collective.mask >> i) & 1) {
            thread *other = lane_of(t, i);

            if (t->collective.is_fence)
                fiber_release(&other->left);
            other->state = READY;
        }
}

/* Have all lanes of the mask arrived? They are looked at one by one only if something differs. */
static int is_whole(const thread *t)
{
    const emulator_collective *c     = &t->collective;
    warp                      *w     = block_warp_of(t);
    int                        whole = 1;

    if (w->n_waiting++ == 0) {
        w->mask     = c->mask;
        w->resolve  = c->resolve;
        w->is_mixed = 0;
    }
    w->is_mixed |= w->mask != c->mask || w->resolve != c->resolve;
    if (!w->is_mixed && (w->gone & c->mask) == 0)
        return w->n_waiting == __builtin_popcount(c->mask);
    for (int i = 0; i < WARP; i++)
        if ((c->mask >> i) & 1)
            whole &= has_arrived(t, i);
    return whole;
}

void emulator_collect(const emulator_collective *c, void *data)
{
    thread *t = now.current;

    t->site       = c->site;
    t->collective = *c;
    t->data       = data;
    t->state      = AT_COLLECTIVE;
    if (!((c->mask >> emulator_lane()) & 1))
        block_fail(t, "divergent warp: %s at %s:%d is called by lane %d, which its mask %08x lacks",
                   c->site.what, c->site.file, c->site.line, emulator_lane(), c->mask);
    if (c->is_fence)
        fiber_release(&t->arrived);
    if (is_whole(t))
        settle(t);
    else
        block_suspend(t);
    if (c->is_fence)
        fiber_acquire(&t->left);
}

void block_fail_stuck(void)
{
    const thread *first = NULL;

    hopper_fail_stuck();
    for (int i = 0; i < now.n_threads; i++) {
        const thread *t = &now.threads[i];

        if (t->state == DONE)
            continue;
        if (first == NULL)
            first = t;
        if (t->state != first->state)
            check_same_site(t, first);
    }
    block_fail(first, "divergent barrier: %s at %s:%d is not reached by all of its threads",
               first->site.what, first->site.file, first->site.line);
}

/* ---- asynchronous copies --------------------------------------------------------------------- */

void emulator_require(int is_true, emulator_site site)
{
    if (!is_true)
        block_fail(now.current, "%s at %s:%d", site.what, site.file, site.line);
}

void emulator_copy_later(void *to, const void *from)
{
    copy_queue *q = &now.current->copies;

    if (q->end - q->begin == MAX_COPIES)
        block_fail(now.current, "more than %d asynchronous copies under way", MAX_COPIES);
    q->copies[q->end % MAX_COPIES].to    = to;
    q->copies[q->end % MAX_COPIES].from  = from;
    q->copies[q->end % MAX_COPIES].group = q->group;
    q->end++;
}

void emulator_copy_commit(void)
{
    now.current->copies.group++;
}

void *emulator_copy_take(int n_groups, const void **from)
{
    copy_queue *q = &now.current->copies;
    unsigned    i = q->begin % MAX_COPIES;

    if (q->begin == q->end || q->copies[i].group >= q->group - n_groups)
        return NULL;
    q->begin++;
    *from = q->copies[i].from;
    return q->copies[i].to;
}

/* ---- tensor cores ---------------------------------------------------------------------------- */

static int is_cutting;

void emulator_cut_sums(int is_on)
{
    is_cutting = is_on;
}

int emulator_cuts_sums(void)
{
    return is_cutting;
}
