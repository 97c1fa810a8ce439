/* SPDX-License-Identifier: Apache-2.0
 *
 * Verifying a run: hashes, then structure part by part, then a sample of lists scored again.
 * Called once per process; holds one part in memory. */
#include "host/pipeline/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/run_dir.h"
#include "host/pipeline/job.h"

#define FATES "customers"

typedef struct verifier {
    const char  *path;
    br_run_about about;
    int64_t      n_items; /* -1: lists.h5 names no items */
    int64_t      n_rows;  /* seen so far, in all parts */
    int64_t      n_slots;
    int64_t      n_fallback;
    int64_t      n_empty;
} verifier;

/* Every customer of a part has one fate. */
static br_status check_fates(const br_lists *lists, const char *part)
{
    for (int32_t c = 0; c < lists->n_counts; c++) {
        const br_counts *counts = &lists->counts[c];
        int64_t          sum    = 0;
        if (strcmp(counts->name, FATES) != 0)
            continue;
        for (int64_t i = 0; i < counts->n; i++)
            sum += counts->count[i];
        if (sum != lists->n_rows)
            return br_fail(BR_E_INPUT,
                           "%s: /stats/" FATES ": %" PRId64 " customers accounted for, expected "
                           "%" PRId64,
                           part, sum, lists->n_rows);
    }
    return BR_OK;
}

static void tally(verifier *v, const br_lists *lists)
{
    for (int64_t b = 0; b < lists->n_rows; b++) {
        v->n_slots += lists->n_B[b];
        v->n_empty += lists->n_B[b] == 0;
        v->n_fallback += (lists->flags_B[b] & BR_FLAG_FALLBACK) != 0;
    }
    v->n_rows += lists->n_rows;
}

static br_status verify_part(verifier *v, int64_t unit)
{
    br_status st    = BR_OK;
    br_lists  lists = {0};
    char      part[BR_RUN_PATH_BYTES];

    BR_TRY(st, br_run_part_path(v->path, unit, part));
    BR_TRY(st, br_lists_read(part, &lists));
    if (lists.n_rows > 0 && lists.first_row != v->n_rows)
        BR_FAIL(st, BR_E_INPUT, "%s: begins at row %" PRId64 ", expected %" PRId64, part,
                lists.first_row, v->n_rows);
    BR_TRY(st, br_lists_check(&lists, v->n_items, part));
    BR_TRY(st, check_fates(&lists, part));
    tally(v, &lists);
done:
    br_lists_free(&lists);
    return st;
}

/* How many items there are: lists.h5 holds their keys. */
static br_status count_items(verifier *v)
{
    br_status       st    = BR_OK;
    br_lists_about *about = NULL;
    char            path[BR_RUN_PATH_BYTES];

    BR_ALLOC(st, about, 1, "description of lists.h5");
    if (snprintf(path, sizeof path, "%s/lists.h5", v->path) >= (int)sizeof path)
        BR_FAIL(st, BR_E_IO, "%s: the path is too long", v->path);
    BR_TRY(st, br_lists_describe(path, about));
    v->n_items = about->n_items;
done:
    br_free(&about);
    return st;
}

static br_status verify_parts(verifier *v)
{
    br_status st = BR_OK;

    BR_TRY(st, br_run_describe(v->path, &v->about));
    BR_TRY(st, count_items(v));
    for (int64_t unit = 0; unit < v->about.n_units; unit++) {
        BR_TRY(st, br_job_check_interrupt(NULL));
        BR_TRY(st, verify_part(v, unit));
    }
    if (v->n_rows != v->about.n_rows)
        BR_FAIL(st, BR_E_INPUT, "%s: the parts hold %" PRId64 " customers, the receipts %" PRId64,
                v->path, v->n_rows, v->about.n_rows);
done:
    return st;
}

/* br_run_verify_hashes has compared both lists. */
static br_status print_denied(const verifier *v, FILE *out)
{
    br_status    st = BR_OK;
    br_run_input input[BR_RUN_MAX_INPUTS];
    int32_t      n, n_denied = 0, n_read = 0;

    BR_TRY(st, br_run_inputs(v->path, v->about.inputs_json, input, &n));
    for (int32_t i = 0; i < n; i++) {
        n_denied += input[i].denied.n;
        n_read += input[i].read.n;
        br_run_input_free(&input[i]);
    }
    if (n_denied > 0)
        (void)fprintf(out,
                      "denied      %d objects, none among the %d datasets and columns opened\n",
                      n_denied, n_read);
done:
    return st;
}

br_status br_job_verify_with(const char *run_path, int64_t n_samples, br_verify_rescore rescore,
                             FILE *out)
{
    br_status st      = BR_OK;
    verifier  v       = {.path = run_path};
    int64_t   n_files = 0;

    BR_TRY(st, br_run_verify_hashes(run_path, &n_files));
    (void)fprintf(out, "files       %" PRId64 ", every size and SHA-256 as in the manifest\n",
                  n_files);
    BR_TRY(st, verify_parts(&v));
    BR_TRY(st, print_denied(&v, out));
    (void)fprintf(out,
                  "structure   %" PRId64 " parts, %" PRId64 " customers, %" PRId64
                  " listed items: in range, unique, in order\n",
                  v.about.n_units, v.n_rows, v.n_slots);
    (void)fprintf(out,
                  "customers   %" PRId64 " with a list, %" PRId64
                  " without (each flagged), %" PRId64 " by popularity\n",
                  v.n_rows - v.n_empty, v.n_empty, v.n_fallback);
    if (rescore != NULL && n_samples > 0)
        BR_TRY(st, rescore(run_path, n_samples, out));
    (void)fprintf(out, "ok\n");
done:
    br_run_about_free(&v.about);
    return st;
}

br_status br_job_verify(const char *run_path, int64_t n_samples, FILE *out)
{
    return br_job_verify_with(run_path, n_samples, NULL, out);
}
