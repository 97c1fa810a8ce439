/* SPDX-License-Identifier: Apache-2.0
 *
 * Passes of a suite over all ranks: checked, then timed. Called once per process. */
#include "host/pipeline/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/pipeline/bench/report.h"
#include "host/pipeline/job.h"

typedef struct runner {
    br_bench              bench;
    const br_bench_suite *suite;
    br_bench_hash         hash; /* of the first pass, over all ranks */
    br_bench_result       result;
    double               *imbalance; /* [n_repeats] */
    double               *cpu_s;
    double               *rank_cpu_s;
} runner;

/* What a rank tells of a pass. */
typedef struct told {
    double wall_s, cpu_s;
} told;

static void share_customers(br_bench *b)
{
    int64_t n = b->o->n_customers;

    b->n_customers = b->o->is_weak ? n * b->n_ranks : n;
    b->rows.first  = b->n_customers / b->n_ranks * b->rank;
    b->rows.n      = b->n_customers / b->n_ranks;
    if (b->rank == b->n_ranks - 1)
        b->rows.n = b->n_customers - b->rows.first;
}

/* Halves of 32 bits, so that no sum overflows. */
static br_bench_hash sum_hash(const runner *r, const br_bench_hash *own)
{
    br_bench_hash all;
    int64_t       half[4];

    for (int i = 0; i < 4; i++)
        half[i] = (int64_t)(own->sum[i / 2] >> (i % 2 * 32) & 0xFFFFFFFFu);
    br_comm_sum_i64(r->bench.comm, half, 4);
    for (int i = 0; i < 2; i++)
        all.sum[i] = (uint64_t)half[2 * i] + ((uint64_t)half[2 * i + 1] << 32);
    return all;
}

/* One pass of all ranks; every rank leaves it with the same status. told_W: on rank 0. */
static br_status pass_all(runner *r, br_bench_hash *hash, told *told_W)
{
    br_status     st   = BR_OK;
    br_bench_pass pass = {0};
    told          own;

    br_comm_barrier(r->bench.comm);
    BR_TRY(st, br_comm_agree(r->bench.comm, r->suite->pass(&r->bench, &pass)));
    *hash = sum_hash(r, &pass.hash);
    own   = (told){pass.wall_s, pass.cpu_s};
    br_comm_gather(r->bench.comm, &own, sizeof own, told_W);
    BR_TRY(st, br_comm_agree(r->bench.comm, br_job_check_interrupt(NULL)));
done:
    return st;
}

static void hash_text(const br_bench_hash *hash, char out[33])
{
    (void)snprintf(out, 33, "%016llx%016llx", (unsigned long long)hash->sum[0],
                   (unsigned long long)hash->sum[1]);
}

/* The first pass: no time is given before this is well. */
static br_status check_all(runner *r, const br_bench_hash *hash)
{
    br_status               st       = BR_OK;
    const br_bench_options *o        = r->bench.o;
    int64_t                 count[2] = {0, 0};
    br_status               own;

    own = r->suite->check(&r->bench, &count[0], &count[1]);
    BR_TRY(st, br_comm_agree(r->bench.comm, own));
    br_comm_sum_i64(r->bench.comm, count, 2);
    r->hash             = *hash;
    r->result.n_checked = count[0];
    hash_text(hash, r->result.hash);
    if (count[1] > 0)
        BR_FAIL(st, BR_E_SELFCHECK,
                "bench: suite %s: %lld of %lld customers differ from the reference: no time is "
                "given",
                r->suite->name, (long long)count[1], (long long)count[0]);
    if (o->expect_hash != NULL && strcmp(o->expect_hash, r->result.hash) != 0)
        BR_FAIL(st, BR_E_SELFCHECK, "bench: suite %s: found hash %s, expected %s: no time is given",
                r->suite->name, r->result.hash, o->expect_hash);
done:
    return st;
}

