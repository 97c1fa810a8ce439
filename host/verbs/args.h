/* SPDX-License-Identifier: Apache-2.0
 *
 * Command lines from one table per verb: the parser, --help and the error texts come from it. */
#ifndef BR_HOST_VERBS_ARGS_H
#define BR_HOST_VERBS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "host/base/status.h"

#define BR_MAX_REPEATS 64

typedef enum {
    BR_ARG_TEXT, /* to: const char * */
    BR_ARG_INT,  /* to: int64_t, in [lo, hi] */
    BR_ARG_REAL, /* to: double, in [lo, hi] */
    BR_ARG_FLAG, /* to: bool */
    BR_ARG_MANY  /* to: br_arg_list, may be given again and again */
} br_arg_kind;

typedef struct br_arg_list {
    int32_t     n;
    const char *item[BR_MAX_REPEATS + 1]; /* one more, for what the verb itself adds */
} br_arg_list;

typedef struct br_arg {
    const char *name;   /* "--customers", or "CONFIG" for a place without a name */
    const char *letter; /* "-k" or NULL */
    br_arg_kind kind;
    const char *value; /* "FILE", for the help */
    const char *help;
    void       *to;
    bool        is_required;
    int64_t     lo;
    int64_t     hi;
} br_arg;

/* What a verb says about itself. */
typedef struct br_usage {
    const char   *verb;
    const char   *summary;  /* one line */
    const char   *text;     /* what it does, for a newcomer */
    const char   *examples; /* ready to paste */
    const br_arg *args;
    int32_t       n_args;
} br_usage;

/* Fills the targets. *is_help is set when --help was there: the help is printed to stdout and
 * nothing is to be done. BR_E_USAGE names the argument and the nearest known one. */
br_status br_args_parse(const br_usage *usage, int argc, char **argv, bool *is_help);

#endif
