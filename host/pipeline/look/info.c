/* SPDX-License-Identifier: Apache-2.0
 *
 * `info`: recognises a path and hands it to the summary of its kind; the summaries of outputs.
 * Called once per process. */
#include "host/pipeline/info.h"

#include <inttypes.h>

#include "host/base/memory.h"
#include "host/io/run_dir.h"
#include "host/pipeline/look/info_parts.h"

static void print_names(FILE *out, const char *label, int32_t n,
                        const char name[][BR_LISTS_NAME_BYTES])
{
    if (n == 0)
        return;
    (void)fprintf(out, "%-14s", label);
    for (int32_t i = 0; i < n; i++)
        (void)fprintf(out, "%s%s", i > 0 ? ", " : "", name[i]);
    (void)fprintf(out, "\n");
}

br_status br_info_lists(const char *path, FILE *out)
{
    br_status       st    = BR_OK;
    br_lists_about *about = NULL;

    BR_ALLOC(st, about, 1, "description of lists");
    BR_TRY(st, br_lists_describe(path, about));
    (void)fprintf(out, "%s: ranked lists, format 1%s\n", path,
                  about->is_view ? " (a view over the parts of a run)" : "");
    (void)fprintf(out, "customers     %" PRId64 ", keys %s%d\n", about->n_rows,
                  about->key_is_number ? "u" : "S",
                  about->key_is_number ? 64 : about->key_width_bytes);
    (void)fprintf(out, "k             %d\n", about->k);
    if (about->n_items >= 0)
        (void)fprintf(out, "items         %" PRId64 "\n", about->n_items);
    print_names(out, "probabilities", about->n_heads, about->head_name);
    print_names(out, "objective", about->n_terms, about->term_name);
    print_names(out, "shadows", about->n_shadows, about->shadow_name);
    for (int32_t h = 0; h < about->n_curves; h++)
        (void)fprintf(out, "survival      %s: %d x %" PRId64 " s\n", about->curve[h].name,
                      about->curve[h].n_periods, about->curve[h].period_s);
    print_names(out, "gates", about->n_gates, about->gate_name);
    print_names(out, "counts", about->n_counts, about->count_name);
    if (about->vector_dim > 0)
        (void)fprintf(out, "vectors       %d\n", about->vector_dim);
    (void)fprintf(out, "logging       %s\n", about->has_logging ? "yes" : "no");
done:
    br_free(&about);
    return st;
}

/* The flags as counted in a part or a `topk` file. */
static br_status print_flags(const char *path, FILE *out)
{
    static const struct {
        uint32_t    bit;
        const char *text;
    } table[]          = {{BR_FLAG_SHORT, "short: fewer than k items eligible"},
                          {BR_FLAG_NO_CONSENT, "empty: no consent"},
                          {BR_FLAG_NO_EVENTS, "no usable events"},
                          {BR_FLAG_FALLBACK, "filled by popularity"},
                          {BR_FLAG_NOTHING_ALLOWED, "empty: no eligible item"}};
    br_status st       = BR_OK;
    br_lists  lists    = {0};
    int64_t   n_set[5] = {0};

    BR_TRY(st, br_lists_read(path, &lists));
    for (int64_t b = 0; b < lists.n_rows; b++)
        for (int f = 0; f < 5; f++)
            n_set[f] += (lists.flags_B[b] & table[f].bit) != 0;
    for (int f = 0; f < 5; f++)
        if (n_set[f] > 0)
            (void)fprintf(out, "flag          %" PRId64 " lists %s\n", n_set[f], table[f].text);
done:
    br_lists_free(&lists);
    return st;
}

static br_status info_lists_and_flags(const char *path, FILE *out)
{
    br_status       st    = BR_OK;
    br_lists_about *about = NULL;

    BR_ALLOC(st, about, 1, "description of lists");
    BR_TRY(st, br_info_lists(path, out));
    BR_TRY(st, br_lists_describe(path, about));
    if (!about->is_view)
        BR_TRY(st, print_flags(path, out));
done:
    br_free(&about);
    return st;
}

/* How many datasets were opened of each input, and what was not to be. */
static br_status print_inputs(const char *path, const char *inputs_json, FILE *out)
{
    br_status    st = BR_OK;
    br_run_input input[BR_RUN_MAX_INPUTS];
    int32_t      n;

    BR_TRY(st, br_run_inputs(path, inputs_json, input, &n));
    for (int32_t i = 0; i < n; i++) {
        (void)fprintf(out, "%-14s%s: %d datasets and columns opened%s", i == 0 ? "inputs" : "",
                      input[i].file, input[i].read.n, input[i].denied.n > 0 ? "; denied:" : "");
        for (int32_t d = 0; d < input[i].denied.n; d++)
            (void)fprintf(out, " %s", input[i].denied.name[d]);
        (void)fprintf(out, "\n");
        br_run_input_free(&input[i]);
    }
done:
    return st;
}

br_status br_info_run(const char *path, FILE *out)
{
    br_status    st    = BR_OK;
    br_run_about about = {0};
    char         part[BR_RUN_PATH_BYTES];

    BR_TRY(st, br_run_describe(path, &about));
    (void)fprintf(out, "%s: run directory, format 1, %s\n", path,
                  about.is_complete ? "complete" : "not complete: run the same command again");
    (void)fprintf(out, "parts         %" PRId64 " of %" PRId64 " done\n", about.n_done,
                  about.n_units);
    (void)fprintf(out, "customers     %" PRId64 "%s\n", about.n_rows,
                  about.n_done < about.n_units ? " so far" : "");
    (void)fprintf(out, "bytes         %" PRId64 "\n", about.n_bytes);
    BR_TRY(st, print_inputs(path, about.inputs_json, out));
    (void)fprintf(out, "identity      %s\n", about.identity_json);
    if (about.is_complete && about.n_units > 0) {
        BR_TRY(st, br_run_part_path(path, 0, part));
        BR_TRY(st, br_info_lists(part, out));
    }
done:
    br_run_about_free(&about);
    return st;
}

br_status br_job_info(const char *path, FILE *out)
{
    br_status    st = BR_OK;
    br_file_kind kind;

    BR_TRY(st, br_file_kind_of(path, &kind));
    switch (kind) {
    case BR_KIND_CUSTOMERS:
        return br_info_customers(path, out);
    case BR_KIND_CATALOGUE:
        return br_info_catalogue(path, out);
    case BR_KIND_LISTS:
        return info_lists_and_flags(path, out);
    case BR_KIND_RUN:
        return br_info_run(path, out);
    case BR_KIND_BUNDLE:
        return br_info_bundle(path, out);
    case BR_KIND_NPY:
    case BR_KIND_SAFETENSORS:
        return br_info_header(path, kind, out);
    case BR_KIND_VOCABULARY:
    case BR_KIND_HDF5:
        return br_info_hdf5(path, out);
    }
done:
    return st;
}
