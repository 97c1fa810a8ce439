/* SPDX-License-Identifier: Apache-2.0
 *
 * batchrank publish: the lists of a run, with the original ids, for the systems that send them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "host/base/nearest.h"
#include "host/config/config.h"
#include "host/pipeline/publish/paper.h"
#include "host/pipeline/publish/publish.h"
#include "host/verbs/args.h"
#include "host/verbs/verbs.h"

typedef struct publish_args {
    br_publication what;
    const char    *to;
    const char    *columns;
    const char    *delimiter;
    const char    *split;
    const char    *value;
    bool           is_quiet;
} publish_args;

#define N_ARGS 15

static void list_args(publish_args *a, br_arg out[N_ARGS])
{
    br_publication *w = &a->what;

    const br_arg args[N_ARGS] = {
        {"RUN", NULL, BR_ARG_TEXT, "DIR", "a complete run directory", &w->run, true, 0, 0},
        {"--to", NULL, BR_ARG_TEXT, "FORMAT", "csv, jsonl, or resp (for redis-cli --pipe)", &a->to,
         true, 0, 0},
        {"--out", "-o", BR_ARG_TEXT, "DIR", "the folder to make", &w->out, true, 0, 0},
        {"--columns", NULL, BR_ARG_TEXT, "NAME,...",
         "of items, scores, probabilities, propensities, sources", &a->columns, false, 0, 0},
        {"--long", NULL, BR_ARG_FLAG, "", "csv: a row per listed item, not per customer",
         &w->is_long, false, 0, 0},
        {"--delimiter", NULL, BR_ARG_TEXT, "C", "of all .csv files: one character, or tab (,)",
         &a->delimiter, false, 0, 0},
        {"--split", NULL, BR_ARG_TEXT, "SIZE",
         "numbered files of at most so many bytes, kB, MB, KiB, MiB ...", &a->split, false, 0, 0},
        {"--exposures", NULL, BR_ARG_FLAG, "",
         "also exposures.csv: what is shown, where, its log-propensity", &w->wants_exposures, false,
         0, 0},
        {"--changed-since", NULL, BR_ARG_TEXT, "RUN",
         "only customers whose items differ from those of that run", &w->changed_since, false, 0,
         0},
        {"--run-id", NULL, BR_ARG_TEXT, "TEXT",
         "what the run is called in the files (name of its folder)", &w->run_id, false, 0, 0},
        {"--key-prefix", NULL, BR_ARG_TEXT, "TEXT",
         "resp: keys are TEXT:RUN-ID:CUSTOMER (batchrank)", &w->key_prefix, false, 0, 0},
        {"--ttl", NULL, BR_ARG_INT, "SECONDS", "resp: keys expire; 0: never (0)", &w->ttl_s, false,
         0, 1000000000},
        {"--value", NULL, BR_ARG_TEXT, "FORM", "resp: json (an array) or comma (json)", &a->value,
         false, 0, 0},
        {"--force", NULL, BR_ARG_FLAG, "", "replace an earlier publication of that name",
         &w->is_forced, false, 0, 0},
        {"--quiet", "-q", BR_ARG_FLAG, "", "warnings and errors only", &a->is_quiet, false, 0, 0}};

    memcpy(out, args, sizeof args);
}

/* The place of `word` in a list; BR_E_USAGE with the nearest name. */
static br_status find_word(const char *arg, const char *word, const char *const *words, int n,
                           int *found)
{
    const char *nearest;

    for (*found = 0; *found < n; (*found)++)
        if (strcmp(words[*found], word) == 0)
            return BR_OK;
    nearest = br_nearest(word, words, n);
    return br_fail(BR_E_USAGE, "publish: %s: unknown '%s'%s%s; see batchrank publish --help", arg,
                   word, nearest ? ", did you mean " : "", nearest ? nearest : "");
}

static br_status parse_columns(const char *text, br_publication *what)
{
    br_status st = BR_OK;
    char      word[64];
    int       column;

    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        (void)snprintf(word, sizeof word, "%.*s", (int)(n < 63 ? n : 63), text);
        BR_TRY(st, find_word("--columns", word, br_column_words, BR_N_COLUMNS, &column));
        what->has_column[column] = true;
        text += text[n] == ',' ? n + 1 : n;
    }
    if (!what->has_column[BR_COLUMN_ITEM])
        BR_FAIL(st, BR_E_USAGE, "publish: --columns: found no items; expected items among them");
done:
    return st;
}

static br_status parse_delimiter(const char *text, char *out)
{
    *out = strcmp(text, "tab") == 0 || strcmp(text, "\\t") == 0 ? '\t' : text[0];
    if ((*out != '\t' && text[1] != '\0') || (*out != '\t' && !ispunct((unsigned char)*out)) ||
        strchr("\"_.-+", *out) != NULL)
        return br_fail(BR_E_USAGE,
                       "publish: --delimiter: found '%s', expected one of , ; | : or the like, or "
                       "tab",
                       text);
    return BR_OK;
}

