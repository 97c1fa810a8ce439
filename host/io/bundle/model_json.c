/* SPDX-License-Identifier: Apache-2.0
 *
 * model.json, from the top. Called once per model. */
#include "host/io/bundle/model_json.h"

#include <math.h>
#include <string.h>

#include "host/base/memory.h"

#define MAX_DIM    1024 /* of vectors that are scored */
#define MAX_POINTS 16384
#define MAX_DENIED 4096

#define N_NAMES(names) ((int32_t)(sizeof(names) / sizeof *(names)))

static const br_json_limits limits = {BR_E_INPUT, (size_t)8 << 20, 200000};

static br_status read_item(const br_object *top, br_model_spec *spec)
{
    static const char *const known[] = {"vocabulary", "table", "bias"};
    br_status                st      = BR_OK;
    br_object                item;

    if (br_json_member(top->node, "item") == NULL)
        BR_FAIL(st, BR_E_INPUT,
                "%s: item is missing, expected an object, or null when the catalogue brings the "
                "vectors",
                top->file);
    BR_TRY(st, br_object_open(top, "item", BR_OPTIONAL, &item));
    if (item.node == NULL)
        goto done;
    BR_TRY(st, br_object_check_names(&item, known, N_NAMES(known)));
    BR_TRY(st, br_object_name(&item, "vocabulary", spec->item_vocabulary,
                              sizeof spec->item_vocabulary));
    BR_TRY(st,
           br_object_text(&item, "table", BR_NEEDED, spec->item_table, sizeof spec->item_table));
    BR_TRY(st, br_object_text(&item, "bias", BR_OPTIONAL, spec->item_bias, sizeof spec->item_bias));
done:
    return st;
}

static br_status read_modalities(const br_object *top, br_model_spec *spec)
{
    br_status           st = BR_OK;
    const br_json_node *array;

    BR_TRY(st, br_object_array(top, "modalities", BR_NEEDED, BR_MAX_MODALITIES, &array));
    for (const br_json_node *n = br_json_first(array); n != NULL; n = br_json_next(n)) {
        br_object object;

        BR_TRY(st, br_object_element(top, "modalities", spec->n_encoders, n, &object));
        BR_TRY(st, br_modality_json_read(&object, &spec->encoder[spec->n_encoders]));
        spec->n_encoders++;
    }
done:
    return st;
}

static br_status read_statics(const br_object *top, br_model_spec *spec)
{
    static const char *const known[] = {"name", "dim", "rows"};
    br_status                st      = BR_OK;
    const br_json_node      *array;

    BR_TRY(st, br_object_array(top, "static", BR_OPTIONAL, BR_MAX_STATICS, &array));
    if (array == NULL)
        goto done;
    for (const br_json_node *n = br_json_first(array); n != NULL; n = br_json_next(n)) {
        br_static_spec *out = &spec->statics[spec->n_statics];
        br_object       object;

        BR_TRY(st, br_object_element(top, "static", spec->n_statics, n, &object));
        BR_TRY(st, br_object_check_names(&object, known, N_NAMES(known)));
        BR_TRY(st, br_object_name(&object, "name", out->name, sizeof out->name));
        BR_TRY(st, br_object_int(&object, (br_number_rule){"dim", BR_NEEDED, 1, MAX_DIM, 0},
                                 &out->dim));
        BR_TRY(st, br_object_int(&object, (br_number_rule){"rows", BR_NEEDED, 1, 1 << 24, 0},
                                 &out->n_rows));
        spec->n_statics++;
    }
done:
    return st;
}

static br_status read_aggregates(const br_object *top, br_model_spec *spec)
{
    static const char *const known[] = {"name", "mean", "std"};
    br_status                st      = BR_OK;
    const br_json_node      *array;

    BR_TRY(st, br_object_array(top, "aggregate", BR_OPTIONAL, BR_MAX_AGGREGATES, &array));
    if (array == NULL)
        goto done;
    for (const br_json_node *n = br_json_first(array); n != NULL; n = br_json_next(n)) {
        br_aggregate_spec *out = &spec->aggregate[spec->n_aggregates];
        br_object          object;

        BR_TRY(st, br_object_element(top, "aggregate", spec->n_aggregates, n, &object));
        BR_TRY(st, br_object_check_names(&object, known, N_NAMES(known)));
        BR_TRY(st, br_object_text(&object, "name", BR_NEEDED, out->name, sizeof out->name));
        BR_TRY(st, br_object_real(&object, (br_number_rule){"mean", BR_NEEDED, -1e30, 1e30, 0},
                                  &out->mean));
        BR_TRY(st, br_object_real(&object, (br_number_rule){"std", BR_NEEDED, 1e-30, 1e30, 0},
                                  &out->std));
        spec->n_aggregates++;
    }
done:
    return st;
}

