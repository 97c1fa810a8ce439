/* SPDX-License-Identifier: Apache-2.0 */
#include "host/decide/allocate/graph.h"

#include <string.h>

#include "host/base/memory.h"
#include "host/base/watch/watch.h"

static int32_t node_of(const br_chains *c, int64_t row, int32_t pos)
{
    return pos < 0 ? c->n - 1 : br_lists_item(c->l, row, pos);
}

static void link_slot(br_chains *c, int32_t slot, int32_t node)
{
    c->next_BK[slot] = c->head_n[node];
    c->prev_BK[slot] = -1;
    if (c->head_n[node] >= 0)
        c->prev_BK[c->head_n[node]] = slot;
    c->head_n[node] = slot;
}

static void unlink_slot(br_chains *c, int32_t slot, int32_t node)
{
    if (c->prev_BK[slot] >= 0)
        c->next_BK[c->prev_BK[slot]] = c->next_BK[slot];
    else
        c->head_n[node] = c->next_BK[slot];
    if (c->next_BK[slot] >= 0)
        c->prev_BK[c->next_BK[slot]] = c->prev_BK[slot];
}

static void offer_edge(br_chains *c, int64_t edge, double loss, int64_t row)
{
    if ((float)loss < c->loss_nn[edge] ||
        ((float)loss == c->loss_nn[edge] && (int32_t)row < c->row_nn[edge])) {
        c->loss_nn[edge] = (float)loss;
        c->row_nn[edge]  = (int32_t)row;
    }
}

/* The edges out of a node, from the slots that list it. */
static void refresh(br_chains *c, int32_t node)
{
    const br_allocate_args *a    = c->l->problem->args;
    int64_t                 base = (int64_t)node * c->n;

    for (int32_t j = 0; j < c->n; j++)
        c->loss_nn[base + j] = INFINITY;
    for (int32_t s = c->head_n[node]; s >= 0; s = c->next_BK[s]) {
        int64_t row  = s / a->n_kept;
        double  here = br_lists_worth(c->l, row, c->l->pos_BK[s]);

        c->work += 1.0;
        if (node < c->n - 1)
            offer_edge(c, base + c->n - 1, here, row);
        else if (s % a->n_kept > 0 && c->l->pos_BK[s - 1] < 0)
            continue; /* another free slot of the same row */
        c->work += a->width;
        for (int32_t m = 0; m < a->width && br_lists_item(c->l, row, m) >= 0; m++)
            if (!br_lists_holds(c->l, row, m))
                offer_edge(c, base + br_lists_item(c->l, row, m),
                           here - br_lists_worth(c->l, row, m), row);
    }
}

/* Whether `node` stands on the way to `at`. */
static bool is_behind(const br_chains *c, int32_t node, int32_t at)
{
    for (; at >= 0; at = c->from_n[at])
        if (at == node)
            return true;
    return false;
}

void br_chains_trace(br_chains *c, int32_t end)
{
    c->n_path = 0;
    for (int32_t at = end; at >= 0; at = c->from_n[at])
        c->path_n[c->n_path++] = at;
    for (int32_t i = 0; i < c->n_path / 2; i++) {
        int32_t swap                 = c->path_n[i];
        c->path_n[i]                 = c->path_n[c->n_path - 1 - i];
        c->path_n[c->n_path - 1 - i] = swap;
    }
}

/* Settles the labels; true: found a cycle that pays, left in path_n, its first node again last. */
static bool label(br_chains *c, int32_t n_queued)
{
    int32_t first = 0, count = n_queued;

    while (count > 0) {
        int32_t i = c->queue_n[first];
        double  base;

        first          = (first + 1) % c->n;
        c->queued_n[i] = false;
        count--;
        c->work += c->n;
        br_watch_tick();
        base = c->label_n[i] - c->price_n[i];
        for (int32_t j = 0; j < c->n; j++) {
            double reach = base + (double)c->loss_nn[(int64_t)i * c->n + j] + c->price_n[j];

            if (!(reach < c->label_n[j] - c->l->tiny) || j == i)
                continue;
            if (is_behind(c, j, i)) {
                c->from_n[j] = -1;
                br_chains_trace(c, i);
                c->path_n[c->n_path++] = j;
                return true;
            }
            c->label_n[j] = reach;
            c->from_n[j]  = i;
            if (!c->queued_n[j]) {
                c->queued_n[j]                       = true;
                c->queue_n[(first + count++) % c->n] = j;
            }
        }
    }
    return false;
}

bool br_chains_label(br_chains *c, int32_t start)
{
    int32_t n_queued = 0;

    for (int32_t i = 0; i < c->n; i++) {
        bool is_start  = (start < 0 || start == i) && c->head_n[i] >= 0;
        c->from_n[i]   = -1;
        c->label_n[i]  = !is_start ? INFINITY : start < 0 ? c->scarce_n[i] : c->price_n[i];
        c->queued_n[i] = is_start;
        if (is_start)
            c->queue_n[n_queued++] = i;
    }
    return label(c, n_queued);
}

