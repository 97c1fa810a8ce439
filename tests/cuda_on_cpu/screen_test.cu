/* SPDX-License-Identifier: Apache-2.0
 *
 * The kinds of codes that score_topk screens in, each held to the bounds that its lists rest on
 * (bounds.cuh): every approximate score, by the screen's own loop, beside the canonical one; what
 * reaches a threshold passes; vectors that make bounds tight, sums as bad as they may be. Bounds
 * loosened on purpose must fail, each kind by itself. And which kind is taken when. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/canonical.h"
#include "kernels/cuda/topk/bounds.cuh"
#include "kernels/cuda/topk/code.cuh"
#include "kernels/cuda/topk/tile.cuh"
#include "tests/cuda_on_cpu/emulator.h"
#include "tests/cuda_on_cpu/expect.h"

#define B      32 /* a tile */
#define N      160
#define MOST_D 512

/* ---- vectors --------------------------------------------------------------------------------- */

typedef struct made {
    const char *name;
    int64_t     D;
    float       query_BD[B * MOST_D];
    float       item_ND[N * MOST_D];
    float       bias_N[N];
} made;

static double uniform(void)
{
    static uint64_t seed = 20261128;

    return next_uniform(&seed);
}

/* Every value times a number. */
static void make_random(made *m, const char *name, int64_t D, float of_query, float of_item)
{
    *m      = {};
    m->name = name;
    m->D    = D;
    for (int64_t i = 0; i < B * D; i++)
        m->query_BD[i] = of_query * (float)uniform();
    for (int64_t i = 0; i < N * D; i++)
        m->item_ND[i] = of_item * (float)uniform();
}

/* The codes of all are exact, and no two products cancel: only sums are off. */
static void make_whole(made *m)
{
    make_random(m, "whole numbers", MOST_D, 1.0f, 1.0f);
    for (int64_t i = 0; i < B * m->D; i++)
        m->query_BD[i] = 1.0f + floorf(126.99f * fabsf(m->query_BD[i]));
    for (int64_t i = 0; i < N * m->D; i++)
        m->item_ND[i] = 1.0f + floorf(126.99f * fabsf(m->item_ND[i]));
    for (int64_t i = 0; i < B; i++) /* the scale of whole codes is 1 */
        m->query_BD[i * m->D] = 127.0f;
    for (int64_t i = 0; i < N; i++)
        m->item_ND[i * m->D] = 127.0f;
}

/* Each customer is what the codes of an item lose: nothing of the bound is left over. */
template <typename K> static void make_aligned(made *m)
{
    float scale = K::scale(1.0f);

    make_random(m, "aligned", 40, 1.0f, 1.0f);
    for (int64_t i = 0; i < N; i++)
        m->item_ND[i * m->D] = 1.0f; /* the largest */
    for (int64_t i = 0; i < B * m->D; i++) {
        float code = K::value_of(K::code_of(m->item_ND[i] / scale));

        m->query_BD[i] = (m->item_ND[i] - code * scale) * 1e3f;
    }
}

#define N_MADE 11

template <typename K> static void make(made *m, int which)
{
    switch (which) {
    case 0:
        return make_random(m, "random", 40, 1.0f, 3.0f);
    case 1:
        return make_random(m, "one dimension", 1, 1.0f, 1.0f);
    case 2: /* customers lose nothing, ... */
        make_random(m, "exact customers", 1, 1.0f, 1.0f);
        for (int i = 0; i < B; i++)
            m->query_BD[i] = 127.0f;
        return;
    case 3: /* ... items neither */
        make_random(m, "exact items", 1, 1.0f, 1.0f);
        for (int i = 0; i < N; i++)
            m->item_ND[i] = 127.0f;
        return;
    case 4:
        return make_aligned<K>(m);
    case 5:
        return make_whole(m);
    case 6:
        make_random(m, "outlier", 40, 1.0f, 1.0f);
        for (int i = 0; i < N; i++)
            m->item_ND[i * 40 + 7] *= 300.0f;
        return;
    case 7:
        make_random(m, "huge norms", 40, 1.0f, 1.0f);
        for (int i = 0; i < N; i += 37)
            for (int d = 0; d < 40; d++)
                m->item_ND[i * 40 + d] *= 1e17f;
        return;
    case 8: /* as small and as large as is screened */
        return make_random(m, "denormal", 40, 1e-15f, 1e-30f);
    case 9:
        return make_random(m, "near overflow", 40, 1e14f, 1e17f);
    default:
        make_random(m, "biases, duplicates", 40, 1.0f, 1.0f);
        for (int i = 0; i < N; i++) {
            memcpy(m->item_ND + i * 40, m->item_ND + i % 7 * 40, 40 * sizeof(float));
            m->bias_N[i] = i % 11 == 0 ? -1e30f : 100.0f * (float)uniform();
        }
    }
}

