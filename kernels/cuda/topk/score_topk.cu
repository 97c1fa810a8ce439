/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of score_topk's kernels (topk.cuh), and the memory they share. Customers go in chunks
 * whose candidates fit BR_TOPK_BYTES; the catalogue in stages, each eight times as long as all
 * before it, after which thresholds are foretold. What a chunk goes through unless a row needs more
 * is a recorded sequence. Called once per batch and lane; waits for its results, since it tells the
 * host who overflowed. */
#include <string.h>

#include "kernels/cuda/carve.cuh"
#include "kernels/cuda/graph.cuh"
#include "kernels/cuda/topk/topk.cuh"

#ifndef BR_TOPK_BYTES
#define BR_TOPK_BYTES ((size_t)256 << 20)
#endif
#define MOST_ROWS    8192
#define FIRST_PANELS 4  /* 512 items: fewer than any capacity, ... */
#define SMALL_PANELS 16 /* ... of so small a catalogue 128, since all of them pass */
#define GROWTH       8

/* ---- memory ---- */

static void carve_chunk(br_carving *from, int32_t n_rows, bool is_split, br_topk_chunk *c)
{
    size_t n    = (size_t)n_rows;
    size_t code = n * (size_t)c->items.row_bytes;

    br_carve_to(from, 1, &c->rows);
    br_carve_to(from, 1, &c->counters);
    br_carve_to(from, n, &c->row_R);
    br_carve_to(from, n, &c->second_R);
    br_carve_to(from, n, &c->slow_R);
    br_carve_to(from, code, &c->code_RD);
    br_carve_to(from, n * (size_t)c->capacity, &c->candidate_RC);
    c->below_RD = NULL;
    if (is_split)
        br_carve_to(from, code, &c->below_RD);
    br_carve_to(from, n * (size_t)c->n_runs, &c->part_RQ);
}

static int32_t rows_that_fit(const br_topk_chunk *c, bool is_split)
{
    br_topk_chunk one  = *c;
    br_carving    size = {};

    carve_chunk(&size, 1024, is_split, &one);
    int64_t rows = (int64_t)(BR_TOPK_BYTES / (size.bytes / 1024 + 1)) / 128 * 128;

    return (int32_t)(rows < 128 ? 128 : rows < MOST_ROWS ? rows : MOST_ROWS);
}

/* ---- one chunk ---- */

/* Of the first stage. */
static int64_t first_panels(const br_topk_chunk *c)
{
    return c->items.n_panels <= SMALL_PANELS ? 1 : FIRST_PANELS;
}

static_assert(sizeof(br_topk_chunk) <= BR_GRAPH_BYTES, "a chunk is not recorded");

/* Recorded: all of it follows from the chunk. */
static br_status first_pass(br_dev *dev, const void *chunk)
{
    br_status            st     = BR_OK;
    const br_topk_chunk *c      = static_cast<const br_topk_chunk *>(chunk);
    cudaStream_t         stream = br_cuda_lane_of(dev)->stream;
    br_topk_range        range  = {0, first_panels(c), NULL, c->n_rows};

    BR_CUDA(st, cudaMemsetAsync(c->counters, 0, sizeof *c->counters, stream));
    BR_CUDA(st, cudaMemsetAsync(&c->counters->bad, 0xFF, sizeof c->counters->bad, stream));
    BR_TRY(st, br_topk_queries(dev, c));
    for (; range.last < c->items.n_panels; range.last *= GROWTH) {
        BR_TRY(st, br_topk_screen(dev, c, &range));
        BR_TRY(st, br_topk_foretell(dev, c, range.last * BR_PANEL));
        range.first = range.last;
    }
    range.last = c->items.n_panels;
    BR_TRY(st, br_topk_screen(dev, c, &range));
    BR_TRY(st, br_topk_finish(dev, c, &range));
done:
    return st;
}

/* Recorded, apart: it follows the lists of rows that needed more. */
static br_status sum_up(br_dev *dev, const void *chunk)
{
    return br_topk_logsumexp(dev, static_cast<const br_topk_chunk *>(chunk));
}

static br_status count(br_dev *dev, const br_topk_chunk *c, br_topk_counters *found)
{
    return br_cuda_fetch(dev, c->counters, sizeof *found, found);
}

static br_status second_pass(br_dev *dev, const br_topk_chunk *c, br_topk_counters *found)
{
    br_status     st    = BR_OK;
    br_topk_range range = {0, c->items.n_panels, c->second_R, found->n_second};

    BR_TRY(st, br_topk_screen(dev, c, &range));
    BR_TRY(st, br_topk_finish(dev, c, &range));
    BR_TRY(st, count(dev, c, found));
done:
    return st;
}

static br_status report_bad(br_score_topk_args *args, unsigned long long bad)
{
    if (bad == ~0ull)
        return BR_OK;
    args->bad_row  = (int64_t)(bad >> 32);
    args->bad_item = (int64_t)(bad & 0xFFFFFFFFu);
    return br_fail(BR_E_INPUT,
                   "score_topk: the score of row %lld and item %lld is too large, expected a "
                   "number that fits float32",
                   (long long)args->bad_row, (long long)args->bad_item);
}

