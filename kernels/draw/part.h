/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists drawn from a catalogue that several devices hold in parts: what each says of its own (steps
 * of draw_topk), and lists of the whole from that, on the host. A part of the seam (draw.h includes
 * it). Lists, scores and logarithms have the bits of draw_topk on the whole catalogue. */
#ifndef BR_KERNELS_DRAW_PART_H
#define BR_KERNELS_DRAW_PART_H

#include "kernels/device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { BR_DRAW_PLACKETT_LUCE, BR_DRAW_EPSILON } br_draw_law;

/* WHOLE   draw_topk as draw.h says; all below is absent.
 * LISTS   PLACKETT_LUCE: of this part the K best perturbed; key_BK: score / T + noise, as it is in
 *         the whole, -inf beside -1; best_B: the best score of the part's others that take part,
 *         -inf: none do. With a shortlist (K is its length) and by EPSILON: the K best by score
 *         instead, extras among them; key_BK: the scores; n_B: how many take part
 * LEFT    of a list of the whole, of which item_BK holds the part's own items (-1 elsewhere):
 *         PLACKETT_LUCE: left_B2, what it left of the part, in whole numbers that add up over
 * parts, relative to best_B: the best score that it left in the whole. EPSILON: score_BK, the
 *         scores of these items, NaN beside -1
 * Quotas and what is logged are absent in both. */
typedef enum { BR_DRAW_WHOLE, BR_DRAW_LISTS, BR_DRAW_LEFT } br_draw_step;

typedef struct br_draw_part {
    br_draw_step step;
    int64_t      first_item; /* the part's first item row in the whole */
    int64_t      n_items;    /* of the whole */
    br_mat       key_BK;     /* f64 */
    br_mat       best_B;     /* f32 [B, 1] */
    br_mat       n_B;        /* i64 [B, 1] */
    br_mat       left_B2;    /* u64 [B, 2] */
} br_draw_part;

/* One customer's lists of W parts (LISTS), in host memory: part w's list stands `ld` elements
 * behind part w-1's, its other best score `best_ld`. Item rows are those of the whole. */
typedef struct br_draw_parts {
    int32_t        n_parts;
    int32_t        m; /* of a list */
    int64_t        ld;
    const int32_t *item_WM;
    const float   *score_WM;
    const double  *key_WM;
    int64_t        best_ld;
    const float   *best_W;  /* NULL: not asked for */
    int32_t       *taken_W; /* room for a number of each part */
} br_draw_parts;

/* The m best by key, then by item row: -1 and NaN behind the last. *best_score: the best score of
 * what is not among them. Returns how many there are. */
int32_t br_draw_merge(const br_draw_parts *lists, int32_t *item_M, float *score_M,
                      float *best_score);

/* One customer's list of the whole, in host memory. */
typedef struct br_draw_merged {
    br_draw_law law;
    double      heat; /* temperature, or epsilon */
    uint64_t    seed;
    uint64_t    customer;
    int64_t     n_items; /* of the whole */
    int32_t     k;
    int32_t    *item_K; /* -1 and NaN where nothing was left */
    float      *score_K;
    float      *log_propensity_K;
    float       log_normaliser;
    float       log_remaining;
} br_draw_merged;

/* Does an item row of the whole take part? */
typedef bool (*br_draw_asked)(const void *context, int32_t item);

typedef struct br_draw_from {
    int32_t n; /* the best by score, best first; at least min(k, all that take part), <= 1024 */
    const int32_t *item_n;
    const float   *score_n;
    br_draw_asked  takes_part; /* NULL: they are a shortlist, no others do */
    int64_t        n_all;      /* else: of all that take part, extras among them */
    const void    *context;
} br_draw_from;

/* Draws a list of k <= 1024 by PLACKETT_LUCE from a shortlist, or by EPSILON: items and logarithms.
 * By EPSILON the scores of items outside the head are NaN. */
void br_draw_from_best(br_draw_merged *list, const br_draw_from *from);

/* The logarithms of a list by PLACKETT_LUCE: best_score: the best that it left, -inf: nothing;
 * left_2: its sum over all parts. */
void br_draw_tell(br_draw_merged *list, float best_score, const uint64_t left_2[2]);

#ifdef __cplusplus
}
#endif

#endif
