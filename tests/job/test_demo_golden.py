#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The shipped demo through the whole engine: raw tables to lists, x_u as PyTorch computed it
(configs/demo/model/golden.safetensors), the held-out figures of lists-purchase.json by
`evaluate`."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import ranks_case
from job_files import ROOT, read_parts, run

sys.path.insert(0, str(ROOT / "scripts"))
import bundle_writer  # noqa: E402

MODEL = ROOT / "configs" / "demo" / "model"


def figures(text):
    """{what: (cases, HR@10, NDCG@10)} of evaluate's table."""
    return {name: [float(v) for v in values]
            for name, *values in (line.split() for line in text.splitlines()[1:])}


def check_vectors(lists):
    golden = bundle_writer.read_safetensors(MODEL / "golden.safetensors")
    rows = golden["row"].astype(int).ravel()
    found = lists["vector"][rows]
    error = np.abs(found - golden["x"]).max() / max(1, np.abs(golden["x"]).max())
    assert len(rows) >= 20 and error <= 2e-5, error
    print(f"ok  x_u of {len(rows)} households, largest error {error:.1e}")


def check_metrics(folder):
    wanted = json.loads((MODEL / "lists-purchase.json").read_text())
    rows = figures(run("evaluate", "--run", folder / "run", "--truth",
                       folder / "split" / "truth.h5", "--popularity"))
    for name, key in (("lists", "model"), ("popularity", "popularity")):
        assert rows[name][0] == wanted["cases"]
        for found, figure in zip(rows[name][1:], ("hr", "ndcg")):
            assert abs(found - wanted["lists"][key][figure]) <= 1.5e-6, (name, figure, found)
    print("ok  held-out figures", rows)


def check_shards(folder, words):
    """Two teams of two ranks, which hold half of the catalogue each."""
    words = [*words, "--set", "run.unit_customers=600", "--set"]
    missing = ranks_case.why_no_ranks()
    if missing is not None:
        print("not tried: ranks,", missing)
        return
    run(*words, f"output.path={folder}/one")
    ranks_case.ranks(4, *words, f"output.path={folder}/four", "--set", "run.catalogue_shards=2")
    ranks_case.compare(folder / "four", folder / "one")
    print("ok  2 x 2 ranks: the same bytes")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([ROOT / "scripts" / "prepare_completejourney.py", "--out", folder],
                       check=True, capture_output=True)
        words = ["run", ROOT / "configs" / "demo" / "run.json",
                 "--set", f"input.customers={folder}/split/customers.h5",
                 "--set", f"input.catalogue={folder}/data/catalogue.h5",
                 "--set", "output.vectors=true", "--set", "run.as_of=2017-12-01T05:00:00Z"]
        run(*words, "--set", f"output.path={folder}/run")
        check_shards(folder, words)
        lists = read_parts(folder / "run")
        check_vectors(lists)
        check_metrics(folder)
        for head in ("purchase", "redemption"):
            p = lists["probability/" + head][lists["list/source"] == 1]
            assert np.isfinite(p).all() and (p >= 0).all() and (p < 1).all() and p.max() > 0
        lapse = lists["survival/lapse"][(lists["list/source"] == 1).any(1)]
        assert np.isfinite(lapse).all() and (np.diff(lapse, axis=1) <= 0).all()
        run("verify", folder / "run", "--samples", "200")


if __name__ == "__main__":
    sys.exit(main())
