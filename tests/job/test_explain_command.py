#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`explain` as a command: its text for people, keys that are numbers, and what it refuses: unknown
keys, changed inputs, a list that is not the stored one, another program."""
import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

import explain_world as world
from explain_world import GREEDY, K, LINEAR
from job_files import call, open_file, read_parts, run, write_job

SEED = 20261130


def refused(expect, wanted, *words_):
    code, out, log = call("explain", *words_)
    assert code == expect and wanted in log and out == "", (words_, code, log)


def check_text(folder, d):
    """The text says what the JSON says; the answer comes first when it is asked for."""
    lists = read_parts(folder / "linear")
    u = int(np.flatnonzero(lists["customer/n"] == K)[0])
    key = d["item_key"][lists["list/item"][u, 1]]
    words_ = ["explain", folder / "linear", "--customer", f"c{u:04d}", "--item", key]
    first, last = run(*words_, "--why-not").splitlines(), run(*words_).splitlines()
    assert first[0].split(None, 1) == ["answer", f"it is listed, at slot 2 of {K}"], first[0]
    assert last == first[1:] + first[:1]
    for label in ("customer", "list", "rules", "item", "score", "rank", "margin", "events"):
        assert any(line.startswith(label + " ") for line in last), label
    assert "--why-not" in run("explain", "--help")
    print("ok  text")


def check_vectors(folder, rng):
    """Ready-made vectors, numbers as keys: no modalities, no events, exact ranks."""
    x, z = (rng.integers(-9, 9, (n, 4)).astype(np.float32) for n in (70000, 50))
    with open_file(folder / "x.h5", "customers") as f:
        f["/customer/key"], f["/vector"] = np.arange(70000, dtype=np.uint64) * 3, x
    with open_file(folder / "z.h5", "catalogue") as f:
        f["/item/key"], f["/item/vector"] = np.arange(50, dtype=np.uint64) + 1000, z
    write_job(folder / "vectors.json", input={"customers": "x.h5", "catalogue": "z.h5"},
              output={"path": "vectors"}, list={"k": 4})
    run("run", folder / "vectors.json")
    for u, i in ((0, 0), (65535, 7), (65536, 8), (69999, 49)):
        found = json.loads(run("explain", folder / "vectors", "--customer", 3 * u, "--item",
                               1000 + i, "--json"))
        score = z @ x[u]
        order = np.lexsort((np.arange(50), -score))
        assert found["customer"]["row"] == u and found["item"]["row"] == i
        assert found["score"]["score"] == score[i]
        assert found["score"]["rank"] == list(order).index(i) + 1
        assert found["score"]["margin"] == score[order[3]] - score[i]
        assert found["modalities"] == [] and found["events"]["tried"] == 0
        assert [t["name"] for t in found["score"]["terms"]] == ["match"]
    good = [folder / "vectors", "--item", "1000", "--customer"]
    refused(2, "no customer has the key '196601', did you mean 1", *good, "196601")
    for key in ("x1", "-3", "99999999999999999999"):
        refused(2, "expected a number", *good, key)
    print("ok  ready-made vectors, numbers as keys")


def check_refusals(folder, d):
    good = [folder / "linear", "--customer", "c0001", "--item", d["item_key"][3]]
    refused(2, "no customer has the key 'c001', did you mean c0001", good[0], "--customer", "c001",
            "--item", d["item_key"][3])
    refused(2, "no item has the key 'new-77'", *good[:3], "--item", "new-77")
    refused(2, "--item is missing", *good[:3])
    refused(4, "no-such-run", folder / "no-such-run", *good[1:])
    for name, change in {"complaints.txt": lambda p: p.write_text("c0007\n"),
                         "catalogue.h5": change_price, "model/weights.safetensors": change_byte,
                         "linear/config.json": change_config}.items():
        kept = (folder / name).read_bytes()
        change(folder / name)
        refused(3, "have changed", *good)
        (folder / name).write_bytes(kept)
    run("explain", *good)
    print("ok  unknown keys and changed inputs refused")


def change_price(path):
    with h5py.File(path, "a") as f:
        f["/item/value/price"][0] += 1


def change_byte(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def change_config(path):
    path.write_text(path.read_text().replace('"temperature": 1', '"temperature": 2'))


def check_forged(folder, d):
    """A part with another score, manifest and all: exit 6 names it; the part alone: exit 3."""
    forged = folder / "forged"
    shutil.copytree(folder / "linear", forged)
    part = forged / "parts" / "part-00000.h5"
    lists = read_parts(forged)
    u = int(np.flatnonzero(lists["customer/n"] == K)[0])
    old = hashlib.sha256(part.read_bytes()).hexdigest()
    with h5py.File(part, "a") as f:
        f["/list/score"][u, 0] += 1
    words_ = [forged, "--customer", f"c{u:04d}", "--item", d["item_key"][3]]
    refused(3, "part-00000.h5", *words_)
    manifest = forged / "manifest.json"
    text = manifest.read_text().replace(old, hashlib.sha256(part.read_bytes()).hexdigest())
    manifest.write_text(text)
    refused(6, "computed again, slot 1 holds", *words_)
    identity = json.loads(text)["identity"]["sha256 of the program"]
    manifest.write_text(text.replace(identity, "0" * 64))
    refused(3, "made with another program", *words_)
    print("ok  a list that is not the stored one")


def main():
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = world.make(folder, rng)
        run("run", world.write_config(folder, "linear", LINEAR, GREEDY))
        check_text(folder, d)
        check_vectors(folder, rng)
        check_refusals(folder, d)
        check_forged(folder, d)


if __name__ == "__main__":
    sys.exit(main())