/* "480MB" */
static br_status parse_size(const char *text, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t     bytes;
    } units[] = {{"", 1},          {"B", 1},           {"kB", 1000},
                 {"MB", 1000000},  {"GB", 1000000000}, {"KiB", 1 << 10},
                 {"MiB", 1 << 20}, {"GiB", 1 << 30}};
    char     *end;
    long long n;

    errno = 0;
    n     = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (end != text && errno == 0 && n > 0 && strcmp(end, units[i].unit) == 0 &&
            n <= INT64_MAX / units[i].bytes) {
            *out = n * units[i].bytes;
            return BR_OK;
        }
    return br_fail(BR_E_USAGE, "publish: --split: found '%s', expected a size such as 480MB", text);
}

static br_status refuse(const char *arg, const char *goes_with)
{
    return br_fail(BR_E_USAGE, "publish: %s goes with --to %s", arg, goes_with);
}

/* What is given for another format is a mistake. */
static br_status check_formats(const publish_args *a)
{
    const br_publication *w = &a->what;

    if (w->is_long && w->to != BR_TO_CSV)
        return refuse("--long", "csv");
    if (a->columns != NULL && w->to == BR_TO_RESP)
        return refuse("--columns", "csv or jsonl");
    if (w->to != BR_TO_RESP && w->key_prefix != NULL)
        return refuse("--key-prefix", "resp");
    if (w->to != BR_TO_RESP && w->ttl_s != 0)
        return refuse("--ttl", "resp");
    if (w->to != BR_TO_RESP && a->value != NULL)
        return refuse("--value", "resp");
    if (w->to == BR_TO_RESP && w->changed_since != NULL && w->run_id == NULL)
        return br_fail(BR_E_USAGE,
                       "publish: --changed-since with --to resp needs --run-id: the keys of "
                       "unchanged customers are those set under the same one before");
    return BR_OK;
}

static br_status parse(publish_args *a)
{
    static const char *const values[] = {"json", "comma"};
    br_status                st       = BR_OK;
    int                      found;

    BR_TRY(st, find_word("--to", a->to, br_publish_words, 3, &found));
    a->what.to = (br_publish_to)found;
    BR_TRY(st, check_formats(a));
    BR_TRY(st, parse_columns(a->columns != NULL ? a->columns : "items,probabilities", &a->what));
    BR_TRY(st, parse_delimiter(a->delimiter, &a->what.delimiter));
    if (a->split != NULL)
        BR_TRY(st, parse_size(a->split, &a->what.split_bytes));
    if (a->what.key_prefix == NULL)
        a->what.key_prefix = "batchrank";
    BR_TRY(st, find_word("--value", a->value != NULL ? a->value : "json", values, 2, &found));
    a->what.is_comma = found == 1;
done:
    return st;
}

br_status br_verb_publish(int argc, char **argv)
{
    br_status      st = BR_OK;
    publish_args   a  = {.delimiter = ","};
    br_arg         args[N_ARGS];
    bool           is_help;
    const br_usage usage = {
        .verb    = "publish",
        .summary = "Lists of a finished run, with the original ids, for the systems that send "
                   "them.",
        .text =
            "Makes a folder with lists.csv, lists.jsonl or lists.resp (a row, an object or a key\n"
            "per customer that has a list), rejects.csv (customers without one, and why),\n"
            "holdout.csv (customers held out of an experiment; never in the main file) and\n"
            "publication.json (what is in it, with SHA-256). Every customer of the run is in\n"
            "exactly one of them; the balance is printed. For resp, current.resp points\n"
            "PREFIX:current to the run: load it last. The folder appears whole or not at all.\n"
            "Columns are items and probabilities, unless --columns names others.\n"
            "Parts are checked against the run's manifest while they are read.",
        .examples =
            "  batchrank publish runs/2031-03-02 --to csv -o campaign --split 480MB --exposures\n"
            "  batchrank publish runs/latest --to resp -o cache --key-prefix feed --ttl 216000\n"
            "  cat cache/lists.resp | redis-cli --pipe && "
            "cat cache/current.resp | redis-cli --pipe",
        .args   = args,
        .n_args = N_ARGS};

    list_args(&a, args);
    BR_TRY(st, br_args_parse(&usage, argc, argv, &is_help));
    if (is_help)
        goto done;
    if (a.is_quiet)
        br_log_set_level(BR_LOG_WARN);
    BR_TRY(st, parse(&a));
    BR_TRY(st, br_job_publish(&a.what, stdout));
done:
    return st;
}
