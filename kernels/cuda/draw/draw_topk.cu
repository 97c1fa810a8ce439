/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of draw_topk's kernels (draw.cuh), and the memory they share. Customers go in tiles
 * whose shortlists and pools fit BR_DRAW_BYTES, slow ones in tiles whose perturbed scores do.
 * Called once per batch and lane; waits for its results, since it tells the host what is wrong with
 * arguments or scores. */
#include "kernels/cuda/carve.cuh"
#include "kernels/cuda/draw/draw.cuh"

#ifndef BR_DRAW_BYTES
#define BR_DRAW_BYTES ((size_t)64 << 20)
#endif
#define LEAST_ROWS  16
#define MOST_ROWS   8192
#define MOST_LISTED 1024

/* ---- memory ---- */

typedef struct memory {
    br_carving from;
    int32_t   *best_item_RM;
    float     *best_score_RM;
} memory;

static void carve_rows(memory *to, int32_t n_rows, br_draw_tile *t)
{
    br_carving *from = &to->from;
    size_t      n    = (size_t)n_rows;
    size_t      room = n * (size_t)t->n_entries;

    br_carve_to(from, 1, &t->counters);
    br_carve_to(from, n * (size_t)t->m, &to->best_item_RM);
    br_carve_to(from, n * (size_t)t->m, &to->best_score_RM);
    br_carve_to(from, n * (size_t)t->n_head_most, &t->head_item_RH);
    br_carve_to(from, n * (size_t)t->n_head_most, &t->head_score_RH);
    br_carve_to(from, n * (size_t)t->n_head_most, &t->head_above_RH);
    br_carve_to(from, n, &t->n_head_R);
    br_carve_to(from, n, &t->is_all_R);
    br_carve_to(from, n * (size_t)t->n_above_most, &t->above_RA);
    br_carve_to(from, n, &t->n_above_R);
    br_carve_to(from, n, &t->before_R);
    br_carve_to(from, n * (size_t)t->n_pool_most, &t->pool_y_RP);
    br_carve_to(from, n * (size_t)t->n_pool_most, &t->pool_item_RP);
    br_carve_to(from, n * (size_t)t->n_pool_most, &t->pool_score_RP);
    br_carve_to(from, n, &t->n_R);
    br_carve_to(from, room, &t->room_RE);
    br_carve_to(from, room > 0 ? n * (size_t)t->k : 0, &t->leave_RK);
    br_carve_to(from, n, &t->left_R);
    br_carve_to(from, n, &t->slow_R);
    br_carve_to(from, n, &t->summed_R);
    t->best_item_RM  = to->best_item_RM;
    t->best_score_RM = to->best_score_RM;
}

static int32_t rows_that_fit(size_t bytes_of_row, int64_t n_rows)
{
    size_t rows = BR_DRAW_BYTES / bytes_of_row;

    rows = rows < LEAST_ROWS ? LEAST_ROWS : rows < MOST_ROWS ? rows : MOST_ROWS;
    return (int32_t)(n_rows < (int64_t)rows ? n_rows : (int64_t)rows);
}

static br_status take_memory(br_dev *dev, int64_t n_rows, memory *to, br_draw_tile *t)
{
    br_status    st   = BR_OK;
    memory       size = {};
    br_draw_tile one  = *t;
    void        *base = NULL;

    carve_rows(&size, MOST_ROWS, &one);
    t->n_rows = rows_that_fit(size.from.bytes / MOST_ROWS + 1, n_rows);
    size.from = {};
    carve_rows(&size, t->n_rows, &one);
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_DRAW, size.from.bytes, &base));
    to->from = {static_cast<unsigned char *>(base), 0};
    carve_rows(to, t->n_rows, t);
done:
    return st;
}

/* ---- what the caller promised ---- */

