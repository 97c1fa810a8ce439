#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`run` from timelines to lists through a random model with every part (attention, GRU, decay,
statics, aggregates, fusion, heads) against scripts/reference.py in float64: x_u, gates,
lists, probabilities, survival, the waterfall of events; the same bits for any unit and thread
count; `encode` gives the same vectors, and its file is the input of a job without a model."""
import json
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from job_files import (ROOT, canonical_scores, open_file, read_parts, run, write_job,
                       write_timeline)

sys.path.insert(0, str(ROOT / "tests" / "models"))
import model_case  # noqa: E402
import reference  # noqa: E402

SEED, U, N, DIM, K, AS_OF = 20260103, 300, 90, 16, 7, 1_600_500_000
ROWS = {"catalogue": 81, "campaign": 6}
MODEL = {
    "format": "batchrank-model", "version": 1, "name": "whole", "model_version": "3", "dim": DIM,
    "item": {"vocabulary": "catalogue", "table": "item.table", "bias": "item.bias"},
    "modalities": [
        {"name": "browse", "vocabulary": "catalogue", "prefix": "browse.",
         "encoder": {"type": "attention", "variant": "recbole", "max_length": 9, "dim": 12,
                     "layers": 2, "heads": 2, "inner": 20, "activation": "gelu", "gaps": 8,
                     "types": 3}},
        {"name": "buy", "vocabulary": "catalogue", "item_table": "item.table", "prefix": "buy.",
         "encoder": {"type": "decay", "max_length": 5, "dim": DIM, "half_lives_s": [90000]}},
        {"name": "mail", "vocabulary": "campaign", "prefix": "mail.",
         "encoder": {"type": "gru", "max_length": 4, "dim": 3, "hidden": 5, "layers": 1,
                     "bias": True, "dense": False}}],
    "static": [{"name": "age", "dim": 3, "rows": 4}],
    "aggregate": [{"name": "spend", "mean": 20.0, "std": 8.0},
                  {"name": "visits", "mean": 3.0, "std": 2.0}],
    "fusion": {"type": "gated", "mlp_layers": 1},
    "heads": [{"name": "click", "link": "logistic", "item_bias": True,
               "calibration": {"type": "platt", "a": 0.8, "b": -1.0}},
              {"name": "value", "link": "identity"},
              {"name": "lapse", "type": "survival", "periods": 4, "period_s": 604800,
               "calibration": {"type": "platt", "a": 0.9, "b": -0.5}}]}


def random_events(rng, n_tokens, has_weight):
    """Per customer (token, time, weight), some after as_of, some of weight 0."""
    rows = []
    for _ in range(U):
        n = int(rng.integers(0, 16)) * int(rng.random() < 0.8)
        times = np.sort(rng.integers(1_600_000_000, 1_600_550_000, n))
        weights = rng.choice([0.0, 0.3, 1.0], n) if has_weight else np.ones(n)
        tokens = rng.integers(0, n_tokens, n)
        rows.append([(int(i), int(t), float(w)) for i, t, w in zip(tokens, times, weights)])
    return rows


def make(folder, rng):
    """Keys of the catalogue stand in another order than the model's rows; ten have no row."""
    d = {"item_row": np.concatenate([rng.permutation(np.arange(1, 81)), np.full(10, -1)])}
    d["item_row"] = rng.permutation(d["item_row"])
    d["campaign_row"] = np.array([3, 1, 5, -1, 2])
    d["browse"], d["buy"] = random_events(rng, N, True), random_events(rng, N, False)
    d["mail"] = random_events(rng, 5, True)
    d["age"] = rng.integers(-1, 4, U).astype(np.int32)
    d["age_row"] = np.array([2, 0, 3, 1])  # "unheard of" is no category of the model: row 0
    d["aggregate"] = rng.normal([20, 3, 7], [8, 2, 1], (U, 3)).astype(np.float32)
    d["aggregate"][rng.random((U, 3)) < 0.2] = np.nan
    with open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"] = np.array([f"c{u:04d}" for u in range(U)], "S6")
        write_timeline(f, "browse", d["browse"])
        n_events = f["/timeline/browse/item"].shape[0]
        d["type"] = rng.integers(0, 3, n_events).astype(np.uint8)
        f["/timeline/browse/type"] = d["type"]
        write_timeline(f, "buy", [[e[:2] for e in row] for row in d["buy"]])
        write_timeline(f, "mail", d["mail"], "campaign")
        f["/vocabulary/campaign/key"] = np.array(
            [b"campaign-3", b"campaign-1", b"campaign-5", b"stranger", b"campaign-2"])
        f["/static/age"] = d["age"]
        f["/static_key/age"] = np.array([b"c2", b"unheard of", b"c3", b"c1"])
        f["/aggregate"] = d["aggregate"][:, [1, 2, 0]]  # columns are joined by name
        f["/aggregate"].attrs["names"] = np.array([b"visits", b"unused", b"spend"])
    with open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"catalogue-{r}" if r > 0 else f"new-{i}"
                                   for i, r in enumerate(d["item_row"])], "S16")
    d["tensors"] = model_case.write(folder / "model", MODEL, ROWS, rng)
    write_job(folder / "job.json",
              input={"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
              output={"path": "run", "vectors": True, "gates": True}, list={"k": K},
              run={"as_of": str(AS_OF)})
    return d


def usable(d, name, counts):
    """Per customer the sequence that the encoder reads, as docs/MODELS.md drops and cuts it."""
    row_of = d["campaign_row"] if name == "mail" else d["item_row"]
    limit = next(m["encoder"]["max_length"] for m in MODEL["modalities"] if m["name"] == name)
    at, out = 0, []
    for events in d[name]:
        kept = []
        for i, (token, time, weight) in enumerate(events):
            fate = "after_as_of" if time > AS_OF else "unknown_token" if row_of[token] < 0 else \
                "zero_weight" if weight == 0 else "used"
            counts[fate] += 1
            if fate == "used":
                kept.append((row_of[token], time, weight, d["type"][at + i] if name == "browse"
                             else 0))
        at += len(events)
        counts["truncated"] += max(0, len(kept) - limit)
        counts["used"] -= max(0, len(kept) - limit)
        counts["read"] += len(events)
        out.append([np.array(c) for c in zip(*kept[-limit:])] or [np.array([], int)] * 4)
    return out


def expected_vectors(d):
    """x [U, D], alpha and gate [U, M], and per modality the counts of events."""
    counts = {m["name"]: dict.fromkeys(["read", "after_as_of", "unknown_token", "zero_weight",
                                        "truncated", "used"], 0) for m in MODEL["modalities"]}
    seqs = {name: usable(d, name, c) for name, c in counts.items()}
    rows = []
    for u in range(U):
        state, present, confidence = [], [], []
        for m in MODEL["modalities"]:
            item, time, weight, kind = seqs[m["name"]][u]
            seq = {"item": item, "time": time, "weight": weight,
                   "type": kind if m["name"] == "browse" else None}
            state.append(reference.encode(seq, m, d["tensors"]))
            present.append(len(item) > 0)
            confidence.append(weight.mean() if len(item) else 1.0)
        static = [d["age_row"][d["age"][u]] if d["age"][u] >= 0 else 0]
        rows.append(reference.fuse(MODEL, d["tensors"], state, np.array(present), confidence,
                                   static, d["aggregate"][u, :2]))
    return [np.array(c) for c in zip(*rows)], counts


def close(name, found, wanted):
    error = np.abs(found - wanted).max() / max(1, np.abs(wanted).max())
    assert error <= 2e-5, f"{name} is off by {error}"
    print(f"ok  {name}: largest error {error:.1e}")


def check_survival(d, lists, x):
    """On the reference's own x_u; popularity says nothing here either."""
    head = MODEL["heads"][2]
    by_model = (lists["customer/flags"] & 8) == 0
    wanted = reference.survival(head, d["tensors"], x[by_model])
    assert lists["survival/lapse"].dtype == np.float32 and wanted.std(0).min() > 0.01
    close("survival", lists["survival/lapse"][by_model], wanted)
    assert np.isnan(lists["survival/lapse"][~by_model]).all()
    assert "probability/lapse" not in lists


def check_lists(d, lists):
    """Exact on the engine's own x_u; customers without any event get popularity (source 2)."""
    t, listed = d["tensors"], np.flatnonzero(d["item_row"] > 0)
    rows = d["item_row"][listed]
    z, bias = t["item.table"][rows].astype("f4"), t["item.bias"][rows].astype("f4")
    score = canonical_scores(lists["vector"], z, bias)
    by_model = (lists["customer/flags"] & 8) == 0
    assert 0 < by_model.sum() < U
    for u in np.flatnonzero(by_model):
        order = np.lexsort((np.arange(len(rows)), -score[u]))[:K]
        assert list(lists["list/item"][u]) == list(listed[order]), u
        assert (lists["list/score"][u] == score[u][order]).all(), u
    item = lists["list/item"]
    for head in MODEL["heads"][:2]:
        query = lists["vector"].astype(float) @ t[f"head.{head['name']}.weight"].T
        logit = np.einsum("ud,ukd->uk", query, t["item.table"][d["item_row"][item]])
        if head.get("item_bias"):
            logit += t[f"head.{head['name']}.item_bias"][d["item_row"][item]]
        wanted = reference.probability(head, t, logit)
        found = lists["probability/" + head["name"]]
        close("probability of " + head["name"], found[by_model], wanted[by_model])
        assert np.isnan(found[~by_model]).all()  # popularity says nothing about a response


def check_fallback(d, lists):
    """The same order for everybody: events of catalogue items until as_of, ties by row."""
    count = np.zeros(N, int)
    for name in ("browse", "buy"):
        for events in d[name]:
            for token, time, _ in events:
                count[token] += time <= AS_OF
    order = [i for i in np.lexsort((np.arange(N), -count)) if d["item_row"][i] > 0][:K]
    without = np.flatnonzero(lists["customer/flags"] & 8)
    for u in without:
        assert list(lists["list/item"][u]) == order and (lists["list/source"][u] == 2).all()
        assert list(lists["list/score"][u]) == [count[i] for i in order]
        assert lists["customer/flags"][u] == 4 | 8
    print(f"ok  {len(without)} customers without events: popularity")


def check_same_bits(folder, lists):
    for name, words in {"units of 64": ["--set", "run.unit_customers=64"],
                        "units of 1000 events": ["--set", "run.unit_events=1000"],
                        "7 threads": ["--threads", "7"]}.items():
        run("run", folder / "job.json", "--set", f"output.path={folder / name}", *words)
        again = read_parts(folder / name)
        assert all(again[k].tobytes() == lists[k].tobytes() for k in lists), name
    run("run", folder / "job.json", "--set", "run.backend=ref", "--set",
        f"output.path={folder / 'ref'}")
    close("x_u, ref and cpu", read_parts(folder / "ref")["vector"], lists["vector"])
    print("ok  the same bits for any unit and thread count")


def check_encode(folder, d, lists):
    """encode: the same x_u; its file and a catalogue with vectors give the same lists."""
    run("encode", folder / "job.json", "-o", folder / "vectors.h5")
    with h5py.File(folder / "vectors.h5") as f:
        assert f["/vector"][:].tobytes() == lists["vector"].tobytes()
        assert (f["/customer/key"][:] == lists["customer/key"]).all()
        assert f["/state/mail/h"].shape == (U, 5)
        last = f["/state/browse/last_time"][:]
    counts = dict.fromkeys(["read", "after_as_of", "unknown_token", "zero_weight", "truncated",
                            "used"], 0)
    wanted = [s[1][-1] if len(s[1]) else -1 for s in usable(d, "browse", counts)]
    assert list(last) == wanted
    with h5py.File(folder / "catalogue.h5") as old, \
            open_file(folder / "with_vectors.h5", "catalogue") as f:
        f["/item/key"] = old["/item/key"][:]
        rows = np.maximum(d["item_row"], 0)
        f["/item/vector"] = d["tensors"]["item.table"][rows].astype("f4")
        bias = np.where(d["item_row"] > 0, d["tensors"]["item.bias"][rows], -1e30)
        f["/item/bias"] = bias.astype("f4")
    write_job(folder / "vectors.json", output={"path": "from-vectors"}, list={"k": K},
              input={"customers": "vectors.h5", "catalogue": "with_vectors.h5"})
    run("run", folder / "vectors.json")
    again = read_parts(folder / "from-vectors")
    by_model = (lists["customer/flags"] & 8) == 0
    for name in ("list/item", "list/score"):
        assert again[name][by_model].tobytes() == lists[name][by_model].tobytes(), name
    print("ok  encode: the same vectors, and the same lists from them")


def main():
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = make(folder, rng)
        run("check", folder / "job.json")
        run("run", folder / "job.json")
        lists = read_parts(folder / "run")
        (x, alpha, gate), counts = expected_vectors(d)
        close("x_u", lists["vector"], x)
        close("alpha", lists["gate/alpha"], alpha)
        close("gate", lists["gate/gate"], gate)
        check_lists(d, lists)
        check_survival(d, lists, x)
        check_fallback(d, lists)
        stats = json.loads((folder / "run" / "stats.json").read_text())
        for m, wanted in counts.items():
            assert stats["modalities"][m]["events"] == wanted, (m, wanted)
        assert stats["exposure"]["items_without_vector"] == 10
        check_same_bits(folder, lists)
        check_encode(folder, d, lists)
        run("verify", folder / "run", "--samples", U)
        run("run", folder / "job.json", "--set", f"output.path={folder}/run-bf16", "--set",
            "run.precision=bf16")
        half = read_parts(folder / "run-bf16")["vector"]
        assert 1e-6 < np.abs(half - lists["vector"]).max() < 5e-2
        print(run("verify", folder / "run-bf16", "--samples", U))


if __name__ == "__main__":
    sys.exit(main())
