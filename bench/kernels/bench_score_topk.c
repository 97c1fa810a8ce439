/* SPDX-License-Identifier: Apache-2.0
 *
 * score_topk of the cpu backend on Gaussian vectors (the hardest case: no structure to prune by),
 * each screen against the peak of its multiply-add in registers (peaks.h), measured in the same
 * run; auto against the highest. Each shape's result is compared with the ref backend on a sample
 * of rows before its time is printed. Times are processor seconds of the lanes, so a busy machine
 * does not spoil them; customers/s is by the wall.
 *
 *   bench_score_topk [rows per shape, default 1024 [items, default 20,000 and 100,000]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/kernels/peaks.h"
#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "kernels/ops.h"

#define N_TIMED   5
#define N_CHECKED 6
#define TASK_ROWS 384 /* a block */
#define MAX_LANES 256

typedef struct shape {
    int64_t B, N, D;
    int32_t k;
    int     n_lanes;
    int     screen; /* of SCREENS */
} shape;

/* A screen and what it is measured against; BR_N_PEAKS: the highest of all. */
static const struct {
    const char    *name;
    br_screen_kind kind;
    int            peak;
} SCREENS[] = {
    {"auto", BR_SCREEN_AUTO, BR_N_PEAKS},
    {"fp32", BR_SCREEN_FP32, BR_PEAK_FP32},
    {"int16", BR_SCREEN_INT16, BR_PEAK_INT16},
    {"int8", BR_SCREEN_INT8, BR_PEAK_INT8},
};
#define N_SCREENS ((int)(sizeof SCREENS / sizeof SCREENS[0]))

typedef struct subject {
    shape     shape;
    br_dev   *dev;
    br_dev   *lane[MAX_LANES];
    br_items *items;
    br_mat    query_BD, item_ND, bias_N, item_BK, score_BK;
    int64_t   n_slow, n_rescored; /* of one pass */
} subject;

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9u;
    h = (h ^ (h >> 27)) * 0x94D049BB133111EBu;
    return h ^ (h >> 31);
}

static double uniform(uint64_t at)
{
    return ((double)(mix(at * 0x9E3779B97F4A7C15u + 20261124u) >> 11) + 0.5) * 0x1p-53;
}

static void fill_gaussian(float *to, int64_t n, uint64_t stream)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t at = (stream << 40) + 2 * (uint64_t)i;
        to[i] = (float)(sqrt(-2.0 * log(uniform(at))) * cos(6.283185307179586 * uniform(at + 1)));
    }
}

static br_status place(br_dev *dev, int64_t n_rows, int64_t n_cols, uint64_t stream, br_mat *out)
{
    br_status st   = BR_OK;
    float    *host = NULL;

    BR_ALLOC(st, host, n_rows * n_cols, "bench data");
    fill_gaussian(host, n_rows * n_cols, stream);
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n_rows, n_cols, out));
    BR_TRY(st, br_upload(dev, *out, host));
done:
    br_free(&host);
    return st;
}

static void subject_close(subject *s)
{
    br_items_free(&s->items);
    br_dev_free(&s->query_BD);
    br_dev_free(&s->item_ND);
    br_dev_free(&s->bias_N);
    br_dev_free(&s->item_BK);
    br_dev_free(&s->score_BK);
    for (int i = 0; i < MAX_LANES; i++)
        br_dev_close(&s->lane[i]);
    br_dev_close(&s->dev);
}

static br_status subject_open(br_backend backend, const shape *what, subject *s)
{
    br_status     st            = BR_OK;
    size_t        scratch_bytes = br_score_topk_scratch_bytes(what->N, what->D, what->k);
    br_items_args items         = {.screen = SCREENS[what->screen].kind, .k = what->k};

    *s       = (subject){0};
    s->shape = *what;
    BR_TRY(st, br_dev_open(backend, 0, &s->dev));
    for (int i = 0; i < what->n_lanes; i++)
        BR_TRY(st, br_dev_open_lane(s->dev, scratch_bytes, &s->lane[i]));
    BR_TRY(st, place(s->dev, what->B, what->D, 1, &s->query_BD));
    BR_TRY(st, place(s->dev, what->N, what->D, 2, &s->item_ND));
    BR_TRY(st, place(s->dev, what->N, 1, 3, &s->bias_N));
    BR_TRY(st, br_dev_alloc(s->dev, BR_I32, what->B, what->k, &s->item_BK));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, what->B, what->k, &s->score_BK));
    items.item_ND = s->item_ND;
    items.bias_N  = s->bias_N;
    BR_TRY(st, br_items_prepare(s->dev, &items, &s->items));
