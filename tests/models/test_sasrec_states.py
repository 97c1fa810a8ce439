#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The published SASRec weights (pmixer, variant B) through the model code: the golden states and
top-10 lists of 50 users, and HR@10 and NDCG@10 of all 6,040 users on the fixed negatives. Needs
../shared/data (skipped, 77, where it is absent). Run by ctest: test_sasrec_states.py ENCODE_FILE.
"""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import model_case
from model_case import bundle_writer

DATA = Path(os.environ.get("BR_TEST_DATA", model_case.ROOT.parent / "shared" / "data"))
SASREC = DATA / "sasrec-ml1m"
WEIGHTS = SASREC / "sasrec_ml1m_e1000.safetensors"
EVENTS = DATA / "movielens-1m" / "ml-1m.txt.zst"
N_ITEMS, WINDOW, PROGRAM = 3416, 200, sys.argv[1]
WATCH = {"name": "watch", "vocabulary": "catalogue", "item_table": "item_emb.weight",
         "encoder": {"type": "attention", "variant": "pmixer_b", "max_length": WINDOW, "dim": 50,
                     "layers": 2, "heads": 1}}
MODEL = {"format": "batchrank-model", "version": 1, "name": "sasrec-ml1m", "model_version": "2020",
         "dim": 50, "item": {"vocabulary": "catalogue", "table": "item_emb.weight"},
         "modalities": [WATCH], "fusion": {"type": "none"}, "heads": []}


def unpack(path):
    return subprocess.run(["zstd", "-dc", "--long=27", str(path)], check=True,
                          capture_output=True).stdout


def read_histories():
    events = np.array(unpack(EVENTS).split(), dtype=np.int64).reshape(-1, 2)
    cuts = np.flatnonzero(np.diff(events[:, 0])) + 1
    return np.split(events[:, 1], cuts)


def write_bundle(folder):
    shutil.copy(WEIGHTS, folder / "weights.safetensors")
    keys = [b""] + [str(i).encode() for i in range(1, N_ITEMS + 1)]
    bundle_writer.write_vocabulary(folder / "vocabulary.h5", {"catalogue": keys})
    bundle_writer.write_model_json(folder / "model.json", MODEL)


def encode(folder, backend, histories):
    sequences = [{"item": h[-WINDOW:], "time": np.arange(len(h))[-WINDOW:], "type": None,
                  "weight": None} for h in histories]
    return model_case.encode_file(PROGRAM, folder, backend, WATCH, sequences, 64)


def check_states(states, golden, name):
    worst = np.abs(states - golden["state"]).max()
    assert worst <= 2e-5, f"{name}: states differ by {worst}"
    print(f"ok  {name}: 50 golden states, largest difference {worst:.2e}")


def check_lists(states, users, histories, item_VD):
    """{user: ten rows}; items whose golden scores lie within 1e-5 may change places."""
    row_of = {user: row for row, user in enumerate(users)}
    lists = {}
    with open(SASREC / "golden" / "users50_top10.csv", newline="") as file:
        for row in csv.DictReader(file):
            lists.setdefault(int(row["user"]), []).append(row)
    assert sorted(lists) == sorted(users)
    for user, rows in lists.items():
        score = states[row_of[user]].astype(np.float64) @ item_VD.T
        score[0] = -np.inf
        for kind in ("all", "new"):
            if kind == "new":
                score[histories[user - 1]] = -np.inf
            best = np.argsort(-score, kind="stable")[:10]
            wanted = [(int(r["item_" + kind]), float(r["score_" + kind])) for r in rows]
            for place, (item, item_score) in enumerate(wanted):
                near = {i for i, s in wanted if abs(s - item_score) < 1e-5}
                assert best[place] == item or best[place] in near, (user, kind, place, best, item)
                assert abs(score[item] - item_score) < 2e-4, (user, kind, item)
    print("ok  50 users: the golden ten items in order, of all and of new items")


def check_metrics(states, targets, item_VD):
    negatives = np.frombuffer(unpack(SASREC / "golden" / "negatives100.u16.zst"), "<u2")
    negatives = negatives.reshape(len(states), 100).astype(int)
    x = states.astype(np.float64)
    target = np.einsum("ud,ud->u", x, item_VD[targets])
    others = np.einsum("ud,und->un", x, item_VD[negatives])
    rank = (others > target[:, None]).sum(1)
    hit = rank < 10
    found = {"HR@10": hit.mean(), "NDCG@10": np.where(hit, 1 / np.log2(rank + 2), 0).mean()}
    golden = json.loads((SASREC / "golden" / "metrics.json").read_text())
    golden = golden["sampled_100_negatives_fixed_file"]
    for name, value in found.items():
        assert abs(value - golden[name]) <= 5e-7, f"{name}: found {value}, expected {golden[name]}"
        print(f"ok  {len(states)} users, fixed negatives: {name} {value:.6f}")


def main():
    golden = bundle_writer.read_safetensors(SASREC / "golden" / "users50.safetensors")
    users = golden["user"].astype(int).ravel()
    histories = read_histories()
    assert len(histories) == 6040
    seen, targets = [h[:-1] for h in histories], np.array([h[-1] for h in histories])
    item_VD = bundle_writer.read_safetensors(WEIGHTS)["item_emb.weight"].astype(np.float64)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_bundle(folder)
        check_states(encode(folder, "ref", [seen[u - 1] for u in users[:10]]),
                     {"state": golden["state"][:10]}, "ref, 10 users")
        states = encode(folder, "cpu", seen)
    check_states(states[users - 1], golden, "cpu")
    check_lists(states[users - 1], users, seen, item_VD)
    check_metrics(states, targets, item_VD)


if not WEIGHTS.exists() or not EVENTS.exists() or shutil.which("zstd") is None:
    print("skipped: ../shared/data (sasrec-ml1m, movielens-1m) or zstd is absent")
    sys.exit(77)
main()
