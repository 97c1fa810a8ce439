#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `publish` writes, parsed by Python's csv and json, equals the HDF5 lists: random worlds with
odd keys, all formats, columns, delimiters and splits; nobody who is held out or without a list is
in the main file, and every customer is somewhere."""
import json
import os
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

from job_files import read_parts, run, write_job
from publication import check_paper, files_of, read_csv, read_resp, same_floats
from run_files import LETTERS, World, write_run

SEED, N_WORLDS = 20260301, int(os.environ.get("BR_WORLDS", "100"))
COLUMNS = ["items", "scores", "probabilities", "propensities", "sources"]
NAMES = {"items": "rank", "scores": "score", "propensities": "log_propensity",
         "sources": "source"}


def choose_columns(rng):
    chosen = ["items"] + [c for c in COLUMNS[1:] if rng.random() < 0.5]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def check_cells(row, c, columns, cells):
    """cells(name): the n cells of a column, other slots are empty."""
    for column in columns:
        if column == "probabilities":
            for h, values in c["probabilities"].items():
                same_floats(cells(row, f"probability_{h}"), values)
        elif column in ("items", "sources"):
            assert cells(row, NAMES[column]) == c[column], (row, c)
        else:
            same_floats(cells(row, NAMES[column]), c[column])
    for part in (row if isinstance(row, list) else [row]):
        assert int(part["arm"]) == c["arm"] and part["flags"].split() == c["flags"]


def header_of(world, columns, is_long):
    header = ["customer", "position"] if is_long else ["customer"]
    for column in COLUMNS:
        if column not in columns:
            continue
        names = [f"probability_{h}" for h in world.heads] if column == "probabilities" else \
            ["item" if is_long and column == "items" else NAMES[column]]
        for name in names:
            header += [name] if is_long else [f"{name}_{j + 1}" for j in range(world.k)]
    return header + ["arm", "flags", "run"]


def wide_cells(k, n):
    def cells(row, name):
        found = [row[f"{name}_{j + 1}"] for j in range(k)]
        assert not any(found[n:])
        return found[:n]
    return cells


def long_cells(rows, name):
    return [row["item" if name == "rank" else name] for row in rows]


def check_beside(folder, world, delimiter, run_id):
    _, rejects = read_csv([folder / "rejects.csv"], delimiter)
    _, holdout = read_csv([folder / "holdout.csv"], delimiter)
    people = list(world.customers())
    assert rejects == [{"customer": c["customer"], "reason": " ".join(c["flags"]), "run": run_id}
                       for c in people if c["n"] == 0 and not c["is_out"]]
    out = [c for c in people if c["is_out"]]
    assert [h["customer"] for h in holdout] == [c["customer"] for c in out]
    for h, c in zip(holdout, out):
        assert int(h["arm"]) == c["arm"] and np.float32(h["arm_probability"]) == \
            c["arm_probability"] and h["run"] == run_id


def check_exposures(folder, listed, delimiter, run_id):
    _, rows = read_csv(files_of(folder, "exposures"), delimiter)
    paper = json.loads((folder / "publication.json").read_text())
    expected = [(c, j) for c in listed for j in range(c["n"])]
    assert len(rows) == len(expected)
    for row, (c, j) in zip(rows, expected):
        assert (row["run"], row["customer"], row["item"], row["position"], row["arm"]) == \
            (run_id, c["customer"], c["items"][j], str(j + 1), str(c["arm"])), (row, c)
        assert row["config_hash"] == paper["config_hash"] == paper["identity_sha256"][:16]
        same_floats([row["log_propensity"]], [c["propensities"][j]])


def check_split(folder, stem, split):
    sizes = [p.stat().st_size for p in files_of(folder, stem)]
    assert all(s <= split for s in sizes), sizes


def csv_world(world, folder):
    rng, columns = world.rng, choose_columns(world.rng)
    delimiter = str(rng.choice([",", ";", "|", "\t", ":"]))
    is_long, split = bool(rng.random() < 0.4), int(rng.choice([0, 2000, 5000]))
    run_id = str(rng.choice(["", 'spring; "2031"', "R\n1"]))
    extra = (["--long"] if is_long else []) + (["--run-id", run_id] if run_id else []) + \
        (["--split", split] if split else [])
    run("publish", world.run, "--to", "csv", "-o", folder, "--columns", ",".join(columns),
        "--delimiter", "tab" if delimiter == "\t" else delimiter, "--exposures", *extra)
    run_id = run_id or world.run.name
    check_paper(folder, world.U)
    header, rows = read_csv(files_of(folder, "lists"), delimiter)
    assert header == header_of(world, columns, is_long), header
    listed = [c for c in world.customers() if c["n"] > 0 and not c["is_out"]]
    assert all(row["run"] == run_id for row in rows)
    at = 0
    for c in listed:
        n = c["n"] if is_long else 1
        row, at = rows[at:at + n], at + n
        assert all(r["customer"] == c["customer"] for r in row)
        if is_long:
            assert [r["position"] for r in row] == [str(j + 1) for j in range(n)]
            check_cells(row, c, columns, long_cells)
        else:
            check_cells(row[0], c, columns, wide_cells(world.k, c["n"]))
    assert at == len(rows)
    check_beside(folder, world, delimiter, run_id)
    check_exposures(folder, listed, delimiter, run_id)
    for stem in ("lists", "exposures"):
        if split:
            check_split(folder, stem, split)


def jsonl_world(world, folder):
    columns = choose_columns(world.rng)
    run("publish", world.run, "--to", "jsonl", "-o", folder, "--columns", ",".join(columns))
    check_paper(folder, world.U)
    lines = (folder / "lists.jsonl").read_bytes().split(b"\n")
    assert lines.pop() == b""
    listed = [c for c in world.customers() if c["n"] > 0 and not c["is_out"]]
    assert len(lines) == len(listed)
    for line, c in zip(lines, listed):
        found = json.loads(line)
        assert found["customer"] == c["customer"] and found["items"] == c["items"], found
        assert found["arm"] == c["arm"] and found["flags"] == c["flags"]
        assert found["run"] == world.run.name
        assert ("scores" in found) == ("scores" in columns)
        for name, key in (("scores", "scores"), ("log_propensities", "propensities")):
            if key in columns:
                same_floats(found[name], c[key])
        if "sources" in columns:
            assert found["sources"] == c["sources"]
        if "probabilities" in columns:
            assert set(found.get("probabilities", {})) == set(c["probabilities"])
            for h, values in c["probabilities"].items():
                same_floats(found["probabilities"][h], values)
    check_beside(folder, world, ",", world.run.name)


def resp_world(world, folder):
    ttl, is_comma = int(world.rng.choice([0, 3600])), bool(world.rng.random() < 0.5)
    run("publish", world.run, "--to", "resp", "-o", folder, "--key-prefix", "feed", "--ttl", ttl,
        "--value", "comma" if is_comma else "json")
    check_paper(folder, world.U)
    commands = read_resp((folder / "lists.resp").read_bytes())
    listed = [c for c in world.customers() if c["n"] > 0 and not c["is_out"]]
    assert len(commands) == len(listed)
    version = world.run.name
    for words, c in zip(commands, listed):
        assert words[:2] == [b"SET", f"feed:{version}:{c['customer']}".encode()], words
        value = words[2].decode()
        assert (value.split(",") if is_comma else json.loads(value)) == c["items"], words
        assert words[3:] == ([b"EX", str(ttl).encode()] if ttl else [])
    assert read_resp((folder / "current.resp").read_bytes()) == \
        [[b"SET", b"feed:current", version.encode()]]
    check_beside(folder, world, ",", version)


def changed(folder):
    """Only what differs is written; a list that is gone is deleted."""
    n_changed = 0
    for seed in range(20):
        old = World(folder / f"old{seed}", 1000 + seed)
        new = World(folder / f"new{seed}", 1000 + seed if seed % 2 else 2000 + seed)
        run("publish", new.run, "--to", "resp", "-o", folder / f"d{seed}", "--changed-since",
            old.run, "--run-id", "live", "--exposures")
        c = check_paper(folder / f"d{seed}", new.U)["customers"]
        before = {c["customer"]: c["items"] for c in old.customers() if c["n"] and not c["is_out"]}
        sets, deletes, same = {}, [], 0
        for p in new.customers():
            if p["n"] and not p["is_out"]:
                if before.get(p["customer"]) == p["items"]:
                    same += 1
                else:
                    sets[p["customer"]] = p["items"]
            elif p["customer"] in before:
                deletes.append(p["customer"])
        found = read_resp((folder / f"d{seed}" / "lists.resp").read_bytes())
        assert {w[1].decode()[15:]: json.loads(w[2]) for w in found if w[0] == b"SET"} == sets
        assert [w[1].decode()[15:] for w in found if w[0] == b"DEL"] == deletes
        assert c["unchanged"] == same and c["rows"] == len(sets)
        n_changed += len(sets)
        if seed % 2:
            assert not sets and not deletes
    print(f"ok  20 runs against earlier ones, {n_changed} lists changed")


def withdrawn(folder):
    """The same lists; then some customers lose theirs, one list is turned round."""
    old = World(folder / "before", 7, max_customers=200)
    new = World(folder / "after-world", 7, max_customers=200)
    listed = [u for u, c in enumerate(new.customers()) if c["n"] > 1 and not c["is_out"]]
    assert len(listed) > 10
    new.columns["customer/n"][listed[0]] = 0
    new.columns["customer/flags"][listed[0]] = 2
    new.columns["customer/flags"][listed[1]] = 32
    n = new.columns["customer/n"][listed[2]]
    new.columns["list/item"][listed[2]][:n] = new.columns["list/item"][listed[2]][:n][::-1]
    new.run = write_run(folder / "after", new.item_key, new.columns, [0, new.U])
    run("publish", new.run, "--to", "resp", "-o", folder / "w", "--changed-since", old.run,
        "--run-id", "live")
    names = [c["customer"] for c in new.customers()]
    found = [(w[0], w[1].decode()[15:]) for w in
             read_resp((folder / "w" / "lists.resp").read_bytes())]
    assert found == sorted([(b"DEL", names[listed[0]]), (b"DEL", names[listed[1]]),
                            (b"SET", names[listed[2]])],
                           key=lambda f: names.index(f[1])), found
    print("ok  withdrawn lists are deleted, a turned one is set again")


def real_run(folder):
    """A run of the engine: the CSV holds its lists."""
    run("generate", "-o", folder / "data", "--customers", 500, "--items", 100, "--seed", 3)
    write_job(folder / "job.json",
              input={"customers": "data/customers.h5", "catalogue": "data/catalogue.h5",
                     "model": "data/model"},
              output={"path": "run"}, list={"k": 5}, run={"unit_customers": 128})
    run("run", folder / "job.json")
    for out in ("one", "two"):
        run("publish", folder / "run", "--to", "csv", "-o", folder / out, "--exposures",
            "--split", "10kB")
    for a in (folder / "one").iterdir():
        assert a.read_bytes() == (folder / "two" / a.name).read_bytes(), a
    paper = check_paper(folder / "one", 500)
    assert paper["customers"]["rows"] == 500
    _, rows = read_csv(files_of(folder / "one", "lists"))
    assert len(files_of(folder / "one", "lists")) > 2
    lists = read_parts(folder / "run")
    with h5py.File(folder / "run" / "lists.h5") as f:
        item = f["item/key"][:]
    for u, row in enumerate(rows):
        assert row["customer"] == str(lists["customer/key"][u]), row
        assert [row[f"rank_{j + 1}"] for j in range(5)] == \
            [item[i].decode() for i in lists["list/item"][u]]
    print("ok  a run of the engine, twice the same bytes")


def main():
    print("seed", SEED)
    no_comma = [x for x in LETTERS if x != ","]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for w in range(N_WORLDS):
            world = World(folder / f"run {w}", SEED + w, no_comma)
            for kind in (csv_world, jsonl_world, resp_world):
                kind(world, folder / f"{kind.__name__}-{w}")
        print(f"ok  {N_WORLDS} worlds, three formats each")
        changed(folder)
        withdrawn(folder)
        real_run(folder)


if __name__ == "__main__":
    sys.exit(main())
