/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains of moves that raise the value. Nodes are the items and, last, the free slot; an edge
 * i -> j is the row that loses least by moving a slot from i to j. A path from a to b takes a unit
 * from a and gives one to b, which must have room; a cycle changes no demand at all. Lengths are
 * taken at the prices, so that few edges are negative and labels settle quickly (label-correcting
 * shortest paths). Without limits, what no chain improves is optimal. */
#include <string.h>

#include "host/base/memory.h"
#include "host/decide/allocate/repair.h"

#define MAX_NODES      1024
#define MAX_CANDIDATES 2e7 /* of all shortlists */
#define WORK           3e8 /* edges and candidates looked at */
#define TRIES          32  /* ends of paths tried per labelling */

typedef struct chains {
    br_lists *l;
    int32_t   n;        /* nodes: N + 1 */
    float    *loss_nn;  /* utility lost along the edge; inf: no row can */
    int32_t  *row_nn;   /* by which row */
    int32_t  *head_n;   /* slots by what they list: doubly linked lists */
    int32_t  *next_BK;
    int32_t  *prev_BK;
    double   *label_n;
    int32_t  *from_n;   /* the edge that set the label; -1: a start */
    int32_t  *queue_n;
    bool     *queued_n;
    int32_t  *path_n;   /* nodes, in the direction of the moves */
    int32_t   n_path;
    double    work;
} chains;

static int32_t node_of(const chains *c, int64_t row, int32_t pos)
{
    return pos < 0 ? c->n - 1 : br_lists_item(c->l, row, pos);
}

static double price_of(const chains *c, int32_t node)
{
    return node == c->n - 1 ? 0.0 : (double)c->l->price_N[node];
}

/* The part of the price that the item's own capacity has. */
static double scarcity(const chains *c, int32_t node)
{
    return node == c->n - 1 ? 0.0 : c->l->dual_C[node];
}

static void link_slot(chains *c, int32_t slot, int32_t node)
{
    c->next_BK[slot] = c->head_n[node];
    c->prev_BK[slot] = -1;
    if (c->head_n[node] >= 0)
        c->prev_BK[c->head_n[node]] = slot;
    c->head_n[node] = slot;
}

static void unlink_slot(chains *c, int32_t slot, int32_t node)
{
    if (c->prev_BK[slot] >= 0)
        c->next_BK[c->prev_BK[slot]] = c->next_BK[slot];
    else
        c->head_n[node] = c->next_BK[slot];
    if (c->next_BK[slot] >= 0)
        c->prev_BK[c->next_BK[slot]] = c->prev_BK[slot];
}

static void offer_edge(chains *c, int64_t edge, double loss, int64_t row)
{
    if ((float)loss < c->loss_nn[edge] ||
        ((float)loss == c->loss_nn[edge] && (int32_t)row < c->row_nn[edge])) {
        c->loss_nn[edge] = (float)loss;
        c->row_nn[edge]  = (int32_t)row;
    }
}

/* The edges out of a node, from the slots that list it. */
static void refresh(chains *c, int32_t node)
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
static bool is_behind(const chains *c, int32_t node, int32_t at)
{
    for (; at >= 0; at = c->from_n[at])
        if (at == node)
            return true;
    return false;
}

static void trace(chains *c, int32_t end)
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
static bool label(chains *c, int32_t n_queued)
{
    int32_t first = 0, count = n_queued;

    while (count > 0) {
        int32_t i = c->queue_n[first];
        double  base;

        first          = (first + 1) % c->n;
        c->queued_n[i] = false;
        count--;
        c->work += c->n;
        base = c->label_n[i] - price_of(c, i);
        for (int32_t j = 0; j < c->n; j++) {
            double reach = base + (double)c->loss_nn[(int64_t)i * c->n + j] + price_of(c, j);

            if (!(reach < c->label_n[j] - c->l->tiny) || j == i)
                continue;
            if (is_behind(c, j, i)) {
                c->from_n[j] = -1;
                trace(c, i);
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

/* Labels from one start, or (start -1) from every node that lists something. */
static bool label_from(chains *c, int32_t start)
{
    int32_t n_queued = 0;

    for (int32_t i = 0; i < c->n; i++) {
        bool is_start  = (start < 0 || start == i) && c->head_n[i] >= 0;
        c->from_n[i]   = -1;
        c->label_n[i]  = !is_start ? INFINITY : start < 0 ? scarcity(c, i) : price_of(c, i);
        c->queued_n[i] = is_start;
        if (is_start)
            c->queue_n[n_queued++] = i;
    }
    return label(c, n_queued);
}

static double path_gain(const chains *c)
{
    double gain = 0.0;

    for (int32_t i = 0; i + 1 < c->n_path; i++)
        gain -= (double)c->loss_nn[(int64_t)c->path_n[i] * c->n + c->path_n[i + 1]];
    return gain;
}

static bool is_open(const chains *c, int32_t start, int32_t end)
{
    return br_lists_fits(c->l, start == c->n - 1 ? -1 : start, end == c->n - 1 ? -1 : end);
}

/* The best path that pays and fits, into path_n. */
static bool find_path(chains *c, int32_t start)
{
    for (int32_t i = 0; i < TRIES; i++) {
        int32_t best = -1;
        double  least = -c->l->tiny;

        for (int32_t b = 0; b < c->n; b++) {
            double length = c->label_n[b] - (start < 0 ? scarcity(c, b) : price_of(c, b));

            if (length < least && c->from_n[b] >= 0 &&
                (start < 0 ? br_lists_has_room(c->l, b == c->n - 1 ? -1 : b)
                           : is_open(c, start, b))) {
                least = length;
                best  = b;
            }
        }
        if (best < 0)
            return false;
        trace(c, best);
        if (is_open(c, c->path_n[0], best) && path_gain(c) > c->l->tiny)
            return true;
        c->label_n[best] = INFINITY;
    }
    return false;
}

static int32_t position(const chains *c, int64_t row, int32_t node)
{
    int32_t m = 0;

    if (node == c->n - 1)
        return -1;
    while (br_lists_item(c->l, row, m) != node)
        m++;
    return m;
}

static void move_along(chains *c, int32_t from, int32_t to)
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
static void apply(chains *c)
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

static br_status chains_open(br_lists *lists, chains *c)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = lists->problem->args;

    *c = (chains){.l = lists, .n = a->n_items + 1};
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
done:
    return st;
}

static void chains_close(chains *c)
{
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

/* Applies one chain from `start` (-1: anywhere) if there is one. */
static bool improve(chains *c, int32_t start)
{
    if (label_from(c, start) ? path_gain(c) > c->l->tiny : find_path(c, start)) {
        apply(c);
        return true;
    }
    return false;
}

br_status br_repair_chains(br_lists *lists)
{
    br_status               st = BR_OK;
    const br_allocate_args *a  = lists->problem->args;
    double                  candidates = (double)a->n_rows * a->width;
    int32_t                 n_without  = 0; /* starts in a row from which nothing pays */
    chains                  c          = {0};

    if (a->n_items >= MAX_NODES || candidates > MAX_CANDIDATES)
        return BR_OK;
    BR_TRY(st, chains_open(lists, &c));
    while (c.work < WORK && improve(&c, -1))
        continue;
    for (int32_t i = 0; a->n_limits > 0 && c.work < WORK && n_without < c.n; i = (i + 1) % c.n)
        n_without = improve(&c, i) ? 0 : n_without + 1;
    if (candidates > 0.0)
        lists->problem->passes += c.work / candidates;
done:
    chains_close(&c);
    return st;
}