/* ---- approximate scores ---------------------------------------------------------------------- */

typedef struct found {
    float  approx;
    double sum; /* of codes */
} found;

template <typename K> struct keeper {
    const br_topk_chunk *c;
    found               *found_BP;

    __device__ void operator()(int64_t panel, const br_tile<K, B> &t, const float *bias) const
    {
        typedef br_tile<K, B> tile;

        for (int i = 0; i < 4 * tile::BLOCKS * 2; i++) {
            int             n = i / 8, m = i / 4 % 2, at = i % 4;
            int             row = tile::row_of(m, at / 2), col = tile::col_of(n) + at % 2;
            float           scale = c->row_R[row].scale * c->items.panel_P[panel].scale;
            typename K::sum sum   = t.sum[m][n][at];

            found_BP[row * c->items.n_panels * BR_PANEL + panel * BR_PANEL + col] = {
                fmaf((float)sum, scale, bias[col]), (double)sum};
        }
    }
};

template <typename K>
static __global__ void __launch_bounds__(BR_TOPK_THREADS) keep_kernel(br_topk_chunk c, found *out)
{
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_stream s = {};

    s.items       = &c.items;
    s.code_RD     = c.code_RD;
    s.n_rows      = B;
    s.last_panel  = c.items.n_panels;
    keeper<K> end = {&c, out};
    br_stream_run<K, B>(s, shared, end);
}

typedef struct screened {
    br_topk_row   row_B[B];
    br_topk_panel panel_P[2];
    int32_t       row_N[2 * BR_PANEL]; /* of a position */
    found         found_BP[B * 2 * BR_PANEL];
    int64_t       width;
} screened;

static br_mat place(br_dev *dev, int64_t n_rows, int64_t n_cols, const float *from)
{
    br_mat to = {};

    EXPECT(br_dev_alloc(dev, BR_F32, n_rows, n_cols, &to) == BR_OK, "a matrix");
    EXPECT(br_upload(dev, to, from) == BR_OK, "a matrix");
    return to;
}

template <typename T> static T *take(int64_t n)
{
    void *memory = NULL;

    EXPECT(br_cuda_allocate((size_t)n * sizeof(T), &memory) == BR_OK, "memory");
    return static_cast<T *>(memory);
}

static void fetch(br_dev *dev, void *to, const void *from, size_t bytes)
{
    EXPECT(br_dev_sync(dev) == BR_OK, "the device");
    EXPECT(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost) == cudaSuccess, "what was found");
}

template <typename K> static void run_kernels(br_dev *dev, br_topk_chunk *c, screened *out)
{
    found *kept = take<found>(B * 2 * BR_PANEL);

    EXPECT(br_topk_queries(dev, c) == BR_OK, "queries");
    EXPECT(BR_LAUNCH(dev, keep_kernel<K>, 1, BR_TOPK_THREADS,
                     br_tile_bytes(B, c->items.row_bytes, false), *c, kept) == BR_OK,
           "scores");
    fetch(dev, out->row_B, c->row_R, sizeof out->row_B);
    fetch(dev, out->panel_P, c->items.panel_P, sizeof out->panel_P);
    fetch(dev, out->row_N, c->items.row_N, N * sizeof(int32_t));
    fetch(dev, out->found_BP, kept, sizeof out->found_BP);
    br_cuda_release(kept);
}

