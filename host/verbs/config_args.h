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
    int64_t     n_threads; /* -1: as the configuration says */
    const char *backend;   /* NULL: as the configuration says; these as well */
    const char *precision;
    const char *log_level;
} br_config_args;

#define BR_N_ARGS(args) ((int32_t)(sizeof(args) / sizeof((args)[0])))

/* The first rows of the verb's table of arguments. */
#define BR_CONFIG_ARGS(common)                                                                     \
    {"CONFIG", NULL, BR_ARG_TEXT, "FILE", "the configuration, JSON", &(common).path, true, 0, 0},  \
        {"--set",                                                                                  \
         NULL,                                                                                     \
         BR_ARG_MANY,                                                                              \
         "KEY=VALUE",                                                                              \
         "sets one key, e.g. list.k=50; may be repeated",                                          \
         &(common).set,                                                                            \
         false,                                                                                    \
         0,                                                                                        \
         0},                                                                                       \
        {"--threads",         NULL,  BR_ARG_INT, "N", "lanes (threads); 0: all cores",             \
         &(common).n_threads, false, 0,          256},                                             \
        {"--backend",                                                                              \
         NULL,                                                                                     \
         BR_ARG_TEXT,                                                                              \
         "NAME",                                                                                   \
         "auto, ref, cpu or cuda; auto: a usable GPU, else cpu",                                   \
         &(common).backend,                                                                        \
         false,                                                                                    \
         0,                                                                                        \
         0},                                                                                       \
        {"--precision",                                                                            \
         NULL,                                                                                     \
         BR_ARG_TEXT,                                                                              \
         "NAME",                                                                                   \
         "what the encoders multiply: fp32 or bf16",                                               \
         &(common).precision,                                                                      \
         false,                                                                                    \
         0,                                                                                        \
         0},                                                                                       \
    {                                                                                              \
        "--log-level", NULL, BR_ARG_TEXT, "LEVEL", "error, warn, info or debug",                   \
            &(common).log_level, false, 0, 0                                                       \
    }

/* Reads the file, applies --set and the other options, checks. br_config_close it. */
br_status br_config_from_args(const br_config_args *args, br_config **out);

#endif
