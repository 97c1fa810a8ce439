# SPDX-License-Identifier: Apache-2.0
"""`model` of a training configuration, checked as the engine will check model.json, and the keys
that refer to its parts: a mistake ends the run before it learns, not the night's job after. Called
once per training run."""
import difflib

import reference
from training.config import ConfigError, check_value

ACTIVATIONS = ("gelu", "relu", "swish", "tanh", "sigmoid")
VARIANTS = ("recbole", "pmixer_a", "pmixer_b", "pmixer_c_post", "pmixer_c_pre")
WIDTH, LAYERS, LENGTH, EPS = (1, 4096), (1, 64), (1, 65536), (0.0, 1.0)
BASE = {"type": (True, str), "max_length": (True, LENGTH), "dim": (True, WIDTH)}
TABLES = {"gaps": (False, (0, 64)), "types": (False, (0, 256)), "modality_embedding": (False, bool)}
# {place: {key: (required, type, choices or range as config.KEYS has them)}}
ENCODERS = {
    "attention": BASE | TABLES | {
        "variant": (True, VARIANTS), "layers": (True, LAYERS), "heads": (True, WIDTH),
        "inner": (False, (1, 16384)), "activation": (False, ACTIVATIONS), "eps": (False, EPS)},
    "gru": BASE | TABLES | {"hidden": (True, WIDTH), "layers": (True, LAYERS),
                            "bias": (False, bool), "dense": (False, bool)},
    "decay": BASE | {"half_lives_s": (True, list)}}
HEADS = {
    "item": {"name": (True, str), "type": (False, str), "link": (False, ("logistic",)),
             "item_bias": (False, bool)},
    "survival": {"name": (True, str), "type": (True, str), "link": (False, ("logistic",)),
                 "periods": (True, (1, 64)), "period_s": (True, (1, 2**31 - 1))}}
MODEL = {"dim": (True, (1, 1024)), "item": (False, dict), "modalities": (True, list),
         "static": (False, list), "aggregate": (False, list), "fusion": (False, dict),
         "heads": (False, list)}
ITEM = {"vocabulary": (False, ("catalogue",)), "table": (False, str), "bias": (False, None),
        "groups": (False, list), "values": (False, list), "constant": (False, bool),
        "id_prior": (False, (0.0, 1e9)), "start": (False, (0.0, 1e3))}
MODALITY = {"name": (True, str), "vocabulary": (True, str), "prefix": (False, str),
            "item_table": (False, str), "encoder": (True, dict)}
STATIC = {"name": (True, str), "dim": (True, WIDTH)}
FUSION = {"type": (True, ("none", "gated")), "eps": (False, EPS), "mlp_layers": (False, (0, 3)),
          "mlp_activation": (False, ACTIVATIONS), "band": (False, dict), "train_as": (False, str)}
BAND = {"lo": (True, (0.0, 1e30)), "hi": (True, (0.0, 1e30))}


def check_object(where, value, rows):
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected an object")
    for name, found in value.items():
        if name not in rows:
            near = difflib.get_close_matches(name, rows, 1)
            raise ConfigError(f"{where}: unknown key {name}"
                              + (f"; did you mean {near[0]}?" if near else ""))
        if rows[name][1] is not None:
            check_value(f"{where}: {name}", found, rows[name][1])
    for name, (is_required, _) in rows.items():
        if is_required and name not in value:
            raise ConfigError(f"{where}: {name} is missing")


def check_once(where, names):
    twice = [n for n in names if names.count(n) > 1]
    if twice:
        raise ConfigError(f"{where}: '{twice[0]}' is there twice")


def check_model(model):
    """Of what a person wrote, before defaults."""
    unknown = sorted(set(model) - set(MODEL))
    if unknown:
        raise ConfigError(f"model: unknown key {unknown[0]}")
    for key in ("dim", "modalities"):
        if not model.get(key):
            raise ConfigError(f"model.{key} is missing")
    check_object("model", model, MODEL)
    check_object("model.item", model.get("item", {}), ITEM)
    if not isinstance(model.get("item", {}).get("bias", False), (bool, str)):
        raise ConfigError("model.item: bias: expected true, false or the tensor's name")
    for modality in model["modalities"]:
        check_object("model.modalities" + name_of(modality), modality, MODALITY)
        check_encoder(f"model.modalities: {modality['name']}", modality["encoder"])
    for column in model.get("static", []):
        check_object("model.static" + name_of(column), column, STATIC)
    for name in model.get("aggregate", []):
        check_value("model.aggregate", name, str)
    for head in model.get("heads", []):
        check_head("model.heads" + name_of(head), head)
    for part in ("modalities", "static", "heads"):
        check_once(f"model.{part}", [e["name"] for e in model.get(part, [])])
    check_once("model.aggregate", model.get("aggregate", []))
    check_object("model.fusion", model.get("fusion", {"type": "none"}), FUSION)
    if "band" in model.get("fusion", {}):
        band = model["fusion"]["band"]
        check_object("model.fusion: band", band, BAND)
        if band["lo"] > band["hi"]:
            raise ConfigError(f"model.fusion: band: lo {band['lo']} is above hi {band['hi']}")


def name_of(value):
    name = value.get("name", "") if isinstance(value, dict) else ""
    return f": {name}" if isinstance(name, str) and name else ""


