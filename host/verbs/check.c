/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank check: everything that can be wrong with a configuration and its inputs, found before
 * the night. */
#include <stdio.h>

#include "host/pipeline/look/check.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

br_status br_verb_check(int argc, char **argv)
{
    br_status      st      = BR_OK;
    br_config_args common  = {.n_threads = -1};
    br_config     *config  = NULL;
    bool           is_fast = false, is_help;
    const br_arg   args[]  = {BR_CONFIG_ARGS(common),
                              {.name = "--fast",
                               .kind = BR_ARG_FLAG,
                               .to   = &is_fast,
                               .help = "layout and joins only, do not read every event"}};
    const br_usage usage   = {
          .verb     = "check",
          .summary  = "Checks a configuration and its inputs without doing the work.",
          .text     = "Opens every file, checks layouts and shapes, joins all keys, loads\n"
                        "the weights, then reads every customer and checks every value.\n"
                        "Exit code 0: the job will run.",
          .examples = "  batchrank check configs/demo/run.json",
          .args     = args,
          .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    BR_TRY(st, br_config_from_args(&common, &config));
    BR_TRY(st, br_job_check(config, is_fast, stdout));
done:
    br_config_close(&config);
    return st;
}
