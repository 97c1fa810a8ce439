/* SPDX-License-Identifier: Apache-2.0
 *
 * host/comm/nccl on emulated devices, by itself and as several ranks: every byte of what arrived,
 * sizes around what moves at a time (65,536 bytes here), and what must be refused by all. Started
 * by test_nccl.py.
 *
 *   check_nccl             all that goes well
 *   check_nccl sizes, names, dense, pieces   arrays that are not the same, or not dense: exit 6
 *   check_nccl fails       the last rank fails by itself: exit 4, its sentence
 *   check_nccl moves       three broadcasts and an allgather, for planted faults */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/comm/nccl/nccl.h"

static br_comm *comm;
static br_dev  *dev;
static br_nccl *nccl;

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "rank %d: %s:%d: not true: %s: %s\n", br_comm_rank(comm), __FILE__,    \
                    __LINE__, #condition, br_error_last()->text);                                  \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static float value_at(int rank, int64_t i)
{
    return (float)((uint64_t)(i + 1) * 2654435761u % 16777213u) + 0.25f * (float)rank;
}

/* [n_rows, n_cols] of a rank on the device; rank -1: zeros. */
static br_mat place(int rank, int64_t n_rows, int64_t n_cols)
{
    br_mat mat;
    float *host = calloc((size_t)(n_rows * n_cols) + 1, sizeof *host);

    for (int64_t i = 0; i < n_rows * n_cols && rank >= 0; i++)
        host[i] = value_at(rank, i);
    MUST(br_dev_alloc(dev, BR_F32, n_rows, n_cols, &mat) == BR_OK);
    MUST(br_upload(dev, mat, host) == BR_OK);
    free(host);
    return mat;
}

static void expect_values(br_mat mat, int rank)
{
    int64_t n    = mat.n_rows * mat.n_cols;
    float  *host = calloc((size_t)n + 1, sizeof *host);

    MUST(br_download(dev, mat, host) == BR_OK);
    for (int64_t i = 0; i < n; i++)
        MUST(host[i] == value_at(rank, i));
    free(host);
}

static void check_broadcast(int64_t n_rows, int64_t n_cols)
{
    int    rank = br_comm_rank(comm);
    br_mat mat  = place(rank == 0 ? 0 : -1, n_rows, n_cols);

    MUST(br_dev_is_source(dev) == (rank == 0));
    MUST(br_dev_share(dev, "test", mat) == BR_OK);
    expect_values(mat, 0);
    br_dev_free(&mat);
}

static void check_gather(int64_t n_rows, int64_t n_cols)
{
    int    size = br_comm_size(comm);
    br_mat own  = place(br_comm_rank(comm), n_rows, n_cols);
    br_mat all  = place(-1, n_rows * size, n_cols);

    MUST(br_nccl_allgather(nccl, "test", own, all) == BR_OK);
    for (int r = 0; r < size; r++)
        expect_values(br_mat_rows(all, r * n_rows, n_rows), r);
    br_dev_free(&own);
    br_dev_free(&all);
}

static void check_all(void)
{
    static const int64_t shape[][2] = {{1, 1},     {0, 7},     {3, 5},     {128, 127},
                                       {128, 128}, {128, 129}, {1000, 131}};

    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) {
        check_broadcast(shape[i][0], shape[i][1]);
        check_gather(shape[i][0], shape[i][1]);
    }
}

static br_status move(void)
{
    br_status st  = BR_OK;
    br_mat    own = place(br_comm_rank(comm), 64, 64);
    br_mat    all = place(-1, 64 * br_comm_size(comm), 64);

    for (int i = 0; i < 3; i++)
        BR_TRY(st, br_nccl_broadcast(nccl, "test", own));
    BR_TRY(st, br_nccl_allgather(nccl, "test", own, all));
done:
    br_dev_free(&own);
    br_dev_free(&all);
    return st;
}

/* Strided views, and pieces that do not fit: refused by all, and agreed for good. */
static br_status refuse(const char *mode)
{
    br_mat    mat  = place(0, 8, 8 + br_comm_rank(comm));
    br_status st   = BR_OK;
    bool      last = br_comm_rank(comm) == br_comm_size(comm) - 1;

    if (strcmp(mode, "sizes") == 0)
        st = br_nccl_broadcast(nccl, "test", mat);
    else if (strcmp(mode, "names") == 0)
        st = br_nccl_broadcast(nccl, last ? "other" : "test", br_mat_rows(mat, 0, 1));
    else if (strcmp(mode, "dense") == 0)
        st = br_nccl_broadcast(nccl, "test", br_mat_cols(mat, 0, 4));
    else if (strcmp(mode, "pieces") == 0)
        st = br_nccl_allgather(nccl, "test", br_mat_rows(mat, 0, 3), mat);
    else if (last)
        st = br_fail(BR_E_MEMORY, "no memory on one rank");
    else
        st = br_nccl_broadcast(nccl, "test", mat);
    br_dev_free(&mat);
    return st;
}

int main(int argc, char **argv)
{
    const char        *mode      = argc > 1 ? argv[1] : "";
    br_status          st        = BR_OK;
    const br_deadlines deadlines = {.phase_s = {[BR_PHASE_SETUP] = 2.0}, .answer_s = 5.0};

    MUST(br_comm_open(&comm) == BR_OK);
    br_comm_set_deadlines(comm, &deadlines);
    br_watch_phase(BR_PHASE_SETUP);
    MUST(br_dev_open(BR_BACKEND_CUDA, 0, &dev) == BR_OK);
    BR_TRY(st, br_nccl_open(comm, dev, BR_NCCL_ON, &nccl));
    if (mode[0] == '\0')
        check_all();
    else if (strcmp(mode, "moves") == 0)
        st = move();
    else
        st = refuse(mode);
    BR_TRY(st, br_nccl_close(&nccl, st));
    if (br_comm_rank(comm) == 0)
        printf("ok  %d ranks\n", br_comm_size(comm));
done:
    st = br_comm_agree(comm, st);
    if (st != BR_OK && br_comm_rank(comm) == 0)
        fprintf(stderr, "check_nccl: %s\n", br_error_last()->text);
    br_dev_close(&dev);
    br_comm_close(&comm);
    return br_status_exit_code(st);
}
