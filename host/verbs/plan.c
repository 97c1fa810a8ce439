/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank plan: what a job will take. */
#include <stdio.h>

#include "host/pipeline/look/check.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

br_status br_verb_plan(int argc, char **argv)
{
    br_status      st     = BR_OK;
    br_config_args common = {.n_threads = -1};
    br_config     *config = NULL;
    bool           is_help, is_fast = false;
    const br_arg   args[] = {BR_CONFIG_ARGS(common),
                             {.name = "--fast",
                              .kind = BR_ARG_FLAG,
                              .to   = &is_fast,
                              .help = "no timing: layouts and offsets only"}};
    const br_usage usage  = {
         .verb     = "plan",
         .summary  = "Tells what a job will take: seconds, memory, output bytes, arithmetic.",
         .text     = "Memory and output come from layouts and offsets, seconds from a few\n"
                      "thousand customers who go through the stages on this machine. Exit code 4\n"
                      "when the memory passes run.memory_limit_bytes, which stops `run` as well.",
         .examples = "  batchrank plan configs/demo/run.json --set list.k=100",
         .args     = args,
         .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    BR_TRY(st, br_config_from_args(&common, &config));
    BR_TRY(st, br_job_plan(config, is_fast, stdout));
done:
    br_config_close(&config);
    return st;
}