static br_status start_counting(br_dev *dev, const br_draw_tile *t)
{
    br_status    st     = BR_OK;
    cudaStream_t stream = br_cuda_lane_of(dev)->stream;

    BR_CUDA(st, cudaMemsetAsync(t->counters, 0, sizeof *t->counters, stream));
    BR_CUDA(st, cudaMemsetAsync(&t->counters->bad, 0xFF, sizeof t->counters->bad, stream));
done:
    return st;
}

static br_status count(br_dev *dev, const br_draw_tile *t, br_draw_counters *found)
{
    static const char *const words[] = {"", "the number of extras", "an extra", "the noise"};
    br_status                st      = BR_OK;

    BR_TRY(st, br_cuda_fetch(dev, t->counters, sizeof *found, found));
    if (found->bad != ~0ull)
        BR_FAIL(st, BR_E_SELFCHECK, "draw_topk: %s of row %lld is not as expected (draw.h)",
                (found->bad & 0xFF) > 0 ? words[found->bad & 0xFF]
                : t->is_epsilon         ? "epsilon"
                                        : "temperature",
                (long long)(found->bad >> 8));
done:
    return st;
}

/* ---- one tile ---- */

static br_mat slice(br_mat mat, int64_t first, int64_t n_rows)
{
    return mat.buf == NULL ? mat : br_mat_rows(mat, first, n_rows);
}

static void take_rows(const br_draw_topk_args *args, int64_t first, int32_t n, br_draw_tile *t)
{
    br_mat         heat_B = t->is_epsilon ? args->epsilon_B : args->temperature_B;
    const int64_t *never  = static_cast<const int64_t *>(br_mat_at(args->never_offset_B1));
    const int64_t *extra  = static_cast<const int64_t *>(br_mat_at(args->extra_offset_B1));

    t->first_row             = first;
    t->n_rows                = n;
    t->query_BD              = br_view_of<const float>(slice(args->query_BD, first, n));
    t->heat_B                = br_view_of<const float>(slice(heat_B, first, n));
    t->customer_B            = br_view_of<const uint64_t>(slice(args->customer_B, first, n));
    t->item_BK               = br_view_of<int32_t>(slice(args->item_BK, first, n));
    t->score_BK              = br_view_of<float>(slice(args->score_BK, first, n));
    t->log_BK                = br_view_of<float>(slice(args->log_propensity_BK, first, n));
    t->normaliser_B          = br_view_of<float>(slice(args->log_normaliser_B, first, n));
    t->remaining_B           = br_view_of<float>(slice(args->log_remaining_B, first, n));
    t->key_BK                = br_view_of<double>(slice(args->part.key_BK, first, n));
    t->best_B                = br_view_of<float>(slice(args->part.best_B, first, n));
    t->n_B                   = br_view_of<int64_t>(slice(args->part.n_B, first, n));
    t->left_B2               = br_view_of<uint64_t>(slice(args->part.left_B2, first, n));
    t->rules.have_B          = br_view_of<const uint64_t>(slice(args->have_B, first, n));
    t->rules.never_offset_B1 = never == NULL ? NULL : never + first;
    t->rules.never_S =
        never == NULL ? NULL : static_cast<const int32_t *>(br_mat_at(args->never_item_S));
    t->extra_item_X    = static_cast<const int32_t *>(br_mat_at(args->extra_item_X));
    t->extra_score_X   = static_cast<const float *>(br_mat_at(args->extra_score_X));
    t->extra_offset_B1 = extra == NULL || t->extra_item_X == NULL ? NULL : extra + first;
}

