/* SPDX-License-Identifier: Apache-2.0
 *
 * Barriers that count arrivals and bytes, barriers of some warps, and the copies that bring the
 * bytes. Compiled without sanitizers. */
#include "tests/cuda_on_cpu/block.h"
#include "tests/cuda_on_cpu/hopper/hopper.h"

enum { MAX_BARRIERS = 64, MAX_LOADS = 64, N_NAMED = 16, BOX_BYTES = 16384, NEVER = -2 };

typedef struct mbarrier {
    const void *at;
    int         phase; /* the one under way */
    uint32_t    n_arrivals, n_left;
    int64_t     bytes_left;          /* expected, not yet there */
    int64_t     bytes_free;          /* expected, and no copy asked for them */
    int         passed[MAX_THREADS]; /* the last phase that a thread saw over */
    char        tag[2];              /* of even and odd phases */
} mbarrier;

typedef struct named {
    int      n_threads, n_arrived;
    unsigned phase;
    char     tag[2];
} named;

typedef struct load {
    emulator_load of;
    int           is_there;
    char          issued; /* tag */
} load;

static struct {
    mbarrier barriers[MAX_BARRIERS];
    int      n_barriers;
    load     loads[MAX_LOADS];
    unsigned begin, end; /* of loads, a ring; some in between are made */
    named    named[N_NAMED];
} here;

static int thread_at(const thread *t)
{
    return (int)(t - now.threads);
}

static mbarrier *find(const void *at)
{
    for (int i = 0; i < here.n_barriers; i++)
        if (here.barriers[i].at == at)
            return &here.barriers[i];
    return NULL;
}

static mbarrier *known(emulator_site site, const void *at)
{
    mbarrier *b = find(at);

    if (b == NULL)
        block_fail(now.current, "%s at %s:%d: no mbarrier was made there", site.what, site.file,
                   site.line);
    return b;
}

/* ---- mbarriers ------------------------------------------------------------------------------- */

void emulator_mbarrier_init(emulator_site site, const void *at, uint32_t n_arrivals)
{
    mbarrier *b = &here.barriers[here.n_barriers];

    if (find(at) != NULL || n_arrivals == 0 || here.n_barriers == MAX_BARRIERS ||
        (uintptr_t)at % 8 != 0)
        block_fail(now.current, "%s at %s:%d: made twice, of no arrivals, not aligned, or the %dth",
                   site.what, site.file, site.line, here.n_barriers + 1);
    here.n_barriers++;
    *b = (mbarrier){.at = at, .n_arrivals = n_arrivals, .n_left = n_arrivals};
    for (int i = 0; i < MAX_THREADS; i++)
        b->passed[i] = NEVER;
}

/* Opens the next phase where nothing is left of this one. */
static void check_over(mbarrier *b)
{
    if (b->n_left > 0 || b->bytes_left > 0)
        return;
    b->phase++;
    b->n_left = b->n_arrivals;
    for (int i = 0; i < now.n_threads; i++)
        if (now.threads[i].state == AT_MBARRIER && now.threads[i].data == b->at)
            now.threads[i].state = READY;
}

void emulator_mbarrier_arrive(emulator_site site, const void *at, uint32_t bytes)
{
    mbarrier *b = known(site, at);

    if (b->n_left == 0)
        block_fail(now.current, "%s at %s:%d: more arrivals in phase %d than %u", site.what,
                   site.file, site.line, b->phase, b->n_arrivals);
    fiber_release(&b->tag[b->phase % 2]);
    b->n_left--;
    b->bytes_left += bytes;
    b->bytes_free += bytes;
    check_over(b);
}

int emulator_mbarrier_wait(emulator_site site, const void *at, uint32_t parity)
{
    mbarrier *b    = known(site, at);
    thread   *t    = now.current;
    int      *seen = &b->passed[thread_at(t)];
    int       want = b->phase % 2 == (int)parity ? b->phase : b->phase - 1;

    if (parity > 1 || *seen == want)
        block_fail(t, "%s at %s:%d: parity %u is of phase %d, which this thread has seen over",
                   site.what, site.file, site.line, parity, want);
    if (want == b->phase) {
        t->site  = site;
        t->data  = (void *)(uintptr_t)at;
        t->state = AT_MBARRIER;
        block_suspend(t);
        return 0;
    }
    *seen = want;
    fiber_acquire(&b->tag[parity]);
    return 1;
}

/* ---- barriers of some warps ------------------------------------------------------------------ */

