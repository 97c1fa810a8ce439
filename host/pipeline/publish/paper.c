/* SPDX-License-Identifier: Apache-2.0
 *
 * The text of publication.json. Called once per publication. */
#include "host/pipeline/publish/paper.h"

#include <inttypes.h>

const char *const br_publish_words[] = {"csv", "jsonl", "resp"};
const char *const br_column_words[]  = {"items", "scores", "probabilities", "propensities",
                                        "sources"};

static void add_columns(const br_publication *what, br_strbuf *out)
{
    br_strbuf_add(out, "\"columns\": [");
    for (int c = 0; c < BR_N_COLUMNS; c++)
        if (what->has_column[c])
            br_strbuf_add(out, "\"%s\", ", br_column_words[c]);
    br_strbuf_drop_comma(out);
    br_strbuf_add(out, "], ");
}

static void add_options(const br_paper *p, br_strbuf *out)
{
    const br_publication *what         = p->what;
    const char            delimiter[2] = {what->delimiter, '\0'};

    br_strbuf_add(out, "  \"options\": {\"to\": \"%s\", ", br_publish_words[what->to]);
    if (what->to != BR_TO_RESP)
        add_columns(what, out);
    if (what->to == BR_TO_CSV)
        br_strbuf_add(out, "\"long\": %s, ", what->is_long ? "true" : "false");
    if (what->to == BR_TO_RESP) {
        br_strbuf_add(out, "\"key_prefix\": ");
        br_strbuf_add_string(out, what->key_prefix);
        br_strbuf_add(out, ", \"ttl_s\": %" PRId64 ", \"value\": \"%s\", ", what->ttl_s,
                      what->is_comma ? "comma" : "json");
    }
    br_strbuf_add(out, "\"delimiter\": ");
    br_strbuf_add_string(out, delimiter);
    br_strbuf_add(out, ", \"exposures\": %s, \"split_bytes\": %" PRId64 ", \"changed_since\": ",
                  what->wants_exposures ? "true" : "false", what->split_bytes);
    if (p->changed_since != NULL)
        br_strbuf_add(out, "\"%s\"},\n", p->changed_since);
    else
        br_strbuf_add(out, "null},\n");
}

void br_paper_text(const br_paper *p, br_strbuf *out)
{
    const br_balance *b = p->balance;

    br_strbuf_add(out,
                  "{\n  \"format\": \"batchrank-publication\",\n  \"version\": 1,\n  \"run\": ");
    br_strbuf_add_string(out, p->run_id);
    br_strbuf_add(out, ",\n  \"config_hash\": \"%.*s\",\n  \"identity_sha256\": \"%s\",\n",
                  BR_CONFIG_HASH_DIGITS, br_run_reader_identity(p->run),
                  br_run_reader_identity(p->run));
    br_strbuf_add(out, "  \"manifest_sha256\": \"%s\",\n", br_run_reader_manifest(p->run));
    add_options(p, out);
    br_strbuf_add(out,
                  "  \"customers\": {\"total\": %" PRId64 ", \"rows\": %" PRId64
                  ", \"unchanged\": %" PRId64 ", \"rejects\": %" PRId64 ", \"held_out\": %" PRId64
                  "},\n  \"files\": [\n",
                  b->n_customers, b->n_rows, b->n_unchanged, b->n_rejects, b->n_held_out);
    for (int64_t i = 0; i < br_export_n_files(p->folder); i++) {
        const br_export_file *file = br_export_file_at(p->folder, i);
        br_strbuf_add(out,
                      "    {\"path\": \"%s\", \"rows\": %" PRId64 ", \"bytes\": %" PRId64
                      ", \"sha256\": \"%s\"},\n",
                      file->name, file->n_rows, file->n_bytes, file->sha256);
    }
    br_strbuf_drop_comma(out);
    br_strbuf_add(out, "\n  ]\n}\n");
}
