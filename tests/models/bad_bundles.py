# SPDX-License-Identifier: Apache-2.0
"""The catalogue of bad model bundles: one good bundle, what is done to it, the code and a piece of
the message that each gets. BEFORE changes what is written, AFTER the files. Run by test_bundles.py.
"""
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
               "calibration": {"type": "isotonic", "points": [[0, 0.1], [1, 0.9]]}}],
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


ENC, GRU_ENC = "modalities.0.encoder", "modalities.1.encoder"
BEFORE = [  # (name, change, code, piece of the message)
    ("good", lambda b: None, "ok", ""),
    ("item null", lambda b: [at("item", None)(b), at("heads.0.item_bias", False)(b),
                             tensor("item_bias", ...)(b), tensor("head.buy.item_bias", ...)(b)],
     "ok", ""),
    ("numeric keys", keys("campaign", lambda k: np.arange(len(k))), "ok", ""),
    # model.json
    ("unknown key", at("modalitys", []),
     "E_INPUT", "modalitys: unknown key, did you mean 'modalities'?"),
    ("unknown encoder key", at(ENC + ".droput", 0.1),
     "E_INPUT", "modalities[0].encoder.droput: unknown key"),
    ("near encoder key", at(ENC + ".layer", 2), "E_INPUT", "did you mean 'layers'?"),
    ("gru key in attention", at(ENC + ".hidden", 8),
     "E_INPUT", "modalities[0].encoder.hidden: unknown key"),
    ("other format", at("format", "batchrank-customers"),
     "E_INPUT", "format: found 'batchrank-customers'"),
    ("other version", at("version", 2),
     "E_INPUT", "version: found 2, expected a whole number in 1..1"),
    ("no dim", at("dim", ...), "E_INPUT", "dim is missing, expected a whole number"),
    ("no item", at("item", ...), "E_INPUT", "item is missing, expected an object, or null"),
    ("dim as text", at("dim", "8"), "E_INPUT", "dim: found a string, expected a whole number"),
    ("dim fraction", at("dim", 8.5),
     "E_INPUT", "dim: found 8.5, expected a whole number in 1..1024"),
    ("dim too large", at("dim", 4096), "E_INPUT", "dim: found 4096"),
    ("no layers", at(ENC + ".layers", 0),
     "E_INPUT", "modalities[0].encoder.layers: found 0, expected a whole number in 1..64"),
    ("negative length", at(ENC + ".max_length", -1),
     "E_INPUT", "modalities[0].encoder.max_length: found -1"),
    ("heads do not divide", at(ENC + ".heads", 3), "E_INPUT", "dim 8 does not split into 3 heads"),
    ("unknown variant", at(ENC + ".variant", "pmixer"),
     "E_INPUT", "found 'pmixer', expected one of: recbole, pmixer_a"),
    ("variant left out", at(ENC + ".variant", ...),
     "E_INPUT", "modalities[0].encoder.variant is missing"),
    ("unknown activation", at(ENC + ".activation", "mish"), "E_INPUT", "activation: found 'mish'"),
    ("negative eps", at(ENC + ".eps", -1e-5), "E_INPUT", "modalities[0].encoder.eps: found -1e-05"),
    ("unknown encoder", at(ENC + ".type", "lstm"),
     "E_INPUT", "found 'lstm', expected one of: attention, gru, decay"),
    ("bias left out", at(GRU_ENC + ".bias", ...),
     "E_INPUT", "modalities[1].encoder.bias is missing, expected true or false"),
    ("bias as number", at(GRU_ENC + ".bias", 1),
     "E_INPUT", "bias: found a number, expected true or false"),
    ("half-life 0", at("modalities.2.encoder.half_lives_s", [60, 0]),
     "E_INPUT", "half_lives_s[1]: found 0"),
    ("no half-life", at("modalities.2.encoder.half_lives_s", []),
     "E_INPUT", "half_lives_s: found no element"),
    ("nine half-lives", at("modalities.2.encoder.half_lives_s", [1] * 9),
     "E_INPUT", "found 9 elements, expected at most 8"),
    ("modality twice", at("modalities.2.name", "mailing"),
     "E_INPUT", "modality 'mailing' is there twice"),
    ("modality with slash", at("modalities.2.name", "a/b"),
     "E_INPUT", "modalities[2].name: found 'a/b', expected letters"),
    ("vocabulary upwards", at("modalities.2.vocabulary", "../x"),
     "E_INPUT", "modalities[2].vocabulary: found '../x'"),
    ("empty name", at("name", ""), "E_INPUT", "name: found 0 bytes, expected 1 to 63"),
    ("modality no object", at("modalities.1", 7),
     "E_INPUT", "modalities[1]: found a number, expected an object"),
    ("none with three", at("fusion", {"type": "none"}),
     "E_INPUT", "fusion is none, but there are 3 modalities"),
    ("none with band", at("fusion", {"type": "none", "band": {"lo": 1}}),
     "E_INPUT", "fusion.band: unknown key"),
    ("band upside down", at("fusion.band", {"lo": 9, "hi": 8}), "E_INPUT", "lo is 9 and hi is 8"),
    ("four mlp layers", at("fusion.mlp_layers", 4), "E_INPUT", "fusion.mlp_layers: found 4"),
    ("std 0", at("aggregate.0.std", 0), "E_INPUT", "aggregate[0].std: found 0"),
    ("static twice", lambda b: b.model["static"].append(b.model["static"][0]),
     "E_INPUT", "static 'age' is there twice"),
    ("head twice", at("heads.1.name", "buy"), "E_INPUT", "head 'buy' is there twice"),
    ("item null with item_bias", at("item", None),
     "E_INPUT", "head 'buy' has an item_bias, but item is null"),
    ("platt with points", at("heads.0.calibration.points", [[0, 0]]),
     "E_INPUT", "heads[0].calibration.points: unknown key"),
    ("points not ascending", at("heads.1.calibration.points", [[1, 0], [1, 1]]),
     "E_INPUT", "head 'spend': calibration point 1 has input 1 after 1"),
    ("point of three", at("heads.1.calibration.points", [[1, 0, 2]]),
     "E_INPUT", "points[0]: expected two numbers"),
    ("no points", at("heads.1.calibration.points", []), "E_INPUT", "found no point"),
    ("unknown link", at("heads.0.link", "probit"), "E_INPUT", "heads[0].link: found 'probit'"),
    ("type stated", at("heads.0.type", "item"), "ok", ""),
    ("unknown type", at("heads.2.type", "hazard"),
     "E_INPUT", "heads[2].type: found 'hazard', expected one of: item, survival"),
    ("type as number", at("heads.2.type", 1),
     "E_INPUT", "heads[2].type: found a number, expected item, survival"),
    ("item head with periods", at("heads.0.periods", 4),
     "E_INPUT", "heads[0].periods: unknown key"),
    ("survival with item_bias", at("heads.2.item_bias", True),
     "E_INPUT", "heads[2].item_bias: unknown key"),
    ("survival, logistic", at("heads.2.link", "logistic"), "ok", ""),
    ("survival, identity", at("heads.2.link", "identity"),
     "E_INPUT", "heads[2].link: found 'identity', expected one of: logistic"),
    ("no periods", at("heads.2.periods", ...),
     "E_INPUT", "heads[2].periods is missing, expected a whole number"),
    ("periods 0", at("heads.2.periods", 0),
     "E_INPUT", "heads[2].periods: found 0, expected a whole number in 1..64"),
    ("65 periods", at("heads.2.periods", 65),
     "E_INPUT", "heads[2].periods: found 65, expected a whole number in 1..64"),
    ("half a period", at("heads.2.periods", 3.5),
     "E_INPUT", "heads[2].periods: found 3.5, expected a whole number"),
    ("no period_s", at("heads.2.period_s", ...),
     "E_INPUT", "heads[2].period_s is missing, expected a whole number"),
    ("period_s 0", at("heads.2.period_s", 0),
     "E_INPUT", "heads[2].period_s: found 0, expected a whole number in 1..2147483647"),
    ("period", at("heads.2.period", 4), "E_INPUT", "heads[2].period: unknown key, did you mean"),
    ("survival named as an item head", at("heads.2.name", "buy"),
     "E_INPUT", "head 'buy' is there twice"),
    ("hazard above 1", at("heads.2.calibration.points", [[0, 0.1], [1, 1.5]]),
     "E_INPUT", "head 'lapse': calibration point 1 has output 1.5, expected 0..1"),
    # tensors against the description
    ("missing tensor", tensor(GRU, ...),
     "E_INPUT", f"tensor '{GRU}' is missing, expected shape [9, 3]"),
    ("renamed tensor", lambda b: [tensor("mailing.whh", b.tensors[GRU])(b), tensor(GRU, ...)(b)],
     "E_INPUT", "'mailing.whh' [9, 3] is there, but nothing asks for it"),
    ("extra tensor", tensor("fc.weight", np.zeros((2, 3))),
     "E_INPUT", "tensor 'fc.weight' [2, 3]: nothing in the model asks for it"),
    ("wrong shape", tensor(GRU, np.zeros((3, 9))),
     "E_INPUT", f"'{GRU}': found shape [3, 9], expected [9, 3]"),
    ("wrong rank", tensor("fusion.attention", np.zeros((1, 8))),
     "E_INPUT", "found shape [1, 8], expected [8]"),
    ("position table of another length", at(ENC + ".max_length", 7),
     "E_INPUT", "found shape [6, 8], expected [7, 8]"),
    ("NaN", poke(GRU, np.nan), "E_INPUT", f"'{GRU}': found NaN in row 1, place 2"),
    ("Inf", poke("item_bias", -np.inf), "E_INPUT", "'item_bias': found Inf in row 5, place 0"),
    ("short item bias", tensor("item_bias", np.zeros(11)),
     "E_INPUT", "'item_bias': found 11 values, expected 12"),
    ("long head bias", tensor("head.buy.item_bias", np.zeros(13)),
     "E_INPUT", "'head.buy.item_bias': found 13 values, expected 12"),
    ("item table of another width", tensor(ITEMS, np.zeros((12, 9))),
     "E_INPUT", f"'{ITEMS}': found shape [12, 9], expected [V, 8]"),
    ("hazards of another count", at("heads.2.periods", 5),
     "E_INPUT", "'head.lapse.weight': found shape [4, 8], expected [5, 8]"),
    ("hazards of a square", tensor("head.lapse.weight", np.zeros((8, 8))),
     "E_INPUT", "'head.lapse.weight': found shape [8, 8], expected [4, 8]"),
    ("one hazard bias", tensor("head.lapse.bias", np.zeros(1)),
     "E_INPUT", "'head.lapse.bias': found shape [1], expected [4]"),
    ("survival with an item bias tensor", tensor("head.lapse.item_bias", np.zeros(12)),
     "E_INPUT", "'head.lapse.item_bias' [12]: nothing in the model asks for it"),
    # vocabulary against tensors
    ("short vocabulary", keys("catalogue", lambda k: k[:-1]),
     "E_INPUT", "/catalogue/key: found 11 keys, expected 12, one per row of tensor"),
    ("static rows", at("static.0.rows", 5),
     "E_INPUT", "'static.age.weight': found shape [4, 2], expected [5, 2]"),
    ("static keys", keys("static.age", lambda k: k + [b"more"]),
     "E_INPUT", "/static.age/key: found 5 keys, expected 4"),
    ("static row 0", keys("static.age", lambda k: [b"young"] + k[1:]),
     "E_INPUT", "row 0 is 'young', expected an empty key: it is the missing row"),
    ("key twice", keys("campaign", lambda k: k[:-1] + [k[1]]),
     "E_INPUT", "key 'campaign-1' is in rows 1 and 4"),
    ("no vocabulary", lambda b: b.keys.pop("campaign"), "E_INPUT", "campaign"),
    ("vocabulary nobody reads", lambda b: b.keys.update(campain=[b"x"]), "E_INPUT", "campain"),
]
AFTER = [  # done to the files
    ("no model.json", remove("model.json"), "E_IO", "model.json: cannot open"),
    ("no weights", remove("weights.safetensors"), "E_IO", "weights.safetensors: cannot open"),
    ("no vocabulary.h5", remove("vocabulary.h5"), "E_IO", "vocabulary.h5: cannot open"),
    ("pipe for weights", as_pipe("weights.safetensors"),
     "E_IO", "found a pipe or device, expected a file"),
    ("key twice in JSON", raw_text(lambda t: t.replace('"dim": 8', '"dim": 8, "dim": 9', 1)),
     "E_INPUT", ": this key is there twice"),
    ("JSON cut off", raw_text(lambda t: t[:200]), "E_INPUT", "model.json:"),
    ("text after JSON", raw_text(lambda t: t + "x"), "E_INPUT", "model.json:"),
    ("JSON array", raw_text(lambda t: "[]"), "E_INPUT", "found an array, expected an object"),
    ("NaN in JSON", raw_text(lambda t: t.replace("3.0", "NaN")), "E_INPUT", "model.json:"),
    ("empty model.json", raw_text(lambda t: ""), "E_INPUT", "model.json"),
    ("weights empty", file_bytes("weights.safetensors", lambda r: b""),
     "E_INPUT", "truncated: has 0 bytes"),
    ("weights of 7 bytes", file_bytes("weights.safetensors", lambda r: r[:7]),
     "E_INPUT", "truncated: has 7 bytes"),
    ("header cut off", file_bytes("weights.safetensors", lambda r: r[:100]),
     "E_INPUT", "its header alone is"),
    ("data cut off", file_bytes("weights.safetensors", lambda r: r[:-4]), "E_INPUT", "truncated"),
    ("data too long", file_bytes("weights.safetensors", lambda r: r + b"\0" * 4),
     "E_INPUT", "4 more than its header says"),
    ("huge header", file_bytes("weights.safetensors", lambda r: struct.pack("<Q", 1 << 62) + r[8:]),
     "E_INPUT", "at most 16777216 are read"),
    ("pickle", file_bytes("weights.safetensors", lambda r: b"PK\3\4" + r),
     "E_INPUT", "not a safetensors file?"),
    ("header no object", header(b"[1, 2]"),
     "E_INPUT", "header begins with byte 0x5b, expected '{'"),
    ("header no JSON", header(b"{\"a\": }"), "E_INPUT", "weights.safetensors:1:"),
    ("name twice", header(b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{}}'),
     "E_INPUT", "weights.safetensors"),
    ("entry no object", header(lambda h: h.update(x=3)), "E_INPUT", "tensor 'x': found a number"),
    ("overlap", header(swap), "E_INPUT", "overlap"),
    ("gap", header(gap), "E_INPUT", "gap"),
    ("integers", entry(GRU, "dtype", "I32"),
     "E_INPUT", f"'{GRU}': dtype: found 'I32', expected F32"),
    ("unknown dtype", entry(GRU, "dtype", 4), "E_INPUT", "dtype: expected a string"),
    ("length against shape", entry(GRU, "shape", [9, 4]),
     "E_INPUT", "data_offsets: found 108 bytes, expected 36 values of F32"),
    ("negative dimension", entry(GRU, "shape", [-9, -3]),
     "E_INPUT", "shape: expected whole numbers of at least 1"),
    ("shape of zero", entry(GRU, "shape", [0, 3]),
     "E_INPUT", "shape: expected whole numbers of at least 1"),
    ("overflowing shape", entry(GRU, "shape", [1 << 40, 1 << 40]),
     "E_INPUT", "a size that fits in 63 bits"),
    ("five dimensions", entry(GRU, "shape", [1] * 5),
     "E_INPUT", "found 5 dimensions, expected 1 to 4"),
    ("scalar", entry(GRU, "shape", []), "E_INPUT", "found 0 dimensions"),
    ("backward offsets", entry(GRU, "data_offsets", lambda o: o[::-1]),
     "E_INPUT", "data_offsets: expected 0 <= begin <= end"),
    ("offsets of text", entry(GRU, "data_offsets", ["0", "4"]),
     "E_INPUT", "data_offsets: expected 0 <= begin <= end"),
    ("unknown field", entry(GRU, "strides", [1]), "E_INPUT", "unknown field 'strides'"),
    ("long tensor name", header(lambda h: h.update({"x" * 160: h.pop(GRU)})),
     "E_INPUT", "name of 160 bytes, expected 1 to 159"),
    ("metadata", header(lambda h: h.update(__metadata__={"format": "pt"})), "ok", ""),
    ("vocabulary format", attribute("format", np.bytes_("batchrank-customers")),
     "E_INPUT", "vocabulary.h5"),
    ("vocabulary version", attribute("version", np.int64(2)), "E_INPUT", "version 2"),
    ("vocabulary text", file_bytes("vocabulary.h5", lambda r: b"key\n" * 100),
     "E_INPUT", "not an HDF5 file"),
    ("vocabulary cut off", file_bytes("vocabulary.h5", lambda r: r[:-100]), "E_INPUT", "truncated"),
    ("float keys", replace_keys("campaign", np.zeros(5, "f4")), "E_INPUT", "/campaign/key"),
    ("matrix of keys", replace_keys("campaign", np.zeros((5, 2), "S4")),
     "E_INPUT", "/campaign/key"),
    ("variable-length keys", replace_keys("campaign", ["a", "b", "c", "d", "e"]),
     "E_INPUT", "/campaign/key"),
]


