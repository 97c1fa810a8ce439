/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads inputs whole and says how it went, one line each: "STATUS EXIT_CODE MESSAGE". Driven by
 * bad_inputs.py and by the tests in tests/fault:  check_input [-t SECONDS] KIND:PATH ...
 * KIND is customers, catalogue, matrix or customers=N (items of the catalogue). Each input is read
 * in a child process: a crash is the line "SIGNAL n", one that outlives its time "TIMEOUT". */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/memory.h"
#include "host/io/catalogue.h"
#include "host/io/customers.h"
#include "host/io/matrix.h"

#define UNIT_CUSTOMERS 7 /* odd and small, so that units begin in the middle of things */
#define UNIT_EVENTS    100

/* A damaged length makes libhdf5 ask for absurd memory; it copes with NULL. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:print_suppressions=0";
}

static br_customers_request ask_for_all(const br_customers_info *info, int32_t channel)
{
    br_customers_request request = {.n_modalities  = info->n_modalities,
                                    .n_statics     = info->n_statics,
                                    .n_aggregates  = info->n_aggregates,
                                    .channel       = channel,
                                    .wants_segment = true,
                                    .wants_exclude = true,
                                    .wants_vector  = true};

    for (int32_t i = 0; i < BR_CUSTOMERS_MAX_MODALITIES; i++)
        request.modality[i] = i;
    for (int32_t i = 0; i < BR_CUSTOMERS_MAX_COLUMNS; i++) {
        request.statics[i]   = i;
        request.aggregate[i] = i;
    }
    return request;
}

static br_status read_names(br_customers *customers)
{
    br_status                st   = BR_OK;
    const br_customers_info *info = br_customers_info_of(customers);
    br_keys                  keys = {0};

    for (int32_t m = 0; m < info->n_modalities; m++) {
        if (strcmp(info->modality[m].vocabulary, "catalogue") != 0)
            BR_TRY(st, br_customers_vocabulary(customers, info->modality[m].vocabulary, &keys));
        br_keys_free(&keys);
    }
    for (int32_t s = 0; s < info->n_statics; s++) {
        BR_TRY(st, br_customers_static_keys(customers, info->static_name[s], &keys));
        br_keys_free(&keys);
    }
done:
    br_keys_free(&keys);
    return st;
}

static br_status read_customers(const char *path, int64_t n_items)
{
    br_status            st        = BR_OK;
    br_customers        *customers = NULL;
    int64_t             *start     = NULL;
    int64_t              n_units   = 0;
    br_unit              unit      = {0};
    br_customers_request request;

    BR_TRY(st, br_customers_open(path, n_items, NULL, &customers));
    BR_TRY(st, read_names(customers));
    BR_TRY(st, br_customers_plan(customers, UNIT_CUSTOMERS, UNIT_EVENTS, &start, &n_units));
    for (int32_t channel = -1; channel < br_customers_info_of(customers)->n_channels; channel++) {
        request = ask_for_all(br_customers_info_of(customers), channel);
        for (int64_t i = 0; i < n_units; i++)
            BR_TRY(st, br_customers_read(customers, &request, start[i], start[i + 1] - start[i],
                                         &unit));
    }
done:
    br_unit_free(&unit);
    br_free(&start);
    br_customers_close(&customers);
    return st;
}

static br_status read_matrix(const char *where)
{
    br_status  st     = BR_OK;
    br_matrix *matrix = NULL;
    float     *value  = NULL;

    BR_TRY(st, br_matrix_open(where, &matrix));
    BR_ALLOC(st, value, br_matrix_n_cols(matrix), "row");
    for (int64_t row = 0; row < br_matrix_n_rows(matrix); row++)
        BR_TRY(st, br_matrix_read(matrix, row, 1, value));
done:
    br_free(&value);
    br_matrix_close(&matrix);
    return st;
}

static br_status read_input(const char *input)
{
    br_status    st        = BR_OK;
    const char  *path      = strchr(input, ':');
    br_catalogue catalogue = {0};
    int64_t      n_items   = -1;

    if (path == NULL)
        return br_fail(BR_E_USAGE, "%s: expected KIND:PATH", input);
    path++;
    if (strncmp(input, "catalogue:", 10) == 0) {
        BR_TRY(st, br_catalogue_read(path, NULL, &catalogue));
    } else if (strncmp(input, "matrix:", 7) == 0) {
        BR_TRY(st, read_matrix(path));
    } else if (sscanf(input, "customers=%ld:", &n_items) == 1 ||
               strncmp(input, "customers:", 10) == 0) {
        BR_TRY(st, read_customers(path, n_items));
    } else {
        BR_FAIL(st, BR_E_USAGE, "%s: unknown kind", input);
    }
done:
    br_catalogue_free(&catalogue);
    return st;
}

static void say(const char *input)
{
    br_status st = read_input(input);

    if (st == BR_OK)
        printf("BR_OK 0\n");
    else
        printf("%s %d %s\n", br_status_name(st), br_status_exit_code(st), br_error_last()->text);
    fflush(stdout);
}

/* A child per input; SIGALRM ends one that hangs. Returns false when the child failed. */
static bool say_in_child(const char *input, unsigned seconds)
{
    int   ended = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        alarm(seconds);
        say(input);
        exit(0);
    }
    if (child < 0 || waitpid(child, &ended, 0) != child)
        return false;
    if (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGALRM)
        printf("TIMEOUT\n");
    else if (WIFSIGNALED(ended))
        printf("SIGNAL %d\n", WTERMSIG(ended));
    else if (WEXITSTATUS(ended) != 0) /* a sanitizer's report */
        printf("EXIT %d\n", WEXITSTATUS(ended));
    return true;
}

int main(int argc, char **argv)
{
    unsigned seconds = 5;
    int      first   = 1;

    if (argc > 2 && strcmp(argv[1], "-t") == 0) {
        seconds = (unsigned)atoi(argv[2]);
        first   = 3;
    }
    for (int i = first; i < argc; i++)
        if (!say_in_child(argv[i], seconds))
            return 1;
    return 0;
}
