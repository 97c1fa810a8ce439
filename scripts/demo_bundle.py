# SPDX-License-Identifier: Apache-2.0
"""Writes the demo's model bundle: model.json, weights.safetensors, vocabulary.h5 (docs/FORMATS.md).
Used by train_demo.py, once per training run.
"""
import json
import struct

import h5py
import numpy as np

import completejourney_raw as cj
import prepare_completejourney as prepare
from demo_model import HALF_LIFE_S, MAX_LENGTH


def modalities(model):
    """Their encoders; the first two read the item table itself."""
    def entry(name, vocabulary, kind, **encoder):
        shared = {"item_table": "item_embedding.weight"} if vocabulary == "catalogue" else {}
        return {"name": name, "vocabulary": vocabulary, "prefix": f"{name}.", **shared,
                "encoder": {"type": kind, "max_length": MAX_LENGTH[name], **encoder}}

    return [
        entry("purchase", "catalogue", "attention", variant="recbole", dim=model.dim,
              layers=model.layers, heads=model.n_heads, inner=model.inner, activation="gelu",
              eps=1e-12),
        entry("habit", "catalogue", "decay", dim=model.dim, half_lives_s=[HALF_LIFE_S["habit"]]),
        entry("mailing", "campaign", "gru", dim=model.small, hidden=model.small, layers=1,
              bias=True, dense=False),
        entry("redemption", "campaign", "decay", dim=model.small,
              half_lives_s=[HALF_LIFE_S["redemption"]]),
    ]


def describe(model, scale, platt, version, training):
    """model.json, as docs/FORMATS.md lays it out."""
    return {
        "format": "batchrank-model", "version": 1, "name": "completejourney",
        "model_version": version, "dim": model.dim,
        "item": {"vocabulary": "catalogue", "table": "item_embedding.weight", "bias": "item_bias"},
        "modalities": modalities(model),
        "static": [{"name": n, "dim": t.embedding_dim, "rows": t.num_embeddings}
                   for n, t in model.static.items()],
        "aggregate": [{"name": n, "mean": float(m), "std": float(s)}
                      for n, m, s in zip(prepare.AGGREGATES, *scale)],
        "fusion": {"type": "gated", "eps": 1e-5},
        "heads": [{"name": n, "link": "logistic", "item_bias": True,
                   "calibration": {"type": "platt", "a": platt[n][0], "b": platt[n][1]}}
                  for n in model.head],
        "training": {
            **training, "denied": [],
            "features": ["purchases", "mailings", "coupon redemptions", *cj.STATICS,
                         *prepare.AGGREGATES],
            "lineage": "configs/demo/raw (The Complete Journey, CC0), sha256 in SHA256SUMS"},
    }


def write_safetensors(path, tensors):
    """float32 tensors in the safetensors format: header length u64, JSON header, data."""
    header, at = {}, 0
    for name in sorted(tensors):
        size = tensors[name].size * 4
        header[name] = {"dtype": "F32", "shape": list(tensors[name].shape),
                        "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(tensors):
            file.write(np.ascontiguousarray(tensors[name], dtype="<f4").tobytes())


def write_bundle(folder, description, tensors, vocabulary):
    write_safetensors(folder / "weights.safetensors", tensors)
    with h5py.File(folder / "vocabulary.h5", "w") as file:
        file.attrs["format"] = np.bytes_("batchrank-vocabulary")
        file.attrs["version"] = np.int64(1)
        for name, keys in vocabulary.items():
            file[f"/{name}/key"] = keys
    (folder / "model.json").write_text(json.dumps(description, indent=1) + "\n")
