/* SPDX-License-Identifier: Apache-2.0
 *
 * Commands in the Redis protocol, as redis-cli --pipe takes them: a key per customer, PREFIX:
 * VERSION:CUSTOMER, holding the items. Called for every customer that has a list. */
#include <inttypes.h>
#include <string.h>

#include "host/pipeline/publish/record.h"

static void make_key(br_record *r)
{
    r->key.n_bytes = 0;
    br_strbuf_add(&r->key, "%s:%s:", r->what->key_prefix, r->run_id);
    br_strbuf_add_bytes(&r->key, r->customer.text, r->customer.n_bytes);
}

static void add_bulk_text(br_strbuf *out, const char *text)
{
    br_export_bulk(out, text, strlen(text));
}

static br_status add_item(br_record *r, int32_t j)
{
    br_status     st = BR_OK;
    br_export_key item;

    BR_TRY(st, br_record_item(r, j, &item));
    if (j > 0)
        br_strbuf_add_bytes(&r->value, ",", 1);
    if (!r->what->is_comma) {
        br_export_json(&r->value, item.text, item.n_bytes);
        goto done;
    }
    if (memchr(item.text, ',', item.n_bytes) != NULL)
        BR_FAIL(st, BR_E_INPUT,
                "%s: row %d: the key '%.*s' has a comma, by which --value comma joins items; "
                "expected none, or --value json",
                br_run_reader_item_place(r->run), r->lists->item_BK[r->b * r->lists->k + j],
                (int)item.n_bytes, item.text);
    br_strbuf_add_bytes(&r->value, item.text, item.n_bytes);
done:
    return st;
}

br_status br_resp_row(br_record *r, br_strbuf *out)
{
    br_status st = BR_OK;

    make_key(r);
    r->value.n_bytes = 0;
    br_strbuf_add(&r->value, "%s", r->what->is_comma ? "" : "[");
    for (int32_t j = 0; j < r->lists->n_B[r->b]; j++)
        BR_TRY(st, add_item(r, j));
    br_strbuf_add(&r->value, "%s", r->what->is_comma ? "" : "]");
    br_strbuf_add(out, "*%d\r\n$3\r\nSET\r\n", r->what->ttl_s > 0 ? 5 : 3);
    BR_TRY(st, br_strbuf_check(&r->key));
    BR_TRY(st, br_strbuf_check(&r->value));
    br_export_bulk(out, r->key.data, r->key.n_bytes);
    br_export_bulk(out, r->value.data, r->value.n_bytes);
    if (r->what->ttl_s > 0) {
        char seconds[32];
        (void)snprintf(seconds, sizeof seconds, "%" PRId64, r->what->ttl_s);
        add_bulk_text(out, "EX");
        add_bulk_text(out, seconds);
    }
done:
    return st;
}

void br_resp_delete(br_record *r, br_strbuf *out)
{
    make_key(r);
    br_strbuf_add(out, "*2\r\n$3\r\nDEL\r\n");
    if (r->key.has_failed)
        out->has_failed = true;
    else
        br_export_bulk(out, r->key.data, r->key.n_bytes);
}

void br_resp_current(br_record *r, br_strbuf *out)
{
    r->key.n_bytes = 0;
    br_strbuf_add(&r->key, "%s:current", r->what->key_prefix);
    br_strbuf_add(out, "*3\r\n$3\r\nSET\r\n");
    if (r->key.has_failed)
        out->has_failed = true;
    else
        br_export_bulk(out, r->key.data, r->key.n_bytes);
    add_bulk_text(out, r->run_id);
}
