/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank topk: exact top-k of two matrices. */
#include <stdio.h>
#include <string.h>

#include "host/base/log.h"
#include "host/pipeline/topk.h"
#include "host/verbs/args.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

static br_status choose_backend(const char *name, br_backend *out)
{
    static const char *const names[] = {"auto", "ref", "cpu", "cuda"};

    for (int i = 0; i < 4; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (br_backend)i;
            return BR_OK;
        }
    return br_fail(BR_E_USAGE,
                   "batchrank topk: --backend: found '%s', expected auto, ref, cpu or "
                   "cuda",
                   name);
}

br_status br_verb_topk(int argc, char **argv)
{
    br_status       st      = BR_OK;
    br_topk_options o       = {.k = 10};
    const char     *backend = "auto";
    bool            is_help, is_quiet = false;
    const br_arg    args[] = {
           {.name        = "--customers",
            .kind        = BR_ARG_TEXT,
            .value       = "X",
            .to          = &o.customers,
            .is_required = true,
            .help        = "[U, D] float32: x.npy or file.h5:/dataset"},
           {.name        = "--items",
            .kind        = BR_ARG_TEXT,
            .value       = "Z",
            .to          = &o.items,
            .is_required = true,
            .help        = "[N, D] float32"},
           {.name  = "-k",
            .kind  = BR_ARG_INT,
            .value = "K",
            .to    = &o.k,
            .lo    = 1,
            .hi    = 1024,
            .help  = "items per customer, 1..1024 (10)"},
           {.name        = "--out",
            .letter      = "-o",
            .kind        = BR_ARG_TEXT,
            .value       = "OUT.h5",
            .to          = &o.out,
            .is_required = true,
            .help        = "the lists file"},
           {.name  = "--bias",
            .kind  = BR_ARG_TEXT,
            .value = "B",
            .to    = &o.bias,
            .help  = "[N] float32, added to every score of an item"},
           {.name  = "--item-keys",
            .kind  = BR_ARG_TEXT,
            .value = "KEYS",
            .to    = &o.item_keys,
            .help  = "[N] S<n> or uint64: keys.npy or file.h5:/dataset (row numbers)"},
           {.name  = "--customer-keys",
            .kind  = BR_ARG_TEXT,
            .value = "KEYS",
            .to    = &o.customer_keys,
            .help  = "[U] likewise"},
           {.name  = "--exclude",
            .kind  = BR_ARG_TEXT,
            .value = "FILE.h5:/GROUP",
            .to    = &o.exclude,
            .help  = "never-lists: offset u64[U+1], item i32"},
           {.name  = "--backend",
            .kind  = BR_ARG_TEXT,
            .value = "NAME",
            .to    = &backend,
            .help  = "auto, ref, cpu or cuda (auto)"},
           {.name  = "--threads",
            .kind  = BR_ARG_INT,
            .value = "N",
            .to    = &o.n_threads,
            .lo    = 0,
            .hi    = 256,
            .help  = "lanes (threads); 0: all cores"},
           {.name   = "--quiet",
            .letter = "-q",
            .kind   = BR_ARG_FLAG,
            .to     = &is_quiet,
            .help   = "warnings and errors only"}};
    const br_usage usage = {
        .verb    = "topk",
        .summary = "Exact top-k: for every row of X the K rows of Z with the largest x . z + b.",
        .text =
            "Scores are dot products summed in float64 and rounded once to float32; equal scores\n"
            "stand in order of their row. The answer is the same for any number of threads and on\n"
            "any backend. OUT.h5 holds /list/item, /list/score [U, K] and the keys of both sides.",
        .examples =
            "  batchrank topk --customers x.npy --items z.npy -k 10 -o lists.h5\n"
            "  batchrank topk --customers als.h5:/user_factors --items als.h5:/item_factors \\\n"
            "                 --item-keys als.h5:/item_id -k 100 -o lists.h5",
        .args   = args,
        .n_args = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    if (is_quiet)
        br_log_set_level(BR_LOG_WARN);
    BR_TRY(st, choose_backend(backend, &o.backend));
    BR_TRY(st, br_job_topk(&o));
done:
    return st;
}
