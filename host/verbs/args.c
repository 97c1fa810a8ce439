/* SPDX-License-Identifier: Apache-2.0
 *
 * The command-line parser. Called once per process. */
#include "host/verbs/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/nearest.h"
#include "host/config/config.h"

static bool is_place(const br_arg *arg)
{
    return arg->name[0] != '-';
}

static void print_usage_line(const br_usage *u)
{
    (void)printf("usage: batchrank %s", u->verb);
    for (int32_t i = 0; i < u->n_args; i++) {
        const br_arg *a = &u->args[i];

        if (is_place(a))
            (void)printf(" %s", a->name);
        else if (a->is_required)
            (void)printf(" %s %s", a->letter ? a->letter : a->name, a->value);
    }
    (void)printf(" [options]\n\n");
}

static void print_help(const br_usage *u)
{
    print_usage_line(u);
    (void)printf("%s\n\n%s\n", u->summary, u->text);
    (void)printf("\nOptions:\n");
    for (int32_t i = 0; i < u->n_args; i++) {
        const br_arg *a = &u->args[i];
        char          left[80];

        (void)snprintf(left, sizeof left, "%s%s%s%s%s", a->letter ? a->letter : "",
                       a->letter ? ", " : "", a->name, a->kind == BR_ARG_FLAG ? "" : " ",
                       a->kind == BR_ARG_FLAG || is_place(a) ? "" : a->value);
        (void)printf("  %-28s %s%s\n", left, a->help, a->is_required ? " (required)" : "");
    }
    (void)printf("  %-28s %s\n", "-h, --help", "this text");
    if (u->examples != NULL)
        (void)printf("\nExamples:\n%s\n", u->examples);
    (void)printf("\nExit codes: 0 ok, 2 usage or configuration, 3 input breaks its contract, "
                 "4 device, memory\nor I/O, 5 interrupted (run the same command again), "
                 "6 self-check failed.\n");
}

static const br_arg *find_named(const br_usage *u, const char *text, size_t n)
{
    for (int32_t i = 0; i < u->n_args; i++) {
        const br_arg *a = &u->args[i];

        if (is_place(a))
            continue;
        if (strlen(a->name) == n && strncmp(a->name, text, n) == 0)
            return a;
        if (a->letter != NULL && strlen(a->letter) == n && strncmp(a->letter, text, n) == 0)
            return a;
    }
    return NULL;
}

static br_status unknown_argument(const br_usage *u, const char *text)
{
    const char *names[BR_MAX_REPEATS];
    const char *nearest;
    int32_t     n = 0;

    for (int32_t i = 0; i < u->n_args; i++)
        if (!is_place(&u->args[i]))
            names[n++] = u->args[i].name;
    names[n++] = "--help";
    nearest    = br_nearest(text, names, n);
    return br_fail(BR_E_USAGE, "%s: unknown argument '%s'%s%s; see batchrank %s --help", u->verb,
                   text, nearest ? ", did you mean " : "", nearest ? nearest : "", u->verb);
}

static br_status set_number(const br_usage *u, const br_arg *a, const char *value)
{
    char *end = NULL;

    errno = 0;
    if (a->kind == BR_ARG_REAL) {
        double number = strtod(value, &end);

        *(double *)a->to = number;
        if (!(number >= (double)a->lo && number <= (double)a->hi)) /* NaN too */
            errno = ERANGE;
    } else {
        long long number  = strtoll(value, &end, 10);
        *(int64_t *)a->to = number;
        if (number < a->lo || number > a->hi)
            errno = ERANGE;
    }
    if (errno != 0 || end == value || *end != '\0')
        return br_fail(BR_E_USAGE, "%s: %s: found '%s', expected %s in [%lld, %lld]", u->verb,
                       a->name, value, a->kind == BR_ARG_REAL ? "a number" : "a whole number",
                       (long long)a->lo, (long long)a->hi);
    return BR_OK;
}

static br_status set_value(const br_usage *u, const br_arg *a, const char *value)
{
    br_arg_list *list = a->to;

    if (a->kind == BR_ARG_INT || a->kind == BR_ARG_REAL)
        return set_number(u, a, value);
    if (value[0] == '\0')
        return br_fail(BR_E_USAGE, "%s: %s is empty", u->verb, a->name);
    if (a->kind == BR_ARG_TEXT) {
        *(const char **)a->to = value;
        return BR_OK;
    }
    if (list->n == BR_MAX_REPEATS)
        return br_fail(BR_E_USAGE, "%s: %s is given more than %d times", u->verb, a->name,
                       BR_MAX_REPEATS);
    list->item[list->n++] = value;
    return BR_OK;
}

/* One argument at argv[*at], with its value; *at moves past it. */
static br_status take_named(const br_usage *u, int argc, char **argv, int *at, uint64_t *seen)
{
    const char   *text   = argv[*at];
    const char   *equals = strchr(text, '=');
    size_t        n      = equals ? (size_t)(equals - text) : strlen(text);
    const br_arg *a      = find_named(u, text, n);

    if (a == NULL)
        return unknown_argument(u, text);
    if (a->kind != BR_ARG_MANY && (*seen >> (a - u->args)) & 1)
        return br_fail(BR_E_USAGE, "%s: %s is given twice", u->verb, a->name);
    *seen |= (uint64_t)1 << (a - u->args);
    if (a->kind == BR_ARG_FLAG) {
        if (equals != NULL)
            return br_fail(BR_E_USAGE, "%s: %s takes no value", u->verb, a->name);
        *(bool *)a->to = true;
        return BR_OK;
    }
    if (equals != NULL)
        return set_value(u, a, equals + 1);
    if (*at + 1 >= argc)
        return br_fail(BR_E_USAGE, "%s: %s needs a value (%s)", u->verb, a->name, a->value);
    return set_value(u, a, argv[++*at]);
}

static br_status take_place(const br_usage *u, const char *text, uint64_t *seen)
{
    for (int32_t i = 0; i < u->n_args; i++) {
        if (!is_place(&u->args[i]) || (*seen >> i) & 1)
            continue;
        *seen |= (uint64_t)1 << i;
        return set_value(u, &u->args[i], text);
    }
    return br_fail(BR_E_USAGE, "%s: unexpected argument '%s'; see batchrank %s --help", u->verb,
                   text, u->verb);
}

br_status br_args_parse(const br_usage *u, int argc, char **argv, bool *is_help)
{
    br_status st   = BR_OK;
    uint64_t  seen = 0;

    *is_help = false;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            *is_help = true;
    if (*is_help) {
        print_help(u);
        return BR_OK;
    }
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' && argv[i][1] != '\0')
            BR_TRY(st, take_named(u, argc, argv, &i, &seen));
        else
            BR_TRY(st, take_place(u, argv[i], &seen));
    }
    for (int32_t i = 0; i < u->n_args; i++)
        if (u->args[i].is_required && !((seen >> i) & 1))
            BR_FAIL(st, BR_E_USAGE, "%s: %s is missing: %s; see batchrank %s --help", u->verb,
                    u->args[i].name, u->args[i].help, u->verb);
done:
    return st;
}
