/* SPDX-License-Identifier: Apache-2.0
 *
 * A configuration from the command line. Called once per process. */
#include "host/verbs/config_args.h"

#include <stdio.h>

#include "host/base/log.h"

/* Nothing where the option was not given. */
static br_status set_key(br_config *config, const char *key, const char *value)
{
    char setting[160];

    if (value == NULL)
        return BR_OK;
    (void)snprintf(setting, sizeof setting, "%s=%s", key, value);
    return br_config_set(config, setting);
}

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
    BR_TRY(st, set_key(config, "run.backend", args->backend));
    BR_TRY(st, set_key(config, "run.precision", args->precision));
    BR_TRY(st, set_key(config, "log.level", args->log_level));
    BR_TRY(st, br_config_check(config));
    br_log_set_level((br_log_level)config->log_level);
    *out   = config;
    config = NULL;
done:
    br_config_close(&config);
    return st;
}
