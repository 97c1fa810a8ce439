/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of warpgroups: kept until their wait, made by the last of 128 threads to come there.
 * Compiled without sanitizers; what a product reads of shared memory is read in the twin. */
#include <string.h>

#include "tests/cuda_on_cpu/block.h"
#include "tests/cuda_on_cpu/hopper/hopper.h"

static thread *group_of(thread *t)
{
    return &now.threads[(t - now.threads) / EMULATOR_GROUP * EMULATOR_GROUP];
}

void emulator_product_fence(void)
{
    now.current->is_fenced = 1;
}

void emulator_shared_fence(void)
{
    now.current->is_shared_fenced = 1;
}

void emulator_product_later(emulator_site site, const emulator_product *product)
{
    thread *t = now.current;

    if (!t->is_fenced)
        block_fail(t, "%s at %s:%d: no fence since its sums were read", site.what, site.file,
                   site.line);
    if (product->a == NULL && !t->is_shared_fenced)
        block_fail(t, "%s at %s:%d: no fence of shared memory since the block began", site.what,
                   site.file, site.line);
    if (t->n_products == MAX_PRODUCTS)
        block_fail(t, "more than %d products under way", MAX_PRODUCTS);
    t->products[t->n_products]         = *product;
    t->products[t->n_products++].group = t->product_group;
}

void emulator_product_commit(void)
{
    now.current->product_group++;
}

/* How many of a thread's products are of groups that may not be under way any more. */
static int n_due(const thread *t, int n_groups)
{
    int n = 0;

    while (n < t->n_products && t->products[n].group < t->product_group - n_groups)
        n++;
    return n;
}

static void check_same(const thread *first, const thread *t, int n, int n_groups)
{
    int is_same = n_due(t, n_groups) == n;

    for (int i = 0; i < n && is_same; i++)
        is_same = t->products[i].b == first->products[i].b &&
                  t->products[i].a_box == first->products[i].a_box &&
                  t->products[i].is_more == first->products[i].is_more &&
                  t->products[i].resolve == first->products[i].resolve;
    if (!is_same)
        block_fail(t, "divergent warpgroup: other products than thread (%u,%u,%u)", first->idx.x,
                   first->idx.y, first->idx.z);
}

static void settle(thread *group, int n_groups)
{
    const emulator_product *lane[EMULATOR_GROUP];
    int                     n = n_due(group, n_groups);

    for (int i = 0; i < EMULATOR_GROUP; i++)
        check_same(group, &group[i], n, n_groups);
    for (int p = 0; p < n; p++) {
        for (int i = 0; i < EMULATOR_GROUP; i++)
            lane[i] = &group[i].products[p];
        group[0].products[p].resolve(lane);
    }
    for (int i = 0; i < EMULATOR_GROUP; i++) {
        thread *t = &group[i];

        t->n_products -= n;
        memmove(t->products, t->products + n, (size_t)t->n_products * sizeof *t->products);
        t->is_fenced &= t->n_products > 0;
        fiber_release(&t->left);
        t->state = READY;
    }
}

void emulator_product_wait(emulator_site site, int n_groups)
{
    thread *t     = now.current;
    thread *group = group_of(t);
    int     n     = 0;

    if (group + EMULATOR_GROUP > now.threads + now.n_threads)
        block_fail(t, "%s at %s:%d: %d threads have no whole warpgroup here", site.what, site.file,
                   site.line, now.n_threads);
    emulator_yield(); /* who was given back what is still read comes first */
    t->site        = site;
    t->wait_groups = n_groups;
    t->state       = AT_WARPGROUP;
    fiber_release(&t->arrived);
    for (int i = 0; i < EMULATOR_GROUP; i++) {
        if (group[i].state == DONE)
            block_fail(t, "divergent warpgroup: %s at %s:%d, but thread (%u,%u,%u) is done",
                       site.what, site.file, site.line, group[i].idx.x, group[i].idx.y,
                       group[i].idx.z);
        n += group[i].state == AT_WARPGROUP && group[i].wait_groups == n_groups;
    }
    if (n == EMULATOR_GROUP) {
        for (int i = 0; i < EMULATOR_GROUP; i++)
            fiber_acquire(&group[i].arrived);
        settle(group, n_groups);
    } else {
        block_suspend(t);
    }
    fiber_acquire(&t->left);
}
