# SPDX-License-Identifier: Apache-2.0
"""Sequence encoders: RecBole's SASRec and GRU4Rec, pmixer's SASRec. Each function turns a
checkpoint into (element of `modalities` in model.json, tensors); sizes come from the tensors, what
they do not show from the checkpoint's configuration or from the user, never from a guess. Called
once per import."""
import re
from pathlib import Path

import numpy as np

import reference
from importers import checkpoint
from importers.refusal import Refusal, UsageRefusal
from model_shapes import encoder_shapes

ACTIVATIONS = ("gelu", "relu", "swish", "tanh", "sigmoid")
VARIANTS = {"a": "pmixer_a", "b": "pmixer_b", "c-post": "pmixer_c_post", "c-pre": "pmixer_c_pre"}


def settle(what, option, *claims):
    """The one value that (value, who says so) pairs agree on; values of None say nothing."""
    said = [(value, who) for value, who in claims if value is not None]
    if not said:
        raise UsageRefusal(f"the {what} is not in the checkpoint: state it with {option}")
    for value, who in said[1:]:
        if value != said[0][0]:
            raise UsageRefusal(f"{what}: {said[0][1]} says {said[0][0]}, {who} says {value}; "
                               "expected the same")
    return said[0][0]


def table(tensors, name):
    if name not in tensors:
        raise Refusal(f"tensor '{name}' is missing; found {', '.join(sorted(tensors)[:6])}, ...")
    if tensors[name].ndim != 2:
        raise Refusal(f"tensor '{name}': found shape {list(tensors[name].shape)}, expected two "
                      "dimensions")
    return tensors[name]


def count_layers(tensors, pattern):
    found = {int(m.group(1)) for m in (re.match(pattern, name) for name in tensors) if m}
    if not found:
        raise Refusal(f"no tensor is named like {pattern}; found {', '.join(sorted(tensors)[:6])}")
    return max(found) + 1


def check_tensors(tensors, modality, n_rows):
    """Exactly the tensors of the architecture, each with its shape and of floating point."""
    wanted = encoder_shapes(modality, n_rows)
    missing, unknown = sorted(wanted.keys() - tensors), sorted(tensors.keys() - wanted.keys())
    if missing or unknown:
        raise Refusal(f"{len(missing)} tensors are missing {missing[:4]}, {len(unknown)} are not "
                      f"known to this architecture {unknown[:4]}")
    for name, shape in wanted.items():
        if tensors[name].shape != tuple(shape):
            raise Refusal(f"tensor '{name}': found shape {list(tensors[name].shape)}, expected "
                          f"{list(shape)}")
        if tensors[name].dtype.kind != "f":
            raise Refusal(f"tensor '{name}': found {tensors[name].dtype}, expected floating point")
        bad = np.argwhere(~np.isfinite(tensors[name]))
        if len(bad):
            raise Refusal(f"tensor '{name}': row {bad[0][0]}: found "
                          f"{tensors[name][tuple(bad[0])]}, expected finite values")


def split_heads(dim, heads):
    if heads < 1 or dim % heads != 0:
        raise Refusal(f"{dim} columns do not split into {heads} heads of one width")
    return heads


def check_model(config, name):
    found = config.get("model", name)
    if found != name:
        raise UsageRefusal(f"the checkpoint is of RecBole's {found}, expected {name}")


def recbole_sasrec(o):
    tensors, config = checkpoint.read(o.checkpoint)
    check_model(config, "SASRec")
    layer = "trm_encoder.layer."
    dim = table(tensors, "item_embedding.weight").shape[1]
    activation = settle("activation", "--activation", (o.activation, "--activation"),
                        (config.get("hidden_act"), "the configuration"))
    if activation not in ACTIVATIONS:
        raise Refusal(f"activation: found '{activation}', expected one of {', '.join(ACTIVATIONS)}")
    max_length = settle(
        "window", "--max-length", (len(table(tensors, "position_embedding.weight")), "the tensor "
                                   "position_embedding.weight"),
        (o.max_length, "--max-length"), (config.get("MAX_ITEM_LIST_LENGTH"), "the configuration"))
    inner = settle(
        "inner size", "", (len(table(tensors, layer + "0.feed_forward.dense_1.weight")),
                           "the tensor dense_1.weight"),
        (config.get("inner_size"), "the configuration"))
    heads = settle("number of heads", "--heads", (o.heads, "--heads"),
                   (config.get("n_heads"), "the configuration"))
    layers = settle("number of layers", "", (count_layers(tensors, r"trm_encoder\.layer\.(\d+)\."),
                                             "the tensors"),
                    (config.get("n_layers"), "the configuration"))
    eps = float(config.get("layer_norm_eps", 1e-12))
    return modality_of(o, tensors, {
        "type": "attention", "variant": "recbole", "max_length": max_length, "dim": dim,
        "layers": layers, "heads": split_heads(dim, heads), "inner": inner,
        "activation": activation, "eps": eps})


