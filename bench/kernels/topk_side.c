/* SPDX-License-Identifier: Apache-2.0
 *
 * One side of a side-by-side run of score_topk (bench/peers/): reads its matrices once, prepares
 * the items and says "ready prepare_s prepare_mib" (processor seconds, growth of resident memory).
 * Then each line "run" on stdin scores all customers and answers "wall_s cpu_s rescored_per_row
 * slow_rows second_passes"; "save FILE" writes items i32 [B, K] and scores f32 [B, K] and answers
 * "saved"; the end of input ends it.
 *
 *   topk_side X.npy Z.npy K LANES SCREEN [--bias BIAS.npy] [--never OFFSET.npy ITEM.npy]
 *             [--segments REQUIRE.npy HAVE.npy] [--lse T]
 *
 * --segments: uint64 [N] and [B], eligible iff (have & require) == require.
 * --lse: also the log-sum-exp at temperature T; SCREEN fp32 (1e-5) or int16 (1e-3).
 * SCREEN is auto, fp32, int16 or int8. OFFSET: int64 [B + 1], ITEM: int32, ascending per row. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/kernels/npy_vector.h"
#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/base/parallel.h"
#include "host/io/matrix.h"
#include "kernels/ops.h"

#define TASK_ROWS 384 /* whole blocks */
#define MAX_LANES 64

typedef struct side {
    br_dev   *dev;
    br_dev   *lane[MAX_LANES];
    int       n_lanes;
    int32_t   k;
    br_items *items;
    br_mat    query_BD, item_ND, bias_N, item_BK, score_BK;
    br_mat    never_offset_B1, never_item_S, require_N, have_B;
    double    prepare_cpu_s, prepare_mib;
    double    temperature; /* 0: no log-sum-exp */
    br_mat    logsumexp_B;
    int64_t   n_rescored, n_slow, n_second;
} side;

static br_status place(br_dev *dev, const char *path, br_mat *out)
{
    br_status  st   = BR_OK;
    br_matrix *file = NULL;
    float     *host = NULL;
    int64_t    n, D;

    BR_TRY(st, br_matrix_open(path, &file));
    n = br_matrix_n_rows(file);
    D = br_matrix_n_cols(file);
    BR_ALLOC(st, host, n * D, "matrix");
    BR_TRY(st, br_matrix_read(file, 0, n, host));
    BR_TRY(st, br_dev_alloc(dev, BR_F32, n, D, out));
    BR_TRY(st, br_upload(dev, *out, host));
done:
    br_matrix_close(&file);
    br_free(&host);
    return st;
}

static br_status place_vector(br_dev *dev, const char *path, br_dtype dtype, br_mat *out)
{
    br_status st   = BR_OK;
    void     *host = NULL;
    int64_t   n;

    BR_TRY(st, br_npy_vector(path,
                             dtype == BR_I64   ? "<i8"
                             : dtype == BR_U64 ? "<u8"
                                               : "<i4",
                             &host, &n));
    BR_TRY(st, br_dev_alloc(dev, dtype, n, 1, out));
    BR_TRY(st, br_upload(dev, *out, host));
done:
    br_free(&host);
    return st;
}

/* The words after SCREEN. */
static br_status place_options(side *s, char **argv, int argc)
{
    br_status st = BR_OK;

    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--bias") == 0 && i + 1 < argc) {
            BR_TRY(st, place(s->dev, argv[++i], &s->bias_N));
        } else if (strcmp(argv[i], "--never") == 0 && i + 2 < argc) {
            BR_TRY(st, place_vector(s->dev, argv[++i], BR_I64, &s->never_offset_B1));
            BR_TRY(st, place_vector(s->dev, argv[++i], BR_I32, &s->never_item_S));
        } else if (strcmp(argv[i], "--segments") == 0 && i + 2 < argc) {
            BR_TRY(st, place_vector(s->dev, argv[++i], BR_U64, &s->require_N));
            BR_TRY(st, place_vector(s->dev, argv[++i], BR_U64, &s->have_B));
        } else if (strcmp(argv[i], "--lse") == 0 && i + 1 < argc && atof(argv[i + 1]) > 0.0) {
            s->temperature = atof(argv[++i]);
        } else {
            BR_FAIL(st, BR_E_USAGE,
                    "found %s, expected --bias FILE, --never FILE FILE, "
                    "--segments FILE FILE or --lse T",
                    argv[i]);
        }
    }