static void take_times(runner *r, int64_t i, const told *told_W)
{
    double most = 0.0, sum = 0.0, cpu_s = 0.0;

    r->cpu_s[i] = 0.0;
    for (int32_t w = 0; w < r->bench.n_ranks; w++) {
        most = told_W[w].wall_s > most ? told_W[w].wall_s : most;
        sum += told_W[w].wall_s;
        r->cpu_s[i] += told_W[w].cpu_s;
        cpu_s = told_W[w].cpu_s > cpu_s ? told_W[w].cpu_s : cpu_s;
    }
    r->rank_cpu_s[i]    = cpu_s;
    r->result.wall_s[i] = most;
    r->imbalance[i]     = most / (sum / r->bench.n_ranks + 1e-12);
}

static br_status pass_repeatedly(runner *r, told *told_W)
{
    br_status     st   = BR_OK;
    int64_t       n    = r->bench.o->n_warmups + r->bench.o->n_repeats;
    br_bench_hash hash = {0};

    for (int64_t i = 0; i < n; i++) {
        BR_TRY(st, pass_all(r, &hash, told_W));
        if (i == 0)
            BR_TRY(st, check_all(r, &hash));
        if (memcmp(&hash, &r->hash, sizeof hash) != 0)
            BR_FAIL(st, BR_E_SELFCHECK,
                    "bench: suite %s: pass %lld gave other results than the first: no time is "
                    "given",
                    r->suite->name, (long long)i);
        if (i >= r->bench.o->n_warmups && r->bench.rank == 0)
            take_times(r, i - r->bench.o->n_warmups, told_W);
    }
done:
    return st;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static br_status report(runner *r)
{
    br_status st = BR_OK;
    size_t    n  = (size_t)r->bench.o->n_repeats;

    qsort(r->result.wall_s, n, sizeof(double), by_value);
    qsort(r->imbalance, n, sizeof(double), by_value);
    qsort(r->cpu_s, n, sizeof(double), by_value);
    qsort(r->rank_cpu_s, n, sizeof(double), by_value);
    r->result.imbalance  = r->imbalance[n / 2];
    r->result.cpu_s      = r->cpu_s[n / 2];
    r->result.rank_cpu_s = r->rank_cpu_s[n / 2];
    br_bench_print(&r->result);
    if (r->bench.o->json != NULL)
        BR_TRY(st, br_bench_write_json(&r->result, r->bench.o->json));
done:
    return st;
}

br_status br_bench_run(br_comm *comm, const br_bench_options *options, const br_bench_suite *suite)
{
    br_status st     = BR_OK;
    runner    r      = {.bench = {.o       = options,
                                  .comm    = comm,
                                  .rank    = br_comm_rank(comm),
                                  .n_ranks = br_comm_size(comm)},
                        .suite = suite};
    told     *told_W = NULL;
    int64_t   mflop  = 0;

    r.result.bench = &r.bench;
    r.result.suite = suite;
    share_customers(&r.bench);
    BR_ALLOC(st, told_W, r.bench.n_ranks, "times of ranks");
    BR_ALLOC(st, r.result.wall_s, options->n_repeats, "times");
    BR_ALLOC(st, r.imbalance, options->n_repeats, "times");
    BR_ALLOC(st, r.cpu_s, options->n_repeats, "times");
    BR_ALLOC(st, r.rank_cpu_s, options->n_repeats, "times");
    BR_TRY(st, br_comm_agree(comm, suite->open(&r.bench)));
    BR_TRY(st, pass_repeatedly(&r, told_W));
    mflop = (int64_t)(r.bench.flop * 1e-6);
    br_comm_sum_i64(comm, &mflop, 1);
    r.result.flop = (double)mflop * 1e6;
    BR_TRY(st, br_comm_agree(comm, r.bench.rank == 0 ? report(&r) : BR_OK));
done:
    suite->close(&r.bench);
    br_free(&told_W);
    br_free(&r.result.wall_s);
    br_free(&r.imbalance);
    br_free(&r.cpu_s);
    br_free(&r.rank_cpu_s);
    return st;
}
