# SPDX-License-Identifier: Apache-2.0
"""Names and shapes of the tensors of encoders and heads, as docs/FORMATS.md lists them. `e` is an
element of `modalities` in model.json, `head` one of `heads`. Imported by importers and tests."""
import reference


def norm_shapes(name, dim):
    return {name + ".weight": (dim,), name + ".bias": (dim,)}


def linear_shapes(name, n_out, n_in):
    return {name + ".weight": (n_out, n_in), name + ".bias": (n_out,)}


def attention_shapes(e):
    enc, p, d = e["encoder"], e.get("prefix", ""), e["encoder"]["dim"]
    shapes = {}
    if enc["variant"] == "recbole":
        shapes[p + "position_embedding.weight"] = (enc["max_length"], d)
        shapes |= norm_shapes(p + "LayerNorm", d)
        for i in range(enc["layers"]):
            att = f"{p}trm_encoder.layer.{i}.multi_head_attention."
            ffn = f"{p}trm_encoder.layer.{i}.feed_forward."
            for part in ("query", "key", "value", "dense"):
                shapes |= linear_shapes(att + part, d, d)
            shapes |= linear_shapes(ffn + "dense_1", enc["inner"], d)
            shapes |= linear_shapes(ffn + "dense_2", d, enc["inner"])
            shapes |= norm_shapes(att + "LayerNorm", d) | norm_shapes(ffn + "LayerNorm", d)
        return shapes
    shapes[p + "pos_emb.weight"] = (enc["max_length"] + (enc["variant"] != "pmixer_a"), d)
    shapes |= norm_shapes(p + "last_layernorm", d)
    for i in range(enc["layers"]):
        att, ffn = f"{p}attention_layers.{i}", f"{p}forward_layers.{i}"
        shapes[att + ".in_proj_weight"] = (3 * d, d)
        shapes[att + ".in_proj_bias"] = (3 * d,)
        shapes |= linear_shapes(att + ".out_proj", d, d)
        for conv in (".conv1", ".conv2"):
            shapes[ffn + conv + ".weight"] = (d, d, 1)
            shapes[ffn + conv + ".bias"] = (d,)
        shapes |= norm_shapes(f"{p}attention_layernorms.{i}", d)
        shapes |= norm_shapes(f"{p}forward_layernorms.{i}", d)
    return shapes


def gru_shapes(e):
    enc, p, h = e["encoder"], e.get("prefix", "") + "gru_layers.", e["encoder"]["hidden"]
    shapes = {}
    for i in range(enc["layers"]):
        shapes[f"{p}weight_ih_l{i}"] = (3 * h, h if i else enc["dim"])
        shapes[f"{p}weight_hh_l{i}"] = (3 * h, h)
        if enc["bias"]:
            shapes[f"{p}bias_ih_l{i}"] = shapes[f"{p}bias_hh_l{i}"] = (3 * h,)
    if enc["dense"]:
        shapes |= linear_shapes(e.get("prefix", "") + "dense", enc["dim"], h)
    return shapes


def encoder_shapes(e, n_rows):
    enc, p, d = e["encoder"], e.get("prefix", ""), e["encoder"]["dim"]
    shapes = {reference.item_table(e): (n_rows, d)}
    if enc.get("gaps"):
        shapes[p + "gap_embedding.weight"] = (enc["gaps"], d)
    if enc.get("types"):
        shapes[p + "type_embedding.weight"] = (enc["types"], d)
    if enc.get("modality_embedding"):
        shapes[p + "modality_embedding.weight"] = (1, d)
    if enc["type"] == "attention":
        shapes |= attention_shapes(e)
    if enc["type"] == "gru":
        shapes |= gru_shapes(e)
    return shapes


def head_shapes(head, dim, n_items):
    name = "head." + head["name"]
    if head.get("type") == "survival":
        return linear_shapes(name, head["periods"], dim)
    if head.get("type") == "pair_mlp":
        shapes, widths = {}, [3 * dim, *head["hidden"], 1]
        for i, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
            shapes |= linear_shapes(f"{name}.{i}", n_out, n_in)
    else:
        shapes = {name + ".weight": (dim, dim), name + ".bias": (1,)}
    if head.get("item_bias"):
        shapes[name + ".item_bias"] = (n_items,)
    return shapes