/* What the chunk's passes say of their sums; tiles are of a row and a panel here. */
static void witness(const br_topk_chunk *c, const br_topk_rows *rows, const br_topk_counters *found,
                    br_witness *to)
{
    br_witness own = {};

    own.n_tiles  = c->n_rows * c->items.n_panels;
    own.n_wrong  = found->n_wrong;
    own.row      = found->wrong_row;
    own.panel    = found->wrong_panel;
    own.found    = found->found;
    own.expected = found->expected;
    for (br_topk_range range                          = {0, first_panels(c), NULL, c->n_rows};
         range.first < c->items.n_panels; range.first = range.last, range.last *= GROWTH) {
        br_topk_range part = range, proven;

        part.last = part.last < c->items.n_panels ? part.last : c->items.n_panels;
        proven    = br_topk_proven(c->turn, part);
        own.n_checked += (proven.last - proven.first) * c->n_rows;
    }
    br_witness_add(to, &own, rows->first_row);
}

static br_status score_chunk(br_dev *dev, const br_topk_chunk *c, const br_topk_rows *rows,
                             br_score_topk_args *args)
{
    br_status              st    = BR_OK;
    const br_cuda_sequence lists = {first_pass, c, sizeof *c};
    const br_cuda_sequence sums  = {sum_up, c, sizeof *c};
    br_topk_counters       found;

    BR_TRY(st, br_cuda_replay(dev, &lists));
    BR_TRY(st, count(dev, c, &found));
    if (found.n_second > 0)
        BR_TRY(st, second_pass(dev, c, &found));
    if (found.n_slow > 0) {
        BR_TRY(st, br_topk_slow(dev, c, found.n_slow));
        BR_TRY(st, count(dev, c, &found));
    }
    args->n_second += found.n_second;
    args->n_slow += found.n_slow;
    args->n_rescored += (int64_t)found.n_rescored + found.n_slow * c->items.N;
    if (c->items.proof_PD != NULL)
        witness(c, rows, &found, &args->witness);
    BR_TRY(st, report_bad(args, found.bad));
    if (args->logsumexp_B.buf != NULL)
        BR_TRY(st, br_cuda_replay(dev, &sums));
done:
    return st;
}

/* ---- the call ---- */

static void describe(const br_score_topk_args *args, br_topk_chunk *c)
{
    const br_items *items = args->items;

    memset(c, 0, sizeof *c); /* every byte counts in a sequence's context */
    memcpy(&c->items, items->prepared, sizeof c->items);
    c->item_ND     = br_view_of<const float>(items->item_ND);
    c->bias_N      = br_view_of<const float>(items->bias_N);
    c->temperature = args->temperature;
    c->k           = args->k;
    c->capacity    = br_topk_capacity(args->k);
    c->n_runs      = args->logsumexp_B.buf == NULL ? 0 : br_topk_runs(c->items.n_panels);
}

/* A view of some of its rows, or an absent one. */
static br_mat slice(br_mat mat, int64_t first, int64_t n_rows)
{
    return mat.buf == NULL ? mat : br_mat_rows(mat, first, n_rows);
}

static br_topk_rows rows_of(const br_score_topk_args *args, int64_t first, int64_t n)
{
    const int64_t *offset = static_cast<const int64_t *>(br_mat_at(args->never_offset_B1));
    br_topk_rows   rows   = {};

    rows.first_row             = first;
    rows.query_BD              = br_view_of<const float>(slice(args->query_BD, first, n));
    rows.item_BK               = br_view_of<int32_t>(slice(args->item_BK, first, n));
    rows.score_BK              = br_view_of<float>(slice(args->score_BK, first, n));
    rows.logsumexp_B           = br_view_of<float>(slice(args->logsumexp_B, first, n));
    rows.floor_B               = br_view_of<const float>(slice(args->floor_B, first, n));
    rows.rules.require_N       = br_view_of<const uint64_t>(args->items->require_N);
    rows.rules.have_B          = br_view_of<const uint64_t>(slice(args->have_B, first, n));
    rows.rules.wanted_B        = br_view_of<const uint8_t>(slice(args->wanted_B, first, n));
    rows.rules.never_offset_B1 = offset == NULL ? NULL : offset + first;
    rows.rules.never_S =
        offset == NULL ? NULL : static_cast<const int32_t *>(br_mat_at(args->never_item_S));
    return rows;
}

br_status br_cuda_score_topk(br_dev *dev, br_score_topk_args *args)
{
    br_status     st = BR_OK;
    br_topk_chunk c;
    br_topk_rows  rows;
    bool          is_split;
    int32_t       n_most;
    br_carving    memory = {};
    void         *base   = NULL;

    describe(args, &c);
    is_split = args->logsumexp_B.buf != NULL && c.items.below_ND != NULL;
    n_most   = rows_that_fit(&c, is_split);
    if (args->query_BD.n_rows < n_most)
        n_most = (int32_t)args->query_BD.n_rows;
    carve_chunk(&memory, n_most, is_split, &c);
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_TOPK, memory.bytes, &base));
    memory = {static_cast<unsigned char *>(base), 0};
    carve_chunk(&memory, n_most, is_split, &c);
    for (int64_t first = 0; first < args->query_BD.n_rows; first += n_most) {
        int64_t left = args->query_BD.n_rows - first;

        c.n_rows = (int32_t)(left < n_most ? left : n_most);
        rows     = rows_of(args, first, c.n_rows);
        if (c.items.proof_PD != NULL)
            c.turn = br_cuda_lane_of(dev)->n_proofs++ % BR_PROOF_TURNS;
        BR_TRY(st, br_cuda_place(dev, c.rows, rows));
        BR_TRY(st, score_chunk(dev, &c, &rows, args));
    }
done:
    return st;
}
