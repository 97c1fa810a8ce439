/* SPDX-License-Identifier: Apache-2.0
 *
 * One JSON object per customer and line. Keys are strings, numbers too: a u64 is more than many
 * readers of JSON keep. Called for every customer that has a list. */
#include <string.h>

#include "host/pipeline/publish/record.h"

static br_status add_items(const br_record *r, br_strbuf *out)
{
    br_status     st = BR_OK;
    br_export_key item;

    for (int32_t j = 0; j < r->lists->n_B[r->b]; j++) {
        BR_TRY(st, br_record_item(r, j, &item));
        if (j > 0)
            br_strbuf_add_bytes(out, ",", 1);
        br_export_json(out, item.text, item.n_bytes);
    }
done:
    return st;
}

static void add_floats(const br_record *r, const float *value_BK, br_strbuf *out)
{
    br_strbuf_add_bytes(out, "[", 1);
    for (int32_t j = 0; j < r->lists->n_B[r->b]; j++) {
        if (j > 0)
            br_strbuf_add_bytes(out, ",", 1);
        br_export_float(out, value_BK[r->b * r->lists->k + j], "null");
    }
    br_strbuf_add_bytes(out, "]", 1);
}

static void add_probabilities(const br_record *r, br_strbuf *out)
{
    br_strbuf_add(out, ",\"probabilities\":{");
    for (int32_t h = 0; h < r->lists->n_heads; h++) {
        br_strbuf_add(out, "%s", h > 0 ? "," : "");
        br_export_json(out, r->lists->head_name[h], strlen(r->lists->head_name[h]));
        br_strbuf_add(out, ":");
        add_floats(r, r->lists->probability_BK[h], out);
    }
    br_strbuf_add(out, "}");
}

static void add_sources(const br_record *r, br_strbuf *out)
{
    br_strbuf_add(out, ",\"sources\":[");
    for (int32_t j = 0; j < r->lists->n_B[r->b]; j++) {
        br_strbuf_add(out, "%s\"", j > 0 ? "," : "");
        br_record_source(r, j, out);
        br_strbuf_add(out, "\"");
    }
    br_strbuf_add(out, "]");
}

br_status br_json_row(const br_record *r, br_strbuf *out)
{
    br_status   st         = BR_OK;
    const bool *has_column = r->what->has_column;

    br_strbuf_add(out, "{\"customer\":");
    br_export_json(out, r->customer.text, r->customer.n_bytes);
    br_strbuf_add(out, ",\"items\":[");
    BR_TRY(st, add_items(r, out));
    br_strbuf_add(out, "]");
    if (has_column[BR_COLUMN_SCORE]) {
        br_strbuf_add(out, ",\"scores\":");
        add_floats(r, r->lists->score_BK, out);
    }
    if (has_column[BR_COLUMN_PROBABILITY] && r->lists->n_heads > 0)
        add_probabilities(r, out);
    if (has_column[BR_COLUMN_LOG_PROPENSITY]) {
        br_strbuf_add(out, ",\"log_propensities\":");
        add_floats(r, r->lists->log_propensity_BK, out);
    }
    if (has_column[BR_COLUMN_SOURCE])
        add_sources(r, out);
    br_strbuf_add(out, ",\"arm\":%d,\"flags\":[", r->lists->arm_B[r->b]);
    br_export_flags(out, r->lists->flags_B[r->b], ",", true);
    br_strbuf_add(out, "],\"run\":");
    br_export_json(out, r->run_id, strlen(r->run_id));
    br_strbuf_add(out, "}\n");
done:
    return st;
}
