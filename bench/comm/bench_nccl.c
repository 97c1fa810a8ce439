/* SPDX-License-Identifier: Apache-2.0
 *
 * Times NCCL between the devices of all ranks, with the agreement before and the hashes after each
 * call, as a job has them. By itself (one rank) or under mpirun, one rank per GPU:
 *
 *   bench_nccl [--small] [--json FILE]
 *
 * GB/s: bytes that arrive at a rank, by the time in NCCL alone. #wrong: values of the last call
 * that are not what was sent, over all ranks. Exit code 0: none is; 1: some are, or it failed; 77:
 * no GPU here, no libnccl.so.2, or a build without NCCL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/memory.h"
#include "host/comm/nccl/nccl.h"

#define N_REPEATS 5

typedef struct nccl_bench {
    br_comm    *comm;
    br_dev     *dev;
    br_nccl    *nccl;
    const char *json;
    bool        is_small;
    int64_t     n_wrong;
} nccl_bench;

typedef struct shape {
    const char *op;
    int64_t     n_rows; /* of a piece */
    int64_t     n_cols;
    int         n_pieces; /* 1: a broadcast */
} shape;

static float value_at(int piece, int64_t i)
{
    return (float)((uint64_t)(i + 1) * 2654435761u % 16777213u) + 0.25f * (float)piece;
}

static br_status fill(const nccl_bench *b, br_mat mat, int piece)
{
    br_status st   = BR_OK;
    float    *host = NULL;
    int64_t   n    = mat.n_rows * mat.n_cols;

    BR_ALLOC(st, host, n, "values to send");
    for (int64_t i = 0; i < n; i++)
        host[i] = value_at(piece, i);
    BR_TRY(st, br_upload(b->dev, mat, host));
done:
    br_free(&host);
    return st;
}

static br_status count_wrong(const nccl_bench *b, br_mat mat, int piece, int64_t *n_wrong)
{
    br_status st   = BR_OK;
    float    *host = NULL;
    int64_t   n    = mat.n_rows * mat.n_cols;

    BR_ALLOC(st, host, n, "values that arrived");
    BR_TRY(st, br_download(b->dev, mat, host));
    for (int64_t i = 0; i < n; i++)
        *n_wrong += host[i] != value_at(piece, i);
done:
    br_free(&host);
    return st;
}