/* The shortlists of the tile's rows. */
static br_status fill_best(br_dev *dev, br_draw_topk_args *args, const br_draw_tile *t,
                           const memory *to)
{
    br_status          st    = BR_OK;
    int64_t            first = t->first_row, n = t->n_rows;
    size_t             bytes = (size_t)n * (size_t)t->m * 4;
    br_buf             item  = {dev->table, to->best_item_RM, bytes};
    br_buf             score = {dev->table, to->best_score_RM, bytes};
    br_score_topk_args topk  = {};

    topk.items           = args->items;
    topk.query_BD        = slice(args->query_BD, first, n);
    topk.never_offset_B1 = slice(args->never_offset_B1, first, n + 1);
    topk.never_item_S    = args->never_item_S;
    topk.have_B          = slice(args->have_B, first, n);
    topk.k               = t->m;
    topk.item_BK         = {&item, 0, n, t->m, t->m, BR_I32};
    topk.score_BK        = {&score, 0, n, t->m, t->m, BR_F32};
    topk.bad_row = topk.bad_item = -1;
    st                           = br_cuda_score_topk(dev, &topk);
    if (topk.bad_row >= 0) {
        args->bad_row  = first + topk.bad_row;
        args->bad_item = topk.bad_item;
    }
    br_witness_add(&args->witness, &topk.witness, first);
    return st;
}

static br_status draw_slowly(br_dev *dev, const br_draw_tile *t, int32_t n_slow)
{
    br_status st     = BR_OK;
    size_t    row    = (size_t)t->N * (sizeof(double) + sizeof(float));
    int32_t   n_most = (int32_t)(BR_DRAW_BYTES / row);
    void     *base   = NULL;

    n_most = n_most < 1 ? 1 : n_most < n_slow ? n_most : n_slow;
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_SLOW, row * (size_t)n_most, &base));
    for (int32_t first = 0; first < n_slow; first += n_most) {
        br_draw_slow slow = {};

        slow.row_S    = t->slow_R + first;
        slow.n_rows   = n_slow - first < n_most ? n_slow - first : n_most;
        slow.y_SN     = static_cast<double *>(base);
        slow.score_SN = reinterpret_cast<float *>(slow.y_SN + (int64_t)n_most * t->N);
        BR_TRY(st, br_draw_slowly(dev, t, &slow));
    }
done:
    return st;
}

/* What lists leave: that are drawn, or given. */
static br_status draw_plackett_luce(br_dev *dev, const br_draw_tile *t, br_draw_counters *found)
{
    br_status st = BR_OK;

    if (t->step == BR_DRAW_LEFT) {
        BR_TRY(st, br_draw_given_heads(dev, t));
    } else {
        BR_TRY(st, br_draw_lists(dev, t));
        BR_TRY(st, count(dev, t, found));
        if (found->n_slow > 0)
            BR_TRY(st, draw_slowly(dev, t, found->n_slow));
    }
    if (t->step == BR_DRAW_LISTS)
        return br_draw_tell_lists(dev, t);
    BR_TRY(st, br_draw_settle(dev, t));
    BR_TRY(st, count(dev, t, found));
    if (found->n_summed > 0)
        BR_TRY(st, br_draw_sum(dev, t, found->n_summed));
done:
    return st;
}

static br_status draw_tile(br_dev *dev, br_draw_topk_args *args, const br_draw_tile *t,
                           const memory *to)
{
    br_status        st    = BR_OK;
    br_draw_counters found = {};

    BR_TRY(st, start_counting(dev, t));
    if (t->step == BR_DRAW_LEFT && t->is_epsilon)
        return br_draw_tell_scores(dev, t);
    BR_TRY(st, fill_best(dev, args, t, to));
    if (t->step == BR_DRAW_LISTS && br_draw_is_by_score(args)) {
        BR_TRY(st, br_draw_tell_best(dev, t));
    } else if (t->is_epsilon) {
        BR_TRY(st, br_draw_epsilon(dev, t));
        BR_TRY(st, count(dev, t, &found));
    } else {
        BR_TRY(st, draw_plackett_luce(dev, t, &found));
    }
    args->n_first += t->n_rows - found.n_slow;
    args->n_slow += found.n_slow;
    args->n_summed += found.n_summed;
done:
    return st;
}

/* ---- the call ---- */

