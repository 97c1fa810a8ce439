/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the lists of a log begin. Called once per log. */
#include <stdlib.h>

#include "host/base/memory.h"
#include "host/io/shown/inner.h"

/* The number of a list and its first row. */
typedef struct list_start {
    uint64_t number;
    int64_t  row;
} list_start;

static int by_number(const void *a, const void *b)
{
    const list_start *x = a, *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* A number that comes again after another one: its rows are not adjacent. */
static br_status check_adjacent(const br_shown_file *file, const uint64_t *list_R)
{
    br_status           st      = BR_OK;
    const br_shown_log *log     = &file->log;
    list_start         *start_L = NULL;

    BR_ALLOC(st, start_L, log->n_lists, "starts of lists");
    for (int64_t l = 0; l < log->n_lists; l++)
        start_L[l] = (list_start){list_R[log->first_L1[l]], log->first_L1[l]};
    qsort(start_L, (size_t)log->n_lists, sizeof *start_L, by_number);
    for (int64_t l = 1; l < log->n_lists; l++)
        if (start_L[l].number == start_L[l - 1].number)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: /shown/list: row %lld: list %llu begins again, first at row %lld; "
                    "expected the rows of a list one after the other",
                    br_h5_path(file->h5), (long long)start_L[l].row,
                    (unsigned long long)start_L[l].number, (long long)start_L[l - 1].row);
done:
    br_free(&start_L);
    return st;
}

/* Without list_R every row is a list of its own. */
static br_status cut_lists(br_shown_file *file, const uint64_t *list_R)
{
    br_status     st  = BR_OK;
    br_shown_log *log = &file->log;

    for (int64_t r = 0; r < log->n_rows; r++)
        log->n_lists += list_R == NULL || r == 0 || list_R[r] != list_R[r - 1];
    BR_ALLOC(st, log->first_L1, log->n_lists + 1, "starts of lists");
    log->n_lists = 0;
    for (int64_t r = 0; r < log->n_rows; r++)
        if (list_R == NULL || r == 0 || list_R[r] != list_R[r - 1])
            log->first_L1[log->n_lists++] = r;
    log->first_L1[log->n_lists] = log->n_rows;
    if (list_R != NULL)
        BR_TRY(st, check_adjacent(file, list_R));
done:
    return st;
}

static br_status check_positions(br_shown_file *file, bool has_lists)
{
    br_shown_log *log = &file->log;

    for (int64_t l = 0; l < log->n_lists; l++) {
        int64_t first = log->first_L1[l], n = log->first_L1[l + 1] - first;

        for (int64_t r = first; r < first + n; r++) {
            int32_t position = log->position_R[r];

            if (position < 1 || position > BR_SHOWN_MAX_POSITION)
                return br_fail(BR_E_INPUT,
                               "%s: /shown/position: row %lld: found %d, expected 1 to %d",
                               br_h5_path(file->h5), (long long)r, position, BR_SHOWN_MAX_POSITION);
            if (has_lists && position != r - first + 1)
                return br_fail(BR_E_INPUT,
                               "%s: /shown/position: row %lld: found %d, expected %lld: the rows "
                               "of a list have positions 1, 2, 3, ... in that order",
                               br_h5_path(file->h5), (long long)r, position,
                               (long long)(r - first + 1));
            log->n_positions = position > log->n_positions ? position : log->n_positions;
        }
        log->longest = n > log->longest ? (int32_t)n : log->longest;
    }
    return BR_OK;
}

br_status br_shown_read_lists(br_shown_file *file)
{
    br_status  st     = BR_OK;
    uint64_t  *list_R = NULL;
    br_h5_want want   = {.path = "/shown/position", .type = BR_H5_I32, .rank = 1, .n_rows = -1};

    BR_TRY(st, br_shown_column(file->h5, &want, &file->log.n_rows, (void **)&file->log.position_R));
    if (file->log.n_rows < 1)
        BR_FAIL(st, BR_E_INPUT, "%s: /shown/position: 0 rows; expected at least one",
                br_h5_path(file->h5));
    want = (br_h5_want){.path    = "/shown/list",
                        .type    = BR_H5_U64,
                        .rank    = 1,
                        .n_rows  = file->log.n_rows,
                        .rows_of = "/shown/position"};
    if (br_h5_find(file->h5, want.path) != NULL)
        BR_TRY(st, br_shown_column(file->h5, &want, NULL, (void **)&list_R));
    BR_TRY(st, cut_lists(file, list_R));
    BR_TRY(st, check_positions(file, list_R != NULL));
done:
    br_free(&list_R);
    return st;
}
