/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank plan: what a job will take. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/pipeline/look/check.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

/* "2h", "1h30min", "45min", "90s": seconds. */
static br_status window_from_arg(const char *text, double *seconds)
{
    static const struct {
        const char *name;
        double      seconds;
    } units[]      = {{"h", 3600.0}, {"min", 60.0}, {"s", 1.0}};
    const char *at = text;

    *seconds = 0.0;
    while (*at != '\0') {
        char  *end;
        double n = strtod(at, &end);
        int    u = 0;

        while (u < 3 && strncmp(end, units[u].name, strlen(units[u].name)) != 0)
            u++;
        if (end == at || u == 3 || !(n >= 0.0) || isinf(n))
            break;
        *seconds += n * units[u].seconds;
        at = end + strlen(units[u].name);
    }
    if (*at != '\0' || *seconds <= 0.0)
        return br_fail(BR_E_USAGE, "plan: --window: found '%s', expected e.g. 2h, 1h30min or 900s",
                       text);
    return BR_OK;
}

br_status br_verb_plan(int argc, char **argv)
{
    br_status      st      = BR_OK;
    br_config_args common  = {.n_threads = -1};
    br_config     *config  = NULL;
    br_window      window  = {.most_ranks = 1024};
    const char    *seconds = NULL;
    bool           is_help, is_fast = false;
    const br_arg   args[] = {
          BR_CONFIG_ARGS(common),
          {"--fast", NULL, BR_ARG_FLAG, NULL, "no timing: layouts and offsets", &is_fast, false, 0,
           0},
          {"--window", NULL, BR_ARG_TEXT, "TIME", "how many GPUs are enough for 2h, 90min, 600s",
           &seconds, false, 0, 0},
          {"--gpus", NULL, BR_ARG_INT, "N", "the most that there are, one rank each (1024)",
           &window.most_ranks, false, 1, 65536},
          {"--rate", NULL, BR_ARG_REAL, "N",
           "customers a rank does per second, `bench --suite e2e` (timed)", &window.rate, false, 0,
           INT64_MAX},
          {"--read-rate", NULL, BR_ARG_REAL, "BYTES",
           "per second, from the files to all ranks (no limit)", &window.read_bytes_s, false, 0,
           INT64_MAX},
          {"--write-rate", NULL, BR_ARG_REAL, "BYTES", "per second, from all ranks (no limit)",
           &window.write_bytes_s, false, 0, INT64_MAX}};
    const br_usage usage = {
        .verb     = "plan",
        .summary  = "Tells what a job will take: seconds, memory, output bytes, arithmetic, GPUs.",
        .text     = "Memory and output come from layouts and offsets, seconds from a few\n"
                    "thousand customers who go through the stages on this machine. Exit code 4\n"
                    "when the memory passes run.memory_limit_bytes, which stops `run` as well.\n"
                    "With --window also how many ranks, one per GPU, are done in time, from the\n"
                    "rate timed here or given; exit code 10 when --gpus are not enough.",
        .examples = "  batchrank plan configs/demo/run.json --set list.k=100\n"
                    "  batchrank plan job.json --window 2h --gpus 64 --rate 250000",
        .args     = args,
        .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    if (seconds != NULL)
        BR_TRY(st, window_from_arg(seconds, &window.seconds));
    if (seconds != NULL && is_fast)
        BR_FAIL(st, BR_E_USAGE, "plan: --window needs the timing that --fast leaves out");
    BR_TRY(st, br_config_from_args(&common, &config));
    BR_TRY(st, br_job_plan(config, is_fast, &window, stdout));
done:
    br_config_close(&config);
    return st;
}
