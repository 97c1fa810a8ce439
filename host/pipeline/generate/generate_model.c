/* SPDX-License-Identifier: Apache-2.0
 *
 * The random bundle: model.json, weights.safetensors, vocabulary.h5. Called once per process. */
#include "host/pipeline/generate/generate_model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "host/base/log.h"
#include "host/base/memory.h"
#include "host/base/strbuf.h"
#include "host/io/h5_stream.h"
#include "host/io/publish.h"
#include "host/pipeline/generate/random.h"

#define N_LAYERS     2
#define MAX_TENSORS  64
#define STREAM_MODEL 1000

typedef enum { FILL_NORMAL, FILL_ONE, FILL_ZERO } fill_kind;

typedef struct tensor {
    char      name[128];
    int64_t   n_rows; /* 0: rank 1 */
    int64_t   n_cols;
    fill_kind fill;
} tensor;

typedef struct tensor_list {
    int    n;
    tensor tensor[MAX_TENSORS];
} tensor_list;

void br_generate_item_key(int64_t item, char out[32])
{
    (void)snprintf(out, 32, "I%09lld", (long long)item);
}

static void add(tensor_list *list, const char *name, int64_t n_rows, int64_t n_cols, fill_kind fill)
{
    tensor *t = &list->tensor[list->n++];

    (void)snprintf(t->name, sizeof t->name, "%s", name);
    t->n_rows = n_rows;
    t->n_cols = n_cols;
    t->fill   = fill;
}

/* weight [n_out, n_in] and bias [n_out] */
static void add_linear(tensor_list *list, const char *name, int64_t n_out, int64_t n_in)
{
    char full[128];

    (void)snprintf(full, sizeof full, "%s.weight", name);
    add(list, full, n_out, n_in, FILL_NORMAL);
    (void)snprintf(full, sizeof full, "%s.bias", name);
    add(list, full, 0, n_out, FILL_ZERO);
}

static void add_norm(tensor_list *list, const char *name, int64_t D)
{
    char full[128];

    (void)snprintf(full, sizeof full, "%s.weight", name);
    add(list, full, 0, D, FILL_ONE);
    (void)snprintf(full, sizeof full, "%s.bias", name);
    add(list, full, 0, D, FILL_ZERO);
}

static void add_attention(tensor_list *list, const br_generate_options *o)
{
    static const char *const parts[] = {"query", "key", "value", "dense"};
    int64_t                  D       = o->dim;
    char                     name[128];

    add(list, "browse.position_embedding.weight", o->n_browse, D, FILL_NORMAL);
    add_norm(list, "browse.LayerNorm", D);
    for (int l = 0; l < N_LAYERS; l++) {
        for (int i = 0; i < 4; i++) {
            (void)snprintf(name, sizeof name, "browse.trm_encoder.layer.%d.multi_head_attention.%s",
                           l, parts[i]);
            add_linear(list, name, D, D);
        }
        (void)snprintf(name, sizeof name,
                       "browse.trm_encoder.layer.%d.multi_head_attention.LayerNorm", l);
        add_norm(list, name, D);
        (void)snprintf(name, sizeof name, "browse.trm_encoder.layer.%d.feed_forward.dense_1", l);
        add_linear(list, name, 4 * D, D);
        (void)snprintf(name, sizeof name, "browse.trm_encoder.layer.%d.feed_forward.dense_2", l);
        add_linear(list, name, D, 4 * D);
        (void)snprintf(name, sizeof name, "browse.trm_encoder.layer.%d.feed_forward.LayerNorm", l);
        add_norm(list, name, D);
    }
}

