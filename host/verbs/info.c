/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank info: what is in a file or folder. */
#include <stdio.h>

#include "host/pipeline/info.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

br_status br_verb_info(int argc, char **argv)
{
    br_status      st   = BR_OK;
    const char    *path = NULL;
    bool           is_help;
    const br_arg   args[] = {{.name        = "PATH",
                              .kind        = BR_ARG_TEXT,
                              .value       = "PATH",
                              .to          = &path,
                              .is_required = true,
                              .help        = "a file or folder"}};
    const br_usage usage  = {
         .verb    = "info",
         .summary = "Tells what is in a file, a model bundle or a run directory.",
         .text =
             "Knows customers, catalogue, vocabulary and lists files, run directories, bundles,\n"
              ".npy and .safetensors by their content. Checks what it reads.",
         .examples = "  batchrank info demo/data/customers.h5\n  batchrank info demo/run",
         .args     = args,
         .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (!is_help)
        BR_TRY(st, br_job_info(path, stdout));
done:
    return st;
}
