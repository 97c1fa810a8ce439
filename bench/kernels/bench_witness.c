/* SPDX-License-Identifier: Apache-2.0
 *
 * What the checksums of the score pass cost (docs/DETECTORS.md): score_topk of the cpu backend on
 * Gaussian vectors, on one lane, with and without them in turn, so that a busy machine slows both.
 * Times are processor seconds; the ratio is the median over pairs of runs, beside that of the
 * shortest run of each block. Lists with and without are compared
 * before a time is printed.
 *
 *   bench_witness [rows, default 576 [items, default 20,000 and 100,000]] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/hash.h"
#include "host/base/memory.h"
#include "kernels/ops.h"

#define N_TIMED    61
#define TASK_ROWS  384 /* a block */
#define MOST_TASKS 1024
#define K          100

static const struct {
    const char    *name;
    br_screen_kind kind;
} SCREENS[] = {{"fp32", BR_SCREEN_FP32}, {"int16", BR_SCREEN_INT16}, {"int8", BR_SCREEN_INT8}};

typedef struct subject {
    int64_t    B, N, D;
    br_dev    *dev, *lane;
    br_mat     query_BD, item_ND, item_BK, score_BK;
    br_items  *items[2]; /* without, with */
    br_witness witness;
    double     least_s[2][MOST_TASKS]; /* of all runs of a task */
} subject;

static double uniform(uint64_t at)
{
    return ((double)(br_hash_mix(at * 0x9E3779B97F4A7C15u + 20261128u) >> 11) + 0.5) * 0x1p-53;
}

static br_status place(br_dev *dev, int64_t n_rows, int64_t n_cols, uint64_t stream, br_mat *out)
{
    br_status st   = BR_OK;
    float    *host = NULL;

    BR_ALLOC(st, host, n_rows * n_cols, "bench data");
    for (int64_t i = 0; i < n_rows * n_cols; i++) {
        uint64_t at = (stream << 40) + 2 * (uint64_t)i;

        host[i] = (float)(sqrt(-2.0 * log(uniform(at))) * cos(6.283185307179586 * uniform(at + 1)));
    }
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n_rows, n_cols, out));
    BR_TRY(st, br_upload(dev, *out, host));
done:
    br_free(&host);
    return st;
}

static void close_subject(subject *s)
{
    for (int i = 0; i < 2; i++)
        br_items_free(&s->items[i]);
    br_dev_free(&s->query_BD);
    br_dev_free(&s->item_ND);
    br_dev_free(&s->item_BK);
    br_dev_free(&s->score_BK);
    br_dev_close(&s->lane);
    br_dev_close(&s->dev);
}

static br_status open_subject(subject *s, br_screen_kind screen)
{
    br_status st = BR_OK;

    BR_TRY(st, br_dev_open(BR_BACKEND_CPU, 0, &s->dev));
    BR_TRY(st, br_dev_open_lane(s->dev, br_score_topk_scratch_bytes(s->N, s->D, K), &s->lane));
    BR_TRY(st, place(s->dev, s->B, s->D, 1, &s->query_BD));
    BR_TRY(st, place(s->dev, s->N, s->D, 2, &s->item_ND));
    BR_TRY(st, br_dev_alloc(s->dev, BR_I32, s->B, K, &s->item_BK));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, s->B, K, &s->score_BK));
    for (int i = 0; i < 2; i++) {
        br_items_args args = {
            .item_ND = s->item_ND, .screen = screen, .k = K, .is_witnessed = i == 1};

        BR_TRY(st, br_items_prepare(s->dev, &args, &s->items[i]));
    }
done:
    return st;
}

static br_status run(subject *s, int with, double *cpu_s)
{
    br_status st    = BR_OK;
    double    total = 0.0;

    s->witness = (br_witness){0};
    for (int64_t row = 0; row < s->B; row += TASK_ROWS) {
        int64_t            n    = s->B - row < TASK_ROWS ? s->B - row : TASK_ROWS;
        br_score_topk_args args = {.items    = s->items[with],
                                   .query_BD = br_mat_rows(s->query_BD, row, n),
                                   .k        = K,
                                   .item_BK  = br_mat_rows(s->item_BK, row, n),
                                   .score_BK = br_mat_rows(s->score_BK, row, n)};

        double  started = br_clock_thread_cpu_s();
        double *least   = &s->least_s[with][row / TASK_ROWS];

        BR_TRY(st, br_op_score_topk(s->lane, &args));
        started = br_clock_thread_cpu_s() - started;
        total += started;
        *least = *least == 0.0 || started < *least ? started : *least;
        s->witness.n_tiles += args.witness.n_tiles;
        s->witness.n_checked += args.witness.n_checked;
        s->witness.n_wrong += args.witness.n_wrong;
    }
    *cpu_s = total;
done:
    return st;
}

