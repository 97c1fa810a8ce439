/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank explain: why a customer of a run got an item, or did not. */
#include <stdio.h>

#include "host/pipeline/look/explain/explain.h"
#include "host/verbs/config_args.h"
#include "host/verbs/verbs.h"

br_status br_verb_explain(int argc, char **argv)
{
    br_status       st  = BR_OK;
    br_strbuf       out = {0};
    br_explain_args a   = {.n_threads = -1};
    bool            is_help;
    const br_arg    args[] = {
           {"RUN", NULL, BR_ARG_TEXT, "DIR", "a complete run directory", &a.run, true, 0, 0},
           {"--customer", NULL, BR_ARG_TEXT, "KEY", "the customer's key", &a.customer, true, 0, 0},
           {"--item", NULL, BR_ARG_TEXT, "KEY", "the item's key", &a.item, true, 0, 0},
           {"--why-not", NULL, BR_ARG_FLAG, NULL, "the answer first", &a.why_not, false, 0, 0},
           {"--json", NULL, BR_ARG_FLAG, NULL, "JSON instead of text", &a.is_json, false, 0, 0},
           {"--threads", NULL, BR_ARG_INT, "N", "threads; 0: all", &a.n_threads, false, 0, 256}};
    const br_usage usage = {
        .verb    = "explain",
        .summary = "Why a customer of a run got an item, or did not.",
        .text =
            "Runs one customer again from the run's inputs, through the stages of the run, and\n"
            "says of the item: every rule's verdict, what its score is made of, its rank among\n"
            "all eligible items, by how much it misses the list, and which events speak for it.\n"
            "Nothing is written. The inputs must be those of the run (they are hashed: about the\n"
            "time that reading them takes). Exit code 2: no such customer or item; 3: an input\n"
            "has changed; 6: the list computed again is not the one stored.",
        .examples = "  batchrank explain demo/run --customer 1 --item 995242\n"
                    "  batchrank explain demo/run --customer 1 --item 995242 --why-not --json",
        .args     = args,
        .n_args   = BR_N_ARGS(args)};

    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    BR_TRY(st, br_explain(&a, &out));
    (void)fwrite(out.data, 1, out.n_bytes, stdout);
done:
    br_strbuf_free(&out);
    return st;
}
