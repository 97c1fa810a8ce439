/* SPDX-License-Identifier: Apache-2.0
 *
 * A small job that fills a run directory: publish_many DIRECTORY N_UNITS. Exits as batchrank does.
 * Called by test_view.py. */
#include <stdio.h>
#include <stdlib.h>

#include "host/base/memory.h"
#include "host/io/run_dir.h"
#include "tests/host/io/lists_fixture.h"

#define UNIT_ROWS 200

static br_status publish(br_run *run, int64_t unit)
{
    fixture_shape shape = {
        .first_row = unit * UNIT_ROWS, .n_rows = UNIT_ROWS, .k = 20, .has_all = true};
    br_lists  lists;
    br_status st;

    if (br_run_unit_is_done(run, unit))
        return BR_OK;
    fixture_lists(shape, 9, &lists);
    st = br_run_publish_unit(run, unit, &lists);
    br_lists_free(&lists);
    return st;
}

static br_status fill(const char *path, int64_t n_units)
{
    br_status st   = BR_OK;
    br_run   *run  = NULL;
    br_keys   keys = {0};

    BR_TRY(st, br_run_open(path, "{\"inputs\": \"fixture 9\"}", "{\"k\": 20}", n_units, &run));
    for (int64_t unit = 0; unit < n_units; unit++)
        BR_TRY(st, publish(run, unit));
    fixture_item_keys(1020, &keys);
    BR_TRY(st, br_run_commit(
                   run, &(br_run_summary){&keys, NULL, "{\"units\": 1}\n", "batchrank_units 1\n"}));
done:
    br_free(&keys.data);
    br_run_close(&run);
    return st;
}

int main(int argc, char **argv)
{
    br_status st;

    if (argc != 3)
        return 2;
    st = fill(argv[1], atoll(argv[2]));
    if (st != BR_OK)
        (void)fprintf(stderr, "%s: %s\n", br_status_name(st), br_error_last()->text);
    return br_status_exit_code(st);
}