static void list_tensors(tensor_list *list, const br_generate_options *o)
{
    int64_t D = o->dim;

    add(list, "item_embedding.weight", o->n_items + 1, D, FILL_NORMAL);
    add(list, "item_bias", 0, o->n_items + 1, FILL_NORMAL);
    add_attention(list, o);
    add_linear(list, "fusion.browse.g", D, D);
    add_linear(list, "fusion.browse.z", D, 2 * D + 2);
    add_linear(list, "fusion.purchase.g", D, D);
    add_linear(list, "fusion.purchase.z", D, 2 * D + 2);
    add(list, "fusion.attention", 0, D, FILL_NORMAL);
    add(list, "fusion.default", 0, D, FILL_NORMAL);
    add_norm(list, "fusion.LayerNorm", D);
    add(list, "head.click.weight", D, D, FILL_NORMAL);
    add(list, "head.click.bias", 0, 1, FILL_ZERO);
    add(list, "head.buy.weight", D, D, FILL_NORMAL);
    add(list, "head.buy.bias", 0, 1, FILL_ZERO);
    if (o->rerank == 0)
        return;
    add_linear(list, "head.rerank.0", o->rerank, 3 * D);
    add_linear(list, "head.rerank.1", 1, o->rerank);
}

static int64_t values_of(const tensor *t)
{
    return (t->n_rows > 0 ? t->n_rows : 1) * t->n_cols;
}

static void fill(const tensor *t, int64_t seed, uint64_t stream, float *out)
{
    double scale = 1.0 / sqrt((double)(t->n_cols > 0 && t->n_rows > 0 ? t->n_cols : 16));

    for (int64_t i = 0; i < values_of(t); i++)
        out[i] = t->fill == FILL_ONE ? 1.0f
                 : t->fill == FILL_ZERO
                     ? 0.0f
                     : (float)(scale * br_random_normal((uint64_t)seed, stream, (uint64_t)i));
}

static br_status safetensors_header(const tensor_list *list, char **out)
{
    br_strbuf h  = {0};
    int64_t   at = 0;

    br_strbuf_add(&h, "{");
    for (int i = 0; i < list->n; i++) {
        const tensor *t = &list->tensor[i];
        int64_t       n = values_of(t) * 4;

        br_strbuf_add(&h, "\"%s\":{\"dtype\":\"F32\",\"shape\":[", t->name);
        if (t->n_rows > 0)
            br_strbuf_add(&h, "%lld,", (long long)t->n_rows);
        br_strbuf_add(&h, "%lld],\"data_offsets\":[%lld,%lld]}%s", (long long)t->n_cols,
                      (long long)at, (long long)(at + n), i + 1 < list->n ? "," : "}");
        at += n;
    }
    while (h.n_bytes % 8 != 0 && !h.has_failed)
        br_strbuf_add(&h, " ");
    return br_strbuf_take(&h, out);
}

static br_status write_weights(const br_generate_options *o, const tensor_list *list)
{
    br_status      st      = BR_OK;
    char          *header  = NULL;
    unsigned char *file    = NULL;
    int64_t        n_bytes = 8, at;
    uint64_t       n_header;
    char           path[4096];

    BR_TRY(st, safetensors_header(list, &header));
    n_header = strlen(header);
    n_bytes += (int64_t)n_header;
    at = n_bytes;
    for (int i = 0; i < list->n; i++)
        n_bytes += values_of(&list->tensor[i]) * 4;
    BR_ALLOC(st, file, n_bytes, "weights");
    memcpy(file, &n_header, 8);
    memcpy(file + 8, header, n_header);
    for (int i = 0; i < list->n; i++) {
        fill(&list->tensor[i], o->seed, STREAM_MODEL + (uint64_t)i, (float *)(void *)(file + at));
        at += values_of(&list->tensor[i]) * 4;
    }
    (void)snprintf(path, sizeof path, "%s/model/weights.safetensors", o->out_dir);
    BR_TRY(st, br_publish_file(path, file, (size_t)n_bytes));
    br_log(BR_LOG_INFO, "generate", "%s: %d tensors, %lld bytes", path, list->n,
           (long long)n_bytes);
done:
    br_free(&header);
    br_free(&file);
    return st;
}