done:
    return st;
}

static br_status screen_of(const char *name, br_screen_kind *out)
{
    static const char *const names[] = {"auto", "fp32", "int16", "int8"};

    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (br_screen_kind)i;
            return BR_OK;
        }
    return br_fail(BR_E_USAGE, "SCREEN: found %s, expected auto, fp32, int16 or int8", name);
}

static double resident_mib(void)
{
    long long total = 0, resident = 0;
    FILE     *file = fopen("/proc/self/statm", "r");

    if (file != NULL) {
        if (fscanf(file, "%lld %lld", &total, &resident) != 2)
            resident = 0;
        (void)fclose(file);
    }
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static br_status prepare(side *s, br_screen_kind screen)
{
    br_items_args args   = {.item_ND   = s->item_ND,
                            .bias_N    = s->bias_N,
                            .require_N = s->require_N,
                            .screen    = screen,
                            .k         = s->k};
    double        before = resident_mib(), start_s = br_clock_process_cpu_s();
    br_status     st;

    if (s->temperature > 0.0)
        args.logsumexp = screen == BR_SCREEN_INT16 ? BR_LSE_COARSE : BR_LSE_FINE;
    st               = br_items_prepare(s->dev, &args, &s->items);
    s->prepare_cpu_s = br_clock_process_cpu_s() - start_s;
    s->prepare_mib   = resident_mib() - before;
    return st;
}

static br_status open_side(side *s, char **argv, int argc)
{
    br_status      st     = BR_OK;
    br_screen_kind screen = BR_SCREEN_AUTO;

    s->k       = atoi(argv[3]);
    s->n_lanes = atoi(argv[4]);
    BR_TRY(st, screen_of(argv[5], &screen));
    if (s->n_lanes < 1 || s->n_lanes > MAX_LANES)
        BR_FAIL(st, BR_E_USAGE, "LANES: found %d, expected 1 to %d", s->n_lanes, MAX_LANES);
    BR_TRY(st, br_dev_open(BR_BACKEND_CPU, 0, &s->dev));
    BR_TRY(st, place(s->dev, argv[1], &s->query_BD));
    BR_TRY(st, place(s->dev, argv[2], &s->item_ND));
    BR_TRY(st, place_options(s, argv + 6, argc - 6));
    for (int i = 0; i < s->n_lanes; i++)
        BR_TRY(st,
               br_dev_open_lane(
                   s->dev, br_score_topk_scratch_bytes(s->item_ND.n_rows, s->item_ND.n_cols, s->k),
                   &s->lane[i]));
    BR_TRY(st, br_dev_alloc(s->dev, BR_I32, s->query_BD.n_rows, s->k, &s->item_BK));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, s->query_BD.n_rows, s->k, &s->score_BK));
    BR_TRY(st, br_dev_alloc(s->dev, BR_F32, s->query_BD.n_rows, 1, &s->logsumexp_B));
    BR_TRY(st, prepare(s, screen));
done:
    return st;
}

