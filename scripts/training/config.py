# SPDX-License-Identifier: Apache-2.0
"""The training configuration: one JSON file, every key a row of KEYS (default, range, help), an
unknown key an error with the nearest known name. `model` is model.json as docs/FORMATS.md has it,
without what training finds out (rows of statics, means, calibration). Read once per run.

`scripts/train.py --keys` prints the table."""
import copy
import difflib
import json
from pathlib import Path

REQUIRED = object()
KEYS = {
    "name": (REQUIRED, str, "name of the model"),
    "model_version": (REQUIRED, str, "version, for the engine's states and logs"),
    "seed": (1, (0, 2**31), "of everything random"),
    "denied": ([], list, "features that must not be used: statics, aggregates, modalities, groups"),
    "lineage": ("", str, "where the data comes from, for model.json"),
    "model": (REQUIRED, dict, "model.json: dim item modalities static aggregate fusion heads"),

    "data.catalogue": (REQUIRED, str, "catalogue.h5"),
    "data.groups": ([], list, "item groups (/item/group/NAME) that item vectors are made of"),
    "data.values": ([], list, "item values (/item/value/NAME), log1p and standardised"),
    "data.features": ("", str, "f32 [N, F] dataset of catalogue.h5 with item features (text, ...)"),
    "data.customers": ("", str, "next_event: customers.h5; the last event validates"),
    "data.snapshots": ("", str, "window: folder of snapshots, DAY/{customers,labels}.h5"),
    "data.train": ([], list, "days to learn to rank from"),
    "data.heads": ([], list, "days to learn the heads from (default: train)"),
    "data.validate": ([], list, "days that choose the epoch"),
    "data.calibrate": ([], list, "days that calibrate the heads"),
    "data.test": ([], list, "days that are only measured"),
    "data.label": ("purchase", str, "timeline of labels.h5 that is ranked"),

    "objective.type": ("window", ("window", "next_event", "logged"),
                       "window: what a snapshot's labels hold; next_event: the event after each "
                       "event; logged: rewards and propensities of /extra/log"),
    "objective.loss": ("sampled_softmax", ("full_softmax", "sampled_softmax",
                                           "contrast", "binary"),
                       "ranking loss"),
    "objective.negatives": (2000, (0, 10**6), "drawn rows; per positive with binary"),
    "objective.popularity_power": (0.75, (0.0, 1.0), "negatives are drawn by popularity^power"),
    "objective.recall": (0.0, (0.0, 1000.0),
                         "window: weight of the history's own items as further positives, "
                         "shared out over a customer's events (a denoising autoencoder with "
                         "augment.event_dropout)"),
    "objective.recall_modality": ("", str, "recall: timeline of those items"),
    "objective.logged": ("weighted", ("weighted", "policy_gradient"),
                         "logged: inverse-propensity weighted ranking loss, or eq. 11"),
    "objective.clip": (100.0, (1.0, 1e6), "largest importance weight"),
    "objective.temperature": (1.0, (1e-3, 1e3), "policy_gradient: of the softmax policy"),
    "objective.baseline": (0.0, (-1e9, 1e9), "policy_gradient: subtracted from rewards"),
    "objective.gradient_weight": (1.0, (0.0, 1e6), "policy_gradient: its weight"),

    "tasks.joint": (True, bool, "heads are learnt beside the ranking, not only after it"),
    "tasks.weighting": ("rate", ("fixed", "rate", "uncertainty"), "how tasks are balanced"),
    "tasks.weights": ({}, dict, "weight of `ranking` and of each head (1)"),
    "tasks.labels": ({}, dict, "timeline of labels.h5 for each head (its own name)"),
    "tasks.negatives": (2000, (0, 10**6), "drawn rows of an item head, 0: the whole catalogue"),

    "regularisers.smoothness": (0.0, (0.0, 1e6), "weight: similar histories, near x"),
    "regularisers.density": (0.0, (0.0, 1e6), "weight: x of a thinned history stays where it is"),
    "regularisers.density_drop": (0.3, (0.0, 0.99), "density: share of events left out"),
    "regularisers.norm_band": (0.0, (0.0, 1e6), "weight: |x| within norm_lo and norm_hi"),
    "regularisers.norm_lo": (1.0, (0.0, 1e6), "norm_band: lower end"),
    "regularisers.norm_hi": (10.0, (0.0, 1e6), "norm_band: upper end"),
    "regularisers.exposure": (0.0, (0.0, 1e6), "weight: even exposure of exposure_group"),
    "regularisers.exposure_group": ("", str, "exposure: one of data.groups"),
    "regularisers.margin": (0.0, (0.0, 1e6), "weight: expected margin_value at least margin_floor"),
    "regularisers.margin_value": ("", str, "margin: /item/value/NAME"),
    "regularisers.margin_floor": (0.0, (-1e9, 1e9), "margin: floor of its expectation"),

    "augment.event_dropout": (0.0, (0.0, 0.99), "events of a history left out at random"),
    "augment.shift": (0.0, (0.0, 1.0),
                      "next_event: share of the histories longer than max_length that are read at "
                      "a random place, so that their older events teach too"),
    "augment.delay_days": (0.0, (0.0, 365.0),
                           "staleness: the last events, up to this many days, are unseen"),
    "augment.delay_share": (0.5, (0.0, 1.0), "staleness: share of customers that are late"),

    "fit.epochs": (10, (1, 100000), "at most"),
    "fit.patience": (5, (1, 100000), "epochs without a better validation before it ends"),
    "fit.batch": (256, (1, 10**6), "customers per step"),
    "fit.rate": (1e-3, (1e-9, 10.0), "learning rate of Adam"),
    "fit.side_rate": (1.0, (0.0, 1.0), "factor of the rate for statics, aggregates and modalities "
                      "that start at 0"),
    "fit.begin": ("", str, "folder of a bundle of the same model whose weights training begins "
                  "with"),
    "fit.schedule": ("constant", ("constant", "one_cycle"), "of the learning rate"),
    "fit.warmup_steps": (0, (0, 10**6), "constant: steps that the rate takes to rise"),
    "fit.item_decay": (0.0, (0.0, 10.0), "weight decay of the vectors of items and their groups"),
    "fit.decay": (0.0, (0.0, 10.0), "weight decay of everything else"),
    "fit.average": (0.0, (0.0, 0.99999), "weights are a running mean with this decay per step"),
    "fit.clip_norm": (0.0, (0.0, 1e6), "gradients' norm is clipped to it; 0: not"),
    "fit.dropout": (0.0, (0.0, 0.99), "inside the encoders"),
    "fit.item_dropout": (0.0, (0.0, 0.99), "of event vectors' columns"),
    "fit.start": ({}, dict, "modality: g of the fusion starts as this times the "
                  "identity, 0: says nothing at first"),
    "fit.weights": ("F32", ("F32", "F16"), "type of the written weights; the heads are learnt and "
                    "everything is measured after rounding to it"),
    "fit.head_epochs": (0, (0, 1000), "epochs of the heads alone, on frozen x_u and z_i"),
    "fit.head_rate": (3e-3, (1e-9, 10.0), "their learning rate"),
    "fit.metric": ("ndcg", ("ndcg", "hr", "drawn_hr"), "what validation compares, at fit.at; "
                   "drawn_hr (next_event): among 100 drawn rows instead of the catalogue"),
    "fit.at": (10, (1, 1000), "cut-off of validation"),

    "calibration.type": ("platt", ("none", "platt", "isotonic", "best"),
                         "best: the smaller ECE on every second customer"),
    "calibration.items": (50, (1, 1000), "best items per customer that it is fitted on"),
}