void emulator_named(emulator_site site, int id, int n_threads, int is_waiting)
{
    thread *t = now.current;
    named  *n = &here.named[id % N_NAMED];
    char   *tag;

    if (id <= 0 || id >= N_NAMED || n_threads % WARP != 0 ||
        (n->n_arrived > 0 && n->n_threads != n_threads))
        block_fail(t, "%s at %s:%d: barrier %d of %d threads, of which others are %d", site.what,
                   site.file, site.line, id, n_threads, n->n_threads);
    tag          = &n->tag[n->phase % 2];
    n->n_threads = n_threads;
    n->n_arrived++;
    fiber_release(tag);
    t->site = site;
    t->data = n;
    if (n->n_arrived == n_threads) {
        n->n_arrived = 0;
        n->phase++;
        for (int i = 0; i < now.n_threads; i++)
            if (now.threads[i].state == AT_NAMED && now.threads[i].data == n)
                now.threads[i].state = READY;
    } else if (is_waiting) {
        t->state = AT_NAMED;
        block_suspend(t);
    }
    if (is_waiting)
        fiber_acquire(tag);
}

/* ---- copies of boxes ------------------------------------------------------------------------- */

/* Is the box at `to` one that a product under way will read? */
static int is_read(const void *to)
{
    uint64_t at = (uint64_t)((const char *)to - (const char *)emulator_shared());

    for (int i = 0; i < now.n_threads; i++)
        for (int p = 0; p < now.threads[i].n_products; p++) {
            uint64_t read = (now.threads[i].products[p].b & 0x3FFF) * 16 / 1024 * 1024;

            if (read < at + BOX_BYTES && at < read + BOX_BYTES)
                return 1;
        }
    return 0;
}

void emulator_load_later(emulator_site site, const emulator_load *of)
{
    mbarrier *b = known(site, of->barrier);
    load     *l = &here.loads[here.end % MAX_LOADS];

    if (b->bytes_free < of->bytes)
        block_fail(now.current, "%s at %s:%d: %u bytes for a barrier that expects %lld more",
                   site.what, site.file, site.line, of->bytes, (long long)b->bytes_free);
    if (is_read(of->to))
        block_fail(now.current, "%s at %s:%d: a product under way reads this box", site.what,
                   site.file, site.line);
    if (here.end - here.begin == MAX_LOADS)
        block_fail(now.current, "more than %d boxes under way", MAX_LOADS);
    b->bytes_free -= of->bytes;
    here.end++;
    l->of       = *of;
    l->is_there = 1;
    fiber_release(&l->issued);
    for (int i = 0; i < now.n_threads; i++) /* one that waits makes it */
        if (now.threads[i].state == AT_MBARRIER && now.threads[i].data == of->barrier) {
            now.threads[i].state = READY;
            break;
        }
}

int emulator_load_take(const void *barrier, emulator_load *out)
{
    for (unsigned i = here.begin; i != here.end; i++) {
        load *l = &here.loads[i % MAX_LOADS];

        if (!l->is_there || l->of.barrier != barrier)
            continue;
        l->is_there = 0;
        while (here.begin != here.end && !here.loads[here.begin % MAX_LOADS].is_there)
            here.begin++;
        fiber_acquire(&l->issued);
        *out = l->of;
        return 1;
    }
    return 0;
}

void emulator_load_done(const emulator_load *of)
{
    mbarrier *b = find(of->barrier);

    fiber_release(&b->tag[b->phase % 2]);
    b->bytes_left -= of->bytes;
    check_over(b);
}

/* ---- a block's beginning and end ------------------------------------------------------------- */

void hopper_begin_block(void)
{
    here.n_barriers = 0;
    here.begin = here.end = 0;
    for (int i = 0; i < N_NAMED; i++)
        here.named[i].n_arrived = 0;
}

void hopper_end_block(void)
{
    const thread *t = &now.threads[0];

    for (int i = 0; i < N_NAMED; i++)
        if (here.named[i].n_arrived > 0)
            block_fail(t, "barrier %d has %d threads of %d as its block ends", i,
                       here.named[i].n_arrived, here.named[i].n_threads);
    if (here.begin != here.end)
        block_fail(t, "nobody waited for %u boxes", here.end - here.begin);
    for (int i = 0; i < now.n_threads; i++)
        if (now.threads[i].n_products > 0)
            block_fail(&now.threads[i], "nobody waited for %d products", now.threads[i].n_products);
}

void hopper_fail_stuck(void)
{
    for (int i = 0; i < now.n_threads; i++) {
        const thread   *t = &now.threads[i];
        const mbarrier *b = t->state == AT_MBARRIER ? find(t->data) : NULL;

        if (b != NULL)
            block_fail(t,
                       "%s at %s:%d: phase %d waits for %u arrivals and %lld bytes, and for good",
                       t->site.what, t->site.file, t->site.line, b->phase, b->n_left,
                       (long long)b->bytes_left);
    }
}