static int32_t first_length(const br_draw_topk_args *args)
{
    double length = br_gumbel_shortlist(br_draw_n_whole(args), args->k);

    if (args->n_shortlist > 0)
        return args->n_shortlist;
    if (args->law == BR_DRAW_EPSILON)
        length = (args->quotas != NULL ? 2.0 : 1.0) * args->k;
    return length < MOST_LISTED ? (int32_t)length : MOST_LISTED;
}

static void describe(const br_draw_topk_args *args, br_draw_tile *t)
{
    const br_items  *items  = args->items;
    const br_quotas *quotas = args->quotas;
    int64_t          N      = br_draw_n_whole(args);

    t->N               = items->item_ND.n_rows;
    t->D               = items->item_ND.n_cols;
    t->k               = args->k;
    t->n_shortlist     = args->n_shortlist;
    t->is_epsilon      = args->law == BR_DRAW_EPSILON;
    t->item_ND         = br_view_of<const float>(items->item_ND);
    t->bias_N          = br_view_of<const float>(items->bias_N);
    t->rules.require_N = br_view_of<const uint64_t>(items->require_N);
    t->seed            = args->seed;
    t->first_item      = br_draw_first_item(args);
    t->step            = args->part.step;
    t->law             = br_gumbel_of(N, t->k);
    t->floor           = br_left_floor(N);
    t->m               = first_length(args);
    t->n_blocks        = (int32_t)((t->N + BR_SUM_BLOCK - 1) / BR_SUM_BLOCK);
    t->n_above_most    = t->is_epsilon ? 0 : (int32_t)br_gumbel_most_above(&t->law, t->N);
    if (quotas == NULL)
        return;
    t->quotas    = {quotas->n_quotas, static_cast<const int32_t *>(br_mat_at(quotas->group_NQ)),
                    static_cast<const int32_t *>(br_mat_at(quotas->max_G)),
                    static_cast<const int64_t *>(br_mat_at(quotas->offset_G1)),
                    static_cast<const int32_t *>(br_mat_at(quotas->item_P))};
    t->n_entries = (int32_t)br_room_entries(t->k, quotas->n_quotas);
}

/* Of all rows at once; says how many extras a row has at most. */
static br_status check(br_dev *dev, const br_draw_topk_args *args, br_draw_tile t,
                       int32_t *extras_most)
{
    br_status        st    = BR_OK;
    br_draw_counters found = {};
    void            *base  = NULL;

    take_rows(args, 0, (int32_t)args->query_BD.n_rows, &t);
    BR_TRY(st, br_cuda_workspace(dev, BR_WORK_DRAW, sizeof found, &base));
    t.counters = static_cast<br_draw_counters *>(base);
    BR_TRY(st, start_counting(dev, &t));
    BR_TRY(st, br_draw_check(dev, &t));
    BR_TRY(st, count(dev, &t, &found));
    *extras_most = found.extras_most;
done:
    return st;
}

br_status br_cuda_draw_topk(br_dev *dev, br_draw_topk_args *args)
{
    br_status    st          = BR_OK;
    br_draw_tile t           = {};
    memory       to          = {};
    int32_t      extras_most = 0, n_most;
    bool         is_merged;

    describe(args, &t);
    BR_TRY(st, check(dev, args, t, &extras_most));
    is_merged     = br_draw_is_by_score(args);
    t.n_head_most = is_merged ? t.m : t.m + extras_most;
    t.n_pool_most = t.is_epsilon ? 0 : t.n_head_most + BR_DRAW_POOL_BESIDE;
    BR_TRY(st, take_memory(dev, args->query_BD.n_rows, &to, &t));
    n_most = t.n_rows;
    for (int64_t first = 0; first < args->query_BD.n_rows; first += n_most) {
        int64_t left = args->query_BD.n_rows - first;

        take_rows(args, first, (int32_t)(left < n_most ? left : n_most), &t);
        BR_TRY(st, draw_tile(dev, args, &t, &to));
    }
done:
    return st;
}
