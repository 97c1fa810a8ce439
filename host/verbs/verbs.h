/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of the command line. Each takes the arguments after its name. */
#ifndef BR_HOST_VERBS_VERBS_H
#define BR_HOST_VERBS_VERBS_H

#include "host/base/status.h"

typedef br_status (*br_verb_fn)(int argc, char **argv);

br_status br_verb_run(int argc, char **argv);
br_status br_verb_allocate(int argc, char **argv);
br_status br_verb_topk(int argc, char **argv);
br_status br_verb_encode(int argc, char **argv);
br_status br_verb_check(int argc, char **argv);
br_status br_verb_plan(int argc, char **argv);
br_status br_verb_info(int argc, char **argv);
br_status br_verb_evaluate(int argc, char **argv);
br_status br_verb_evaluate_log(int argc, char **argv); /* evaluate with --log */
br_status br_verb_explain(int argc, char **argv);
br_status br_verb_verify(int argc, char **argv);
br_status br_verb_publish(int argc, char **argv);
br_status br_verb_generate(int argc, char **argv);

#endif
