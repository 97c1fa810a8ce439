/* SPDX-License-Identifier: Apache-2.0
 *
 * The arguments of every verb that takes a configuration. */
#ifndef BR_HOST_VERBS_CONFIG_ARGS_H
#define BR_HOST_VERBS_CONFIG_ARGS_H

#include "host/config/config.h"
#include "host/verbs/args.h"

typedef struct br_config_args {
    const char *path;
    br_arg_list set;
    int64_t     n_threads; /* 0: as the configuration says */
    const char *log_level; /* NULL: as the configuration says */
} br_config_args;

#define BR_N_ARGS(args) ((int32_t)(sizeof(args) / sizeof((args)[0])))

#define BR_CONFIG_ARGS(common)                                                                     \
    {.name        = "CONFIG",                                                                      \
     .kind        = BR_ARG_TEXT,                                                                   \
     .value       = "FILE",                                                                        \
     .help        = "the configuration, JSON",                                                     \
     .to          = &(common).path,                                                                \
     .is_required = true},                                                                         \
        {.name  = "--set",                                                                         \
         .kind  = BR_ARG_MANY,                                                                     \
         .value = "KEY=VALUE",                                                                     \
         .help  = "sets one key, e.g. list.k=50; may be repeated",                                 \
         .to    = &(common).set},                                                                     \
        {.name  = "--threads",                                                                     \
         .kind  = BR_ARG_INT,                                                                      \
         .value = "N",                                                                             \
         .lo    = 0,                                                                               \
         .hi    = 256,                                                                             \
         .help  = "lanes (threads); 0: all cores",                                                 \
         .to    = &(common).n_threads},                                                               \
    {                                                                                              \
        .name = "--log-level", .kind = BR_ARG_TEXT, .value = "LEVEL",                              \
        .help = "error, warn, info or debug", .to = &(common).log_level                            \
    }

/* Reads the file, applies --set, --threads and --log-level, checks. br_config_close it. */
br_status br_config_from_args(const br_config_args *args, br_config **out);

#endif
