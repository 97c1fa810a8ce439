/* SPDX-License-Identifier: Apache-2.0
 *
 * `modalities` of model.json: one encoder each. Called once per modality. */
#include <stdio.h>
#include <string.h>

#include "host/io/bundle/model_json.h"

#define MAX_LENGTH 65536
#define MAX_WIDTH  4096
#define MAX_INNER  16384
#define MAX_LAYERS 64

#define N_NAMES(names) ((int32_t)(sizeof(names) / sizeof *(names)))

static const char *const kinds[]    = {"attention", "gru", "decay"};
static const char *const variants[] = {"recbole", "pmixer_a", "pmixer_b", "pmixer_c_post",
                                       "pmixer_c_pre"};

br_status br_activation_json_read(const br_object *object, const char *name, br_need need,
                                  br_activation *out)
{
    static const char *const names[]  = {"relu", "gelu", "tanh", "sigmoid", "swish", "silu"};
    const br_activation      values[] = {BR_ACT_RELU,    BR_ACT_GELU, BR_ACT_TANH,
                                         BR_ACT_SIGMOID, BR_ACT_SILU, BR_ACT_SILU};
    br_status                st       = BR_OK;
    int32_t                  choice   = -1;

    BR_TRY(st, br_object_choice(object, name, need, (br_choices){names, N_NAMES(names)}, &choice));
    if (choice >= 0)
        *out = values[choice];
done:
    return st;
}

/* Tables that attention and gru may add to the event vector. */
static br_status read_tables(const br_object *o, br_encoder_spec *e)
{
    br_status st = BR_OK;

    BR_TRY(st, br_object_int(o, (br_number_rule){"gaps", BR_OPTIONAL, 0, 64, 0}, &e->n_gaps));
    BR_TRY(st, br_object_int(o, (br_number_rule){"types", BR_OPTIONAL, 0, 256, 0}, &e->n_types));
    BR_TRY(st, br_object_bool(o, "modality_embedding", BR_OPTIONAL, &e->has_constant));
done:
    return st;
}

static br_status read_attention(const br_object *o, br_encoder_spec *e)
{
    static const char *const known[] = {"type",   "variant", "max_length", "dim",
                                        "layers", "heads",   "inner",      "activation",
                                        "eps",    "gaps",    "types",      "modality_embedding"};
    br_status                st      = BR_OK;
    int32_t                  variant = 0;
    bool                     is_pmixer;
    br_need                  need;

    BR_TRY(st, br_object_check_names(o, known, N_NAMES(known)));
    BR_TRY(st, br_object_choice(o, "variant", BR_NEEDED, (br_choices){variants, N_NAMES(variants)},
                                &variant));
    e->variant    = (br_variant)variant;
    is_pmixer     = e->variant != BR_VARIANT_RECBOLE;
    need          = is_pmixer ? BR_OPTIONAL : BR_NEEDED;
    e->activation = BR_ACT_RELU;
    e->out_dim    = e->dim;
    BR_TRY(st,
           br_object_int(o, (br_number_rule){"layers", BR_NEEDED, 1, MAX_LAYERS, 0}, &e->n_layers));
    BR_TRY(st,
           br_object_int(o, (br_number_rule){"heads", BR_NEEDED, 1, MAX_WIDTH, 0}, &e->n_heads));
    BR_TRY(st, br_object_int(o, (br_number_rule){"inner", need, 1, MAX_INNER, e->dim}, &e->inner));
    BR_TRY(st, br_activation_json_read(o, "activation", need, &e->activation));
    BR_TRY(st,
           br_object_real(o, (br_number_rule){"eps", BR_OPTIONAL, 0, 1, is_pmixer ? 1e-8 : 1e-12},
                          &e->eps));
    BR_TRY(st, read_tables(o, e));
done:
    return st;
}

