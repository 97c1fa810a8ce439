/* SPDX-License-Identifier: Apache-2.0
 *
 * A bundle: its three files read and held against each other. Called once per job. */
#include "host/io/bundle.h"

#include <stdio.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/io/bundle/model_json.h"
#include "host/io/h5/access.h"
#include "host/io/safetensors.h"

#define MAX_VOCABULARIES (BR_MAX_MODALITIES + 1 + BR_MAX_STATICS)
#define VOCABULARY_BYTES (BR_NAME_BYTES + 8) /* "static.<name>" */
#define MAX_KEYS         ((int64_t)1 << 30)

typedef struct vocabulary {
    char    name[VOCABULARY_BYTES];
    br_keys key;
} vocabulary;

struct br_bundle {
    char           *json_path;
    char           *weights_path;
    char           *vocabulary_path;
    br_model_spec   spec;
    br_names        denied;
    br_names        opened; /* of vocabulary.h5 */
    br_safetensors *weights;
    int32_t         n_vocabularies;
    vocabulary      vocabulary[MAX_VOCABULARIES];
};

static br_status join_path(const char *folder, const char *name, char **out)
{
    br_status st     = BR_OK;
    size_t    n      = strlen(folder) + strlen(name) + 2;
    bool      has_it = folder[0] != '\0' && folder[strlen(folder) - 1] == '/';

    BR_TRY(st, br_alloc((int64_t)n, 1, "path", (void **)out));
    (void)snprintf(*out, n, "%s%s%s", folder, has_it ? "" : "/", name);
done:
    return st;
}

static const vocabulary *find_vocabulary(const br_bundle *b, const char *name)
{
    for (int32_t i = 0; i < b->n_vocabularies; i++)
        if (strcmp(b->vocabulary[i].name, name) == 0)
            return &b->vocabulary[i];
    return NULL;
}

static const br_tensor *find_tensor(const br_bundle *b, const char *name)
{
    int32_t          n;
    const br_tensor *tensor = br_safetensors_tensors(b->weights, &n);

    for (int32_t i = 0; i < n; i++)
        if (strcmp(tensor[i].name, name) == 0)
            return &tensor[i];
    return NULL;
}

static br_status read_keys(br_h5_file *file, const char *name, vocabulary *out)
{
    br_status        st                          = BR_OK;
    br_h5_dataset   *set                         = NULL;
    br_keys          none                        = {0};
    char             path[VOCABULARY_BYTES + 16] = "";
    const br_h5_want want                        = {.path     = path,
                                                    .type     = BR_H5_KEY,
                                                    .rank     = 1,
                                                    .n_rows   = -1,
                                                    .n_cols   = 1,
                                                    .max_rows = MAX_KEYS};

    (void)snprintf(out->name, sizeof out->name, "%s", name);
    (void)snprintf(path, sizeof path, "/%s", name);
    (void)br_h5_find(file, path);
    (void)snprintf(path, sizeof path, "/%s/key", name);
    (void)br_h5_find(file, path);
    BR_TRY(st, br_h5_dataset_open(file, &want, &set));
    BR_TRY(st, br_h5_read_keys(set, 0, set->n_rows, &out->key));
    /* a join with nothing: finds keys that are there twice */
    none.is_number   = out->key.is_number;
    none.width_bytes = out->key.width_bytes;
    (void)snprintf(path, sizeof path, "/%s/key", name);
    st = br_keys_join(&out->key, path, &none, path, NULL);
    if (st != BR_OK) {
        br_error error;
        br_error_take(&error);
        st = br_fail(st, "%s: %s", br_h5_path(file), error.text);
    }
done:
    br_h5_dataset_close(&set);
    return st;
}

static br_status need_vocabulary(br_bundle *b, br_h5_file *file, const char *name)
{
    br_status st = BR_OK;

    if (find_vocabulary(b, name) != NULL)
        return BR_OK;
    BR_TRY(st, read_keys(file, name, &b->vocabulary[b->n_vocabularies++]));
done:
    return st;
}

static br_status read_vocabularies(br_bundle *b)
{
    br_status            st   = BR_OK;
    const br_model_spec *s    = &b->spec;
    br_h5_file          *file = NULL;
    char                 name[VOCABULARY_BYTES];

    if (s->n_encoders == 0 && s->item_table[0] == '\0')
        return BR_OK;
    BR_TRY(st, br_h5_open(b->vocabulary_path, &file));
    BR_TRY(st, br_h5_check_format(file, "batchrank-vocabulary", 1));
    BR_TRY(st, br_h5_walk(file));
    for (int32_t i = 0; i < s->n_encoders; i++)
        BR_TRY(st, need_vocabulary(b, file, s->encoder[i].vocabulary));
    if (s->item_table[0] != '\0')
        BR_TRY(st, need_vocabulary(b, file, s->item_vocabulary));
    for (int32_t i = 0; i < s->n_statics; i++) {
        (void)snprintf(name, sizeof name, "static.%s", s->statics[i].name);
        BR_TRY(st, need_vocabulary(b, file, name));
    }
    BR_TRY(st, br_h5_check_all_known(file));
    BR_TRY(st, br_names_add_all(&b->opened, br_h5_opened(file)));
done:
    br_h5_close(&file);
    return st;
}

