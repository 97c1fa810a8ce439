#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Flips bits in a running job, one per run, and counts who notices: in weights, catalogue, all
resident memory, x_u, listed items and scores, images before and after their digest, files. A run
that ends with exit code 6 has published nothing wrong, and the same command without the flip gives
the bytes of an undisturbed run. Weights, memory, images and files: every flip is caught.

    test_flips.py PROGRAM FLIPS [CUSTOMERS]

FLIPS per place (of 20 or fewer, only the first one's command is given again); the table is
Markdown (docs/DETECTORS.md)."""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import h5py

SEED = 20261128
PLACES = ["weights", "catalogue", "memory", "x as made", "x", "item", "score", "image",
          "written image", "file"]
CERTAIN = {"weights", "catalogue", "memory", "x", "image", "written image", "file"}
DETECTORS = [("memory", "memory of '"), ("x_u at rest", "memory of x_u"),
             ("golden batch", "golden batch"), ("checksums", "sums of the score pass"),
             ("structure", ": list: row "), ("structure", ": found item "),
             ("structure", "cannot be listed"),
             ("structure", "never-list"), ("listed scores", "of the pair"),
             ("sample", "sample: "), ("read back", "read back it has"),
             ("made twice", "made again it has")]


def job(program, folder, out, flip=None):
    tell = folder / "tell"
    tell.unlink(missing_ok=True)
    env = dict(os.environ, BATCHRANK_FLIP_TELL=str(tell))
    if flip:
        env["BATCHRANK_FLIP"] = flip
    done = subprocess.run(
        [program, "run", folder / "job.json", "--set", f"output.path={folder / out}",
         "--threads", "2"], env=env, capture_output=True, text=True)
    told = {}
    if tell.exists():  # a run that is done already passes no place
        told = {k: int(v) for k, v in
                (line.rsplit(":", 1) for line in tell.read_text().splitlines())}
    assert not flip or told.get("flipped"), f"{flip}: no bit was flipped, or a crash"
    return done.returncode, done.stderr, told


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file() and p.name not in (".lock", "audit.jsonl", "latest")}


def detector(log):
    text = log.splitlines()[-1]
    return next((name for name, mark in DETECTORS if mark in text), "another: " + text)


def one(program, folder, flip, oracle, is_repeated):
    """(who caught it, or harmless, or missed)."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    code, log, _ = job(program, folder, "run", flip)
    if code == 6:
        assert not (folder / "run" / "manifest.json").exists(), log
        assert re.search(r"device |part-\d+\.h5", log.splitlines()[-1]), log
        if is_repeated:
            again, log_again, _ = job(program, folder, "run")
            assert again == 0 and content(folder / "run") == oracle, (flip, log, log_again)
        return detector(log)
    if code == 3 and flip.startswith("x as made"):  # who is to know?
        assert not (folder / "run" / "manifest.json").exists(), log
        return "refused as an input"
    assert code == 0, (flip, code, log)
    return "harmless" if content(folder / "run") == oracle else "missed"


def lists(folder):
    found = []
    for path in sorted((folder / "parts").iterdir()):
        with h5py.File(path, "r") as f:
            found += [f[name][()].tobytes() for name in ("/list/item", "/list/score")]
    return found


def check_correct(program, folder, size):
    """detect.on_fault correct: the reference's list takes the wrong one's place (with the
    reference's probabilities: their last digits differ)."""
    text = (folder / "job.json").read_text()
    (folder / "job.json").write_text(text.replace('"stop"', '"correct"'))
    shutil.rmtree(folder / "run", ignore_errors=True)
    code, log, _ = job(program, folder, "run", f"score:{size * 8 // 2 + 30}")
    assert code == 0 and "it is taken" in log, log
    assert lists(folder / "run") == lists(folder / "oracle")
    assert '"hits": 1' in (folder / "run" / "audit.jsonl").read_text()
    (folder / "job.json").write_text(text)
    print("ok  detect.on_fault correct: the same lists as without the flip")


def main():
    program, n = sys.argv[1], int(sys.argv[2])
    customers = sys.argv[3] if len(sys.argv) > 3 else "400"
    rng = random.Random(SEED)
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([program, "generate", "-o", folder, "--customers", customers, "--items",
                        "300", "--browse", "8", "--purchase", "4", "--dim", "16"],
                       check=True, capture_output=True)
        (folder / "job.json").write_text(
            '{"input": {"customers": "customers.h5", "catalogue": "catalogue.h5",'
            ' "model": "model"}, "output": {"path": "run"}, "list": {"k": 10},'
            f' "run": {{"unit_customers": {int(customers) // 4}}},'
            ' "detect": {"golden_units": 2, "on_fault": "stop"}}')
        code, log, sizes = job(program, folder, "oracle")
        assert code == 0, log
        oracle = content(folder / "oracle")
        check_correct(program, folder, sizes["score"])
        print("| place | flips | caught | harmless | missed | by |\n|---|---|---|---|---|---|")
        for place in PLACES:
            who = Counter(one(program, folder, f"{place}:{rng.randrange(sizes[place] * 8)}",
                              oracle, i == 0 or n > 20) for i in range(n))
            harmless, missed = who.pop("harmless", 0), who.pop("missed", 0)
            by = ", ".join(f"{k} {v}" for k, v in who.most_common())
            print(f"| {place} | {n} | {n - harmless - missed} | {harmless} | {missed} | {by} |",
                  flush=True)
            assert place not in CERTAIN or harmless + missed == 0, place
            assert place != "score" or missed == 0


if __name__ == "__main__":
    main()
