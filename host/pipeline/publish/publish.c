/* SPDX-License-Identifier: Apache-2.0
 *
 * Publishing a run: part by part, customer by customer, into the files of one folder. Called once
 * per process. */
#include "host/pipeline/publish/publish.h"

#include <inttypes.h>
#include <string.h>

#include "host/base/clock.h"
#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/pipeline/job.h"
#include "host/pipeline/publish/changes.h"
#include "host/pipeline/publish/paper.h"

typedef struct publisher {
    const br_publication *what;
    br_run_reader        *run;
    br_changes           *changes; /* NULL: every list is published */
    br_export_folder     *folder;
    br_export_series     *lists, *rejects, *holdout, *exposures; /* NULL before the first part */
    br_record             record;
    br_strbuf             text; /* one record; its memory is kept */
    br_balance            balance;
    double                start_s;
} publisher;

typedef void (*header_fn)(const br_record *r, br_strbuf *out);

static br_status open_series(publisher *p, const char *stem, const char *extension,
                             header_fn header, br_export_series **out)
{
    br_status            st        = BR_OK;
    bool                 is_beside = strcmp(stem, "rejects") == 0 || strcmp(stem, "holdout") == 0;
    const br_export_kind kind      = {stem, extension, is_beside ? 0 : p->what->split_bytes};

    p->text.n_bytes = 0;
    if (header != NULL)
        header(&p->record, &p->text);
    BR_TRY(st, br_strbuf_check(&p->text));
    BR_TRY(st, br_export_open(p->folder, kind, p->text.data, p->text.n_bytes, out));
done:
    return st;
}

/* The headers name what the first part holds. */
static br_status open_files(publisher *p)
{
    br_status             st   = BR_OK;
    const br_publication *what = p->what;

    BR_TRY(st, open_series(p, "lists", br_publish_words[what->to],
                           what->to == BR_TO_CSV ? br_csv_header : NULL, &p->lists));
    BR_TRY(st, open_series(p, "rejects", "csv", br_reject_header, &p->rejects));
    BR_TRY(st, open_series(p, "holdout", "csv", br_holdout_header, &p->holdout));
    if (what->wants_exposures)
        BR_TRY(st, open_series(p, "exposures", "csv", br_exposure_header, &p->exposures));
done:
    return st;
}

static br_status add(publisher *p, br_export_series *series, int64_t n_rows)
{
    br_status st = BR_OK;

    BR_TRY(st, br_strbuf_check(&p->text));
    BR_TRY(st, br_export_add(series, p->text.data, p->text.n_bytes, n_rows));
done:
    return st;
}

static br_status add_list(publisher *p)
{
    br_status  st = BR_OK;
    br_record *r  = &p->record;

    p->text.n_bytes = 0;
    if (p->what->to == BR_TO_CSV)
        BR_TRY(st, br_csv_row(r, &p->text));
    else if (p->what->to == BR_TO_JSONL)
        BR_TRY(st, br_json_row(r, &p->text));
    else
        BR_TRY(st, br_resp_row(r, &p->text));
    BR_TRY(st, add(p, p->lists, p->what->is_long ? r->lists->n_B[r->b] : 1));
done:
    return st;
}

static br_status add_exposures(publisher *p)
{
    br_status st = BR_OK;

    if (p->exposures == NULL)
        return BR_OK;
    p->text.n_bytes = 0;
    BR_TRY(st, br_exposure_rows(&p->record, &p->text));
    BR_TRY(st, add(p, p->exposures, p->record.lists->n_B[p->record.b]));
done:
    return st;
}

/* A customer without a list, or held out: never in the main file. */
static br_status add_beside(publisher *p, bool is_held_out, bool had_list)
{
    br_status st = BR_OK;

    p->text.n_bytes = 0;
    if (is_held_out)
        br_holdout_row(&p->record, &p->text);
    else
        br_reject_row(&p->record, &p->text);
    BR_TRY(st, add(p, is_held_out ? p->holdout : p->rejects, 1));
    if (!had_list || p->what->to != BR_TO_RESP)
        goto done;
    p->text.n_bytes = 0;
    br_resp_delete(&p->record, &p->text);
    BR_TRY(st, add(p, p->lists, 1));
    p->balance.n_deletes++;
done:
    return st;
}

/* Nobody who must not be contacted gets a list, and nobody goes without one for no reason. */
static br_status check_flags(const br_lists *lists, int64_t b, br_export_place place)
{
    const uint32_t forbids = BR_FLAG_EMPTY & ~(uint32_t)BR_FLAG_HELD_OUT; /* has its own file */

    if (lists->n_B[b] == 0 && lists->flags_B[b] == 0 && !br_is_held_out(lists, b))
        return br_fail(BR_E_INPUT, "%s: row %" PRId64 ": no list, and no flag says why", place.name,
                       place.first_row + b);
    if (lists->n_B[b] > 0 && (lists->flags_B[b] & forbids) != 0)
        return br_fail(BR_E_INPUT,
                       "%s: row %" PRId64 ": %d items, but the flags 0x%x forbid a list",
                       place.name, place.first_row + b, lists->n_B[b], lists->flags_B[b]);
    return BR_OK;
}

