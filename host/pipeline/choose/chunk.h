/* SPDX-License-Identifier: Apache-2.0
 *
 * Customers under way from queries to lists, and the best items of each. Private to choose/
 * and to explanations, which compute the same for one customer. */
#ifndef BR_HOST_PIPELINE_CHOOSE_CHUNK_H
#define BR_HOST_PIPELINE_CHOOSE_CHUNK_H

#include "host/pipeline/choose/candidates.h"
#include "host/pipeline/choose/choose.h"

typedef struct br_chunk {
    br_job          *job;
    br_batch        *batch;
    br_dev          *lane;
    br_rows          rows;   /* with a subset only their number counts */
    const br_subset *subset; /* NULL: the rows */
    br_mat           x_BD;   /* with expected values only */
    br_mat           query_BQ;
    br_choose_room  *room;
    int32_t          m;         /* candidates to ask for */
    int32_t          keep;      /* of these and the penalised items, the best that stay; >= k */
    const uint64_t  *drop_N;    /* bits of penalised items to leave out; NULL: none */
    br_draw_step     step;      /* of draws */
    float           *collect_X; /* scores of the penalised items; NULL: they go into the list */
} br_chunk;

/* The row in the batch of customer b. */
static inline int64_t br_chunk_row(const br_chunk *chunk, int64_t b)
{
    return chunk->subset == NULL ? chunk->rows.first + b : chunk->subset->row_B[b];
}

static inline bool br_bit(const uint64_t *bits_N, int32_t i)
{
    return (bits_N[i >> 6] >> (i & 63) & 1) != 0;
}

/* Columns of a room for m candidates. */
int64_t   br_choose_room_columns(int32_t m);
br_status br_choose_room_open(br_choose_room *room, int64_t n_rows, int32_t m, int32_t keep);
void      br_choose_room_close(br_choose_room *room);

/* The best of candidates and penalised items into the room: list_item_BK, list_score_BK ([rows,
 * keep]), n_B, is_all_B. */
br_status br_choose_best(br_chunk *chunk);

/* Expected values of [rows, m] items, which the room's item_BM holds too, into its score_BM: terms
 * in order, then penalties, fp64, rounded once. The views are scratch of the lane. */
br_status br_choose_expect(br_chunk *chunk, int32_t m, br_mat item_BM, br_mat score_BM);

/* What [rows, m] items in the room's item_BM are worth, less penalty_BM, into score_BM. */
br_status br_choose_worth(br_chunk *chunk, int32_t m);

#endif
