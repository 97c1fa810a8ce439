#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`run` on ready-made vectors against an oracle in NumPy: items, order, score bits, flags, sources;
consent, never-lists, history, segments, validity, popularity, short and empty lists; several
units; the same bytes for any number of threads."""
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from job_files import (canonical_scores, open_file, read_parts, run, write_csr, write_job,
                       write_timeline)

SEED, U, N, D, K = 20260101, 700, 150, 24, 12
SHORT, NO_CONSENT, NO_EVENTS, FALLBACK, NOTHING = 1, 2, 4, 8, 16
AS_OF = 1000


def make(folder):
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    d = {"x": rng.integers(-3, 4, (U, D)).astype(np.float32),
         "z": rng.integers(-3, 4, (N, D)).astype(np.float32),  # integers: many ties
         "bias": rng.integers(-2, 3, N).astype(np.float32),
         "consent": (rng.random(U) < 0.9).astype(np.uint8),
         "have": rng.integers(0, 8, U).astype(np.uint64),
         "need": rng.choice([0, 0, 0, 1, 2, 5], N).astype(np.uint64),
         "never": [sorted(rng.choice(N, rng.integers(0, 6), replace=False)) for _ in range(U)],
         "valid": np.stack([rng.choice([0, 990, 1001], N), rng.choice([1000, 1001, 5000], N)], 1)}
    d["valid"][:, 1] = np.maximum(d["valid"][:, 0], d["valid"][:, 1])
    d["history"] = [[(int(rng.integers(N)), int(t)) for t in
                     sorted(rng.integers(0, 1100, rng.integers(0, 9)))] for _ in range(U)]
    d["have"][5] = 0
    d["never"][5] = list(range(N))  # nothing is left
    d["never"][6] = list(range(N - 3))  # three at most
    with open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"] = np.array([f"c{u:05d}" for u in range(U)], "S8")
        f["/vector"] = d["x"]
        f["/segment"] = d["have"]
        f["/consent/mail"] = d["consent"]
        write_csr(f.create_group("exclude"), d["never"])
        write_timeline(f, "purchase", d["history"])
    with open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.arange(1000, 1000 + N, dtype=np.uint64)
        f["/item/vector"], f["/item/bias"] = d["z"], d["bias"]
        f["/item/segment"], f["/item/valid"] = d["need"], d["valid"].astype(np.int64)
    write_job(folder / "job.json",
              input={"customers": "customers.h5", "catalogue": "catalogue.h5"},
              output={"path": "run", "vectors": True},
              list={"k": K, "channel": "mail", "exclude_history": ["purchase"]},
              run={"as_of": str(AS_OF), "unit_customers": 256})
    return d


def oracle(d):
    score = canonical_scores(d["x"], d["z"], d["bias"])
    valid = (d["valid"][:, 0] <= AS_OF) & (AS_OF < d["valid"][:, 1])
    for u in range(U):
        allowed = valid & ((d["have"][u] & d["need"]) == d["need"])
        allowed[d["never"][u]] = False
        allowed[[i for i, t in d["history"][u] if t <= AS_OF]] = False
        order = [i for i in np.lexsort((np.arange(N), -score[u])) if allowed[i]][:K]
        flags = 0 if len(order) == K else SHORT if order else NOTHING
        if not d["consent"][u]:
            order, flags = [], NO_CONSENT
        yield u, order, score[u], flags


def check_lists(d, lists):
    assert (lists["customer/row"] == np.arange(U)).all()
    assert (lists["vector"] == d["x"]).all()
    n_short = 0
    for u, order, score, flags in oracle(d):
        n = len(order)
        n_short += flags == SHORT
        assert lists["customer/n"][u] == n, (u, lists["customer/n"][u], n)
        assert lists["customer/flags"][u] == flags, (u, lists["customer/flags"][u], flags)
        assert list(lists["list/item"][u]) == order + [-1] * (K - n), u
        found = lists["list/score"][u]
        assert (found[:n].view(np.uint32) == score[order].view(np.uint32)).all(), u
        assert np.isnan(found[n:]).all()
        assert (lists["logging/log_propensity"][u][:n] == 0).all()
        assert list(lists["list/source"][u]) == [1] * n + [0] * (K - n)
    assert n_short > 0
    print(f"ok  {U} lists, {n_short} short")


def check_stats(folder, lists):
    stats = json.loads((folder / "run" / "stats.json").read_text())
    fates = stats["customers"]
    assert sum(fates["fate"].values()) == fates["total"] == U, fates
    assert fates["fate"]["no_consent"] == int((lists["customer/flags"] == NO_CONSENT).sum())
    exposure = np.bincount(lists["list/item"][lists["list/item"] >= 0], minlength=N)
    assert stats["exposure"]["slots"] == int(exposure.sum())
    assert stats["exposure"]["items_listed"] == int((exposure > 0).sum())
    print("ok  the waterfall balances")


def same_bytes(folder, name, *settings):
    run("run", folder / "job.json", "--set", f"output.path={folder / name}", *settings)
    for part in sorted((folder / "run" / "parts").iterdir()):
        assert part.read_bytes() == (folder / name / "parts" / part.name).read_bytes(), part
    print("ok  the same bytes:", name)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = make(folder)
        run("run", folder / "job.json")
        lists = read_parts(folder / "run")
        check_lists(d, lists)
        check_stats(folder, lists)
        same_bytes(folder, "one", "--threads", "1")
        same_bytes(folder, "seven", "--threads", "7")
        run("run", folder / "job.json", "--set", f"output.path={folder / 'ref'}", "--set",
            "run.backend=ref")
        ref = read_parts(folder / "ref")
        assert all((lists[k].tobytes() == ref[k].tobytes()) for k in lists)
        print("ok  cpu and ref: the same lists")
        run("run", folder / "job.json")  # complete: nothing to do


if __name__ == "__main__":
    sys.exit(main())