static br_status add_customer(publisher *p, int64_t b, br_export_place place)
{
    br_status  st          = BR_OK;
    br_record *r           = &p->record;
    bool       is_held_out = br_is_held_out(r->lists, b), had_list = false, is_same = false;

    r->b = b;
    BR_TRY(st, br_export_key_of(&r->lists->key, b, place, &r->customer));
    if (p->changes != NULL)
        br_changes_look_up(p->changes, r, &had_list, &is_same);
    BR_TRY(st, check_flags(r->lists, b, place));
    if (is_held_out || r->lists->n_B[b] == 0)
        return add_beside(p, is_held_out, had_list);
    if (is_same)
        p->balance.n_unchanged++; /* shown all the same: its exposures are logged */
    else
        BR_TRY(st, add_list(p));
    BR_TRY(st, add_exposures(p));
done:
    return st;
}

/* Columns come from the first part; the others have the same, and what was asked for is there. */
static br_status check_columns(const publisher *p, const br_lists *lists, const br_lists *first,
                               const char *name)
{
    const bool *has_column = p->what->has_column;

    if ((has_column[BR_COLUMN_LOG_PROPENSITY] || p->what->wants_exposures) &&
        lists->log_propensity_BK == NULL)
        return br_fail(BR_E_INPUT, "%s: has no /logging/log_propensity, which was asked for", name);
    if (lists->k != first->k || lists->n_heads != first->n_heads ||
        memcmp(lists->head_name, first->head_name, sizeof lists->head_name) != 0)
        return br_fail(BR_E_INPUT,
                       "%s: %d slots and %d heads, expected %d and %d as in the first "
                       "part",
                       name, lists->k, lists->n_heads, first->k, first->n_heads);
    return BR_OK;
}

static void show_progress(const publisher *p, int64_t n_done)
{
    char   text[128];
    double rate = (double)n_done / (br_clock_wall_s() - p->start_s + 1e-9);

    (void)snprintf(text, sizeof text,
                   "publish  %" PRId64 " of %" PRId64 " customers, %.0f/s, %.0f s left", n_done,
                   p->balance.n_customers, rate,
                   (double)(p->balance.n_customers - n_done) / (rate + 1e-9));
    br_log_progress(text);
}

static br_status add_part(publisher *p, int64_t unit, br_lists *lists, const br_lists *first)
{
    br_status             st = BR_OK;
    char                  name[BR_RUN_PATH_BYTES + 32], part[BR_RUN_PATH_BYTES];
    const br_export_place place = {name, lists->first_row};

    BR_TRY(st, br_run_part_path(p->what->run, unit, part));
    BR_TRY(st, check_columns(p, lists, first, part));
    (void)snprintf(name, sizeof name, "%s: /customer/key", part);
    p->record.lists = lists;
    if (p->lists == NULL)
        BR_TRY(st, open_files(p));
    for (int64_t b = 0; b < lists->n_rows; b++)
        BR_TRY(st, add_customer(p, b, place));
    show_progress(p, lists->first_row + lists->n_rows);
done:
    return st;
}

