/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank encode: customer vectors and states only. */
#include <stdio.h>

#include "host/pipeline/vectors/encode_job.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

static br_status encode(const br_config *config, const char *out)
{
    br_status st    = BR_OK;
    br_setup *setup = NULL;
    br_job   *job   = NULL;

    BR_TRY(st, br_setup_open(config, &setup));
    BR_TRY(st, br_setup_plan_units(setup));
    BR_TRY(st, br_job_open(setup, &job));
    BR_TRY(st, br_job_encode(job, out));
done:
    br_job_close(&job);
    br_setup_close(&setup);
    return st;
}

br_status br_verb_encode(int argc, char **argv)
{
    br_status      st     = BR_OK;
    br_config_args common = {.n_threads = -1};
    br_config     *config = NULL;
    const char    *out    = NULL;
    bool           is_help;
    const br_arg   args[] = {BR_CONFIG_ARGS(common),
                             {.name        = "--out",
                              .letter      = "-o",
                              .kind        = BR_ARG_TEXT,
                              .value       = "OUT.h5",
                              .to          = &out,
                              .is_required = true,
                              .help        = "file for vectors and states"}};
    const br_usage usage  = {
         .verb     = "encode",
         .summary  = "Writes customer vectors x_u and the modalities' states, no lists.",
         .text     = "OUT.h5 has the layout of customers.h5: /customer/key, /vector [U, D], and\n"
                      "/state/<modality>/{h, last_time}. It can be input.customers of a later job.",
         .examples = "  batchrank encode configs/demo/run.json -o vectors.h5",
         .args     = args,
         .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    BR_TRY(st, br_config_from_args(&common, &config));
    BR_TRY(st, encode(config, out));
done:
    br_config_close(&config);
    return st;
}
