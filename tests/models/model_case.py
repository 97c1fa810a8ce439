# SPDX-License-Identifier: Apache-2.0
"""Random bundles and sequences, and calls of encode_file, for the tests of models and bundles."""
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import bundle_writer  # noqa: E402
import reference  # noqa: E402
from model_shapes import encoder_shapes, head_shapes, linear_shapes, norm_shapes  # noqa: E402


def fusion_shapes(model):
    d, modalities = model["dim"], model["modalities"]
    widths = [reference.out_dim(e) for e in modalities]
    shapes = {"fusion.attention": (d,), "fusion.default": (d,)} | norm_shapes("fusion.LayerNorm", d)
    for e, width in zip(modalities, widths):
        shapes |= linear_shapes(f"fusion.{e['name']}.g", d, width)
        shapes |= linear_shapes(f"fusion.{e['name']}.z", d, sum(widths) + len(widths))
    for c in model.get("static", []):
        shapes[f"static.{c['name']}.weight"] = (c["rows"], c["dim"])
    if model.get("static"):
        shapes["fusion.static.weight"] = (d, sum(c["dim"] for c in model["static"]))
    if model.get("aggregate"):
        shapes["fusion.aggregate.weight"] = (d, 2 * len(model["aggregate"]))
    for i in range(model["fusion"].get("mlp_layers", 0)):
        shapes |= linear_shapes(f"h.{i}", d, d)
    return shapes


def model_shapes(model, rows):
    """rows: {vocabulary: rows of its tables}"""
    shapes, n_items = {}, 0
    for e in model["modalities"]:
        shapes |= encoder_shapes(e, rows[e["vocabulary"]])
    if model["item"]:
        n_items = rows[model["item"]["vocabulary"]]
        shapes[model["item"]["table"]] = (n_items, model["dim"])
        if model["item"].get("bias"):
            shapes[model["item"]["bias"]] = (n_items,)
    if model.get("fusion", {}).get("type") == "gated":
        shapes |= fusion_shapes(model)
    for head in model.get("heads", []):
        shapes |= head_shapes(head, model["dim"], n_items)
    return shapes


def random_tensors(rng, shapes):
    """Norms near 1, the rest of a size that keeps activations of order 1."""
    tensors = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape)
        if "norm" in name.lower() and name.endswith("weight"):
            values = 1 + 0.2 * values
        elif len(shape) > 1 and "emb" not in name:
            values = values / np.sqrt(shape[1])
        else:
            values = 0.3 * values
        tensors[name] = values.astype(np.float32)
    return tensors


def vocabularies(model, rows):
    out = {}
    for name, n in rows.items():
        out[name] = [b""] + [f"{name}-{i}".encode() for i in range(1, n)]
    for c in model.get("static", []):
        out["static." + c["name"]] = [b""] + [f"c{i}".encode() for i in range(1, c["rows"])]
    return out


def write(folder, model, rows, rng):
    tensors = random_tensors(rng, model_shapes(model, rows))
    bundle_writer.write_bundle(folder, model, tensors, vocabularies(model, rows))
    return {name: values.astype(np.float64) for name, values in tensors.items()}


def random_sequences(rng, e, n_rows, lengths, has_weight):
    """The most recent max_length events of histories of the given lengths."""
    out = []
    for n in lengths:
        keep = slice(max(0, n - e["encoder"]["max_length"]), n)
        seq = {"item": rng.integers(1, n_rows, n)[keep],
               "time": 1_600_000_000 + rng.integers(0, 10 ** rng.integers(1, 7), n).cumsum()[keep],
               "type": rng.integers(0, e["encoder"]["types"], n)[keep]
               if e["encoder"].get("types") else None,
               "weight": rng.uniform(0.05, 1, n).astype(np.float32)[keep] if has_weight else None}
        out.append(seq)
    return out


def encode_file(program, folder, backend, e, sequences, chunk_rows):
    """States by the engine."""
    offset = np.concatenate([[0], np.cumsum([len(s["item"]) for s in sequences])])
    has = [sequences[0][k] is not None for k in ("type", "weight")]

    def joined(key, dtype):
        return np.concatenate([s[key] for s in sequences]).astype(dtype).tobytes()
    raw = struct.pack("<4q", len(sequences), offset[-1], *has) + offset.astype("<i4").tobytes()
    raw += joined("item", "<i4") + joined("time", "<i8")
    raw += joined("type", "u1") if has[0] else b""
    raw += joined("weight", "<f4") if has[1] else b""
    (folder / "in").write_bytes(raw)
    call(program, "encode", folder, backend, chunk_rows, e["name"], folder / "in", folder / "out")
    return np.fromfile(folder / "out", "<f4").reshape(len(sequences), -1)


def call(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: exit {done.returncode}: {done.stderr}"