static br_status add_parts(publisher *p)
{
    br_status st    = BR_OK;
    br_lists *lists = NULL, *first = NULL; /* large: names of heads */

    BR_ALLOC(st, lists, 1, "lists of a part");
    BR_ALLOC(st, first, 1, "shape of the first part");
    for (int64_t unit = 0; unit < br_run_reader_n_units(p->run); unit++) {
        BR_TRY(st, br_job_check_interrupt(p->what->out));
        BR_TRY(st, br_run_reader_unit(p->run, unit, lists));
        if (unit == 0)
            memcpy(first, lists, sizeof *first); /* k and names; the arrays are not looked at */
        BR_TRY(st, add_part(p, unit, lists, first));
        br_lists_free(lists);
    }
    if (p->lists == NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: has no parts; expected one or more", p->what->run);
done:
    if (lists != NULL)
        br_lists_free(lists);
    br_free(&lists);
    br_free(&first);
    return st;
}

/* Counted from what was written, not from what was meant. */
static br_status finish_lists(publisher *p)
{
    br_status   st = BR_OK;
    br_balance *b  = &p->balance;
    int64_t     n_exposed;

    BR_TRY(st, br_export_finish(p->lists, &b->n_rows));
    BR_TRY(st, br_export_finish(p->rejects, &b->n_rejects));
    BR_TRY(st, br_export_finish(p->holdout, &b->n_held_out));
    b->n_rows -= b->n_deletes;
    if (p->exposures != NULL) {
        BR_TRY(st, br_export_finish(p->exposures, &n_exposed));
        if (n_exposed != b->n_rows + b->n_unchanged)
            BR_FAIL(st, BR_E_SELFCHECK, "%s: exposures of %" PRId64 " customers, expected %" PRId64,
                    p->what->out, n_exposed, b->n_rows + b->n_unchanged);
    }
    if (b->n_rows + b->n_unchanged + b->n_rejects + b->n_held_out != b->n_customers)
        BR_FAIL(st, BR_E_SELFCHECK,
                "%s: %" PRId64 " rows, %" PRId64 " unchanged, %" PRId64 " rejects and %" PRId64
                " held out, expected %" PRId64 " customers in all",
                p->what->out, b->n_rows, b->n_unchanged, b->n_rejects, b->n_held_out,
                b->n_customers);
done:
    return st;
}

/* A file of one record and its own name, after all others. */
static br_status add_whole(publisher *p, const char *stem, const char *extension)
{
    br_status            st     = BR_OK;
    br_export_series    *series = NULL;
    const br_export_kind kind   = {stem, extension, 0};
    int64_t              n_records;

    BR_TRY(st, br_export_open(p->folder, kind, NULL, 0, &series));
    BR_TRY(st, add(p, series, 1));
    BR_TRY(st, br_export_finish(series, &n_records));
done:
    br_export_close(&series);
    return st;
}

static br_status finish(publisher *p)
{
    br_status st    = BR_OK;
    br_paper  paper = {.what    = p->what,
                       .run     = p->run,
                       .run_id  = p->record.run_id,
                       .balance = &p->balance,
                       .folder  = p->folder};

    BR_TRY(st, finish_lists(p));
    if (p->what->to == BR_TO_RESP) {
        p->text.n_bytes = 0;
        br_resp_current(&p->record, &p->text);
        BR_TRY(st, add_whole(p, "current", "resp"));
    }
    if (p->changes != NULL)
        paper.changed_since = br_changes_manifest(p->changes);
    p->text.n_bytes = 0;
    br_paper_text(&paper, &p->text);
    BR_TRY(st, add_whole(p, "publication", "json"));
done:
    return st;
}

/* One line per kind of file; those of a split are next to each other. */
static void print_files(const br_export_folder *folder, FILE *out)
{
    br_export_file sum     = {0};
    int64_t        n_files = 0;

    for (int64_t i = 0; i < br_export_n_files(folder); i++) {
        const br_export_file *file = br_export_file_at(folder, i);
        size_t                stem = strcspn(file->name, "-.");
        bool                  is_last;

        n_files++;
        sum.n_rows += file->n_rows;
        sum.n_bytes += file->n_bytes;
        is_last = i + 1 == br_export_n_files(folder) ||
                  strncmp(br_export_file_at(folder, i + 1)->name, file->name, stem) != 0;
        if (!is_last)
            continue;
        (void)fprintf(out, "%-11.*s %" PRId64 " rows, %" PRId64 " bytes, %" PRId64 " file%s\n",
                      (int)stem, file->name, sum.n_rows, sum.n_bytes, n_files,
                      n_files == 1 ? "" : "s");
        sum     = (br_export_file){0};
        n_files = 0;
    }
}

static void print(const publisher *p, FILE *out)
{
    const br_balance *b = &p->balance;

    (void)fprintf(out, "run         %s, configuration %.*s\n", p->record.run_id,
                  BR_CONFIG_HASH_DIGITS, br_run_reader_identity(p->run));
    print_files(p->folder, out);
    (void)fprintf(out, "customers   %" PRId64 " = %" PRId64 " listed + ", b->n_customers,
                  b->n_rows);
    if (p->changes != NULL)
        (void)fprintf(out, "%" PRId64 " unchanged + ", b->n_unchanged);
    (void)fprintf(out, "%" PRId64 " rejects + %" PRId64 " held out\n", b->n_rejects, b->n_held_out);
    if (b->n_deletes > 0)
        (void)fprintf(out, "withdrawn   %" PRId64 " keys are deleted\n", b->n_deletes);
}

static void close_files(publisher *p)
{
    br_export_close(&p->lists);
    br_export_close(&p->rejects);
    br_export_close(&p->holdout);
    br_export_close(&p->exposures);
    br_export_drop(&p->folder);
}

br_status br_job_publish(const br_publication *what, FILE *out)
{
    br_status st = BR_OK;
    publisher p  = {.what = what, .start_s = br_clock_wall_s()};

    BR_TRY(st, br_run_reader_open(what->run, &p.run));
    p.balance.n_customers = br_run_reader_n_rows(p.run);
    p.record.what         = what;
    p.record.run          = p.run;
    p.record.run_id       = what->run_id != NULL ? what->run_id : br_run_reader_name(p.run);
    BR_TRY(st, br_export_begin(what->out, what->run, what->is_forced, &p.folder));
    if (what->changed_since != NULL)
        BR_TRY(st, br_changes_open(what->changed_since, p.run, &p.changes));
    BR_TRY(st, add_parts(&p));
    BR_TRY(st, finish(&p));
    BR_TRY(st, br_export_commit(p.folder));
    print(&p, out);
done:
    close_files(&p);
    br_changes_close(&p.changes);
    br_run_reader_close(&p.run);
    br_strbuf_free(&p.text);
    br_strbuf_free(&p.record.key);
    br_strbuf_free(&p.record.value);
    return st;
}