static int compare_times(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void report(const nccl_bench *b, const shape *s, double *whole_R, double *nccl_R,
                   int64_t n_wrong)
{
    double bytes = 4.0 * (double)(s->n_rows * s->n_cols * s->n_pieces), rate;
    FILE  *json  = NULL;

    qsort(whole_R, N_REPEATS, sizeof *whole_R, compare_times);
    qsort(nccl_R, N_REPEATS, sizeof *nccl_R, compare_times);
    rate = bytes * 1e-9 / nccl_R[N_REPEATS / 2];
    (void)printf("%-10s %14.0f %11.1f %11.1f %11.1f %9.2f %7lld\n", s->op, bytes,
                 1e6 * whole_R[N_REPEATS / 2], 1e6 * nccl_R[0], 1e6 * nccl_R[N_REPEATS / 2], rate,
                 (long long)n_wrong);
    (void)fflush(stdout);
    if (b->json != NULL)
        json = fopen(b->json, "a");
    if (json == NULL)
        return;
    (void)fprintf(json,
                  "{\"op\": \"nccl_%s\", \"ranks\": %d, \"nccl\": \"%s\", \"bytes\": %.0f, "
                  "\"call_us\": %.1f, \"nccl_us\": %.1f, \"gb_per_s\": %.3f, \"wrong\": %lld}\n",
                  s->op, br_comm_size(b->comm), br_nccl_version(b->nccl), bytes,
                  1e6 * whole_R[N_REPEATS / 2], 1e6 * nccl_R[N_REPEATS / 2], rate,
                  (long long)n_wrong);
    (void)fclose(json);
}

static br_status run(nccl_bench *b, const shape *s, br_mat own, br_mat all)
{
    br_status st = BR_OK;
    double    whole_R[N_REPEATS], nccl_R[N_REPEATS], before_s;
    int64_t   n_wrong = 0;

    for (int i = -1; i < N_REPEATS; i++) { /* the first is not counted: connections are made */
        double begun_s = br_clock_wall_s();

        before_s = br_nccl_seconds(b->nccl);
        if (s->n_pieces == 1)
            BR_TRY(st, br_nccl_broadcast(b->nccl, "bench", own));
        else
            BR_TRY(st, br_nccl_allgather(b->nccl, "bench", own, all));
        if (i >= 0) {
            whole_R[i] = br_clock_wall_s() - begun_s;
            nccl_R[i]  = br_nccl_seconds(b->nccl) - before_s;
        }
    }
    if (s->n_pieces == 1)
        st = count_wrong(b, own, 0, &n_wrong);
    for (int p = 0; st == BR_OK && s->n_pieces > 1 && p < s->n_pieces; p++)
        st = count_wrong(b, br_mat_rows(all, p * s->n_rows, s->n_rows), p, &n_wrong);
    BR_TRY(st, br_comm_agree(b->comm, st));
    br_comm_sum_i64(b->comm, &n_wrong, 1);
    b->n_wrong += n_wrong;
    if (br_comm_rank(b->comm) == 0)
        report(b, s, whole_R, nccl_R, n_wrong);
done:
    return st;
}

static br_status bench_shape(nccl_bench *b, const shape *s)
{
    br_status st   = BR_OK;
    int       rank = br_comm_rank(b->comm);
    br_mat    own = {0}, all = {0};

    st = br_dev_alloc(b->dev, BR_F32, s->n_rows, s->n_cols, &own);
    if (st == BR_OK && s->n_pieces > 1)
        st = br_dev_alloc(b->dev, BR_F32, s->n_rows * s->n_pieces, s->n_cols, &all);
    if (st == BR_OK && (rank == 0 || s->n_pieces > 1))
        st = fill(b, own, s->n_pieces > 1 ? rank : 0);
    BR_TRY(st, br_comm_agree(b->comm, st));
    BR_TRY(st, run(b, s, own, all));
done:
    br_dev_free(&own);
    br_dev_free(&all);
    return st;
}

static br_status bench_all(nccl_bench *b)
{
    br_status st     = BR_OK;
    int       size   = br_comm_size(b->comm);
    int64_t   most   = b->is_small ? 256 : (int64_t)1 << 20; /* rows of 1 KiB */
    bool      is_one = br_comm_rank(b->comm) == 0;

    if (is_one) {
        (void)printf("# batchrank %s, NCCL %s, %d ranks on %d machines, rank 0 on %s\n", BR_VERSION,
                     br_nccl_version(b->nccl), size, br_comm_n_nodes(b->comm),
                     br_dev_description(b->dev));
        (void)printf("%-10s %14s %11s %11s %11s %9s %7s\n", "op", "bytes", "call", "NCCL min",
                     "NCCL med", "GB/s", "#wrong");
        (void)printf("%-10s %14s %11s %11s %11s\n", "", "", "us", "us", "us");
    }
    for (int64_t n_rows = 1; n_rows <= most; n_rows *= n_rows == 1 ? 64 : 4) {
        BR_TRY(st, bench_shape(b, &(shape){"broadcast", n_rows, 256, 1}));
        if (size > 1 && n_rows * size <= most)
            BR_TRY(st, bench_shape(b, &(shape){"allgather", n_rows, 256, size}));
    }
done:
    return st;
}

/* What every rank needs before NCCL is asked for anything. */
static br_status prepare(nccl_bench *b)
{
    br_status st = br_nccl_check();

    if (st == BR_OK)
        st = br_dev_open(BR_BACKEND_CUDA, 0, &b->dev);
    return br_comm_agree(b->comm, st);
}

static int work(nccl_bench *b)
{
    br_status st      = prepare(b);
    bool      is_here = st == BR_OK;

    if (is_here)
        st = br_nccl_open(b->comm, b->dev, BR_NCCL_ON, &b->nccl);
    if (is_here && st == BR_OK)
        st = br_nccl_close(&b->nccl, bench_all(b));
    if (st != BR_OK)
        (void)fprintf(stderr, "bench_nccl: %s\n", br_error_last()->text);
    br_dev_close(&b->dev);
    if (!is_here)
        return 77;
    return st == BR_OK && b->n_wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    nccl_bench b = {0};
    int        code;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--small") == 0) {
            b.is_small = true;
        } else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
            b.json = argv[++i];
        } else {
            (void)fprintf(stderr, "usage: bench_nccl [--small] [--json FILE]\n");
            return 2;
        }
    }
    if (br_comm_open(&b.comm) != BR_OK) {
        (void)fprintf(stderr, "bench_nccl: %s\n", br_error_last()->text);
        return 1;
    }
    code = work(&b);
    br_comm_close(&b.comm);
    return code;
}
