#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run.precision bf16 against fp32 on the real models: the shipped demo, and the published SASRec
weights on MovieLens-1M where ../shared/data (or $BR_TEST_DATA) has them. Prints the distribution of
the cosine of each state and of x_u over all customers, and of the share of the 100 best items that
both have; fails where the mean of x_u is below 0.9999 or 98 %. The bf16 vectors are then encoded
again on one thread: the same bytes."""
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from job_files import ROOT, run

sys.path.insert(0, str(ROOT / "scripts"))
import bundle_writer  # noqa: E402

K = 100
SHARES = (0, 0.1, 1, 5, 25, 50, 100)


def encode(job, out, precision, *words):
    run("encode", job, "-o", out, "--set", f"run.precision={precision}", *words)
    with h5py.File(out) as f:
        columns = {f"state of {name}": f[f"/state/{name}/h"][:].astype(np.float64)
                   for name in f["/state"]}
        columns["x_u"] = f["/vector"][:].astype(np.float64)
    return columns


def cosines(a, b):
    """Of the rows that have a vector; a row that only one has is an error."""
    norm = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    has = norm[0] > 0
    assert (has == (norm[1] > 0)).all()
    return ((a * b).sum(1)[has] / (norm[0] * norm[1])[has])


def best(x, item, bias):
    return np.argpartition(-(x @ item.T + bias), K, axis=1)[:, :K]


def overlaps(a, b, item, bias):
    share = []
    for row in range(0, len(a), 512):
        pairs = zip(best(a[row:row + 512], item, bias), best(b[row:row + 512], item, bias))
        share += [len(np.intersect1d(p, q, assume_unique=True)) / K for p, q in pairs]
    return np.array(share)


def show(name, values, digits):
    found = np.percentile(values, SHARES)
    print(f"  {name:24s} mean {values.mean():.{digits}f}  "
          + "  ".join(f"{v:.{digits}f}" for v in found))


def compare(name, job, folder, item, bias, *words):
    full = encode(job, folder / "fp32.h5", "fp32", *words)
    half = encode(job, folder / "bf16.h5", "bf16", *words)
    again = encode(job, folder / "again.h5", "bf16", "--threads", "1", *words)
    print(f"{name}: {len(full['x_u'])} customers, {len(item)} items; mean, then percentiles "
          + ", ".join(str(s) for s in SHARES))
    for column in full:
        assert (half[column] == again[column]).all(), column
        show(f"cosine, {column}", cosines(full[column], half[column]), 6)
    overlap = overlaps(full["x_u"], half["x_u"], item, bias)
    show(f"both in the {K} best", overlap, 4)
    cosine = cosines(full["x_u"], half["x_u"])
    assert (cosine < 1).any(), "bf16 changed nothing"
    assert cosine.mean() >= 0.9999 and overlap.mean() >= 0.98, (cosine.mean(), overlap.mean())


def compare_demo(folder):
    subprocess.run([ROOT / "scripts" / "prepare_completejourney.py", "--out", folder], check=True,
                   capture_output=True)
    model = bundle_writer.read_safetensors(ROOT / "configs/demo/model/weights.safetensors")
    compare("demo", ROOT / "configs" / "demo" / "run.json", folder,
            model["item_embedding.weight"][1:].astype(np.float64), model["item_bias"][1:].ravel(),
            "--set", f"input.customers={folder}/data/customers.h5",
            "--set", f"input.catalogue={folder}/data/catalogue.h5")


def compare_sasrec(folder):
    import test_sasrec_golden as sasrec
    sasrec.write_inputs(folder)
    weights = bundle_writer.read_safetensors(folder / "model" / "weights.safetensors")
    compare("sasrec-ml1m", folder / "job.json", folder,
            weights["item_emb.weight"][1:].astype(np.float64), 0.0)


def main():
    with tempfile.TemporaryDirectory() as name:
        compare_demo(Path(name))
    try:
        with tempfile.TemporaryDirectory() as name:
            compare_sasrec(Path(name))
    except SystemExit as skipped:
        assert skipped.code == 77


main()