static br_status read_gru(const br_object *o, br_encoder_spec *e)
{
    static const char *const known[] = {
        "type", "max_length", "dim",  "hidden", "layers",
        "bias", "dense",      "gaps", "types",  "modality_embedding"};
    br_status st = BR_OK;

    BR_TRY(st, br_object_check_names(o, known, N_NAMES(known)));
    BR_TRY(st,
           br_object_int(o, (br_number_rule){"hidden", BR_NEEDED, 1, MAX_WIDTH, 0}, &e->hidden));
    BR_TRY(st,
           br_object_int(o, (br_number_rule){"layers", BR_NEEDED, 1, MAX_LAYERS, 0}, &e->n_layers));
    BR_TRY(st, br_object_bool(o, "bias", BR_NEEDED, &e->has_bias));
    BR_TRY(st, br_object_bool(o, "dense", BR_NEEDED, &e->has_dense));
    BR_TRY(st, read_tables(o, e));
    e->out_dim = e->has_dense ? e->dim : e->hidden;
done:
    return st;
}

static br_status read_decay(const br_object *o, br_encoder_spec *e)
{
    static const char *const known[] = {"type", "max_length", "dim", "half_lives_s"};
    br_status                st      = BR_OK;
    const br_json_node      *array;

    BR_TRY(st, br_object_check_names(o, known, N_NAMES(known)));
    BR_TRY(st, br_object_array(o, "half_lives_s", BR_NEEDED, BR_MAX_HALF_LIVES, &array));
    for (const br_json_node *n = br_json_first(array); n != NULL; n = br_json_next(n)) {
        double value = br_json_number(n);

        if (!(value > 0.0 && value <= 1e12))
            BR_FAIL(st, BR_E_INPUT,
                    "%s: %s.half_lives_s[%d]: found %g (%s), expected seconds in (0, 1e12]",
                    o->file, o->place, (int)e->n_half_lives, value, br_json_type_name(n));
        e->half_life_s[e->n_half_lives++] = value;
    }
    if (e->n_half_lives == 0)
        BR_FAIL(st, BR_E_INPUT, "%s: %s.half_lives_s: found no element, expected 1 to %d", o->file,
                o->place, BR_MAX_HALF_LIVES);
    e->out_dim = e->dim * e->n_half_lives;
done:
    return st;
}

static br_status read_encoder(const br_object *o, br_encoder_spec *e)
{
    br_status st   = BR_OK;
    int32_t   kind = 0;

    BR_TRY(st, br_object_choice(o, "type", BR_NEEDED, (br_choices){kinds, N_NAMES(kinds)}, &kind));
    e->kind = (br_encoder_kind)kind;
    BR_TRY(st, br_object_int(o, (br_number_rule){"max_length", BR_NEEDED, 1, MAX_LENGTH, 0},
                             &e->max_length));
    BR_TRY(st, br_object_int(o, (br_number_rule){"dim", BR_NEEDED, 1, MAX_WIDTH, 0}, &e->dim));
    if (e->kind == BR_ENCODER_ATTENTION)
        BR_TRY(st, read_attention(o, e));
    else if (e->kind == BR_ENCODER_GRU)
        BR_TRY(st, read_gru(o, e));
    else
        BR_TRY(st, read_decay(o, e));
done:
    return st;
}

br_status br_modality_json_read(const br_object *object, br_encoder_spec *out)
{
    static const char *const known[] = {"name", "vocabulary", "prefix", "item_table", "encoder"};
    br_status                st      = BR_OK;
    const br_json_node      *prefix;
    br_object                encoder;

    BR_TRY(st, br_object_check_names(object, known, N_NAMES(known)));
    BR_TRY(st, br_object_name(object, "name", out->name, sizeof out->name));
    BR_TRY(st, br_object_name(object, "vocabulary", out->vocabulary, sizeof out->vocabulary));
    prefix = br_json_member(object->node, "prefix");
    if (prefix == NULL || br_json_string(prefix) == NULL || br_json_string(prefix)[0] != '\0')
        BR_TRY(st, br_object_text(object, "prefix", BR_OPTIONAL, out->prefix, sizeof out->prefix));
    BR_TRY(st, br_object_open(object, "encoder", BR_NEEDED, &encoder));
    BR_TRY(st, read_encoder(&encoder, out));
    (void)snprintf(out->item_table, sizeof out->item_table, "%s%s", out->prefix,
                   out->variant == BR_VARIANT_RECBOLE ? "item_embedding.weight"
                                                      : "item_emb.weight");
    BR_TRY(st, br_object_text(object, "item_table", BR_OPTIONAL, out->item_table,
                              sizeof out->item_table));
done:
    return st;
}