static br_status write_description(const br_generate_options *o)
{
    br_status st   = BR_OK;
    br_strbuf t    = {0};
    char     *text = NULL;
    char      path[4096];

    br_strbuf_add(&t,
                  "{\n  \"format\": \"batchrank-model\", \"version\": 1,\n"
                  "  \"name\": \"generated\", \"model_version\": \"seed %lld\",\n"
                  "  \"dim\": %lld,\n  \"item\": {\"vocabulary\": \"catalogue\", \"table\": "
                  "\"item_embedding.weight\", \"bias\": \"item_bias\"},\n",
                  (long long)o->seed, (long long)o->dim);
    br_strbuf_add(&t,
                  "  \"modalities\": [\n    {\"name\": \"browse\", \"vocabulary\": "
                  "\"catalogue\", \"prefix\": \"browse.\", \"item_table\": "
                  "\"item_embedding.weight\",\n     \"encoder\": {\"type\": \"attention\", "
                  "\"variant\": \"recbole\", \"max_length\": %lld, \"dim\": %lld, \"layers\": "
                  "%d, \"heads\": 2, \"inner\": %lld, \"activation\": \"gelu\"}},\n",
                  (long long)o->n_browse, (long long)o->dim, N_LAYERS, (long long)(4 * o->dim));
    br_strbuf_add(&t,
                  "    {\"name\": \"purchase\", \"vocabulary\": \"catalogue\", \"prefix\": "
                  "\"purchase.\", \"item_table\": \"item_embedding.weight\",\n     "
                  "\"encoder\": {\"type\": \"decay\", \"max_length\": %lld, \"dim\": %lld, "
                  "\"half_lives_s\": [2592000]}}\n  ],\n",
                  (long long)(o->n_purchase > 0 ? o->n_purchase : 1), (long long)o->dim);
    br_strbuf_add(&t, "  \"fusion\": {\"type\": \"gated\", \"eps\": 1e-5},\n"
                      "  \"heads\": [{\"name\": \"click\", \"link\": \"logistic\", "
                      "\"calibration\": {\"type\": \"platt\", \"a\": 0.9, \"b\": -1.0}},\n"
                      "            {\"name\": \"buy\", \"link\": \"logistic\"}");
    if (o->rerank > 0)
        br_strbuf_add(&t,
                      ",\n            {\"name\": \"rerank\", \"type\": \"pair_mlp\", \"hidden\": "
                      "[%lld], \"link\": \"logistic\"}",
                      (long long)o->rerank);
    br_strbuf_add(&t, "]\n}\n");
    BR_TRY(st, br_strbuf_take(&t, &text));
    (void)snprintf(path, sizeof path, "%s/model/model.json", o->out_dir);
    BR_TRY(st, br_publish_file(path, text, strlen(text)));
done:
    br_free(&text);
    return st;
}

static br_status write_vocabulary(const br_generate_options *o)
{
    br_status     st = BR_OK;
    br_h5_stream *s  = NULL;
    int32_t       set;
    char          path[4096];

    (void)snprintf(path, sizeof path, "%s/model/vocabulary.h5", o->out_dir);
    BR_TRY(st, br_h5_stream_create(path, "batchrank-vocabulary", o->n_items * 12, &s));
    BR_TRY(st,
           br_h5_stream_dataset(
               s, &(br_h5_stream_set){"/catalogue/key", BR_H5_TEXT, 12, o->n_items + 1, 0}, &set));
    for (int64_t row = 0; row <= o->n_items; row++) {
        char key[32] = {0};

        if (row > 0) /* row 0 is padding: an empty key */
            br_generate_item_key(row - 1, key);
        BR_TRY(st, br_h5_stream_append(s, set, 1, key));
    }
    BR_TRY(st, br_h5_stream_commit(&s));
done:
    br_h5_stream_abort(&s);
    return st;
}

br_status br_generate_model(const br_generate_options *o)
{
    br_status   st   = BR_OK;
    tensor_list list = {0};
    char        path[4096];

    (void)snprintf(path, sizeof path, "%s/model", o->out_dir);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        BR_FAIL(st, BR_E_IO, "%s: cannot make the folder: %s", path, strerror(errno));
    list_tensors(&list, o);
    BR_TRY(st, write_weights(o, &list));
    BR_TRY(st, write_vocabulary(o));
    BR_TRY(st, write_description(o));
done:
    return st;
}
