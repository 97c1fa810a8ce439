/* SPDX-License-Identifier: Apache-2.0
 *
 * Summaries of model bundles, tensors, matrices and other HDF5 files. Called by `info`. */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "host/base/memory.h"
#include "host/config/json.h"
#include "host/pipeline/look/info_parts.h"

#define MAX_NODES 10000000

static const br_json_limits header_limits = {
    .code = BR_E_INPUT, .max_bytes = (size_t)100 << 20, .max_nodes = MAX_NODES};

/* "128 x 64", and the number of values. */
static int64_t print_shape(FILE *out, const br_json_node *shape)
{
    int64_t n_values = 1, n = 0;

    for (const br_json_node *dim = shape == NULL ? NULL : br_json_first(shape); dim != NULL;
         dim                     = br_json_next(dim)) {
        if (!br_json_integer(dim, &n))
            n = 0;
        (void)fprintf(out, "%s%" PRId64, dim == br_json_first(shape) ? "" : " x ", n);
        n_values = n > 0 && n_values <= INT64_MAX / n ? n_values * n : 0;
    }
    return n_values;
}

static br_status print_tensors(const char *path, const char *text, size_t n_bytes, FILE *out)
{
    br_status st        = BR_OK;
    br_json  *json      = NULL;
    int64_t   n_tensors = 0, n_values = 0;

    BR_TRY(st, br_json_read_text(&header_limits, path, text, n_bytes, &json));
    for (const br_json_node *tensor = br_json_first(br_json_root(json)); tensor != NULL;
         tensor                     = br_json_next(tensor)) {
        const char *dtype;
        if (strcmp(br_json_name(tensor), "__metadata__") == 0)
            continue;
        dtype = br_json_member(tensor, "dtype") == NULL
                    ? NULL
                    : br_json_string(br_json_member(tensor, "dtype"));
        (void)fprintf(out, "tensor        %s: %s ", br_json_name(tensor),
                      dtype == NULL ? "no type" : dtype);
        n_values += print_shape(out, br_json_member(tensor, "shape"));
        (void)fprintf(out, "\n");
        n_tensors++;
    }
    (void)fprintf(out, "tensors       %" PRId64 ", %" PRId64 " values\n", n_tensors, n_values);
done:
    br_json_close(&json);
    return st;
}

br_status br_info_header(const char *path, br_file_kind kind, FILE *out)
{
    br_status st   = BR_OK;
    char     *text = NULL;
    size_t    n_bytes;

    BR_TRY(st, br_file_header(path, kind, &text, &n_bytes));
    if (kind == BR_KIND_NPY) {
        while (n_bytes > 0 && strchr(" \n", text[n_bytes - 1]) != NULL)
            text[--n_bytes] = '\0';
        (void)fprintf(out, "%s: matrix (.npy)\nheader        %s\n", path, text);
    } else {
        (void)fprintf(out, "%s: tensors (.safetensors)\n", path);
        BR_TRY(st, print_tensors(path, text, n_bytes, out));
    }
done:
    br_free(&text);
    return st;
}

br_status br_info_hdf5(const char *path, FILE *out)
{
    br_status       st     = BR_OK;
    br_file_object *object = NULL;
    int64_t         n      = 0;

    BR_TRY(st, br_file_objects(path, &object, &n));
    (void)fprintf(out, "%s: HDF5, %" PRId64 " datasets\n", path, n);
    for (int64_t i = 0; i < n; i++) {
        (void)fprintf(out, "dataset       %s: %s %" PRId64, object[i].path, object[i].type,
                      object[i].n_rows);
        if (object[i].rank > 1)
            (void)fprintf(out, " x %" PRId64, object[i].n_cols);
        (void)fprintf(out, "\n");
    }
done:
    br_free(&object);
    return st;
}

static const char *text_of(const br_json_node *object, const char *name)
{
    const br_json_node *member = object == NULL ? NULL : br_json_member(object, name);
    const char         *text   = member == NULL ? NULL : br_json_string(member);

    return text == NULL ? "?" : text;
}