/* One key per row of the table that the vocabulary's rows index. */
static br_status check_rows(const br_bundle *b, const char *name, const char *tensor)
{
    const vocabulary *v     = find_vocabulary(b, name);
    const br_tensor  *table = find_tensor(b, tensor);

    if (table == NULL || v->key.n_keys == table->dim[0]) /* a missing tensor: br_model_create */
        return BR_OK;
    return br_fail(BR_E_INPUT,
                   "%s: /%s/key: found %lld keys, expected %lld, one per row of tensor '%s' in %s",
                   b->vocabulary_path, name, (long long)v->key.n_keys, (long long)table->dim[0],
                   tensor, b->weights_path);
}

/* Row 0 stands for padding or for a missing category: it must not be some token's. */
static br_status check_first_row(const br_bundle *b, const char *name, const char *meaning)
{
    const vocabulary *v = find_vocabulary(b, name);
    char              text[BR_KEY_TEXT_BYTES];

    if (v->key.n_keys == 0 || v->key.is_number || br_keys_is_empty(&v->key, 0))
        return BR_OK;
    return br_fail(BR_E_INPUT,
                   "%s: /%s/key: row 0 is '%s', expected an empty key: it is the %s row",
                   b->vocabulary_path, name, br_keys_text(&v->key, 0, text), meaning);
}

static br_status check_vocabularies(const br_bundle *b)
{
    br_status            st = BR_OK;
    const br_model_spec *s  = &b->spec;
    char                 name[VOCABULARY_BYTES], tensor[BR_TENSOR_NAME_BYTES];

    for (int32_t i = 0; i < s->n_encoders; i++) {
        const br_encoder_spec *e = &s->encoder[i];

        BR_TRY(st, check_rows(b, e->vocabulary, e->item_table));
        if (e->kind == BR_ENCODER_ATTENTION && e->variant != BR_VARIANT_RECBOLE)
            BR_TRY(st, check_first_row(b, e->vocabulary, "padding"));
    }
    if (s->item_table[0] != '\0')
        BR_TRY(st, check_rows(b, s->item_vocabulary, s->item_table));
    for (int32_t i = 0; i < s->n_statics; i++) {
        (void)snprintf(name, sizeof name, "static.%s", s->statics[i].name);
        (void)snprintf(tensor, sizeof tensor, "static.%s.weight", s->statics[i].name);
        BR_TRY(st, check_rows(b, name, tensor));
        BR_TRY(st, check_first_row(b, name, "missing"));
    }
done:
    return st;
}

/* br_model_check_spec does not know the file: its sentence gets the path in front. */
static br_status check_spec(const br_bundle *b)
{
    br_status st = br_model_check_spec(&b->spec);
    br_error  error;

    if (st == BR_OK)
        return BR_OK;
    br_error_take(&error);
    return br_fail(st, "%s: %s", b->json_path, error.text);
}

br_status br_bundle_open(const char *path, br_bundle **out)
{
    br_status  st = BR_OK;
    br_bundle *b  = NULL;

    *out = NULL;
    BR_ALLOC(st, b, 1, "model bundle");
    BR_TRY(st, join_path(path, "model.json", &b->json_path));
    BR_TRY(st, join_path(path, "weights.safetensors", &b->weights_path));
    BR_TRY(st, join_path(path, "vocabulary.h5", &b->vocabulary_path));
    BR_TRY(st, br_model_json_read(b->json_path, &b->spec, &b->denied));
    BR_TRY(st, check_spec(b));
    BR_TRY(st, br_safetensors_read(b->weights_path, &b->weights));
    BR_TRY(st, read_vocabularies(b));
    BR_TRY(st, check_vocabularies(b));
    *out = b;
    b    = NULL;
done:
    br_bundle_close(&b);
    return st;
}

void br_bundle_close(br_bundle **bundle)
{
    br_bundle *b = *bundle;

    if (b == NULL)
        return;
    for (int32_t i = 0; i < b->n_vocabularies; i++)
        br_keys_free(&b->vocabulary[i].key);
    br_safetensors_free(&b->weights);
    br_model_json_free(&b->spec);
    br_names_free(&b->denied);
    br_names_free(&b->opened);
    br_free(&b->vocabulary_path);
    br_free(&b->weights_path);
    br_free(&b->json_path);
    br_free(bundle);
}

const br_model_spec *br_bundle_spec(const br_bundle *bundle)
{
    return &bundle->spec;
}

const br_names *br_bundle_denied(const br_bundle *bundle)
{
    return &bundle->denied;
}

const br_names *br_bundle_opened(const br_bundle *bundle)
{
    return &bundle->opened;
}

const br_tensor *br_bundle_tensors(const br_bundle *bundle, int32_t *n_tensors)
{
    return br_safetensors_tensors(bundle->weights, n_tensors);
}

br_status br_bundle_vocabulary(const br_bundle *bundle, const char *name, br_keys *out)
{
    br_status         st = BR_OK;
    const vocabulary *v  = find_vocabulary(bundle, name);
    size_t            n_bytes;

    *out = (br_keys){0};
    if (v == NULL)
        BR_FAIL(st, BR_E_INPUT, "%s: /%s/key: no part of the model reads it",
                bundle->vocabulary_path, name);
    n_bytes = (size_t)v->key.n_keys * (size_t)v->key.width_bytes;
    BR_TRY(st, br_alloc((int64_t)n_bytes, 1, "vocabulary keys", (void **)&out->data));
    if (n_bytes > 0)
        memcpy(out->data, v->key.data, n_bytes);
    out->is_number   = v->key.is_number;
    out->width_bytes = v->key.width_bytes;
    out->n_keys      = v->key.n_keys;
done:
    return st;
}
