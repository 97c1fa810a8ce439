#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Encoders against reference.py: every variant, lengths from 0 to beyond the window, with and
without identity weights, on every backend; and the same bits for any order and any chunking.
Run by ctest: test_encoders.py ENCODE_FILE [cuda]: ref and cpu, or cuda alone, less of each."""
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np

import model_case
import reference

TOLERANCE = 2e-5
N_ROWS = 40
PROGRAM = sys.argv[1]
BACKENDS = sys.argv[2:] or ["ref", "cpu"]
IS_SLOW = "cuda" in BACKENDS  # an emulated device
CHUNKS = (4,) if IS_SLOW else (1, 2, 3, 7, 13)


def attention(variant, max_length=13, dim=12, layers=2, heads=2, **more):
    more = {"inner": 20, "activation": "gelu", **more} if variant == "recbole" else more
    return {"type": "attention", "variant": variant, "max_length": max_length, "dim": dim,
            "layers": layers, "heads": heads, **more}


def gru(max_length=13, dim=10, hidden=7, layers=1, bias=True, dense=False, **more):
    return {"type": "gru", "max_length": max_length, "dim": dim, "hidden": hidden,
            "layers": layers, "bias": bias, "dense": dense, **more}


TABLES = {"gaps": 12, "types": 3, "modality_embedding": True}
CASES = {
    "recbole": attention("recbole"),
    "recbole, one layer": attention("recbole", layers=1, activation="swish"),
    "recbole, three layers": attention("recbole", layers=3, heads=3, inner=50, activation="tanh"),
    "recbole, all tables": attention("recbole", activation="relu", eps=1e-5, **TABLES),
    "recbole, D 64": attention("recbole", dim=64, inner=256, max_length=50, activation="sigmoid"),
    "pmixer A": attention("pmixer_a"),
    "pmixer A, one layer": attention("pmixer_a", layers=1, heads=1),
    "pmixer A, three layers": attention("pmixer_a", layers=3, **TABLES),
    "pmixer B": attention("pmixer_b"),
    "pmixer B, one layer": attention("pmixer_b", layers=1),
    "pmixer B, three layers": attention("pmixer_b", layers=3, heads=1, dim=50, max_length=30),
    "pmixer B, all tables": attention("pmixer_b", **TABLES),
    "pmixer C post": attention("pmixer_c_post"),
    "pmixer C post, one layer": attention("pmixer_c_post", layers=1),
    "pmixer C post, all tables": attention("pmixer_c_post", layers=3, **TABLES),
    "pmixer C pre": attention("pmixer_c_pre"),
    "pmixer C pre, one layer": attention("pmixer_c_pre", layers=1),
    "pmixer C pre, all tables": attention("pmixer_c_pre", layers=3, eps=1e-6, **TABLES),
    "pmixer C pre, D 32": attention("pmixer_c_pre", dim=32),
    "gru": gru(),
    "gru, RecBole": gru(bias=False, dense=True, hidden=20),
    "gru, stacked": gru(layers=3, hidden=17),
    "gru, stacked, all tables": gru(layers=2, dense=True, **TABLES),
    "decay": {"type": "decay", "max_length": 13, "dim": 10, "half_lives_s": [86400]},
    "decay, many": {"type": "decay", "max_length": 30, "dim": 5,
                    "half_lives_s": [60, 3600, 86400.5, 2.6e6, 1e9]},
}
FEW = ("recbole, all tables", "pmixer A, three layers", "pmixer B, all tables", "pmixer C post",
       "pmixer C pre, D 32", "gru, RecBole", "gru, stacked, all tables", "decay")


def model_of(encoder):
    e = {"name": "m", "vocabulary": "token", "prefix": "m.", "encoder": encoder}
    return {"format": "batchrank-model", "version": 1, "name": "case", "model_version": "1",
            "dim": reference.out_dim(e), "item": None, "modalities": [e]}


def check_same_bits(folder, backend, e, sequences, states):
    """Another order in chunks of every size."""
    order = np.random.default_rng(5).permutation(len(sequences))
    for chunk_rows in CHUNKS:
        again = model_case.encode_file(PROGRAM, folder, backend, e,
                                       [sequences[i] for i in order], chunk_rows)
        assert again.tobytes() == states[order].tobytes(), \
            f"{backend}: chunks of {chunk_rows} in another order: other bits"


def check_bf16(folder, backend, e, sequences, wanted):
    """Near the fp64 states, the same bits in every chunk; decay has no products to round."""
    states = model_case.encode_file(PROGRAM, folder, backend, e, sequences, 5)
    error = np.abs(states - wanted).max() / max(1, np.abs(wanted).max())
    assert error <= (TOLERANCE if e["encoder"]["type"] == "decay" else 3e-2), (backend, error)
    assert e["encoder"]["type"] == "decay" or error > TOLERANCE, (backend, "nothing was rounded")
    check_same_bits(folder, backend, e, sequences, states)
    return error


def check(name, folder):
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    model = model_of(CASES[name])
    e, p = model["modalities"][0], CASES[name]["max_length"]
    tensors = model_case.write(folder, model, {"token": N_ROWS}, rng)
    lengths = [0, 1, 2, p - 1, p, p + 50, 0, 3, 1, p, 5, p // 2, 0]
    worst = {}
    for has_weight in (True,) if IS_SLOW else (False, True):
        sequences = model_case.random_sequences(rng, e, N_ROWS, lengths, has_weight)
        wanted = np.array([reference.encode(s, e, tensors) for s in sequences])
        for backend in BACKENDS:
            states = model_case.encode_file(PROGRAM, folder, backend, e, sequences, 5)
            error = np.abs(states - wanted).max() / max(1, np.abs(wanted).max())
            assert error <= TOLERANCE, f"{name}, {backend}, weights {has_weight}: off by {error}"
            assert not states[[0, 6, 12]].any(), "an empty sequence has a state that is not zero"
            worst[backend] = max(worst.get(backend, 0), error)
            check_same_bits(folder, backend, e, sequences, states)
            worst[backend + "-bf16"] = check_bf16(folder, backend + "-bf16", e, sequences, wanted)
    print(f"ok  {name}: largest error", " ".join(f"{b} {w:.1e}" for b, w in worst.items()))


def main():
    for name in FEW if IS_SLOW else CASES:
        with tempfile.TemporaryDirectory() as folder:
            check(name, Path(folder))


main()
