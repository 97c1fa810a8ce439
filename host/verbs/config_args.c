/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration from the command line. Called once per process. */
#include "host/verbs/config_args.h"

#include <stdio.h>

#include "host/base/log.h"

br_status br_config_from_args(const br_config_args *args, br_config **out)
{
    br_status  st     = BR_OK;
    br_config *config = NULL;
    char       threads[32];

    *out = NULL;
    BR_TRY(st, br_config_read(args->path, &config));
    for (int32_t i = 0; i < args->set.n; i++)
        BR_TRY(st, br_config_set(config, args->set.item[i]));
    if (args->n_threads >= 0) {
        (void)snprintf(threads, sizeof threads, "run.threads=%lld", (long long)args->n_threads);
        BR_TRY(st, br_config_set(config, threads));
    }
    if (args->log_level != NULL) {
        char level[64];

        (void)snprintf(level, sizeof level, "log.level=%s", args->log_level);
        BR_TRY(st, br_config_set(config, level));
    }
    BR_TRY(st, br_config_check(config));
    br_log_set_level((br_log_level)config->log_level);
    *out   = config;
    config = NULL;
done:
    br_config_close(&config);
    return st;
}
