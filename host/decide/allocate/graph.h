/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph of moves between items. Nodes are the items and, last, the free slot; an edge i -> j is
 * the row that loses least by moving a slot from i to j. A path from a to b takes a unit from a and
 * gives one to b, which must have room; a cycle changes no demand at all. Lengths are taken at the
 * prices, so that few edges are negative and labels settle quickly. */
#ifndef BR_HOST_DECIDE_ALLOCATE_GRAPH_H
#define BR_HOST_DECIDE_ALLOCATE_GRAPH_H

#include "host/decide/allocate/lists.h"

typedef struct br_chains {
    br_lists *l;
    int32_t   n;        /* nodes: N + 1 */
    double   *price_n;  /* lengths are taken at these */
    double   *scarce_n; /* the part of a price that the item's own capacity has */
    float    *loss_nn;  /* utility lost along the edge; inf: no row can */
    int32_t  *row_nn;   /* by which row */
    int32_t  *head_n;   /* slots by what they list: doubly linked lists */
    int32_t  *next_BK;
    int32_t  *prev_BK;
    double   *label_n;
    int32_t  *from_n; /* the edge that set the label; -1: a start */
    int32_t  *queue_n;
    bool     *queued_n;
    int32_t  *path_n; /* nodes, in the direction of the moves */
    int32_t   n_path;
    double    work; /* edges and candidates looked at */
} br_chains;

br_status br_chains_open(br_lists *lists, br_chains *c);
void      br_chains_close(br_chains *c);

/* Prices of the nodes from duals [N + L]. */
void br_chains_price(br_chains *c, const double *dual_C);

/* Shortest paths from one start, or (start -1) from every node that lists something. True: met a
 * cycle that pays instead, left in path_n, its first node again last. */
bool br_chains_label(br_chains *c, int32_t start);

/* The path that the labels lead along to `end`, into path_n. */
void br_chains_trace(br_chains *c, int32_t end);

/* Utility that the path gains. */
double br_chains_gain(const br_chains *c);

/* Moves along the path. */
void br_chains_apply(br_chains *c);

/* The item of a node, -1 for the free slot. */
static inline int32_t br_chains_item(const br_chains *c, int32_t node)
{
    return node == c->n - 1 ? -1 : node;
}

#endif