def recbole_gru4rec(o):
    tensors, config = checkpoint.read(o.checkpoint)
    check_model(config, "GRU4Rec")
    dim = table(tensors, "item_embedding.weight").shape[1]
    hidden = settle("hidden size", "", (table(tensors, "gru_layers.weight_hh_l0").shape[1],
                                        "the tensor weight_hh_l0"),
                    (config.get("hidden_size"), "the configuration"))
    layers = settle("number of layers", "",
                    (count_layers(tensors, r"gru_layers\.weight_ih_l(\d+)"), "the tensors"),
                    (config.get("num_layers"), "the configuration"))
    max_length = settle("window", "--max-length", (o.max_length, "--max-length"),
                        (config.get("MAX_ITEM_LIST_LENGTH"), "the configuration"))
    return modality_of(o, tensors, {
        "type": "gru", "max_length": max_length, "dim": dim, "hidden": hidden, "layers": layers,
        "bias": "gru_layers.bias_ih_l0" in tensors, "dense": "dense.weight" in tensors})


def pmixer_arguments(o):
    """What main.py wrote beside its checkpoints: args.txt, 'name,value' by line; {} without it."""
    path = Path(o.args) if o.args else Path(o.checkpoint).with_name("args.txt")
    if not path.is_file():
        if o.args:
            raise Refusal(f"{path}: no such file")
        return {}
    pairs = [line.split(",", 1) for line in path.read_text().splitlines() if "," in line]
    return {name: value for name, value in pairs}


def number_in(arguments, name):
    value = arguments.get(name)
    if value is not None and not value.isdigit():
        raise Refusal(f"args.txt: {name}: found '{value}', expected a number")
    return None if value is None else int(value)


def number_in_name(path, word):
    found = re.search(rf"(?:^|[._]){word}=(\d+)", Path(path).name)
    return int(found.group(1)) if found else None


def check_norm_first(variant, arguments):
    """norm_first came with variant C; it tells post from pre."""
    stated = arguments.get("norm_first")
    if stated is None:
        return
    wanted = "pmixer_c_pre" if stated == "True" else "pmixer_c_post"
    if variant != wanted:
        raise UsageRefusal(f"variant: --variant says {variant}, norm_first = {stated} in args.txt "
                           f"says {wanted}; expected the same")


def pmixer_sasrec(o):
    if o.variant is None:
        raise UsageRefusal(
            "the variant is not in the checkpoint (b, c-post and c-pre have the same tensors): "
            "state it with --variant. a: code until 2024-06-24; b: until 2025-05-20; c-post: "
            "later; c-pre: later, trained with --norm_first")
    tensors, _ = checkpoint.read(o.checkpoint)
    arguments, variant = pmixer_arguments(o), VARIANTS[o.variant]
    check_norm_first(variant, arguments)
    dim = table(tensors, "item_emb.weight").shape[1]
    n_positions = len(table(tensors, "pos_emb.weight"))
    max_length = settle(
        "window", "--max-length",
        (n_positions - (variant != "pmixer_a"), f"pos_emb.weight of {n_positions} rows in "
         f"{variant}"),
        (o.max_length, "--max-length"), (number_in(arguments, "maxlen"), "args.txt"),
        (number_in_name(o.checkpoint, "maxlen"), "the file's name"))
    heads = settle("number of heads", "--heads", (o.heads, "--heads"),
                   (number_in(arguments, "num_heads"), "args.txt"),
                   (number_in_name(o.checkpoint, "head"), "the file's name"))
    return modality_of(o, tensors, {
        "type": "attention", "variant": variant, "max_length": max_length, "dim": dim,
        "layers": count_layers(tensors, r"attention_layers\.(\d+)\."),
        "heads": split_heads(dim, heads)})


def modality_of(o, tensors, encoder):
    modality = {"name": o.modality, "vocabulary": "catalogue", "prefix": "", "encoder": encoder}
    modality["item_table"] = reference.item_table(modality)
    check_tensors(tensors, modality, len(tensors[modality["item_table"]]))
    if encoder["max_length"] < 1:
        raise Refusal(f"max_length is {encoder['max_length']}, expected at least 1")
    return modality, tensors
