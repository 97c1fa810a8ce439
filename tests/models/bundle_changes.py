# SPDX-License-Identifier: Apache-2.0
"""One good model bundle and the ways to change it: what is written (a function of the bundle) and,
once written, its files. Used by bad_bundles.py."""
import copy
import json
import os
import struct
from pathlib import Path

import h5py
import numpy as np

import model_case
from model_case import bundle_writer

ROWS = {"catalogue": 12, "campaign": 5}
MODEL = {
    "format": "batchrank-model", "version": 1, "name": "case", "model_version": "1", "dim": 8,
    "item": {"vocabulary": "catalogue", "table": "item_embedding.weight", "bias": "item_bias"},
    "modalities": [
        {"name": "purchase", "vocabulary": "catalogue", "prefix": "purchase.",
         "item_table": "item_embedding.weight",
         "encoder": {"type": "attention", "variant": "recbole", "max_length": 6, "dim": 8,
                     "layers": 2, "heads": 2, "inner": 16, "activation": "gelu"}},
        {"name": "mailing", "vocabulary": "campaign", "prefix": "mailing.",
         "encoder": {"type": "gru", "max_length": 5, "dim": 4, "hidden": 3, "layers": 1,
                     "bias": True, "dense": False}},
        {"name": "redemption", "vocabulary": "campaign", "prefix": "redemption.",
         "encoder": {"type": "decay", "max_length": 5, "dim": 4, "half_lives_s": [60, 3600]}}],
    "static": [{"name": "age", "dim": 2, "rows": 4}],
    "aggregate": [{"name": "baskets 30d", "mean": 3.0, "std": 2.0}],
    "fusion": {"type": "gated", "mlp_layers": 1, "band": {"lo": 0.5, "hi": 8.0}},
    "heads": [{"name": "buy", "link": "logistic", "item_bias": True,
               "calibration": {"type": "platt", "a": 1.5, "b": 0.5}},
              {"name": "spend", "link": "identity",
               "calibration": {"type": "isotonic", "points": [[-1, 0.1], [1, 0.9]]}},
              {"name": "lapse", "type": "survival", "periods": 4, "period_s": 604800,
               "calibration": {"type": "isotonic", "points": [[0, 0.1], [1, 0.9]]}},
              {"name": "again", "type": "pair_mlp", "hidden": [5, 3], "link": "logistic",
               "item_bias": True, "calibration": {"type": "platt", "a": 1.5, "b": 0.5}}],
    "training": {"command": "anything", "window": ["2017-01-01", "2017-10-01"]}}
ITEMS, GRU = "item_embedding.weight", "mailing.gru_layers.weight_hh_l0"

good = model_case.random_tensors(np.random.default_rng(3), model_case.model_shapes(MODEL, ROWS))


class Bundle:
    """What is written: changed by a case before, or on disk after."""

    def __init__(self, folder):
        self.folder, self.weights = folder, folder / "weights.safetensors"
        self.json, self.vocabulary = folder / "model.json", folder / "vocabulary.h5"
        self.model, self.tensors = copy.deepcopy(MODEL), dict(good)
        self.keys = model_case.vocabularies(MODEL, ROWS)

    def write(self):
        bundle_writer.write_bundle(self.folder, self.model, self.tensors, self.keys)

    def header(self, change):
        """Rewrites the JSON header of the weights: a function of the dict, or raw bytes."""
        raw = self.weights.read_bytes()
        n = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8:8 + n])
        text = change if isinstance(change, bytes) else None
        if text is None:
            change(header)
            text = json.dumps(header).encode()
        self.weights.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + n:])


def at(path, value):
    """Sets (or with ... deletes) a place of model.json: "modalities.0.encoder.layers"."""
    def change(b):
        node, *keys = b.model, *path.split(".")
        for key in keys[:-1]:
            node = node[int(key) if key.isdigit() else key]
        if value is ...:
            del node[keys[-1]]
        else:
            node[int(keys[-1]) if keys[-1].isdigit() else keys[-1]] = value
    return change


def tensor(name, value):
    def change(b):
        if value is ...:
            del b.tensors[name]
        else:
            b.tensors[name] = value(b.tensors[name]) if callable(value) else value
    return change


def poke(name, value):
    def change(array):
        array = array.copy()
        array.flat[5] = value
        return array
    return tensor(name, change)


def keys(name, change):
    def edit(b):
        b.keys[name] = change(b.keys[name])
    return edit


def header(change):
    return lambda b: b.header(change)


def entry(name, field, value):
    def change(h):
        h[name][field] = value(h[name][field]) if callable(value) else value
    return header(change)


def file_bytes(name, change):
    def edit(b):
        path = b.folder / name
        path.write_bytes(change(path.read_bytes()))
    return edit


def remove(name):
    return lambda b: (b.folder / name).unlink()


def as_pipe(name):
    def edit(b):
        (b.folder / name).unlink()
        os.mkfifo(b.folder / name)
    return edit


def attribute(name, value):
    def edit(b):
        with h5py.File(b.vocabulary, "r+") as f:
            f.attrs[name] = value
    return edit


def replace_keys(name, dataset):
    def edit(b):
        with h5py.File(b.vocabulary, "r+") as f:
            del f[f"/{name}/key"]
            f[f"/{name}/key"] = dataset
    return edit


def swap(h):
    a, b = sorted((n for n in h if n != "__metadata__"), key=lambda n: h[n]["data_offsets"])[:2]
    h[b]["data_offsets"] = [x - 4 for x in h[b]["data_offsets"]]


def gap(h):
    last = max(h, key=lambda n: h[n]["data_offsets"])
    h[last]["data_offsets"] = [x + 4 for x in h[last]["data_offsets"]]


def raw_text(change):
    return lambda b: b.json.write_text(change(b.json.read_text()))