double br_chains_gain(const br_chains *c)
{
    double gain = 0.0;

    for (int32_t i = 0; i + 1 < c->n_path; i++)
        gain -= (double)c->loss_nn[(int64_t)c->path_n[i] * c->n + c->path_n[i + 1]];
    return gain;
}

static int32_t position(const br_chains *c, int64_t row, int32_t node)
{
    int32_t m = 0;

    if (node == c->n - 1)
        return -1;
    while (br_lists_item(c->l, row, m) != node)
        m++;
    return m;
}

static void move_along(br_chains *c, int32_t from, int32_t to)
{
    int32_t  n_kept = c->l->problem->args->n_kept;
    int64_t  row    = c->row_nn[(int64_t)from * c->n + to];
    int32_t *pos_K  = c->l->pos_BK + row * n_kept;
    int32_t  k      = 0;

    while (node_of(c, row, pos_K[k]) != from)
        k++;
    unlink_slot(c, (int32_t)(row * n_kept + k), from);
    br_lists_move(c->l, row, k, position(c, row, to));
    link_slot(c, (int32_t)(row * n_kept + k), to);
}

/* Marks what the rows of the path list, moves along it, and refreshes what was marked. */
void br_chains_apply(br_chains *c)
{
    int32_t n_kept = c->l->problem->args->n_kept;

    memset(c->queued_n, 0, (size_t)c->n * sizeof *c->queued_n);
    for (int32_t i = 0; i + 1 < c->n_path; i++) {
        int64_t row = c->row_nn[(int64_t)c->path_n[i] * c->n + c->path_n[i + 1]];

        for (int32_t k = 0; k < br_problem_length(c->l->problem, row); k++)
            c->queued_n[node_of(c, row, c->l->pos_BK[row * n_kept + k])] = true;
        c->queued_n[c->path_n[i + 1]] = true;
    }
    for (int32_t i = 0; i + 1 < c->n_path; i++)
        move_along(c, c->path_n[i], c->path_n[i + 1]);
    for (int32_t i = 0; i < c->n; i++)
        if (c->queued_n[i])
            refresh(c, i);
}

void br_chains_price(br_chains *c, const double *dual_C)
{
    const br_problem *p = c->l->problem;

    for (int32_t i = 0; i < c->n - 1; i++) {
        c->scarce_n[i] = c->price_n[i] = dual_C[i];
        for (int32_t l = 0; l < p->args->n_limits; l++)
            c->price_n[i] +=
                dual_C[c->n - 1 + l] / p->side_L[l].scale * (double)br_side_coef(&p->side_L[l], i);
    }
}

br_status br_chains_open(br_lists *lists, br_chains *c)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = lists->problem->args;

    *c = (br_chains){.l = lists, .n = a->n_items + 1};
    BR_ALLOC(st, c->price_n, c->n, "prices of nodes");
    BR_ALLOC(st, c->scarce_n, c->n, "prices of capacities");
    BR_ALLOC(st, c->loss_nn, (int64_t)c->n * c->n, "edges");
    BR_ALLOC(st, c->row_nn, (int64_t)c->n * c->n, "rows of edges");
    BR_ALLOC(st, c->head_n, c->n, "first slots");
    BR_ALLOC(st, c->next_BK, a->n_rows * a->n_kept, "next slots");
    BR_ALLOC(st, c->prev_BK, a->n_rows * a->n_kept, "slots before");
    BR_ALLOC(st, c->label_n, c->n, "labels");
    BR_ALLOC(st, c->from_n, c->n, "ways");
    BR_ALLOC(st, c->queue_n, c->n, "queue");
    BR_ALLOC(st, c->queued_n, c->n, "queue marks");
    BR_ALLOC(st, c->path_n, c->n + 1, "path");
    for (int32_t i = 0; i < c->n; i++)
        c->head_n[i] = -1;
    for (int64_t b = 0; b < a->n_rows; b++)
        for (int32_t k = 0; k < br_problem_length(lists->problem, b); k++)
            link_slot(c, (int32_t)(b * a->n_kept + k),
                      node_of(c, b, lists->pos_BK[b * a->n_kept + k]));
    for (int32_t i = 0; i < c->n; i++)
        refresh(c, i);
    br_chains_price(c, lists->dual_C);
done:
    return st;
}

void br_chains_close(br_chains *c)
{
    br_free(&c->price_n);
    br_free(&c->scarce_n);
    br_free(&c->loss_nn);
    br_free(&c->row_nn);
    br_free(&c->head_n);
    br_free(&c->next_BK);
    br_free(&c->prev_BK);
    br_free(&c->label_n);
    br_free(&c->from_n);
    br_free(&c->queue_n);
    br_free(&c->queued_n);
    br_free(&c->path_n);
}