static br_status run_task(void *context, int lane, int64_t task)
{
    side              *s    = context;
    int64_t            row  = task * TASK_ROWS;
    int64_t            left = s->query_BD.n_rows - row;
    int64_t            n    = left < TASK_ROWS ? left : TASK_ROWS;
    br_score_topk_args args = {.items    = s->items,
                               .query_BD = br_mat_rows(s->query_BD, row, n),
                               .k        = s->k,
                               .item_BK  = br_mat_rows(s->item_BK, row, n),
                               .score_BK = br_mat_rows(s->score_BK, row, n)};
    br_status          st;

    if (s->never_offset_B1.buf != NULL) {
        args.never_offset_B1 = br_mat_rows(s->never_offset_B1, row, n + 1);
        args.never_item_S    = s->never_item_S;
    }
    if (s->have_B.buf != NULL)
        args.have_B = br_mat_rows(s->have_B, row, n);
    if (s->temperature > 0.0) {
        args.temperature = s->temperature;
        args.logsumexp_B = br_mat_rows(s->logsumexp_B, row, n);
    }
    st = br_op_score_topk(s->lane[lane], &args);

    __atomic_fetch_add(&s->n_second, args.n_second, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->n_slow, args.n_slow, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->n_rescored, args.n_rescored, __ATOMIC_RELAXED);
    return st;
}

static br_status run_all(side *s)
{
    br_status st     = BR_OK;
    double    wall_s = br_clock_wall_s(), cpu_s = 0.0;
    int64_t   B = s->query_BD.n_rows;

    s->n_slow = s->n_rescored = s->n_second = 0;
    BR_TRY(st, br_parallel_for(s->n_lanes, (B + TASK_ROWS - 1) / TASK_ROWS, run_task, s, &cpu_s));
    (void)printf("%.6f %.6f %.2f %lld %lld\n", br_clock_wall_s() - wall_s, cpu_s,
                 (double)s->n_rescored / (double)B, (long long)s->n_slow, (long long)s->n_second);
    (void)fflush(stdout);
done:
    return st;
}

static br_status save(const side *s, const char *path)
{
    br_status st   = BR_OK;
    int64_t   n    = s->item_BK.n_rows * s->item_BK.n_cols;
    void     *host = NULL;
    FILE     *file = fopen(path, "wb");

    if (file == NULL)
        BR_FAIL(st, BR_E_IO, "%s: cannot open", path);
    BR_TRY(st, br_alloc(n, 4, "lists", &host));
    BR_TRY(st, br_download(s->dev, s->item_BK, host));
    (void)fwrite(host, 4, (size_t)n, file);
    BR_TRY(st, br_download(s->dev, s->score_BK, host));
    (void)fwrite(host, 4, (size_t)n, file);
    (void)printf("saved\n");
done:
    br_free(&host);
    if (file != NULL)
        (void)fclose(file);
    (void)fflush(stdout);
    return st;
}

static void close_side(side *s)
{
    br_items_free(&s->items);
    br_dev_free(&s->query_BD);
    br_dev_free(&s->item_ND);
    br_dev_free(&s->bias_N);
    br_dev_free(&s->never_offset_B1);
    br_dev_free(&s->never_item_S);
    br_dev_free(&s->require_N);
    br_dev_free(&s->have_B);
    br_dev_free(&s->item_BK);
    br_dev_free(&s->score_BK);
    br_dev_free(&s->logsumexp_B);
    for (int i = 0; i < MAX_LANES; i++)
        br_dev_close(&s->lane[i]);
    br_dev_close(&s->dev);
}

int main(int argc, char **argv)
{
    br_status st = BR_OK;
    side      s  = {0};
    char      line[4096];

    if (argc < 6) {
        (void)fprintf(stderr, "usage: topk_side X.npy Z.npy K LANES auto|fp32|int16|int8 "
                              "[--bias BIAS.npy] [--never OFFSET.npy ITEM.npy] "
                              "[--segments REQUIRE.npy HAVE.npy] [--lse T]\n");
        return 2;
    }
    BR_TRY(st, open_side(&s, argv, argc));
    (void)printf("ready %.6f %.1f\n", s.prepare_cpu_s, s.prepare_mib);
    (void)fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "run") == 0)
            BR_TRY(st, run_all(&s));
        else if (strncmp(line, "save ", 5) == 0)
            BR_TRY(st, save(&s, line + 5));
    }
done:
    if (st != BR_OK)
        (void)fprintf(stderr, "topk_side: %s\n", br_error_last()->text);
    close_side(&s);
    return st == BR_OK ? 0 : 1;
}
