#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The published SASRec checkpoint (pmixer's .pth, variant B) as import_model.py takes it over: its
golden file replays, and `run` and `evaluate` with the bundle give the golden metrics of all 6,040
users. Needs ../shared/data (skipped, 77, where it is absent)."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import test_sasrec_golden as sasrec

CHECKPOINT = next(sasrec.SASREC.glob("*.pth"), None)


def import_it(folder):
    words = [sys.executable, str(sasrec.ROOT / "scripts" / "import_model.py"), "pmixer-sasrec",
             str(CHECKPOINT), "--variant", "b", "--modality", "watch", "--golden-by", "numpy",
             "-o", str(folder / "model")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print("ok ", sasrec.batchrank("verify", "--golden", folder / "model").splitlines()[2])


def evaluate(folder, name, exclude):
    job = {"input": {"customers": "customers.h5", "catalogue": "model/catalogue.h5",
                     "model": "model"}, "output": {"path": name},
           "list": {"k": 10, "fallback": "none", "exclude_history": exclude}}
    (folder / "job.json").write_text(json.dumps(job))
    sasrec.batchrank("run", folder / "job.json")
    words = ["evaluate", "--run", folder / name, "--truth", folder / "truth.h5", "--modality",
             "watch"]
    return sasrec.table(sasrec.batchrank(*words, "--negatives", folder / "negatives.npy"))


def main():
    if CHECKPOINT is None:
        print("skipped: the .pth of ../shared/data/sasrec-ml1m is absent")
        return 77
    golden = json.loads((sasrec.SASREC / "golden" / "metrics.json").read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sasrec.write_inputs(folder)
        (folder / "model").rename(folder / "by-hand")
        import_it(folder)
        rows = evaluate(folder, "new", ["watch"])
        new = golden["full_catalogue_history_excluded"]
        sasrec.expect("history excluded HR@10", rows["lists"][1], new["HR@10"])
        sasrec.expect("history excluded NDCG@10", rows["lists"][2], new["NDCG@10"])
        fixed = golden["sampled_100_negatives_fixed_file"]
        sasrec.expect("fixed negatives HR@10", rows["negatives"][1], fixed["HR@10"])
        sasrec.expect("fixed negatives NDCG@10", rows["negatives"][2], fixed["NDCG@10"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