static br_status read_band(const br_object *fusion, br_model_spec *spec)
{
    static const char *const known[] = {"lo", "hi"};
    br_status                st      = BR_OK;
    br_object                band;

    BR_TRY(st, br_object_open(fusion, "band", BR_OPTIONAL, &band));
    if (band.node == NULL)
        goto done;
    spec->has_band = true;
    BR_TRY(st, br_object_check_names(&band, known, N_NAMES(known)));
    BR_TRY(st,
           br_object_real(&band, (br_number_rule){"lo", BR_OPTIONAL, 0, 1e30, 0}, &spec->band_lo));
    BR_TRY(st, br_object_real(&band, (br_number_rule){"hi", BR_OPTIONAL, 0, 1e30, INFINITY},
                              &spec->band_hi));
done:
    return st;
}

static br_status read_fusion(const br_object *top, br_model_spec *spec)
{
    static const char *const known[]      = {"type", "eps", "mlp_layers", "mlp_activation", "band"};
    static const char *const none_known[] = {"type"};
    static const char *const types[]      = {"none", "gated"};
    br_status                st           = BR_OK;
    int32_t                  type         = 0;
    br_object                fusion;

    spec->fusion_eps     = 1e-5;
    spec->mlp_activation = BR_ACT_GELU;
    BR_TRY(st, br_object_open(top, "fusion", BR_OPTIONAL, &fusion));
    if (fusion.node == NULL)
        goto done;
    BR_TRY(st, br_object_check_names(&fusion, known, N_NAMES(known)));
    BR_TRY(st, br_object_choice(&fusion, "type", BR_NEEDED, (br_choices){types, N_NAMES(types)},
                                &type));
    spec->is_fused = type == 1;
    if (!spec->is_fused) {
        BR_TRY(st, br_object_check_names(&fusion, none_known, N_NAMES(none_known)));
        goto done;
    }
    BR_TRY(st, br_object_real(&fusion, (br_number_rule){"eps", BR_OPTIONAL, 0, 1, 1e-5},
                              &spec->fusion_eps));
    BR_TRY(st, br_object_int(&fusion,
                             (br_number_rule){"mlp_layers", BR_OPTIONAL, 0, BR_MAX_MLP_LAYERS, 0},
                             &spec->n_mlp_layers));
    BR_TRY(st,
           br_activation_json_read(&fusion, "mlp_activation", BR_OPTIONAL, &spec->mlp_activation));
    BR_TRY(st, read_band(&fusion, spec));
done:
    return st;
}

static br_status read_points(const br_object *o, br_head_spec *head)
{
    br_status           st = BR_OK;
    const br_json_node *array;

    BR_TRY(st, br_object_array(o, "points", BR_NEEDED, MAX_POINTS, &array));
    if (br_json_count(array) == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s.points: found no point, expected at least 1", o->file,
                o->place);
    BR_ALLOC(st, head->knot_P2, 2 * (int64_t)br_json_count(array), "calibration points");
    for (const br_json_node *n = br_json_first(array); n != NULL; n = br_json_next(n)) {
        const br_json_node *x  = br_json_type_of(n) == BR_JSON_ARRAY ? br_json_first(n) : NULL;
        const br_json_node *y  = x == NULL ? NULL : br_json_next(x);
        float              *to = &head->knot_P2[2 * head->n_points];

        if (y == NULL || br_json_count(n) != 2 || !isfinite((float)br_json_number(x)) ||
            !isfinite((float)br_json_number(y)))
            BR_FAIL(st, BR_E_INPUT, "%s: %s.points[%d]: expected two numbers, [input, output]",
                    o->file, o->place, (int)head->n_points);
        to[0] = (float)br_json_number(x);
        to[1] = (float)br_json_number(y);
        head->n_points++;
    }
done:
    return st;
}

