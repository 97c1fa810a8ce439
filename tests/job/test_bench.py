#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`bench`: the hash of the suite `score` is the one that NumPy computes from the same numbers;
every suite gives one hash for 1, 2 and 3 ranks, strong and weak; a wrong result gives no time.
Ranks need mpirun and a build with MPI: without them the test is skipped once the rest passed."""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import ranks_case as case
from job_files import call, canonical_sums

np.seterr(over="ignore")
GOLDEN, ONE = np.uint64(0x9E3779B97F4A7C15), np.uint64(1)
SMALL = ["--items", 300, "--dim", 10, "-k", 7, "--repeats", 2, "-q"]


def mix(h):
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))


def values(seed, stream, n_rows, n_cols):
    """The numbers of host/pipeline/bench/score.c."""
    h = mix(np.uint64(seed) + GOLDEN)
    h = mix(h + np.uint64(stream) * GOLDEN + ONE)
    bits = mix(h + np.arange(n_rows * n_cols, dtype=np.uint64) * GOLDEN + ONE)
    total = sum((bits >> np.uint64(16 * i) & np.uint64(0xFFFF)).astype(np.int64) for i in range(4))
    return ((total - 2 * 65535) * 2.0 ** -15).astype(np.float32).reshape(n_rows, n_cols)


def list_hash(item, score):
    """host/pipeline/bench/hash.c"""
    h = mix(np.arange(len(item), dtype=np.uint64) + ONE)
    bits = np.ascontiguousarray(score).view(np.uint32)
    for j in range(item.shape[1]):
        value = item[:, j].astype(np.uint64) << np.uint64(32) | bits[:, j].astype(np.uint64)
        h = mix(h ^ value) + np.uint64(j + 1)
    return "".join(f"{int(np.sum(mix(x), dtype=np.uint64)):016x}" for x in (h, h + GOLDEN))


def expected_hash(seed=1, n_customers=60, n_items=300, dim=10, k=7):
    score = canonical_sums(values(seed, 101, n_customers, dim), values(seed, 102, n_items, dim),
                           values(seed, 103, n_items, 1)[:, 0]).astype(np.float32)
    item = np.argsort(-score, axis=1, kind="stable")[:, :k]
    return list_hash(item, np.take_along_axis(score, item, axis=1))


def bench(folder, *words, n_customers=60, ranks=1, expect=0, env=None):
    """The JSON of a bench, or what it said where it fails."""
    path = folder / "bench.json"
    path.unlink(missing_ok=True)
    words = ["bench", *words, "--customers", n_customers, "--json", path, "--work", folder]
    if ranks == 1:
        code, out, err = call(*words, env=env)
    else:
        done = subprocess.run(case.words(ranks, *words), capture_output=True, text=True,
                              env={**case.ENV, **(env or {})})
        code, out, err = done.returncode, done.stdout, done.stderr
    assert code == expect, f"{words}: exit {code}\n{out}\n{err}"
    if expect:
        assert not path.exists() and not re.search(r"^ +\d", out, re.M), f"a time was given: {out}"
        return err
    result = json.loads(path.read_text())
    assert result["hash"] in out and result["wrong"] == 0 and len(result["wall_s"]) == 2, out
    assert not list(folder.glob("batchrank-bench-*")), "left a folder behind"
    return result


def check_score(folder):
    want = expected_hash()
    for words in (["--backend", "cpu"], ["--backend", "ref"], ["--threads", 1], ["--threads", 3]):
        result = bench(folder, "--suite", "score", *SMALL, *words)
        assert result["hash"] == want, f"{words}: {result['hash']}, NumPy says {want}"
        assert result["checked"] == 32 and result["flop"] >= 0
    bench(folder, "--suite", "score", *SMALL, "--expect", want)
    err = bench(folder, "--suite", "score", *SMALL, "--expect", "0" * 32, expect=6)
    assert want in err and "no time" in err, err
    other = bench(folder, "--suite", "score", *SMALL, "--seed", 2)["hash"]
    assert other == expected_hash(seed=2) != want
    print("ok  score: NumPy's hash", want)


def check_ranks(folder, suite):
    words = ["--suite", suite, *SMALL, "--check", 8, "--threads", 1]
    one = bench(folder, *words)
    tripled = bench(folder, *words, n_customers=180)
    for ranks in (2, 3):
        assert bench(folder, *words, ranks=ranks)["hash"] == one["hash"], (suite, ranks)
    weak = bench(folder, *words, "--scaling", "weak", ranks=3)
    assert weak["hash"] == tripled["hash"] and weak["customers"] == 180 and weak["ranks"] == 3
    print("ok ", suite, "the same for 1, 2, 3 ranks, strong and weak")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check_score(folder)
        for suite in ("encode", "e2e"):
            result = bench(folder, "--suite", suite, *SMALL)
            assert result["checked"] > 0
        assert call("bench", "--suite", "tea", cwd=folder)[0] == 2
        case.skip_without_mpi()
        for suite in ("score", "encode", "e2e"):
            check_ranks(folder, suite)
    return 0


if __name__ == "__main__":
    sys.exit(main())
