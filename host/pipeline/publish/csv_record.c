/* SPDX-License-Identifier: Apache-2.0
 *
 * CSV by RFC 4180, lines ending in LF: a row per customer with columns rank_1..rank_k, or (long) a
 * row per listed item. Called for every customer that has a list. */
#include <stdio.h>
#include <string.h>

#include "host/pipeline/publish/record.h"

static const char *const wide_names[BR_N_COLUMNS] = {"rank", "score", "probability",
                                                     "log_propensity", "source"};
static const char *const long_names[BR_N_COLUMNS] = {"item", "score", "probability",
                                                     "log_propensity", "source"};

/* One column of items, scores, ...; of probabilities one per head. */
static int32_t n_repeats(const br_record *r, int column)
{
    if (!r->what->has_column[column])
        return 0;
    return column == BR_COLUMN_PROBABILITY ? r->lists->n_heads : 1;
}

static void add_delimiter(const br_record *r, br_strbuf *out)
{
    br_strbuf_add_bytes(out, &r->what->delimiter, 1);
}

static void add_text(const br_record *r, const char *text, br_strbuf *out)
{
    br_export_csv(out, r->what->delimiter, text, strlen(text));
}

/* "probability_purchase_3", or without the number (j < 0). */
static void add_name(const br_record *r, int column, int32_t head, int32_t j, br_strbuf *out)
{
    char name[BR_LISTS_NAME_BYTES + 64];
    int  n = snprintf(name, sizeof name, "%s", (j < 0 ? long_names : wide_names)[column]);

    if (column == BR_COLUMN_PROBABILITY)
        n += snprintf(name + n, sizeof name - (size_t)n, "_%s", r->lists->head_name[head]);
    if (j >= 0)
        (void)snprintf(name + n, sizeof name - (size_t)n, "_%d", j + 1);
    add_delimiter(r, out);
    add_text(r, name, out);
}

void br_csv_header(const br_record *r, br_strbuf *out)
{
    add_text(r, "customer", out);
    if (r->what->is_long) {
        add_delimiter(r, out);
        add_text(r, "position", out);
    }
    for (int c = 0; c < BR_N_COLUMNS; c++)
        for (int32_t h = 0; h < n_repeats(r, c); h++)
            for (int32_t j = 0; j < (r->what->is_long ? 1 : r->lists->k); j++)
                add_name(r, c, h, r->what->is_long ? -1 : j, out);
    br_strbuf_add(out, "%carm%cflags%crun\n", r->what->delimiter, r->what->delimiter,
                  r->what->delimiter);
}

static br_status add_value(const br_record *r, int column, int32_t head, int32_t j, br_strbuf *out)
{
    br_status       st = BR_OK;
    const br_lists *l  = r->lists;
    int64_t         at = r->b * l->k + j;
    br_export_key   item;

    if (column == BR_COLUMN_ITEM) {
        BR_TRY(st, br_record_item(r, j, &item));
        br_export_csv(out, r->what->delimiter, item.text, item.n_bytes);
    } else if (column == BR_COLUMN_SCORE) {
        br_export_float(out, l->score_BK[at], "");
    } else if (column == BR_COLUMN_PROBABILITY) {
        br_export_float(out, l->probability_BK[head][at], "");
    } else if (column == BR_COLUMN_LOG_PROPENSITY) {
        br_export_float(out, l->log_propensity_BK[at], "");
    } else {
        br_record_source(r, j, out);
    }
done:
    return st;
}

/* The slots [from, to) of every column; unused ones are empty cells. */
static br_status add_slots(const br_record *r, int32_t from, int32_t to, br_strbuf *out)
{
    br_status st = BR_OK;
    int32_t   n  = r->lists->n_B[r->b];

    for (int c = 0; c < BR_N_COLUMNS; c++)
        for (int32_t i = 0; i < n_repeats(r, c) * (to - from); i++) {
            int32_t j = from + i % (to - from);
            add_delimiter(r, out);
            if (j < n)
                BR_TRY(st, add_value(r, c, i / (to - from), j, out));
        }
done:
    return st;
}

static void add_end(const br_record *r, br_strbuf *out)
{
    add_delimiter(r, out);
    br_export_integer(out, r->lists->arm_B[r->b]);
    add_delimiter(r, out);
    br_export_flags(out, r->lists->flags_B[r->b], " ", false);
    add_delimiter(r, out);
    add_text(r, r->run_id, out);
    br_strbuf_add_bytes(out, "\n", 1);
}

br_status br_csv_row(const br_record *r, br_strbuf *out)
{
    br_status st = BR_OK;
    int32_t   n  = r->what->is_long ? r->lists->n_B[r->b] : 1;

    for (int32_t j = 0; j < n; j++) {
        br_export_csv(out, r->what->delimiter, r->customer.text, r->customer.n_bytes);
        if (r->what->is_long) {
            add_delimiter(r, out);
            br_export_integer(out, j + 1);
            BR_TRY(st, add_slots(r, j, j + 1, out));
        } else {
            BR_TRY(st, add_slots(r, 0, r->lists->k, out));
        }
        add_end(r, out);
    }
done:
    return st;
}
