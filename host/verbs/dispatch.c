/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of verbs, and which of them is meant. Called once per process. */
#include <stdio.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/verbs/verbs.h"

/* What becomes of a verb that several ranks were started for. */
typedef enum { REFUSED, FIRST_WORKS, ALL_WORK } work;

typedef struct verb {
    const char *name;
    br_verb_fn  fn; /* NULL: ranks_fn */
    const char *summary;
    work        work;
    br_ranks_fn ranks_fn;
} verb;

static const verb verbs[] = {
    {"run", NULL, "timelines in, ranked lists out: the whole job of a configuration", ALL_WORK,
     br_verb_run},
    {"allocate", br_verb_allocate, "capacities and budgets of a run solved again", REFUSED, NULL},
    {"topk", br_verb_topk, "exact top-k of two matrices: no configuration needed", REFUSED, NULL},
    {"encode", br_verb_encode, "customer vectors x_u only", REFUSED, NULL},
    {"check", br_verb_check, "every check of inputs and configuration, no work", FIRST_WORKS, NULL},
    {"plan", br_verb_plan, "what a job will take: seconds, memory, output", FIRST_WORKS, NULL},
    {"info", br_verb_info, "what is in a file, a bundle or a run directory", FIRST_WORKS, NULL},
    {"evaluate", br_verb_evaluate,
     "lists against held-out events; a policy's value from a log (--log)", REFUSED, NULL},
    {"verify", br_verb_verify,
     "re-hashes a run and re-scores a sample; replays a model's golden file", FIRST_WORKS, NULL},
    {"explain", br_verb_explain, "why a customer of a run got an item, or did not", REFUSED, NULL},
    {"publish", br_verb_publish, "lists of a run as CSV, JSON lines or Redis commands", REFUSED,
     NULL},
    {"bench", NULL, "times of scoring, encoding or whole runs, checked before timed", ALL_WORK,
     br_verb_bench},
    {"generate", br_verb_generate, "seeded synthetic customers, catalogue and model", REFUSED,
     NULL},
};

#define N_VERBS ((int)(sizeof verbs / sizeof verbs[0]))

static void print_help(void)
{
    (void)printf("batchrank %s: ranks the whole catalogue for every customer, in one batch job\n\n"
                 "usage: batchrank VERB [arguments]\n\n",
                 BR_VERSION);
    for (int i = 0; i < N_VERBS; i++)
        (void)printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    (void)printf("\nbatchrank VERB --help tells all about a verb.\n"
                 "Five minutes: batchrank topk --customers x.npy --items z.npy -k 10 -o "
                 "lists.h5\n");
}

static const verb *find_verb(const char *name)
{
    for (int i = 0; i < N_VERBS; i++)
        if (strcmp(name, verbs[i].name) == 0)
            return &verbs[i];
    return NULL;
}

static br_status unknown_verb(const char *name)
{
    const char *names[N_VERBS];
    const char *nearest;

    for (int i = 0; i < N_VERBS; i++)
        names[i] = verbs[i].name;
    nearest = br_nearest(name, names, N_VERBS);
    return br_fail(BR_E_USAGE, "unknown verb '%s'%s%s; see batchrank --help", name,
                   nearest ? ", did you mean " : "", nearest ? nearest : "");
}

static br_status call(const verb *v, int argc, char **argv, br_comm *comm)
{
    if (v->ranks_fn != NULL)
        return v->ranks_fn(argc, argv, comm);
    if (br_comm_rank(comm) > 0)
        return BR_OK; /* rank 0 says what is to be said */
    if (v->work == REFUSED && br_comm_size(comm) > 1)
        return br_fail(BR_E_USAGE,
                       "%s is done by one process, but %d were started: leave out "
                       "mpirun or srun",
                       v->name, br_comm_size(comm));
    return v->fn(argc, argv);
}

/* batchrank help [VERB] */
static br_status help(int argc, char **argv, br_comm *comm)
{
    char       *word[] = {"--help"};
    const verb *v      = argc > 0 ? find_verb(argv[0]) : NULL;

    if (v != NULL)
        return call(v, 1, word, comm);
    if (argc > 0)
        return unknown_verb(argv[0]);
    print_help();
    return BR_OK;
}

br_status br_dispatch(int argc, char **argv, br_comm *comm)
{
    const verb *v = argc > 1 ? find_verb(argv[1]) : NULL;

    if (v != NULL)
        return call(v, argc - 2, argv + 2, comm);
    if (br_comm_rank(comm) > 0 && (argc < 3 || strcmp(argv[1], "help") != 0))
        return BR_OK;
    if (argc < 2) {
        print_help();
        return br_fail(BR_E_USAGE, "a verb is missing");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return BR_OK;
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc - 2, argv + 2, comm);
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("batchrank %s\n", BR_VERSION);
        return BR_OK;
    }
    return unknown_verb(argv[1]);
}
