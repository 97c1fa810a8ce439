# SPDX-License-Identifier: Apache-2.0
"""Inputs for whole-binary tests, written with h5py alone, and the way to call the binary. Seeds are
printed; a test that fails names its folder."""
import json
import os
import subprocess
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BATCHRANK = os.environ.get("BATCHRANK", str(ROOT / "build" / "cpu" / "batchrank"))


def open_file(path, kind):
    f = h5py.File(path, "w")
    f.attrs["format"] = np.bytes_("batchrank-" + kind)
    f.attrs["version"] = np.int64(1)
    return f


def write_csr(group, rows, name="item", dtype=np.int32):
    lengths = [len(r) for r in rows]
    group["offset"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
    group[name] = np.array([x for r in rows for x in r], dtype)


def write_timeline(f, name, events, vocabulary="catalogue"):
    """events: per customer a list of (item, time) or (item, time, weight)."""
    group = f.create_group("timeline/" + name)
    group.attrs["vocabulary"] = np.bytes_(vocabulary)
    write_csr(group, [[e[0] for e in row] for row in events])
    group["time"] = np.array([e[1] for row in events for e in row], np.int64)
    if any(len(e) > 2 for row in events for e in row):
        group["weight"] = np.array([e[2] for row in events for e in row], np.float32)


def call(*words, cwd=None, env=None):
    """(exit code, stdout, stderr)"""
    done = subprocess.run([BATCHRANK, *map(str, words)], capture_output=True, text=True, cwd=cwd,
                          env=None if env is None else {**os.environ, **env})
    return done.returncode, done.stdout, done.stderr


def run(*words, expect=0, **kw):
    code, out, err = call(*words, **kw)
    assert code == expect, f"batchrank {words}: exit {code}, expected {expect}\n{out}\n{err}"
    return out


def write_job(path, **sections):
    Path(path).write_text(json.dumps(sections))


def read_parts(run_dir):
    """All parts of a run joined: {dataset: array}."""
    parts = sorted(Path(run_dir, "parts").glob("part-*.h5"))
    columns = {}
    for part in parts:
        with h5py.File(part) as f:
            def visit(name, node):
                if isinstance(node, h5py.Dataset) and not name.startswith("stats"):
                    columns.setdefault(name, []).append(node[:])
            f.visititems(visit)
    return {name: np.concatenate(arrays) for name, arrays in columns.items()}


def canonical_sums(query_BD, item_ND, bias_N=None):
    """docs/EXACTNESS.md in NumPy, before the rounding: eight interleaved float64 chains, a fixed
    tree, then the bias."""
    D = query_BD.shape[1]
    chains = np.zeros((8, query_BD.shape[0], item_ND.shape[0]))
    q, z = query_BD.astype(np.float64), item_ND.astype(np.float64)
    for d in range(D):
        chains[d % 8] += q[:, d, None] * z[None, :, d]
    pair = chains[:4] + chains[4:]
    two = pair[:2] + pair[2:]
    score = two[0] + two[1]
    return score if bias_N is None else score + bias_N.astype(np.float64)[None, :]


def round_scores(sums):
    """To float32, once; -0 becomes +0."""
    return sums.astype(np.float32) + np.float32(0)


def canonical_scores(query_BD, item_ND, bias_N=None):
    return round_scores(canonical_sums(query_BD, item_ND, bias_N))
