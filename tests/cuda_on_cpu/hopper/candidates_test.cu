/* SPDX-License-Identifier: Apache-2.0
 *
 * Hopper's screen beside the general one: the same candidates for every customer, positions and
 * approximate scores bit by bit, where nothing is known yet (all pass, lists of hits fill up),
 * where one in fifty passes (panels are noted at once) and one in 500 (by blocks). Blocks of one to
 * three warpgroups and of several tiles, several times round the ring of boxes, rows by a list,
 * threads in three orders. */
#include <algorithm>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/hopper/screen.cuh"
#include "kernels/cuda/topk/topk.cuh"
#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/expect.h"

#define MOST_B 200
#define MOST_N 1700

/* One of so many candidates passes in a round. */
static const int shares[] = {1, 50, 500};

typedef struct shape {
    const char    *name;
    br_screen_kind kind;
    int64_t        B, N, D;
    bool           has_bias, is_listed;
} shape;

static const shape shapes[] = {
    {"two tiles of three warpgroups and one, 2 boxes", BR_SCREEN_FP16, 200, 1000, 100, true, false},
    {"two tiles of two warpgroups, 4 boxes", BR_SCREEN_INT8, 130, 1200, 512, false, false},
    {"rows by a list, half a box", BR_SCREEN_BF16, 150, 1500, 20, true, true},
    {"few rows, 8 boxes", BR_SCREEN_FP16, 3, 800, 512, false, false},
};

static double uniform(void)
{
    static uint64_t seed = 20261129;

    return next_uniform(&seed);
}

static br_mat random_rows(br_dev *dev, int64_t n_rows, int64_t n_cols)
{
    br_mat to   = {};
    float *host = static_cast<float *>(malloc((size_t)(n_rows * n_cols) * sizeof *host));

    for (int64_t i = 0; i < n_rows * n_cols; i++)
        host[i] = (float)(uniform() + uniform() + uniform());
    EXPECT(br_dev_alloc(dev, BR_F32, n_rows, n_cols, &to) == BR_OK, "rows");
    EXPECT(br_upload(dev, to, host) == BR_OK && br_dev_sync(dev) == BR_OK, "rows");
    free(host);
    return to;
}

template <typename T> static T *take(int64_t n)
{
    void *memory = NULL;

    EXPECT(br_cuda_allocate((size_t)n * sizeof(T), &memory) == BR_OK, "memory");
    return static_cast<T *>(memory);
}

/* What a screen found, each row's candidates by position. */
typedef struct found {
    br_topk_row       row_B[MOST_B];
    br_topk_candidate candidate_BC[MOST_B][MOST_N];
} found;

static void screen(br_dev *dev, const br_topk_chunk *c, const br_topk_range *range, bool is_hopper,
                   found *out)
{
    br_topk_chunk own  = *c;
    br_topk_row   one  = {};
    bool          fits = true;

    if (!is_hopper)
        own.items.map = NULL;
    EXPECT(br_topk_screen(dev, &own, range) == BR_OK, "a screen");
    EXPECT(br_dev_sync(dev) == BR_OK, "a screen");
    EXPECT(cudaMemcpy(out->row_B, c->row_R, (size_t)c->n_rows * sizeof one,
                      cudaMemcpyDeviceToHost) == cudaSuccess,
           "rows");
    for (int32_t b = 0; b < c->n_rows; b++) {
        int32_t n = out->row_B[b].n;

        fits &= n <= c->capacity;
        EXPECT(cudaMemcpy(out->candidate_BC[b], c->candidate_RC + (int64_t)b * c->capacity,
                          (size_t)std::min(n, c->capacity) * sizeof(br_topk_candidate),
                          cudaMemcpyDeviceToHost) == cudaSuccess,
               "candidates");
        std::sort(out->candidate_BC[b], out->candidate_BC[b] + std::min(n, c->capacity),
                  [](const br_topk_candidate &x, const br_topk_candidate &y) {
                      return x.position < y.position;
                  });
        out->row_B[b].n = 0; /* for the next screen */
        EXPECT(cudaMemcpy(&c->row_R[b], &out->row_B[b], sizeof one, cudaMemcpyHostToDevice) ==
                   cudaSuccess,
               "rows");
        out->row_B[b].n = n;
    }
    EXPECT(fits, "candidates have room");
}

static int64_t compare(const br_topk_chunk *c, const found *x, const found *y, const char *name)
{
    int64_t n = 0, n_other = 0;

    for (int32_t b = 0; b < c->n_rows; b++) {
        n += x->row_B[b].n;
        n_other += x->row_B[b].n != y->row_B[b].n ||
                   memcmp(x->candidate_BC[b], y->candidate_BC[b],
                          (size_t)x->row_B[b].n * sizeof(br_topk_candidate)) != 0;
    }
    EXPECT(n_other == 0, name);
    return n;
}

