/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank generate: seeded synthetic data. */
#include <string.h>

#include "host/pipeline/generate/generate.h"
#include "host/verbs/args.h"
#include "host/verbs/verbs.h"
#include "kernels/ops.h"

#define N_ARGS 10

static void list_args(br_generate_options *o, br_arg out[N_ARGS])
{
    const br_arg args[N_ARGS] = {
        {"--out", "-o", BR_ARG_TEXT, "DIR", "folder for customers.h5, catalogue.h5 and model/",
         &o->out_dir, true, 0, 0},
        {"--customers", NULL, BR_ARG_INT, "N", "customers (100000)", &o->n_customers, false, 0,
         1000000000},
        {"--items", NULL, BR_ARG_INT, "N", "items (20000)", &o->n_items, false, 1, 100000000},
        {"--browse", NULL, BR_ARG_INT, "N", "mean browse events of a customer (50)", &o->n_browse,
         false, 1, 4096},
        {"--purchase", NULL, BR_ARG_INT, "N", "mean purchase events (20)", &o->n_purchase, false, 1,
         4096},
        {"--spread", NULL, BR_ARG_REAL, "S", "sigma of log-normal lengths; 0: all alike (0)",
         &o->spread, false, 0, 3},
        {"--cold", NULL, BR_ARG_REAL, "SHARE", "share of customers without any event (0)",
         &o->cold_share, false, 0, 1},
        {"--dim", NULL, BR_ARG_INT, "D", "width of the model's vectors, even (64)", &o->dim, false,
         2, 1024},
        {"--rerank", NULL, BR_ARG_INT, "H",
         "hidden width of a head 'rerank' (pair_mlp); 0: none (0)", &o->rerank, false, 0,
         BR_MAX_PAIR_WIDTH},
        {"--seed", NULL, BR_ARG_INT, "N", "the same seed gives the same bytes (1)", &o->seed, false,
         0, INT64_MAX}};

    memcpy(out, args, sizeof args);
}

br_status br_verb_generate(int argc, char **argv)
{
    br_status           st = BR_OK;
    br_generate_options o  = {.n_customers = 100000,
                              .n_items     = 20000,
                              .n_browse    = 50,
                              .n_purchase  = 20,
                              .dim         = 64,
                              .seed        = 1};
    br_arg              args[N_ARGS];
    bool                is_help;
    const br_usage      usage = {
             .verb     = "generate",
             .summary  = "Writes synthetic customers, a catalogue and a random model for them.",
             .text     = "For tests, sizing and benchmarks. Item popularity follows Zipf's law;\n"
                              "events of a customer are in order of time. Memory stays bounded.",
             .examples = "  batchrank generate -o data --customers 1000000\n"
                              "  batchrank run job.json --set input.customers=data/customers.h5",
             .args     = args,
             .n_args   = N_ARGS};

    list_args(&o, args);
    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    if (o.dim % 2 != 0)
        BR_FAIL(st, BR_E_USAGE,
                "generate: --dim: found %lld, expected an even number: the model has two "
                "attention heads",
                (long long)o.dim);
    BR_TRY(st, br_job_generate(&o));
done:
    return st;
}
