/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank generate: seeded synthetic data. */
#include <stdio.h>

#include "host/pipeline/generate.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

br_status br_verb_generate(int argc, char **argv)
{
    br_status           st = BR_OK;
    br_generate_options o  = {.n_customers = 100000,
                              .n_items     = 20000,
                              .n_browse    = 50,
                              .n_purchase  = 20,
                              .dim         = 64,
                              .seed        = 1};
    bool                is_help;
    const br_arg        args[] = {{.name        = "--out",
                                   .letter      = "-o",
                                   .kind        = BR_ARG_TEXT,
                                   .value       = "DIR",
                                   .to          = &o.out_dir,
                                   .is_required = true,
                                   .help = "folder for customers.h5, catalogue.h5 and model/"},
                                  {.name  = "--customers",
                                   .kind  = BR_ARG_INT,
                                   .value = "N",
                                   .to    = &o.n_customers,
                                   .lo    = 0,
                                   .hi    = 1000000000,
                                   .help  = "customers (100000)"},
                                  {.name  = "--items",
                                   .kind  = BR_ARG_INT,
                                   .value = "N",
                                   .to    = &o.n_items,
                                   .lo    = 1,
                                   .hi    = 100000000,
                                   .help  = "items (20000)"},
                                  {.name  = "--browse",
                                   .kind  = BR_ARG_INT,
                                   .value = "N",
                                   .to    = &o.n_browse,
                                   .lo    = 1,
                                   .hi    = 4096,
                                   .help  = "mean browse events of a customer (50)"},
                                  {.name  = "--purchase",
                                   .kind  = BR_ARG_INT,
                                   .value = "N",
                                   .to    = &o.n_purchase,
                                   .lo    = 1,
                                   .hi    = 4096,
                                   .help  = "mean purchase events (20)"},
                                  {.name  = "--spread",
                                   .kind  = BR_ARG_REAL,
                                   .value = "S",
                                   .to    = &o.spread,
                                   .lo    = 0,
                                   .hi    = 3,
                                   .help  = "sigma of log-normal lengths; 0: all alike (0)"},
                                  {.name  = "--cold",
                                   .kind  = BR_ARG_REAL,
                                   .value = "SHARE",
                                   .to    = &o.cold_share,
                                   .lo    = 0,
                                   .hi    = 1,
                                   .help  = "share of customers without any event (0)"},
                                  {.name  = "--dim",
                                   .kind  = BR_ARG_INT,
                                   .value = "D",
                                   .to    = &o.dim,
                                   .lo    = 2,
                                   .hi    = 1024,
                                   .help  = "width of the model's vectors, even (64)"},
                                  {.name  = "--seed",
                                   .kind  = BR_ARG_INT,
                                   .value = "N",
                                   .to    = &o.seed,
                                   .lo    = 0,
                                   .hi    = INT64_MAX,
                                   .help  = "the same seed gives the same bytes (1)"}};
    const br_usage      usage  = {
              .verb    = "generate",
              .summary = "Writes seeded synthetic customers, a catalogue and a random model that fit "
                               "together.",
              .text =
                  "For tests, sizing and benchmarks. Item popularity follows Zipf's law; events of a\n"
                        "customer are in order of time. Memory stays bounded for any number of customers.",
              .examples = "  batchrank generate -o data --customers 1000000\n"
                                "  batchrank run job.json --set input.customers=data/customers.h5",
              .args     = args,
              .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    if (o.dim % 2 != 0)
        BR_FAIL(st, BR_E_USAGE,
                "batchrank generate: --dim: found %lld, expected an even number: "
                "the model has two attention heads",
                (long long)o.dim);
    BR_TRY(st, br_job_generate(&o));
done:
    return st;
}