/* Thresholds that one in so many of what was found reaches. */
static void raise_thresholds(const br_topk_chunk *c, const found *f, int share)
{
    static float approx_C[MOST_N];

    for (int32_t b = 0; b < c->n_rows; b++) {
        br_topk_row row = f->row_B[b];

        for (int32_t i = 0; i < row.n; i++)
            approx_C[i] = f->candidate_BC[b][i].approx;
        std::sort(approx_C, approx_C + row.n);
        row.threshold = row.n == 0 ? row.threshold : approx_C[row.n - 1 - row.n / share];
        row.n         = 0;
        EXPECT(cudaMemcpy(&c->row_R[b], &row, sizeof row, cudaMemcpyHostToDevice) == cudaSuccess,
               "rows");
    }
}

static void compare_screens(br_dev *dev, const br_topk_chunk *c, const br_topk_range *range,
                            const shape *s)
{
    static found general, hopper, all;
    int64_t      n = 0;

    for (int round = 0; round < 3; round++) {
        if (round > 0)
            raise_thresholds(c, &all, shares[round]);
        emulator_set_order(EMULATOR_ASCENDING, 0);
        screen(dev, c, range, false, &general);
        for (int order = EMULATOR_ASCENDING; order <= EMULATOR_RANDOM; order++) {
            if (round != 1 && order != EMULATOR_RANDOM)
                continue;
            emulator_set_order((emulator_order)order, 7);
            screen(dev, c, range, true, &hopper);
            n = compare(c, &general, &hopper, s->name);
        }
        printf("%s: %lld candidates of %lld scores\n", s->name, (long long)n,
               (long long)(range->n_rows * s->N));
        EXPECT(n > 0, s->name);
        if (round == 0) {
            EXPECT(n == range->n_rows * s->N, s->name);
            all = general;
        }
    }
}

static void check(const shape *s)
{
    br_dev       *dev   = NULL;
    br_items     *items = NULL;
    br_items_args args  = {};
    br_topk_chunk c     = {};
    br_topk_rows  rows  = {};
    br_topk_range range = {};
    int32_t       list[MOST_B];
    br_mat        query_BD;

    EXPECT(br_dev_open(BR_BACKEND_CUDA, 0, &dev) == BR_OK, s->name);
    args.item_ND = random_rows(dev, s->N, s->D);
    if (s->has_bias)
        args.bias_N = random_rows(dev, s->N, 1);
    args.screen = s->kind;
    query_BD    = random_rows(dev, s->B, s->D);
    EXPECT(br_items_prepare(dev, &args, &items) == BR_OK, s->name);
    c.items = *static_cast<br_cuda_items *>(items->prepared);
    EXPECT(c.items.map != NULL, s->name);
    rows.query_BD  = br_view_of<const float>(query_BD);
    c.rows         = take<br_topk_rows>(1);
    c.row_R        = take<br_topk_row>(s->B);
    c.code_RD      = take<unsigned char>(s->B * c.items.row_bytes);
    c.candidate_RC = take<br_topk_candidate>(s->B * MOST_N);
    c.capacity     = MOST_N;
    c.n_rows       = (int32_t)s->B;
    EXPECT(cudaMemcpy(c.rows, &rows, sizeof rows, cudaMemcpyHostToDevice) == cudaSuccess, s->name);
    EXPECT(br_topk_queries(dev, &c) == BR_OK, s->name);
    range = {0, c.items.n_panels, NULL, c.n_rows};
    if (s->is_listed) { /* every third row is left out, the others from behind */
        range.n_rows = 0;
        for (int32_t b = c.n_rows - 1; b >= 0; b--)
            if (b % 3 != 1)
                list[range.n_rows++] = b;
        int32_t *row_L = take<int32_t>(range.n_rows);

        EXPECT(cudaMemcpy(row_L, list, (size_t)range.n_rows * 4, cudaMemcpyHostToDevice) ==
                   cudaSuccess,
               s->name);
        range.row_L = row_L;
    }
    compare_screens(dev, &c, &range, s);
    br_cuda_release(const_cast<int32_t *>(range.row_L));
    br_cuda_release(c.rows);
    br_cuda_release(c.row_R);
    br_cuda_release(c.code_RD);
    br_cuda_release(c.candidate_RC);
    br_items_free(&items);
    br_dev_free(&args.item_ND);
    br_dev_free(&args.bias_N);
    br_dev_free(&query_BD);
    br_dev_close(&dev);
}

int main(void)
{
    (void)setenv("BATCHRANK_SCREEN_CUDA", "hopper", 1);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check(&shapes[i]);
    printf("%d not as expected\n", n_wrong);
    return n_wrong > 0;
}