static br_status read_calibration(const br_object *object, br_head_spec *head)
{
    static const char *const types[]  = {"none", "platt", "isotonic"};
    static const char *const all[]    = {"type", "a", "b", "points"};
    static const char *const none[]   = {"type"};
    static const char *const platt[]  = {"type", "a", "b"};
    static const char *const points[] = {"type", "points"};
    br_status                st       = BR_OK;
    int32_t                  type     = 0;
    br_object                o;

    BR_TRY(st, br_object_open(object, "calibration", BR_OPTIONAL, &o));
    if (o.node == NULL)
        goto done;
    BR_TRY(st, br_object_check_names(&o, all, N_NAMES(all)));
    BR_TRY(st, br_object_choice(&o, "type", BR_NEEDED, (br_choices){types, N_NAMES(types)}, &type));
    head->calibration = (br_calibration)type;
    if (head->calibration == BR_CALIBRATION_PLATT) {
        BR_TRY(st, br_object_check_names(&o, platt, N_NAMES(platt)));
        BR_TRY(st,
               br_object_real(&o, (br_number_rule){"a", BR_NEEDED, -1e6, 1e6, 0}, &head->platt_a));
        BR_TRY(st,
               br_object_real(&o, (br_number_rule){"b", BR_NEEDED, -1e6, 1e6, 0}, &head->platt_b));
    } else if (head->calibration == BR_CALIBRATION_ISOTONIC) {
        BR_TRY(st, br_object_check_names(&o, points, N_NAMES(points)));
        BR_TRY(st, read_points(&o, head));
    } else {
        BR_TRY(st, br_object_check_names(&o, none, N_NAMES(none)));
    }
done:
    return st;
}

static br_status read_hidden(const br_object *object, br_head_spec *head)
{
    br_status           st = BR_OK;
    const br_json_node *array;

    BR_TRY(st, br_object_array(object, "hidden", BR_NEEDED, BR_MAX_PAIR_LAYERS, &array));
    for (const br_json_node *n = br_json_first(array); n != NULL; n = br_json_next(n)) {
        int64_t width = 0;

        if (!br_json_integer(n, &width) || width < 1 || width > BR_MAX_PAIR_WIDTH)
            BR_FAIL(st, BR_E_INPUT,
                    "%s: %s.hidden[%d]: found %g (%s), expected a whole number in 1..%d",
                    object->file, object->place, (int)head->n_hidden, br_json_number(n),
                    br_json_type_name(n), BR_MAX_PAIR_WIDTH);
        head->hidden[head->n_hidden++] = (int32_t)width;
    }
    if (head->n_hidden == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s.hidden: found no element, expected 1 to %d", object->file,
                object->place, BR_MAX_PAIR_LAYERS);
done:
    return st;
}

/* An item head, or a pair head. */
static br_status read_item_head(const br_object *object, br_head_spec *head)
{
    static const char *const known[] = {"name",      "type",        "link",
                                        "item_bias", "calibration", "hidden"};
    static const char *const links[] = {"logistic", "identity"};
    bool                     is_pair = head->kind == BR_HEAD_PAIR;
    br_status                st      = BR_OK;
    int32_t                  link    = 0;

    BR_TRY(st, br_object_check_names(object, known, N_NAMES(known) - !is_pair));
    if (is_pair)
        BR_TRY(st, read_hidden(object, head));
    BR_TRY(st,
           br_object_choice(object, "link", BR_NEEDED, (br_choices){links, N_NAMES(links)}, &link));
    head->link = (br_link)link;
    BR_TRY(st, br_object_bool(object, "item_bias", BR_OPTIONAL, &head->has_item_bias));
done:
    return st;
}

static br_status read_survival_head(const br_object *object, br_head_spec *head)
{
    static const char *const known[]  = {"name",     "type", "periods",
                                         "period_s", "link", "calibration"};
    static const char *const links[]  = {"logistic"};
    br_status                st       = BR_OK;
    int32_t                  period_s = 0, link = 0;

    BR_TRY(st, br_object_check_names(object, known, N_NAMES(known)));
    BR_TRY(st, br_object_choice(object, "link", BR_OPTIONAL, (br_choices){links, N_NAMES(links)},
                                &link));
    BR_TRY(st, br_object_int(object, (br_number_rule){"periods", BR_NEEDED, 1, BR_MAX_PERIODS, 0},
                             &head->n_periods));
    BR_TRY(st, br_object_int(object, (br_number_rule){"period_s", BR_NEEDED, 1, INT32_MAX, 0},
                             &period_s));
    head->period_s = period_s;
done:
    return st;
}