static void print_pair_head(const br_json_node *head, FILE *out)
{
    int64_t width = 0;

    (void)fprintf(out, "head          %s: %s, pair_mlp", text_of(head, "name"),
                  text_of(head, "link"));
    for (const br_json_node *n = br_json_first(br_json_member(head, "hidden")); n != NULL;
         n                     = br_json_next(n))
        (void)fprintf(out, " %" PRId64, br_json_integer(n, &width) ? width : 0);
    (void)fprintf(out, "\n");
}

static void print_head(const br_json_node *head, FILE *out)
{
    const br_json_node *periods   = br_json_member(head, "periods");
    const br_json_node *period_s  = br_json_member(head, "period_s");
    int64_t             n_periods = 0, seconds = 0;

    if (strcmp(text_of(head, "type"), "survival") == 0 && periods != NULL && period_s != NULL &&
        br_json_integer(periods, &n_periods) && br_json_integer(period_s, &seconds))
        (void)fprintf(out, "head          %s: survival, %" PRId64 " x %" PRId64 " s\n",
                      text_of(head, "name"), n_periods, seconds);
    else if (strcmp(text_of(head, "type"), "pair_mlp") == 0 &&
             br_json_member(head, "hidden") != NULL)
        print_pair_head(head, out);
    else
        (void)fprintf(out, "head          %s: %s\n", text_of(head, "name"), text_of(head, "link"));
}

static void print_model(const br_json_node *model, FILE *out)
{
    const br_json_node *dim        = br_json_member(model, "dim");
    const br_json_node *modalities = br_json_member(model, "modalities");
    const br_json_node *heads      = br_json_member(model, "heads");
    int64_t             n          = 0;

    (void)fprintf(out, "model         %s, version %s\n", text_of(model, "name"),
                  text_of(model, "model_version"));
    if (dim != NULL && br_json_integer(dim, &n))
        (void)fprintf(out, "dim           %" PRId64 "\n", n);
    for (const br_json_node *m = modalities == NULL ? NULL : br_json_first(modalities); m != NULL;
         m                     = br_json_next(m)) {
        const br_json_node *encoder = br_json_member(m, "encoder");
        (void)fprintf(out, "modality      %s: %s, vocabulary %s\n", text_of(m, "name"),
                      text_of(encoder, "type"), text_of(m, "vocabulary"));
    }
    for (const br_json_node *h = heads == NULL ? NULL : br_json_first(heads); h != NULL;
         h                     = br_json_next(h))
        print_head(h, out);
}

br_status br_info_bundle(const char *path, FILE *out)
{
    br_status st   = BR_OK;
    br_json  *json = NULL;
    char      file[PATH_MAX];

    if (snprintf(file, sizeof file, "%s/weights.safetensors", path) >= PATH_MAX)
        BR_FAIL(st, BR_E_IO, "%s: the path is too long", path);
    (void)fprintf(out, "%s: model bundle\n", path);
    (void)snprintf(strrchr(file, '/'), sizeof "/model.json", "/model.json");
    BR_TRY(st, br_json_read_file(&header_limits, file, &json));
    if (br_json_type_of(br_json_root(json)) != BR_JSON_OBJECT)
        BR_FAIL(st, BR_E_INPUT, "%s: is %s, expected an object", file,
                br_json_type_name(br_json_root(json)));
    print_model(br_json_root(json), out);
    (void)snprintf(strrchr(file, '/'), sizeof "/weights.safetensors", "/weights.safetensors");
    BR_TRY(st, br_info_header(file, BR_KIND_SAFETENSORS, out));
    (void)snprintf(strrchr(file, '/'), sizeof "/vocabulary.h5", "/vocabulary.h5");
    BR_TRY(st, br_info_hdf5(file, out));
done:
    br_json_close(&json);
    return st;
}