def check_encoder(where, encoder):
    kind = encoder.get("type")
    if kind not in tuple(ENCODERS):
        raise ConfigError(f"{where}: encoder.type is {kind}, expected attention, gru or decay")
    where = f"{where}: encoder"
    check_object(where, encoder, ENCODERS[kind])
    if kind == "decay":
        if not encoder["half_lives_s"]:
            raise ConfigError(f"{where}: half_lives_s is empty")
        for half_life in encoder["half_lives_s"]:
            check_value(f"{where}: half_lives_s", half_life, (1e-9, 1e18))
    if kind != "attention":
        return
    if encoder["dim"] % encoder["heads"]:
        raise ConfigError(f"{where}: {encoder['heads']} heads do not divide dim {encoder['dim']}")
    if encoder["variant"] == "recbole":
        if "inner" not in encoder:
            raise ConfigError(f"{where}: inner is missing")
    elif encoder.get("inner", encoder["dim"]) != encoder["dim"] or \
            encoder.get("activation", "relu") != "relu":
        raise ConfigError(f"{where}: pmixer has inner {encoder['dim']} (its dim) and relu")


def check_head(where, head):
    kind = head.get("type", "item") if isinstance(head, dict) else "item"
    if kind == "pair_mlp":
        raise ConfigError(f"{where}: type is pair_mlp, expected item or survival; "
                          "scripts/train_reranker.py adds such a head to a trained model")
    if kind not in tuple(HEADS):
        raise ConfigError(f"{where}: type is {kind}, expected item or survival")
    check_object(where, head, HEADS[kind])
    if head["name"] == "ranking":
        raise ConfigError(f"{where}: the task of ranking has that name; expected another")


def check_full(spec):
    """Of the specification with its defaults: what the parts make of each other."""
    own = []
    for m in spec["modalities"]:
        if m.get("item_table") != spec["item"]["table"]:
            own.append(reference.item_table(m))
        elif m["vocabulary"] != "catalogue" or m["encoder"]["dim"] != spec["dim"]:
            raise ConfigError(f"model.modalities: {m['name']}: item_table is the items' own: "
                              f"expected vocabulary catalogue and dim {spec['dim']}")
    check_once("model.modalities: item_table", [*own, spec["item"]["table"]])
    if spec["fusion"]["type"] != "none":
        return
    if len(spec["modalities"]) != 1:
        raise ConfigError("model.fusion: none takes one modality")
    for name in ("static", "aggregate"):
        if spec[name]:
            raise ConfigError(f"model.fusion: none takes no {name}")
    for name in ("mlp_layers", "band"):
        if spec["fusion"].get(name):
            raise ConfigError(f"model.fusion: none takes no {name}")
    width = reference.out_dim(spec["modalities"][0])
    if width != spec["dim"]:
        raise ConfigError(f"model.fusion: none: modality {spec['modalities'][0]['name']} gives "
                          f"{width} columns, dim is {spec['dim']}")


def check_references(c, spec):
    """Keys of the configuration that name a part of the model, or go against it."""
    heads = [h["name"] for h in spec["heads"]]
    modalities = [m["name"] for m in spec["modalities"]]
    for key, known in (("tasks.weights", ["ranking", *heads]), ("tasks.labels", heads),
                       ("fit.start", modalities)):
        for name, value in c[key].items():
            if name not in known:
                raise ConfigError(f"{key}: found '{name}', expected one of {', '.join(known)}")
            check_value(f"{key}: {name}", value, str if key == "tasks.labels" else (0.0, 1e9))
    items = [m["name"] for m in spec["modalities"] if m["vocabulary"] == "catalogue"]
    if c["objective.recall"] and c["objective.recall_modality"] not in items:
        raise ConfigError(f"objective.recall_modality: found '{c['objective.recall_modality']}', "
                          f"expected one of {', '.join(items)}")
    if c["regularisers.smoothness"] and not items:
        raise ConfigError("regularisers.smoothness: no modality has items of the catalogue")
    check_denied(c, spec)
    if c["objective.type"] == "next_event":
        check_next_event(c, spec)
        return
    if not c["data.validate"]:
        raise ConfigError("data.validate is empty: no day chooses the epoch")
    for part in ("train", "heads", "validate", "calibrate"):
        both = sorted(set(c["data.test"]) & set(c[f"data.{part}"]))
        if both:
            raise ConfigError(f"data.test: {both[0]} is in data.{part} too; a day of the test is "
                              "only measured")


def check_denied(c, spec):
    used = {"modality": [m["name"] for m in spec["modalities"]],
            "static": [s["name"] for s in spec["static"]],
            "aggregate": [a["name"] for a in spec["aggregate"]], "group": c["data.groups"],
            "value": c["data.values"], "item features": [c["data.features"]],
            "margin": [c["regularisers.margin_value"]] if c["regularisers.margin"] else []}
    for kind, names in used.items():
        for name in names:
            if name and name in c["denied"]:
                raise ConfigError(f"{kind} '{name}' is in `denied`: take it out of one")


def check_next_event(c, spec):
    for part in ("train", "heads", "validate", "calibrate", "test"):
        if c[f"data.{part}"]:
            raise ConfigError(f"objective.type next_event reads no snapshots; expected data.{part} "
                              "empty")
    if spec["fusion"]["type"] != "none":
        raise ConfigError("objective.type next_event needs model.fusion none")
    if spec["modalities"][0]["encoder"]["type"] == "decay":
        raise ConfigError("objective.type next_event needs attention or gru, found decay")
    if spec["modalities"][0]["vocabulary"] != "catalogue":
        raise ConfigError("objective.type next_event needs a modality of the vocabulary catalogue")
    if spec["heads"]:
        raise ConfigError("objective.type next_event learns no heads; expected model.heads empty")