def pad_row(b):
    """A pmixer model whose padding row has a key."""
    b.model = {**MODEL, "item": None, "fusion": {"type": "none"}, "heads": [], "static": [],
               "aggregate": [], "modalities": [
                   {"name": "m", "vocabulary": "catalogue",
                    "encoder": {"type": "attention", "variant": "pmixer_b", "max_length": 4,
                                "dim": 8, "layers": 1, "heads": 1}}]}
    b.tensors = model_case.random_tensors(np.random.default_rng(4),
                                          model_case.model_shapes(b.model, ROWS))
    b.keys = {"catalogue": [f"i{i}".encode() for i in range(12)]}


def inner_of_pmixer(b):
    pad_row(b)
    b.keys["catalogue"][0] = b""
    b.model["modalities"][0]["encoder"]["inner"] = 9


def gelu_of_pmixer(b):
    pad_row(b)
    b.keys["catalogue"][0] = b""
    b.model["modalities"][0]["encoder"]["activation"] = "gelu"


BEFORE += [
    ("padding row with a key", pad_row,
     "E_INPUT", "row 0 is 'i0', expected an empty key: it is the padding row"),
    ("pmixer with inner", inner_of_pmixer,
     "E_INPUT", "inner is 9, expected dim (8) in pmixer models"),
    ("pmixer with gelu", gelu_of_pmixer, "E_INPUT", "activation is not relu"),
]
