/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank: a verb and its arguments in, an exit code out. The one place that prints errors. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "host/base/fault.h"
#include "host/base/log.h"
#include "host/base/nearest.h"
#include "host/base/status.h"
#include "host/config/config.h"
#include "host/io/h5.h"
#include "host/pipeline/job.h"
#include "host/verbs/verbs.h"

typedef struct verb {
    const char *name;
    br_verb_fn  fn;
    const char *summary;
} verb;

static const verb verbs[] = {
    {"run", br_verb_run, "timelines in, ranked lists out: the whole job of a configuration"},
    {"allocate", br_verb_allocate, "capacities and budgets of a run solved again"},
    {"topk", br_verb_topk, "exact top-k of two matrices: no configuration needed"},
    {"encode", br_verb_encode, "customer vectors x_u only"},
    {"check", br_verb_check, "every check of inputs and configuration, no work"},
    {"plan", br_verb_plan, "what a job will take: seconds, memory, output"},
    {"info", br_verb_info, "what is in a file, a bundle or a run directory"},
    {"evaluate", br_verb_evaluate,
     "lists against held-out events; a policy's value from a log (--log)"},
    {"verify", br_verb_verify,
     "re-hashes a run and re-scores a sample; replays a model's golden file"},
    {"explain", br_verb_explain, "why a customer of a run got an item, or did not"},
    {"publish", br_verb_publish, "lists of a run as CSV, JSON lines or Redis commands"},
    {"generate", br_verb_generate, "seeded synthetic customers, catalogue and model"},
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

/* batchrank help [VERB] */
static br_status help(int argc, char **argv)
{
    char       *word[] = {"--help"};
    const verb *v      = argc > 0 ? find_verb(argv[0]) : NULL;

    if (v != NULL)
        return v->fn(1, word);
    if (argc > 0)
        return unknown_verb(argv[0]);
    print_help();
    return BR_OK;
}

static br_status dispatch(int argc, char **argv)
{
    const verb *v;

    if (argc < 2) {
        print_help();
        return br_fail(BR_E_USAGE, "a verb is missing");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return BR_OK;
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc - 2, argv + 2);
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("batchrank %s\n", BR_VERSION);
        return BR_OK;
    }
    v = find_verb(argv[1]);
    return v != NULL ? v->fn(argc - 2, argv + 2) : unknown_verb(argv[1]);
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    br_job_interrupt();
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    br_status        st;

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that grows past its limit is an error to report */
    st = br_h5_setup();
    if (st == BR_OK)
        st = br_fault_arm();
    if (st == BR_OK)
        st = dispatch(argc, argv);
    br_log_progress(NULL);
    if (st != BR_OK && br_error_last()->text[0] != '\0') {
        (void)fprintf(stderr, "batchrank: %s\n", br_error_last()->text);
        br_log(BR_LOG_DEBUG, "main", "%s at %s", br_status_name(st), br_error_last()->trail);
    }
    if (fflush(stdout) != 0 && st == BR_OK) {
        (void)fprintf(stderr, "batchrank: cannot write to standard output\n");
        st = BR_E_IO;
    }
    return br_status_exit_code(st);
}
