/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank topk: exact top-k of two matrices. */
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/pipeline/vectors/topk.h"
#include "host/verbs/args.h"
#include "host/verbs/backend_arg.h"
#include "host/verbs/verbs.h"

typedef struct topk_args {
    br_topk_options o;
    const char     *backend;
    bool            is_quiet;
} topk_args;

#define N_ARGS 11

static void list_args(topk_args *a, br_arg out[N_ARGS])
{
    const br_arg args[N_ARGS] = {
        {"--customers", NULL, BR_ARG_TEXT, "X", "[U, D] float32: x.npy or file.h5:/dataset",
         &a->o.customers, true, 0, 0},
        {"--items", NULL, BR_ARG_TEXT, "Z", "[N, D] float32", &a->o.items, true, 0, 0},
        {"-k", NULL, BR_ARG_INT, "K", "items per customer, 1..1024 (10)", &a->o.k, false, 1, 1024},
        {"--out", "-o", BR_ARG_TEXT, "OUT.h5", "the lists file", &a->o.out, true, 0, 0},
        {"--bias", NULL, BR_ARG_TEXT, "B", "[N] float32, added to every score of an item",
         &a->o.bias, false, 0, 0},
        {"--item-keys", NULL, BR_ARG_TEXT, "KEYS",
         "[N] keys.npy or file.h5:/dataset, S<n> or uint64, or text, a key a line (row numbers)",
         &a->o.item_keys, false, 0, 0},
        {"--customer-keys", NULL, BR_ARG_TEXT, "KEYS", "[U] likewise", &a->o.customer_keys, false,
         0, 0},
        {"--exclude", NULL, BR_ARG_TEXT, "FILE.h5:/GROUP", "never-lists: offset u64[U+1], item i32",
         &a->o.exclude, false, 0, 0},
        {"--backend", NULL, BR_ARG_TEXT, "NAME", "auto, ref, cpu or cuda (auto)", &a->backend,
         false, 0, 0},
        {"--threads", NULL, BR_ARG_INT, "N", "lanes (threads); 0: all cores", &a->o.n_threads,
         false, 0, 256},
        {"--quiet", "-q", BR_ARG_FLAG, "", "warnings and errors only", &a->is_quiet, false, 0, 0}};

    memcpy(out, args, sizeof args);
}

br_status br_verb_topk(int argc, char **argv)
{
    br_status      st = BR_OK;
    topk_args      a  = {.o = {.k = 10}, .backend = "auto"};
    br_arg         args[N_ARGS];
    bool           is_help;
    const br_usage usage = {
        .verb     = "topk",
        .summary  = "Exact top-k: for every row of X the K rows of Z with the largest x . z + b.",
        .text     = "Scores are dot products summed in float64 and rounded once to float32; equal\n"
                    "scores stand in order of their row. The answer is the same for any number of\n"
                    "threads and on any backend. OUT.h5 holds /list/item, /list/score [U, K] and\n"
                    "the keys of both sides.",
        .examples = "  batchrank topk --customers x.npy --items z.npy -k 10 -o lists.h5\n"
                    "  batchrank topk --customers als.h5:/user --items als.h5:/item -o lists.h5",
        .args     = args,
        .n_args   = N_ARGS};

    list_args(&a, args);
    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    if (a.is_quiet)
        br_log_set_level(BR_LOG_WARN);
    BR_TRY(st, br_backend_from_arg("topk", a.backend, &a.o.backend));
    BR_TRY(st, br_job_topk(&a.o));
done:
    return st;
}