static uint64_t hash_lists(const subject *s, float *host_BK)
{
    uint64_t hash = 0;

    for (int i = 0; i < 2; i++) {
        if (br_download(s->dev, i == 0 ? s->item_BK : s->score_BK, host_BK) != BR_OK)
            return 0;
        hash = br_hash_mix(hash + br_hash_bytes(host_BK, (size_t)(s->B * K) * sizeof *host_BK));
    }
    return hash;
}

/* Of every task its shortest run. */
static double least_s(const subject *s, int with)
{
    double sum = 0.0;

    for (int64_t t = 0; t * TASK_ROWS < s->B; t++)
        sum += s->least_s[with][t];
    return sum;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static br_status bench_shape(int64_t B, int64_t N, int64_t D, int screen)
{
    br_status st   = BR_OK;
    subject   s    = {.B = B, .N = N, .D = D};
    float    *host = NULL;
    double    cpu_s[2][N_TIMED], ratio[N_TIMED];
    uint64_t  lists[2];

    BR_ALLOC(st, host, B * K, "lists");
    BR_TRY(st, open_subject(&s, SCREENS[screen].kind));
    for (int i = 0; i < 2; i++) { /* the first pass of each is not timed */
        BR_TRY(st, run(&s, i, &cpu_s[i][0]));
        lists[i] = hash_lists(&s, host);
    }
    for (int t = 0; t < 2 * N_TIMED; t++)
        BR_TRY(st, run(&s, (t + t / 2) % 2, &cpu_s[(t + t / 2) % 2][t / 2]));
    BR_TRY(st, run(&s, 1, &(double){0}));
    for (int t = 0; t < N_TIMED; t++)
        ratio[t] = cpu_s[1][t] / cpu_s[0][t];
    qsort(ratio, N_TIMED, sizeof *ratio, by_value);
    for (int i = 0; i < 2; i++)
        qsort(cpu_s[i], N_TIMED, sizeof *cpu_s[i], by_value);
    (void)printf("%5lld %7lld %6s  %8.1f %8.1f %7.4f  %7.4f %8.1f %6lld %6d\n", (long long)D,
                 (long long)N, SCREENS[screen].name, 1e6 * cpu_s[0][N_TIMED / 2] / (double)B,
                 1e6 * cpu_s[1][N_TIMED / 2] / (double)B, ratio[N_TIMED / 2],
                 least_s(&s, 1) / least_s(&s, 0),
                 100.0 * (double)s.witness.n_checked / (double)s.witness.n_tiles,
                 (long long)s.witness.n_wrong, lists[0] != lists[1]);
    (void)fflush(stdout);
done:
    close_subject(&s);
    br_free(&host);
    return st;
}

int main(int argc, char **argv)
{
    static const int64_t dims[] = {64, 128}, sizes[] = {20000, 100000};
    br_status            st = BR_OK;
    int64_t              B  = argc > 1 ? atoll(argv[1]) : 3 * TASK_ROWS;
    int                  n  = argc > 2 ? 1 : 2;

    (void)printf("# score_topk, k %d, one lane, %lld customers, %d runs of each in turn\n"
                 "%5s %7s %6s  %8s %8s %7s  %7s %8s %6s %6s\n"
                 "%5s %7s %6s  %8s %8s %7s  %7s %8s %6s %6s\n",
                 K, (long long)B, N_TIMED, "D", "N", "screen", "without", "with", "ratio", "of min",
                 "checked", "alarms", "#wrong", "-", "-", "-", "us", "us", "-", "-", "%tiles", "-",
                 "-");
    for (int i = 0; st == BR_OK && i < n; i++)
        for (int d = 0; st == BR_OK && d < 2; d++)
            for (int s = 0; st == BR_OK && s < 3; s++)
                st = bench_shape(B, argc > 2 ? atoll(argv[2]) : sizes[i], dims[d], s);
    if (st != BR_OK)
        (void)fprintf(stderr, "bench_witness: %s\n", br_error_last()->text);
    return st == BR_OK ? 0 : 1;
}