template <typename K> static void screen(const made *m, screened *out)
{
    br_dev       *dev   = NULL;
    br_items     *items = NULL;
    br_items_args args  = {};
    br_mat        query_BD;
    br_topk_chunk c    = {};
    br_topk_rows  rows = {};

    EXPECT(br_dev_open(BR_BACKEND_CUDA, 0, &dev) == BR_OK, m->name);
    args.item_ND = place(dev, N, m->D, m->item_ND);
    args.bias_N  = place(dev, N, 1, m->bias_N);
    args.screen  = K::KIND;
    query_BD     = place(dev, B, m->D, m->query_BD);
    EXPECT(br_items_prepare(dev, &args, &items) == BR_OK, m->name);
    c.items = *static_cast<br_cuda_items *>(items->prepared);
    EXPECT(c.items.kind == K::KIND, m->name);
    rows.query_BD = br_view_of<const float>(query_BD);
    c.rows        = take<br_topk_rows>(1);
    c.row_R       = take<br_topk_row>(B);
    c.code_RD     = take<unsigned char>(B * c.items.row_bytes);
    c.n_rows      = B;
    EXPECT(cudaMemcpy(c.rows, &rows, sizeof rows, cudaMemcpyHostToDevice) == cudaSuccess, m->name);
    out->width = c.items.width;
    run_kernels<K>(dev, &c, out);
    br_cuda_release(c.rows);
    br_cuda_release(c.row_R);
    br_cuda_release(c.code_RD);
    br_items_free(&items);
    br_dev_free(&args.item_ND);
    br_dev_free(&args.bias_N);
    br_dev_free(&query_BD);
    br_dev_close(&dev);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

/* What is taken off a bound; nothing: as it is. */
typedef struct loosening {
    const char *name;
    float       items;     /* share of a panel's residual that is left */
    float       customers; /* of a customer's */
    bool        has_sums;
    int32_t     whole; /* added to the whole number that sums must reach */
    double      share; /* of the number that sums of floats must reach, added to it */
} loosening;

static const loosening looks[] = {{"as it is", 1.0f, 1.0f, true, 0, 0.0},
                                  {"a quarter less for items", 0.75f, 1.0f, true, 0, 0.0},
                                  {"a quarter less for customers", 1.0f, 0.75f, true, 0, 0.0},
                                  {"nothing for sums", 1.0f, 1.0f, false, 0, 0.0},
                                  {"whole sums cut upwards", 1.0f, 1.0f, true, 4, 0.0},
                                  {"sums of floats cut upwards", 1.0f, 1.0f, true, 0, 0x1p-12}};

#define N_LOOKS 6

static float canonical(const made *m, int64_t b, int32_t i)
{
    return br_canonical_round(br_canonical_dot(m->query_BD + b * m->D, m->item_ND + i * m->D, m->D),
                              m->bias_N[i]);
}

/* What sums must reach, as the screens have it: of whole codes, and of others (hopper/screen.cu).
 */
static double least_whole(const br_topk_row &row, const br_topk_panel &p, float least,
                          const loosening *look)
{
    return look->whole + br_least_of_sums(least, p.bias_most, 1.0f / row.scale * p.inverse);
}

static double least_float(const br_topk_row &row, const br_topk_panel &p, float least,
                          const loosening *look)
{
    float sum = br_least_of_float_sums(least, p.bias_most, 1.0f / row.scale, p.inverse);

    return sum == sum ? (double)sum + look->share * fabs((double)sum) : -INFINITY;
}

/* Pairs whose approximate score is out of bounds, or that do not pass their own score. */
template <typename K>
static int64_t count_lost(const made *m, const screened *s, const loosening *look)
{
    int64_t n = 0;

    for (int64_t b = 0; b < B; b++)
        for (int64_t at = 0; at < N; at++) {
            br_topk_row   row   = s->row_B[b];
            br_topk_panel p     = s->panel_P[at / BR_PANEL];
            found         f     = s->found_BP[b * 2 * BR_PANEL + at];
            float         score = canonical(m, b, s->row_N[at]), error, least;

            if (!look->has_sums)
                p.residual -= (float)(1.02 * br_bound_of_sums<K>(s->width)) * p.code_norm;
            p.residual *= look->items;
            error = br_bound_of_panel(p, row.norm, row.residual * look->customers);
            least = br_least_of_panel(br_threshold_down(score), error);
            n += !(fabsf(f.approx - score) <= br_slack(f.approx, error)) || !(f.approx >= least);
            n += f.sum < (K::IS_WHOLE ? least_whole(row, p, least, look)
                                      : least_float(row, p, least, look));
        }
    return n;
}

template <typename K> static void test_bounds(const char *kind)
{
    static made     m;
    static screened s;
    int64_t         n_lost[N_LOOKS] = {};

    for (int i = 0; i < N_MADE * 2; i++) {
        if (K::IS_WHOLE && i % 2 != 0)
            continue; /* whole sums cannot be cut */
        emulator_cut_sums(i % 2);
        make<K>(&m, i / 2);
        screen<K>(&m, &s);
        for (int l = 0; l < N_LOOKS; l++) {
            int64_t n = count_lost<K>(&m, &s, &looks[l]);

            n_lost[l] += n;
            EXPECT(l > 0 || n == 0, m.name);
        }
        for (int b = 0; b < B; b++)
            EXPECT(s.row_B[b].is_coded, m.name);
    }
    emulator_cut_sums(0);
    for (int l = 1; l < N_LOOKS; l++)
        if (l < 3 || (l == 4) == K::IS_WHOLE) /* 3 and 5 are of sums of floats */
            EXPECT(n_lost[l] > 0, looks[l].name);
    printf("%s: %lld out of bounds; %lld, %lld, %lld, %lld, %lld with less of them\n", kind,
           (long long)n_lost[0], (long long)n_lost[1], (long long)n_lost[2], (long long)n_lost[3],
           (long long)n_lost[4], (long long)n_lost[5]);
}

/* ---- scales ---------------------------------------------------------------------------------- */

/* No code is beyond what its kind holds, and the product of two scales is exact: of any items, and
 * of customers as small as are screened (queries.cu). */
template <typename K> static void test_scales(const char *kind)
{
    for (int i = 0; i < 20000; i++) {
        float  item     = ldexpf((float)uniform(), (int)(uniform() * 60.0));
        float  customer = i % 3 == 0 ? 1e-15f / 32.0f : 0.7f + (float)i;
        float  tau = K::scale(fabsf(item)), sigma = K::scale(customer);
        double code = (double)K::value_of(K::code_of(item / tau));

        EXPECT(fabs(code) <= (K::IS_WHOLE ? 127.0 : 0x1p15), kind);
        EXPECT((double)(sigma * tau) == (double)sigma * (double)tau, kind);
    }
}

/* ---- the kind that is taken ------------------------------------------------------------------ */

typedef struct asked {
    const char    *name;
    br_screen_kind screen;
    br_lse_kind    logsumexp;
    int64_t        n_items, D;
    float          alike; /* how much items have in common */
    br_screen_kind expected;
} asked;

/* Items are sums of a few uniform numbers: nearly Gaussian. */
static void test_plan(void)
{
    static const asked table[] = {
        {"fp32", BR_SCREEN_FP32, BR_LSE_NONE, 300, 8, 0.0f, BR_SCREEN_FP16},
        {"int16", BR_SCREEN_INT16, BR_LSE_NONE, 300, 8, 0.0f, BR_SCREEN_FP16},
        {"bf16", BR_SCREEN_BF16, BR_LSE_NONE, 300, 8, 0.0f, BR_SCREEN_BF16},
        {"int8", BR_SCREEN_INT8, BR_LSE_NONE, 300, 8, 0.0f, BR_SCREEN_INT8},
        {"int8 and sums", BR_SCREEN_INT8, BR_LSE_COARSE, 300, 8, 0.0f, BR_SCREEN_FP16},
        {"few items", BR_SCREEN_AUTO, BR_LSE_NONE, 100, 128, 0.0f, BR_SCREEN_FP16},
        {"many items", BR_SCREEN_AUTO, BR_LSE_NONE, 60000, 128, 0.0f, BR_SCREEN_INT8},
        {"items alike", BR_SCREEN_AUTO, BR_LSE_NONE, 60000, 128, 1e3f, BR_SCREEN_FP16},
        {"few dimensions", BR_SCREEN_AUTO, BR_LSE_NONE, 60000, 16, 0.0f, BR_SCREEN_FP16},
    };

    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        const asked   *a     = &table[t];
        br_dev        *dev   = NULL;
        float         *item  = static_cast<float *>(malloc((size_t)(a->n_items * a->D) * 4));
        br_items       items = {};
        br_screen_kind kind  = BR_SCREEN_AUTO;

        for (int64_t i = 0; i < a->n_items * a->D; i++)
            item[i] = a->alike * (float)(i % a->D % 3) +
                      (float)(uniform() + uniform() + uniform() + uniform());
        EXPECT(br_dev_open(BR_BACKEND_CUDA, 0, &dev) == BR_OK, a->name);
        items.item_ND   = place(dev, a->n_items, a->D, item);
        items.screen    = a->screen;
        items.logsumexp = a->logsumexp;
        items.k         = 10;
        EXPECT(br_topk_plan(dev, &items, &kind) == BR_OK && kind == a->expected, a->name);
        br_dev_free(&items.item_ND);
        br_dev_close(&dev);
        free(item);
    }
}

int main(void)
{
    test_scales<br_fp16>("fp16");
    test_scales<br_bf16>("bf16");
    test_scales<br_int8>("int8");
    test_bounds<br_fp16>("fp16");
    test_bounds<br_bf16>("bf16");
    test_bounds<br_int8>("int8");
    test_plan();
    printf("%d not as expected\n", n_wrong);
    return n_wrong > 0;
}
