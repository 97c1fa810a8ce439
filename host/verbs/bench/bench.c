/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank bench: times on seeded data, checked first. */
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "host/pipeline/bench/bench.h"
#include "host/pipeline/setup/devices.h"
#include "host/verbs/args.h"
#include "host/verbs/backend_arg.h"
#include "host/verbs/bench/e2e.h"
#include "host/verbs/verbs.h"

typedef struct bench_args {
    br_bench_options o;
    const char      *suite;
    const char      *scaling;
    const char      *backend;
    const char      *precision;
    bool             is_quiet;
} bench_args;

#define N_ARGS 18

static void list_args(bench_args *a, br_arg out[N_ARGS])
{
    br_bench_options *o = &a->o;

    const br_arg args[N_ARGS] = {
        {"--suite", NULL, BR_ARG_TEXT, "NAME", "score, encode or e2e", &a->suite, true, 0, 0},
        {"--customers", NULL, BR_ARG_INT, "N", "of all ranks; weak: of each (16384)",
         &o->n_customers, false, 1, 1000000000},
        {"--items", NULL, BR_ARG_INT, "N", "items (20000)", &o->n_items, false, 1, 100000000},
        {"--dim", NULL, BR_ARG_INT, "D", "width of vectors, even (64)", &o->dim, false, 2, 1024},
        {"-k", NULL, BR_ARG_INT, "K", "items of a list (50)", &o->k, false, 1, 1024},
        {"--events", NULL, BR_ARG_INT, "N", "mean browse events of a customer (50)", &o->n_events,
         false, 1, 4096},
        {"--seed", NULL, BR_ARG_INT, "N", "the same seed gives the same data (1)", &o->seed, false,
         0, INT64_MAX},
        {"--scaling", NULL, BR_ARG_TEXT, "KIND",
         "strong: ranks share the customers; weak: each has so many (strong)", &a->scaling, false,
         0, 0},
        {"--warm-up", NULL, BR_ARG_INT, "N", "passes before the timed ones (1)", &o->n_warmups,
         false, 1, 1000},
        {"--repeats", NULL, BR_ARG_INT, "N", "timed passes (5)", &o->n_repeats, false, 1, 1000},
        {"--check", NULL, BR_ARG_INT, "N", "customers of a rank checked by the reference (32)",
         &o->n_checked, false, 0, 1000000},
        {"--expect", NULL, BR_ARG_TEXT, "HASH", "no time unless the results have this hash",
         &o->expect_hash, false, 0, 0},
        {"--work", NULL, BR_ARG_TEXT, "DIR",
         "where files are made and removed; e2e: a folder that all ranks see (TMPDIR)", &o->work,
         false, 0, 0},
        {"--backend", NULL, BR_ARG_TEXT, "NAME", "auto, ref, cpu or cuda (auto)", &a->backend,
         false, 0, 0},
        {"--precision", NULL, BR_ARG_TEXT, "NAME", "of the encoders: fp32 or bf16 (fp32)",
         &a->precision, false, 0, 0},
        {"--threads", NULL, BR_ARG_INT, "N", "lanes of a rank; 0: all its cores", &o->n_threads,
         false, 0, 256},
        {"--json", NULL, BR_ARG_TEXT, "FILE", "also writes the figures there", &o->json, false, 0,
         0},
        {"--quiet", "-q", BR_ARG_FLAG, "", "warnings and errors only", &a->is_quiet, false, 0, 0}};

    memcpy(out, args, sizeof args);
}

static br_status choose(const char *arg, const char *name, const char *no, const char *yes,
                        bool *out)
{
    *out = strcmp(name, yes) == 0;
    if (!*out && strcmp(name, no) != 0)
        return br_fail(BR_E_USAGE, "bench: %s: found '%s', expected %s or %s", arg, name, no, yes);
    return BR_OK;
}

static br_status choose_suite(const char *name, const br_bench_suite **out)
{
    const br_bench_suite *const suites[] = {&br_bench_score, &br_bench_encode, &br_bench_e2e};

    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++)
        if (strcmp(name, suites[i]->name) == 0) {
            *out = suites[i];
            return BR_OK;
        }
    return br_fail(BR_E_USAGE, "bench: --suite: found '%s', expected score, encode or e2e", name);
}

static br_status bench(br_comm *comm, bench_args *a)
{
    br_status             st    = BR_OK;
    const br_bench_suite *suite = NULL;

    BR_TRY(st, choose_suite(a->suite, &suite));
    BR_TRY(st, choose("--scaling", a->scaling, "strong", "weak", &a->o.is_weak));
    BR_TRY(st, choose("--precision", a->precision, "fp32", "bf16", &a->o.is_bf16));
    BR_TRY(st, br_backend_from_arg("bench", a->backend, &a->o.backend));
    if (a->o.dim % 2 != 0 && suite != &br_bench_score)
        BR_FAIL(st, BR_E_USAGE,
                "bench: --dim: found %lld, expected an even number: the model has two attention "
                "heads",
                (long long)a->o.dim);
    if (a->o.work == NULL)
        a->o.work = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    if (a->is_quiet)
        br_log_set_level(BR_LOG_WARN);
    BR_TRY(st, br_devices_assign(comm, a->o.backend, -1));
    BR_TRY(st, br_bench_run(comm, &a->o, suite));
done:
    return st;
}

/* Rank 0 prints it. */
static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

br_status br_verb_bench(int argc, char **argv, br_comm *comm)
{
    br_status      st = BR_OK;
    bench_args     a  = {.o         = {.n_customers = 16384,
                                       .n_items     = 20000,
                                       .dim         = 64,
                                       .k           = 50,
                                       .n_events    = 50,
                                       .seed        = 1,
                                       .n_warmups   = 1,
                                       .n_repeats   = 5,
                                       .n_checked   = 32},
                         .scaling   = "strong",
                         .backend   = "auto",
                         .precision = "fp32"};
    br_arg         args[N_ARGS];
    bool           is_help;
    const br_usage usage = {
        .verb    = "bench",
        .summary = "Times scoring, encoding or whole runs on seeded data, checked before timed.",
        .text    = "Data is made where it is used: nothing is downloaded, and any number of ranks\n"
                   "works on the same customers. The hash over all results is the same for any\n"
                   "number of ranks; a sample is computed again by the reference; where either\n"
                   "fails there is no time and the exit code is 6. Under mpirun or srun every\n"
                   "rank takes its share (strong) or as many customers of its own (weak).",
        .examples = "  batchrank bench --suite score --items 1000000 --dim 128 -k 100\n"
                    "  srun -N4 --gpus-per-task=1 batchrank bench --suite score --scaling weak\n"
                    "  mpirun -np 8 batchrank bench --suite e2e --work /shared/scratch",
        .args     = args,
        .n_args   = N_ARGS};

    list_args(&a, args);
    if (br_comm_rank(comm) > 0 && asks_for_help(argc, argv))
        return BR_OK;
    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (!is_help)
        BR_TRY(st, bench(comm, &a));
done:
    return st;
}