class ConfigError(Exception):
    """The configuration is wrong; the message names the key."""


def check_value(key, value, kind):
    if kind is bool or kind in (str, list, dict):
        if not isinstance(value, kind):
            raise ConfigError(f"{key}: found {json.dumps(value)}, expected a {kind.__name__}")
    elif isinstance(kind[0], str):
        if value not in kind:
            raise ConfigError(f"{key}: found {json.dumps(value)}, expected one of "
                              f"{', '.join(kind)}")
    else:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not kind[0] <= value <= kind[1]:
            raise ConfigError(f"{key}: found {json.dumps(value)}, expected a number from "
                              f"{kind[0]} to {kind[1]}")
        if isinstance(kind[0], int) and not isinstance(value, int):
            raise ConfigError(f"{key}: found {value}, expected a whole number")


def flatten(raw):
    """{"a.b": value}; the values of dict keys stay dicts."""
    flat = {}
    for name, value in raw.items():
        if isinstance(value, dict) and name not in KEYS:
            flat |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            flat[name] = value
    return flat


def defaults():
    return {key: copy.deepcopy(row[0]) for key, row in KEYS.items() if row[0] is not REQUIRED}


def load(path, overrides=()):
    """{key: value} of every key. overrides: "key=json" from the command line."""
    try:
        raw = json.loads(Path(path).read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: line {error.lineno}: {error.msg}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a JSON object")
    flat = flatten(raw)
    for text in overrides:
        key, _, value = text.partition("=")
        try:
            flat[key] = json.loads(value)
        except json.JSONDecodeError:
            flat[key] = value
    return check(flat, path)


def check(flat, path):
    out = defaults()
    for key, value in flat.items():
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{path}: unknown key {key}{hint}")
        check_value(f"{path}: {key}", value, KEYS[key][1])
        out[key] = value
    missing = [key for key, row in KEYS.items() if row[0] is REQUIRED and key not in out]
    if missing:
        raise ConfigError(f"{path}: {missing[0]} is missing: {KEYS[missing[0]][2]}")
    check_together(out, path)
    return out


def check_together(c, path):
    kind = c["objective.type"]
    need = "data.customers" if kind == "next_event" else "data.snapshots"
    if not c[need]:
        raise ConfigError(f"{path}: objective.type {kind} needs {need}")
    if kind != "next_event" and not c["data.train"]:
        raise ConfigError(f"{path}: data.train is empty: no day to learn from")
    if c["regularisers.exposure"] and c["regularisers.exposure_group"] not in c["data.groups"]:
        raise ConfigError(f"{path}: regularisers.exposure_group: found "
                          f"'{c['regularisers.exposure_group']}', expected one of data.groups")
    if c["regularisers.margin"] and not c["regularisers.margin_value"]:
        raise ConfigError(f"{path}: regularisers.margin needs regularisers.margin_value")
    if c["objective.recall"] and not c["objective.recall_modality"]:
        raise ConfigError(f"{path}: objective.recall needs objective.recall_modality")


def resolve(c, base):
    """Paths relative to the folder of the configuration."""
    for key in ("data.catalogue", "data.customers", "data.snapshots", "fit.begin"):
        if c[key]:
            c[key] = str((Path(base) / c[key]).resolve())
    return c


def days(c):
    """Every snapshot that a part of the training reads, ascending."""
    return sorted({d for part in ("train", "heads", "validate", "calibrate", "test")
                   for d in c[f"data.{part}"]})


def table():
    """The keys for people."""
    lines = []
    for key, (default, kind, text) in KEYS.items():
        shown = "required" if default is REQUIRED else json.dumps(default)
        if isinstance(kind, tuple):
            text += " (" + (", ".join(kind) if isinstance(kind[0], str)
                            else f"{kind[0]} to {kind[1]}") + ")"
        lines.append(f"  {key:<30} {shown:<18} {text}")
    return "\n".join(lines)
