/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs of the command line. Each takes the arguments after its name. */
#ifndef BR_HOST_VERBS_VERBS_H
#define BR_HOST_VERBS_VERBS_H

#include "host/base/status.h"
#include "host/comm/comm.h"

typedef br_status (*br_verb_fn)(int argc, char **argv);
/* Of a verb that ranks do together: all of them call it. */
typedef br_status (*br_ranks_fn)(int argc, char **argv, br_comm *comm);

/* argv as main has it. All ranks call it; the error is not yet agreed. */
br_status br_dispatch(int argc, char **argv, br_comm *comm);

br_status br_verb_run(int argc, char **argv, br_comm *comm);
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
br_status br_verb_bench(int argc, char **argv, br_comm *comm);

#endif
