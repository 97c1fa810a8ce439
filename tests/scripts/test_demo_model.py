# SPDX-License-Identifier: Apache-2.0
"""The shipped model (configs/demo/model) read back from its files alone: x_u by plain float64 NumPy
as docs/FORMATS.md defines it, against golden.safetensors from PyTorch, and the held-out figures
of metrics.json again. Run by ctest as `python3 -m pytest tests/scripts/test_demo_model.py`."""
import json
import math
import struct
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "configs/demo/model"
sys.path.insert(0, str(ROOT / "scripts"))
import completejourney_raw as cj  # noqa: E402
import prepare_completejourney as prepare  # noqa: E402

erf = np.vectorize(math.erf)


def read_safetensors(path):
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    out = {}
    for name, entry in json.loads(data[8:8 + size]).items():
        begin, end = (8 + size + x for x in entry["data_offsets"])
        assert entry["dtype"] == "F32" and end <= len(data)
        out[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"]).astype(float)
    return out


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer_norm(x, w, name, eps):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * w[name + ".weight"] + w[name + ".bias"]


def linear(x, w, name):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def attention(w, p, enc, event, _time):
    """RecBole's SASRec on one sequence [T, D]."""
    x = layer_norm(event + w[p + "position_embedding.weight"][:len(event)], w, p + "LayerNorm",
                   enc["eps"])
    for layer in range(enc["layers"]):
        at = f"{p}trm_encoder.layer.{layer}."
        q, k, v = (linear(x, w, at + "multi_head_attention." + n) for n in ("query", "key",
                                                                           "value"))
        mixed, width = np.zeros_like(x), enc["dim"] // enc["heads"]
        for h in range(enc["heads"]):
            cols = slice(h * width, (h + 1) * width)
            for t in range(len(x)):
                logit = k[:t + 1, cols] @ q[t, cols] / math.sqrt(width)
                share = np.exp(logit - logit.max())
                mixed[t, cols] = share / share.sum() @ v[:t + 1, cols]
        x = layer_norm(x + linear(mixed, w, at + "multi_head_attention.dense"), w,
                       at + "multi_head_attention.LayerNorm", enc["eps"])
        inner = linear(x, w, at + "feed_forward.dense_1")
        inner = linear(inner * 0.5 * (1 + erf(inner / math.sqrt(2))), w,
                       at + "feed_forward.dense_2")
        x = layer_norm(x + inner, w, at + "feed_forward.LayerNorm", enc["eps"])
    return x[-1]


def gru(w, p, enc, event, _time):
    h, n = np.zeros(enc["hidden"]), enc["hidden"]
    for e in event:
        a = w[p + "gru_layers.weight_ih_l0"] @ e + w[p + "gru_layers.bias_ih_l0"]
        b = w[p + "gru_layers.weight_hh_l0"] @ h + w[p + "gru_layers.bias_hh_l0"]
        r, z = sigmoid(a[:n] + b[:n]), sigmoid(a[n:2 * n] + b[n:2 * n])
        h = (1 - z) * np.tanh(a[2 * n:] + r * b[2 * n:]) + z * h
    return h


def decay(_w, _p, enc, event, time):
    total, weight, last = np.zeros(enc["dim"]), 0.0, time[0]
    for e, t in zip(event, time):
        fade = 2.0 ** (-(t - last) / enc["half_lives_s"][0])
        total, weight, last = total * fade + e, weight * fade + 1, t
    return total / (weight + 1e-6)


class Engine:
    """The model bundle and one customers.h5, nothing else."""

    def __init__(self, customers):
        self.spec = json.loads((MODEL / "model.json").read_text())
        self.w = read_safetensors(MODEL / "weights.safetensors")
        with h5py.File(MODEL / "vocabulary.h5") as file:
            self.row = {}
            file.visititems(lambda name, d: self.row.update({name[:-4]: {
                k: i for i, k in enumerate(d[:]) if k != b""}}) if name.endswith("/key") else None)
        self.file = customers

    def tokens(self, modality, catalogue_keys):
        group = self.file[f"/timeline/{modality}"]
        name = group.attrs["vocabulary"].decode()
        keys = catalogue_keys if name == "catalogue" else self.file[f"/vocabulary/{name}/key"][:]
        row = np.array([self.row[name][k] for k in keys])
        return group["offset"][:].astype(int), row[group["item"][:]], group["time"][:]

    def encode(self, rows, catalogue_keys):
        timelines = {m["name"]: self.tokens(m["name"], catalogue_keys)
                     for m in self.spec["modalities"]}
        return np.stack([self.fuse(u, timelines) for u in rows])

    def fuse(self, u, timelines):
        w, g, gated, states = self.w, {}, [], []
        for m in self.spec["modalities"]:
            offset, token, time = timelines[m["name"]]
            enc = m["encoder"]
            use = slice(max(offset[u], offset[u + 1] - enc["max_length"]), offset[u + 1])
            table = w[m.get("item_table", m["prefix"] + "item_embedding.weight")]
            encode = {"attention": attention, "gru": gru, "decay": decay}[enc["type"]]
            empty = use.start >= use.stop
            s = np.zeros(enc["dim"]) if empty else encode(w, m["prefix"], enc, table[token[use]],
                                                          time[use])
            states.append(s)
            g[m["name"]] = None if empty else np.tanh(linear(s, w, f"fusion.{m['name']}.g"))
        present = np.array([v is not None for v in g.values()], float)
        joined = np.concatenate(states + [present])
        for name, value in g.items():
            if value is not None:
                z = sigmoid(linear(joined, w, f"fusion.{name}.z"))
                gated.append((value @ w["fusion.attention"], z * value))
        total = w["fusion.default"]
        if gated:
            share = np.exp(np.array([a for a, _ in gated]) - max(a for a, _ in gated))
            total = sum(a * v for a, (_, v) in zip(share / share.sum(), gated))
        total = total + w["fusion.static.weight"] @ self.statics(u)
        total = total + w["fusion.aggregate.weight"] @ self.aggregates(u)
        return layer_norm(total, w, "fusion.LayerNorm", self.spec["fusion"]["eps"])

    def statics(self, u):
        parts = []
        for s in self.spec["static"]:
            number = self.file[f"/static/{s['name']}"][u]
            key = self.file[f"/static_key/{s['name']}"][number] if number >= 0 else None
            row = self.row[f"static.{s['name']}"].get(key, 0)
            parts.append(self.w[f"static.{s['name']}.weight"][row])
        return np.concatenate(parts)

    def aggregates(self, u):
        names = [n.decode() for n in self.file["/aggregate"].attrs["names"]]
        raw = {n: float(v) for n, v in zip(names, self.file["/aggregate"][u])}
        value = np.array([(raw[a["name"]] - a["mean"]) / a["std"] for a in self.spec["aggregate"]])
        missing = np.isnan(value)
        return np.concatenate([np.where(missing, 0, value), missing])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    built = prepare.build_dataset(cj.read_all(ROOT / "configs/demo/raw"))
    cut = cj.day_start(prepare.CUT)
    prepare.write_customers(folder / "customers.h5", built, cut)
    prepare.write_truth(folder / "truth.h5", built, cut)
    return folder, prepare.fixed(built["items"]["id"])


def test_golden_vectors(data):
    folder, keys = data
    golden = read_safetensors(MODEL / "golden.safetensors")
    with h5py.File(folder / "customers.h5") as file:
        x = Engine(file).encode(golden["row"].astype(int), keys)
    assert len(x) >= 20
    np.testing.assert_allclose(x, golden["x"], rtol=0, atol=2e-5 * max(1, np.abs(x).max()))


def test_shapes_and_names():
    spec = json.loads((MODEL / "model.json").read_text())
    w, n_items = read_safetensors(MODEL / "weights.safetensors"), 23848
    assert w["item_embedding.weight"].shape == (n_items, spec["dim"])
    assert (w["item_embedding.weight"][:, -1] == 1).all()
    assert w["item_bias"].shape == (n_items,)
    for head in spec["heads"]:
        assert w[f"head.{head['name']}.weight"].shape == (spec["dim"], spec["dim"])
        assert w[f"head.{head['name']}.item_bias"].shape == (n_items,)
        assert head["calibration"]["a"] > 0
    assert all(np.isfinite(t).all() for t in w.values())


def test_better_than_popularity(data):
    """HR@10 and NDCG@10 of metrics.json, from the files: full catalogue, the next purchase."""
    folder, keys = data
    metrics = json.loads((MODEL / "metrics.json").read_text())["next_purchase"]
    with h5py.File(folder / "customers.h5") as file, h5py.File(folder / "truth.h5") as truth:
        engine = Engine(file)
        offset = truth["/timeline/purchase/offset"][:].astype(int)
        rows = np.flatnonzero(np.diff(offset))[::8]  # every eighth household: seconds, not minutes
        wanted = truth["/timeline/purchase/item"][:][offset[rows]]
        x = engine.encode(rows, keys)
        score = x @ engine.w["item_embedding.weight"].T + engine.w["item_bias"]
    own = score[np.arange(len(rows)), wanted][:, None]
    hit = ((score > own).sum(1) < 10).mean()
    spread = math.sqrt(metrics["model"]["hr"] * (1 - metrics["model"]["hr"]) / len(rows))
    assert abs(hit - metrics["model"]["hr"]) < 4 * spread
    for figure in ("hr", "ndcg"):
        assert metrics["model"][figure] > metrics["popularity"][figure]