done:
    return st;
}

static br_status run_task(void *context, int lane, int64_t task)
{
    subject           *s    = context;
    int64_t            row  = task * TASK_ROWS;
    int64_t            left = s->shape.B - row;
    int64_t            n    = left < TASK_ROWS ? left : TASK_ROWS;
    br_score_topk_args args = {.items    = s->items,
                               .query_BD = br_mat_rows(s->query_BD, row, n),
                               .k        = s->shape.k,
                               .item_BK  = br_mat_rows(s->item_BK, row, n),
                               .score_BK = br_mat_rows(s->score_BK, row, n)};
    br_status          st   = br_op_score_topk(s->lane[lane], &args);

    __atomic_fetch_add(&s->n_slow, args.n_slow, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->n_rescored, args.n_rescored, __ATOMIC_RELAXED);
    return st;
}

static br_status run_all(subject *s, double *cpu_s)
{
    s->n_slow = s->n_rescored = 0;
    *cpu_s                    = 0.0;
    return br_parallel_for(s->shape.n_lanes, (s->shape.B + TASK_ROWS - 1) / TASK_ROWS, run_task, s,
                           cpu_s);
}

/* Slots of the first rows whose item or score bits differ from ref's. */
static br_status count_wrong(subject *s, int64_t *n_wrong)
{
    br_status st    = BR_OK;
    shape     small = s->shape;
    subject   ref;
    int64_t   n;
    int32_t  *item = NULL, *want_item = NULL;
    float    *score = NULL, *want_score = NULL;
    double    cpu_s;

    small.B       = small.B < N_CHECKED ? small.B : N_CHECKED;
    small.n_lanes = 1;
    n             = small.B * small.k;
    *n_wrong      = 0;
    BR_TRY(st, subject_open(BR_BACKEND_REF, &small, &ref));
    BR_TRY(st, run_all(&ref, &cpu_s));
    BR_ALLOC(st, item, n, "items");
    BR_ALLOC(st, want_item, n, "items of ref");
    BR_ALLOC(st, score, n, "scores");
    BR_ALLOC(st, want_score, n, "scores of ref");
    BR_TRY(st, br_download(s->dev, br_mat_rows(s->item_BK, 0, small.B), item));
    BR_TRY(st, br_download(s->dev, br_mat_rows(s->score_BK, 0, small.B), score));
    BR_TRY(st, br_download(ref.dev, ref.item_BK, want_item));
    BR_TRY(st, br_download(ref.dev, ref.score_BK, want_score));
    for (int64_t i = 0; i < n; i++)
        *n_wrong += item[i] != want_item[i] || memcmp(&score[i], &want_score[i], 4) != 0;
done:
    subject_close(&ref);
    br_free(&item);
    br_free(&want_item);
    br_free(&score);
    br_free(&want_score);
    return st;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* GOP/s that the screen is a share of. */
static double peak_of(const br_peak peak[BR_N_PEAKS], int screen)
{
    double most = 0.0;

    if (SCREENS[screen].peak < BR_N_PEAKS)
        return peak[SCREENS[screen].peak].gops;
    for (int i = 0; i < BR_N_PEAKS; i++)
        most = fmax(most, peak[i].gops);
    return most;
}

static br_status bench_shape(const shape *what, double peak)
{
    br_status st = BR_OK;
    subject   s;
    int64_t   n_wrong;
    double    cpu_s[N_TIMED], wall_s = INFINITY, gop, gops;

    gop = 2e-9 * (double)what->B * (double)what->N * (double)what->D;
    BR_TRY(st, subject_open(BR_BACKEND_CPU, what, &s));
    BR_TRY(st, run_all(&s, &cpu_s[0]));
    BR_TRY(st, count_wrong(&s, &n_wrong));
    for (int i = 0; i < N_TIMED; i++) {
        double start_s = br_clock_wall_s();

        BR_TRY(st, run_all(&s, &cpu_s[i]));
        wall_s = fmin(wall_s, br_clock_wall_s() - start_s);
    }
    qsort(cpu_s, N_TIMED, sizeof *cpu_s, by_value);
    gops = gop / cpu_s[N_TIMED / 2];
    (void)printf("%5lld %7lld %5d %6s %6d  %8.1f %8.1f %8.1f  %8.1f %8.1f %7.1f %10.0f %9.1f "
                 "%6lld %7lld\n",
                 (long long)what->D, (long long)what->N, what->k, SCREENS[what->screen].name,
                 what->n_lanes, 1e6 * cpu_s[0] / (double)what->B,
                 1e6 * cpu_s[N_TIMED / 2] / (double)what->B,
                 1e6 * cpu_s[N_TIMED - 1] / (double)what->B, gops, peak, 100.0 * gops / peak,
                 (double)what->B / wall_s, (double)s.n_rescored / (double)what->B,
                 (long long)s.n_slow, (long long)n_wrong);
    (void)fflush(stdout);
done:
    subject_close(&s);
    return st;
}

/* Every screen on one lane, auto on all of them too. */
static br_status bench_screens(shape what, const br_peak peak[BR_N_PEAKS])
{
    br_status st      = BR_OK;
    int       n_cores = br_n_cores() < MAX_LANES ? br_n_cores() : MAX_LANES;

    for (int i = 0; i < N_SCREENS; i++) {
        what.screen  = i;
        what.n_lanes = 1;
        BR_TRY(st, bench_shape(&what, peak_of(peak, i)));
    }
    if (n_cores > 1) {
        what.screen  = 0;
        what.n_lanes = n_cores;
        BR_TRY(st, bench_shape(&what, peak_of(peak, 0)));
    }
done:
    return st;
}

static br_status bench_all(int64_t n_rows, int64_t n_items, const br_peak peak[BR_N_PEAKS])
{
    static const int64_t dims[] = {64, 128}, sizes[] = {20000, 100000};
    static const int32_t ks[] = {10, 100};
    br_status            st   = BR_OK;

    for (int i = 0; i < 8; i++) {
        shape what = {.B = n_rows, .N = sizes[i / 2 % 2], .D = dims[i / 4], .k = ks[i % 2]};

        if (n_items > 0 && i / 2 % 2 == 1)
            continue;
        if (n_items > 0)
            what.N = n_items;
        BR_TRY(st, bench_screens(what, peak));
    }
done:
    return st;
}

static void print_head(const br_dev *dev, int64_t n_rows, const br_peak peak[BR_N_PEAKS])
{
    (void)printf("# batchrank %s, %s, %lld Gaussian rows a shape, bias\n", BR_VERSION,
                 br_dev_description(dev), (long long)n_rows);
    for (int i = 0; i < BR_N_PEAKS; i++)
        (void)printf("# peak of a core: %5s %6.1f GOP/s (%s)\n", peak[i].kind, peak[i].gops,
                     peak[i].instruction);
    (void)printf("#   D       N     K screen  lanes  time min      med      max     GOP/s     peak"
                 "   %%peak  customers  rescored   slow  #wrong\n");
    (void)printf("#                                     us/row   us/row   us/row    a lane   "
                 "a lane              per s   per row   rows   slots\n");
}

int main(int argc, char **argv)
{
    br_status st      = BR_OK;
    int64_t   n_rows  = argc > 1 ? atoll(argv[1]) : 1024;
    int64_t   n_items = argc > 2 ? atoll(argv[2]) : 0;
    br_dev   *dev     = NULL;
    br_peak   peak[BR_N_PEAKS];

    if (n_rows < 1 || n_items < 0 || argc > 3) {
        (void)fprintf(stderr, "usage: bench_score_topk [rows per shape [items]]\n");
        return 2;
    }
    BR_TRY(st, br_dev_open(BR_BACKEND_CPU, 0, &dev));
    br_peaks_measure(peak);
    print_head(dev, n_rows, peak);
    BR_TRY(st, bench_all(n_rows, n_items, peak));
done:
    br_dev_close(&dev);
    if (st != BR_OK)
        (void)fprintf(stderr, "bench_score_topk: %s (%s)\n", br_error_last()->text,
                      br_error_last()->trail);
    return br_status_exit_code(st);
}
