#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fusion and heads against reference.py: every subset of modalities, missing aggregates, static
rows, MLPs, bands, calibrations, survival, on every backend; and the same bits for any chunking.
Run by ctest: test_fusion.py ENCODE_FILE [cuda]: ref and cpu, or cuda alone, less of each."""
import struct
import sys
import tempfile
from pathlib import Path

import numpy as np

import model_case
import reference

PROGRAM = sys.argv[1]
BACKENDS = sys.argv[2:] or ["ref", "cpu"]
IS_SLOW = "cuda" in BACKENDS  # an emulated device
CHUNKS = (3,) if IS_SLOW else (1, 3, 7)
TOLERANCE = 2e-5
N_LOGITS = 5
ROWS = {"catalogue": 9, "campaign": 5}
HEADS = [
    {"name": "plain", "link": "logistic"},
    {"name": "platt", "link": "logistic", "item_bias": True,
     "calibration": {"type": "platt", "a": -1.7, "b": 0.4}},
    {"name": "isotonic", "link": "logistic",
     "calibration": {"type": "isotonic", "points": [[0.1, 0.0], [0.3, 0.2], [0.9, 0.25]]}},
    {"name": "pair", "type": "pair_mlp", "hidden": [7, 20], "link": "logistic",
     "calibration": {"type": "platt", "a": 1.2, "b": -0.3}},
    {"name": "lapse", "type": "survival", "periods": 4, "period_s": 604800},
    {"name": "spend", "link": "identity", "calibration": {"type": "platt", "a": 20, "b": 3}},
    {"name": "churn", "type": "survival", "periods": 64, "period_s": 1, "link": "logistic",
     "calibration": {"type": "platt", "a": 0.8, "b": -3.5}},
    {"name": "return", "type": "survival", "periods": 1, "period_s": 86400,
     "calibration": {"type": "isotonic", "points": [[0.2, 0.0], [0.5, 0.4], [0.8, 1.0]]}},
]
ITEM_HEADS = [head for head in HEADS if head.get("type", "item") == "item"]


def modalities(n):
    every = [
        {"name": "buy", "vocabulary": "catalogue", "item_table": "item.table", "prefix": "buy.",
         "encoder": {"type": "decay", "max_length": 4, "dim": 12, "half_lives_s": [60]}},
        {"name": "mail", "vocabulary": "campaign", "prefix": "mail.",
         "encoder": {"type": "gru", "max_length": 4, "dim": 3, "hidden": 5, "layers": 1,
                     "bias": True, "dense": False}},
        {"name": "web", "vocabulary": "campaign", "prefix": "web.",
         "encoder": {"type": "decay", "max_length": 4, "dim": 3, "half_lives_s": [60, 600]}}]
    return every[:n]


def model_of(n, fusion, statics=(), n_aggregates=0):
    return {"format": "batchrank-model", "version": 1, "name": "case", "model_version": "1",
            "dim": 12, "item": {"vocabulary": "catalogue", "table": "item.table"},
            "modalities": modalities(n), "fusion": {"type": "gated", **fusion}, "heads": HEADS,
            "static": [{"name": f"s{i}", "dim": d, "rows": r} for i, (d, r) in enumerate(statics)],
            "aggregate": [{"name": f"a {i}", "mean": 1e4 * i, "std": 3.0 + i}
                          for i in range(n_aggregates)]}


CASES = {
    "bare": model_of(3, {}),
    "one modality": model_of(1, {"eps": 1e-8}),
    "statics": model_of(3, {}, statics=[(2, 4), (5, 3)]),
    "aggregates": model_of(2, {}, n_aggregates=4),
    "all, one layer": model_of(3, {"mlp_layers": 1}, [(3, 7)], 2),
    "all, two layers": model_of(3, {"mlp_layers": 2, "mlp_activation": "relu"}, [(3, 7)], 2),
    "all, three layers, band": model_of(
        3, {"mlp_layers": 3, "mlp_activation": "swish", "band": {"lo": 1.2, "hi": 1.5}},
        [(3, 7)], 2),
    "band below": model_of(2, {"band": {"lo": 0, "hi": 0.5}}),
}
FEW = ("one modality", "all, two layers")


def random_inputs(rng, model, n_rows):
    n = len(model["modalities"])
    present = np.array([[r >> m & 1 for m in range(n)] for r in range(n_rows)], np.uint8)
    widths = [reference.out_dim(e) for e in model["modalities"]]
    state = np.concatenate([rng.standard_normal((n_rows, w)) * present[:, m:m + 1]
                            for m, w in enumerate(widths)], axis=1).astype(np.float32)
    aggregate = np.array([[a["mean"] + a["std"] * rng.standard_normal() for a in model["aggregate"]]
                          for _ in range(n_rows)], np.float32).reshape(n_rows, -1)
    aggregate[rng.random(aggregate.shape) < 0.3] = np.nan
    static = np.array([[rng.integers(0, c["rows"]) for c in model["static"]]
                       for _ in range(n_rows)], np.int32).reshape(n_rows, -1)
    return {"state": state, "present": present, "widths": widths, "static": static,
            "confidence": rng.uniform(0.05, 1, (n_rows, n)).astype(np.float32),
            "aggregate": aggregate,
            "logit": rng.uniform(-4, 4, (len(ITEM_HEADS), n_rows, N_LOGITS)).astype(
                np.float32)}


def run(folder, backend, model, x, chunk_rows):
    n_rows, n, dim = len(x["state"]), len(model["modalities"]), model["dim"]
    raw = struct.pack("<2q", n_rows, N_LOGITS)
    for name in ("state", "present", "confidence", "static", "aggregate", "logit"):
        raw += x[name].tobytes()
    (folder / "in").write_bytes(raw)
    model_case.call(PROGRAM, "fuse", folder, backend, chunk_rows, "-", folder / "in",
                    folder / "out")
    values = np.fromfile(folder / "out", "<f4")
    sizes = [("x", dim), ("alpha", n), ("gate", n)]
    for head in HEADS:
        name = head["name"]
        sizes += {"survival": [(f"survival {name}", head.get("periods"))],
                  "pair_mlp": [(f"probability {name}", N_LOGITS)],
                  "item": [(f"query {name}", dim), (f"probability {name}", N_LOGITS)],
                  }[head.get("type", "item")]
    cuts = np.cumsum([n_rows * width for _, width in sizes])
    assert cuts[-1] == len(values)
    return {name: part.reshape(n_rows, width)
            for (name, width), part in zip(sizes, np.split(values, cuts[:-1]))}


def expected(model, t, x):
    starts = np.cumsum(x["widths"])[:-1]
    rows = [reference.fuse(model, t, np.split(x["state"][b].astype(float), starts),
                           x["present"][b], x["confidence"][b].astype(float), x["static"][b],
                           x["aggregate"][b]) for b in range(len(x["state"]))]
    out = {name: np.array([r[i] for r in rows]) for i, name in enumerate(("x", "alpha", "gate"))}
    for head, logit in zip(ITEM_HEADS, x["logit"]):
        name = head["name"]
        out[f"query {name}"] = out["x"] @ t[f"head.{name}.weight"].T
        out[f"probability {name}"] = reference.probability(head, t, logit)
    for head in HEADS:
        if head.get("type") == "survival":
            out[f"survival {head['name']}"] = reference.survival(head, t, out["x"])
        if head.get("type") == "pair_mlp":
            out[f"probability {head['name']}"] = reference.calibrate(head, reference.pair_logits(
                head, t, out["x"][:, None], t["item.table"][None, :N_LOGITS]))
    return out


def check_curves(found, wanted):
    """Probabilities that never rise, and say something."""
    for part in (p for p in wanted if p.startswith("survival")):
        steps = np.diff(found[part], axis=1, prepend=np.float32(1))
        assert (found[part] >= 0).all() and (steps <= 0).all(), part
        assert np.ptp(wanted[part]) > 0.01, f"{part} is much the same for everybody"


def check(name, folder):
    rng = np.random.default_rng(len(name))
    model = CASES[name]
    read = {e["vocabulary"] for e in model["modalities"]}
    tensors = model_case.write(folder, model, {v: ROWS[v] for v in ROWS if v in read}, rng)
    inputs = random_inputs(rng, model, 3 * 2 ** len(model["modalities"]))
    wanted, worst = expected(model, tensors, inputs), 0
    for backend in BACKENDS:
        found = run(folder, backend, model, inputs, 1000)
        for part, values in wanted.items():
            error = np.abs(found[part] - values).max() / max(1, np.abs(values).max())
            assert error <= TOLERANCE, f"{name}, {backend}: {part} is off by {error}"
            worst = max(worst, error)
        check_curves(found, wanted)
        for chunk_rows in CHUNKS:
            again = run(folder, backend, model, inputs, chunk_rows)
            assert all(again[p].tobytes() == found[p].tobytes() for p in found), \
                f"{name}, {backend}: chunks of {chunk_rows}: other bits"
    print(f"ok  {name}: largest error {worst:.1e}")


def main():
    for name in FEW if IS_SLOW else CASES:
        with tempfile.TemporaryDirectory() as folder:
            check(name, Path(folder))


main()