static br_status read_head(const br_object *object, br_head_spec *head)
{
    static const char *const known[] = {"name", "type",      "periods",     "period_s",
                                        "link", "item_bias", "calibration", "hidden"};
    static const char *const types[] = {"item", "survival", "pair_mlp"};
    br_status                st      = BR_OK;
    int32_t                  type    = 0;

    BR_TRY(st, br_object_check_names(object, known, N_NAMES(known)));
    BR_TRY(st, br_object_name(object, "name", head->name, sizeof head->name));
    BR_TRY(st, br_object_choice(object, "type", BR_OPTIONAL, (br_choices){types, N_NAMES(types)},
                                &type));
    head->kind = (br_head_kind)type;
    BR_TRY(st, head->kind == BR_HEAD_SURVIVAL ? read_survival_head(object, head)
                                              : read_item_head(object, head));
    BR_TRY(st, read_calibration(object, head));
done:
    return st;
}

static br_status read_heads(const br_object *top, br_model_spec *spec)
{
    br_status           st = BR_OK;
    const br_json_node *array;

    BR_TRY(st, br_object_array(top, "heads", BR_OPTIONAL, BR_MAX_HEADS, &array));
    if (array == NULL)
        goto done;
    for (const br_json_node *n = br_json_first(array); n != NULL; n = br_json_next(n)) {
        br_head_spec *head = &spec->head[spec->n_heads];
        br_object     object;

        BR_TRY(st, br_object_element(top, "heads", spec->n_heads++, n, &object));
        BR_TRY(st, read_head(&object, head));
    }
done:
    return st;
}

static br_status read_format(const br_object *top)
{
    static const char *const known[]   = {"format",    "version", "name",       "model_version",
                                          "dim",       "item",    "modalities", "static",
                                          "aggregate", "fusion",  "heads",      "training"};
    static const char *const formats[] = {"batchrank-model"};
    br_status                st        = BR_OK;
    int32_t                  value     = 0;

    BR_TRY(st, br_object_choice(top, "format", BR_NEEDED, (br_choices){formats, 1}, &value));
    BR_TRY(st, br_object_int(top, (br_number_rule){"version", BR_NEEDED, 1, 1, 0}, &value));
    BR_TRY(st, br_object_check_names(top, known, N_NAMES(known)));
done:
    return st;
}

/* `training` is free, but for the one key that binds a job. */
static br_status read_denied(const br_object *top, br_names *denied)
{
    br_status           st = BR_OK;
    int                 i  = 0;
    const br_json_node *array;
    br_object           training;

    BR_TRY(st, br_object_open(top, "training", BR_OPTIONAL, &training));
    if (training.node == NULL)
        goto done;
    BR_TRY(st, br_object_array(&training, "denied", BR_OPTIONAL, MAX_DENIED, &array));
    for (const br_json_node *n = array == NULL ? NULL : br_json_first(array); n != NULL;
         n                     = br_json_next(n), i++) {
        if (br_json_string(n) == NULL)
            BR_FAIL(st, BR_E_INPUT, "%s: training.denied[%d]: found %s, expected a string",
                    top->file, i, br_json_type_name(n));
        BR_TRY(st, br_names_add(denied, br_json_string(n)));
    }
done:
    return st;
}

br_status br_model_json_read(const char *path, br_model_spec *spec, br_names *denied)
{
    br_status st   = BR_OK;
    br_json  *json = NULL;
    br_object top  = {.file = path};

    *spec = (br_model_spec){0};
    BR_TRY(st, br_json_read_file(&limits, path, &json));
    top.node = br_json_root(json);
    if (br_json_type_of(top.node) != BR_JSON_OBJECT)
        BR_FAIL(st, BR_E_INPUT, "%s: found %s, expected an object", path,
                br_json_type_name(top.node));
    BR_TRY(st, read_format(&top));
    BR_TRY(st, br_object_text(&top, "name", BR_NEEDED, spec->name, sizeof spec->name));
    BR_TRY(st,
           br_object_text(&top, "model_version", BR_NEEDED, spec->version, sizeof spec->version));
    BR_TRY(st, br_object_int(&top, (br_number_rule){"dim", BR_NEEDED, 1, MAX_DIM, 0}, &spec->dim));
    BR_TRY(st, read_item(&top, spec));
    BR_TRY(st, read_modalities(&top, spec));
    BR_TRY(st, read_statics(&top, spec));
    BR_TRY(st, read_aggregates(&top, spec));
    BR_TRY(st, read_fusion(&top, spec));
    BR_TRY(st, read_heads(&top, spec));
    BR_TRY(st, read_denied(&top, denied));
done:
    br_json_close(&json);
    return st;
}

void br_model_json_free(br_model_spec *spec)
{
    for (int32_t i = 0; i < BR_MAX_HEADS; i++)
        br_free(&spec->head[i].knot_P2);
}
