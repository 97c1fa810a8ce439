#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The published SASRec weights through the whole engine: `run` and `evaluate` must give the golden
metrics of all 6,040 users (history excluded and not, fixed negatives, popularity) and the golden
top-10 lists of 50 users. Needs ../shared/data (skipped, 77, where it is absent)."""
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("BR_TEST_DATA", ROOT.parent / "shared" / "data"))
SASREC = DATA / "sasrec-ml1m"
BATCHRANK = os.environ.get("BATCHRANK", str(ROOT / "build" / "cpu" / "batchrank"))

if not (SASREC / "sasrec_ml1m_e1000.safetensors").exists():
    print("skipped: ../shared/data/sasrec-ml1m is absent")
    sys.exit(77)

import h5py  # noqa: E402
import numpy as np  # noqa: E402

sys.path.insert(0, str(ROOT / "scripts"))
import bundle_writer  # noqa: E402

N_ITEMS = 3416
MODEL = {
    "format": "batchrank-model", "version": 1, "name": "sasrec-ml1m", "model_version": "2020",
    "dim": 50,
    "item": {"vocabulary": "catalogue", "table": "item_emb.weight", "bias": None},
    "modalities": [{
        "name": "watch", "vocabulary": "catalogue", "prefix": "", "item_table": "item_emb.weight",
        "encoder": {"type": "attention", "variant": "pmixer_b", "max_length": 200, "dim": 50,
                    "layers": 2, "heads": 1}}],
    "fusion": {"type": "none"}, "heads": []}


def unpack(path):
    return subprocess.run(["zstd", "-dc", "--long=27", str(path)], check=True,
                          capture_output=True).stdout


def read_sequences():
    """One list of items per user 1..6040, in order."""
    sequences = [[] for _ in range(6040)]
    for line in unpack(DATA / "movielens-1m" / "ml-1m.txt.zst").decode().splitlines():
        user, item = line.split()
        sequences[int(user) - 1].append(int(item))
    return sequences


def write_customers(path, sequences):
    lengths = [len(s) for s in sequences]
    with h5py.File(path, "w") as f:
        f.attrs["format"] = np.bytes_("batchrank-customers")
        f.attrs["version"] = np.int64(1)
        f["/customer/key"] = np.arange(1, len(sequences) + 1, dtype=np.uint64)
        f["/timeline/watch/offset"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
        f["/timeline/watch/item"] = np.array([i - 1 for s in sequences for i in s], np.int32)
        f["/timeline/watch/time"] = np.array([t for s in sequences for t in range(len(s))],
                                             np.int64)
        f["/timeline/watch"].attrs["vocabulary"] = np.bytes_("catalogue")


def write_catalogue(path):
    with h5py.File(path, "w") as f:
        f.attrs["format"] = np.bytes_("batchrank-catalogue")
        f.attrs["version"] = np.int64(1)
        f["/item/key"] = np.array([str(i) for i in range(1, N_ITEMS + 1)], "S8")


def write_inputs(folder):
    sequences = read_sequences()
    write_customers(folder / "customers.h5", [s[:-1] for s in sequences])
    write_customers(folder / "truth.h5", [s[-1:] for s in sequences])
    write_catalogue(folder / "catalogue.h5")
    model = folder / "model"
    model.mkdir()
    shutil.copy(SASREC / "sasrec_ml1m_e1000.safetensors", model / "weights.safetensors")
    keys = [b""] + [str(i).encode() for i in range(1, N_ITEMS + 1)]
    bundle_writer.write_vocabulary(model / "vocabulary.h5", {"catalogue": keys})
    bundle_writer.write_model_json(model / "model.json", MODEL)
    negatives = np.frombuffer(unpack(SASREC / "golden" / "negatives100.u16.zst"), "<u2")
    np.save(folder / "negatives.npy", (negatives.reshape(6040, 100).astype(np.float32) - 1))
    job = {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
           "output": {"path": "run", "vectors": True}, "list": {"k": 10, "fallback": "none"}}
    (folder / "job.json").write_text(json.dumps(job))


def batchrank(*words):
    done = subprocess.run([BATCHRANK, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"batchrank {words}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def table(text):
    rows = {}
    for line in text.splitlines()[1:]:
        name, n, *values = line.split()
        rows[name] = [int(n)] + [float(v) for v in values]
    return rows


def expect(name, found, wanted, tolerance=5e-7):
    assert abs(found - wanted) <= tolerance, f"{name}: found {found}, expected {wanted}"
    print(f"ok  {name} {found:.6f}")


def check_metrics(folder, golden):
    batchrank("run", folder / "job.json")
    rows = table(batchrank("evaluate", "--run", folder / "run", "--truth", folder / "truth.h5",
                           "--modality", "watch", "--negatives", folder / "negatives.npy"))
    whole = golden["full_catalogue_unfiltered"]
    expect("unfiltered HR@10", rows["lists"][1], whole["HR@10"])
    expect("unfiltered NDCG@10", rows["lists"][2], whole["NDCG@10"])
    fixed = golden["sampled_100_negatives_fixed_file"]
    expect("fixed negatives HR@10", rows["negatives"][1], fixed["HR@10"])
    expect("fixed negatives NDCG@10", rows["negatives"][2], fixed["NDCG@10"])
    batchrank("run", folder / "job.json", "--set", "output.path=" + str(folder / "new"),
              "--set", "list.exclude_history=[\"watch\"]", "--set", "list.fallback=popularity")
    rows = table(batchrank("evaluate", "--run", folder / "new", "--truth", folder / "truth.h5",
                           "--modality", "watch", "--popularity"))
    new = golden["full_catalogue_history_excluded"]
    expect("history excluded HR@10", rows["lists"][1], new["HR@10"])
    expect("history excluded NDCG@10", rows["lists"][2], new["NDCG@10"])
    popular = golden["popularity_history_excluded_ties_by_lower_item_id"]
    expect("popularity HR@10", rows["popularity"][1], popular["HR@10"])
    expect("popularity NDCG@10", rows["popularity"][2], popular["NDCG@10"])


def read_golden_lists():
    """{user: [(item_all, score_all, item_new, score_new) by rank]}"""
    lists = {}
    with open(SASREC / "golden" / "users50_top10.csv", newline="") as f:
        for row in csv.DictReader(f):
            lists.setdefault(int(row["user"]), []).append(
                (int(row["item_all"]), float(row["score_all"]), int(row["item_new"]),
                 float(row["score_new"])))
    return lists


def check_lists(folder, run, column):
    with h5py.File(folder / run / "parts" / "part-00000.h5") as f:
        items, scores = f["/list/item"][:], f["/list/score"][:]
    for user, rows in read_golden_lists().items():
        for place, row in enumerate(rows):
            item, score = row[column], row[column + 1]
            found = items[user - 1, place] + 1
            assert abs(scores[user - 1, place] - score) < 2e-4, (user, place, score)
            near = {r[column] for r in rows if abs(r[column + 1] - score) < 1e-5}
            assert found == item or found in near, (run, user, place, found, item)
    print(f"ok  {run}: 50 users, the golden 10 items in order")


def check_states(folder):
    golden = bundle_writer.read_safetensors(SASREC / "golden" / "users50.safetensors")
    with h5py.File(folder / "run" / "parts" / "part-00000.h5") as f:
        states = f["/vector"][:]
    worst = np.abs(states[golden["user"].astype(int).ravel() - 1] - golden["state"]).max()
    assert worst <= 2e-5, f"states differ by {worst}"
    print(f"ok  50 final states, largest difference {worst:.2e}")


def main():
    golden = json.loads((SASREC / "golden" / "metrics.json").read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        check_metrics(folder, golden)
        check_states(folder)
        check_lists(folder, "run", 0)
        check_lists(folder, "new", 2)


if __name__ == "__main__":
    main()
