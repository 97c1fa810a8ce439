/* SPDX-License-Identifier: Apache-2.0
 *
 * What the formats share, and the files beside the main one. Called for every customer. */
#include "host/pipeline/publish/record.h"

#include <string.h>

br_status br_record_item(const br_record *r, int32_t j, br_export_key *out)
{
    const br_export_place place = {br_run_reader_item_place(r->run), 0};
    int64_t               item  = r->lists->item_BK[r->b * r->lists->k + j];

    return br_export_key_of(br_run_reader_item_key(r->run), item, place, out);
}

void br_record_source(const br_record *r, int32_t j, br_strbuf *out)
{
    static const char *const words[] = {[BR_SOURCE_MODEL]            = "model",
                                        [BR_SOURCE_POPULARITY]       = "popularity",
                                        [BR_SOURCE_GROUP_POPULARITY] = "group_popularity",
                                        [BR_SOURCE_NEWEST]           = "newest",
                                        [BR_SOURCE_PINNED]           = "pinned"};
    uint8_t                  source  = r->lists->source_BK[r->b * r->lists->k + j];

    if (source != BR_SOURCE_NONE && source <= BR_SOURCE_LAST)
        br_strbuf_add(out, "%s", words[source]);
    else
        br_strbuf_add(out, "source_%d", source);
}

static void add_cell(const br_record *r, const char *text, size_t n_bytes, br_strbuf *out)
{
    br_export_csv(out, r->what->delimiter, text, n_bytes);
}

static void add_text(const br_record *r, const char *text, br_strbuf *out)
{
    add_cell(r, text, strlen(text), out);
}

static void add_delimiter(const br_record *r, br_strbuf *out)
{
    br_strbuf_add_bytes(out, &r->what->delimiter, 1);
}

static void add_header(const br_record *r, const char *const *names, int n, br_strbuf *out)
{
    for (int i = 0; i < n; i++) {
        if (i > 0)
            add_delimiter(r, out);
        add_text(r, names[i], out);
    }
    br_strbuf_add_bytes(out, "\n", 1);
}

void br_reject_header(const br_record *r, br_strbuf *out)
{
    static const char *const names[] = {"customer", "reason", "run"};

    add_header(r, names, 3, out);
}

void br_reject_row(const br_record *r, br_strbuf *out)
{
    add_cell(r, r->customer.text, r->customer.n_bytes, out);
    add_delimiter(r, out);
    br_export_flags(out, r->lists->flags_B[r->b], " ", false);
    add_delimiter(r, out);
    add_text(r, r->run_id, out);
    br_strbuf_add_bytes(out, "\n", 1);
}

void br_holdout_header(const br_record *r, br_strbuf *out)
{
    static const char *const names[] = {"customer", "arm", "arm_probability", "run"};

    add_header(r, names, 4, out);
}

void br_holdout_row(const br_record *r, br_strbuf *out)
{
    add_cell(r, r->customer.text, r->customer.n_bytes, out);
    add_delimiter(r, out);
    br_export_integer(out, r->lists->arm_B[r->b]);
    add_delimiter(r, out);
    br_export_float(out, r->lists->arm_probability_B[r->b], "");
    add_delimiter(r, out);
    add_text(r, r->run_id, out);
    br_strbuf_add_bytes(out, "\n", 1);
}

void br_exposure_header(const br_record *r, br_strbuf *out)
{
    static const char *const names[] = {"run", "customer",   "item", "position", "log_propensity",
                                        "arm", "config_hash"};

    add_header(r, names, 7, out);
}

br_status br_exposure_rows(const br_record *r, br_strbuf *out)
{
    br_status     st = BR_OK;
    br_export_key item;

    for (int32_t j = 0; j < r->lists->n_B[r->b]; j++) {
        BR_TRY(st, br_record_item(r, j, &item));
        add_text(r, r->run_id, out);
        add_delimiter(r, out);
        add_cell(r, r->customer.text, r->customer.n_bytes, out);
        add_delimiter(r, out);
        add_cell(r, item.text, item.n_bytes, out);
        add_delimiter(r, out);
        br_export_integer(out, j + 1);
        add_delimiter(r, out);
        br_export_float(out, r->lists->log_propensity_BK[r->b * r->lists->k + j], "");
        add_delimiter(r, out);
        br_export_integer(out, r->lists->arm_B[r->b]);
        add_delimiter(r, out);
        br_strbuf_add_bytes(out, br_run_reader_identity(r->run), BR_CONFIG_HASH_DIGITS);
        br_strbuf_add_bytes(out, "\n", 1);
    }
done:
    return st;
}
