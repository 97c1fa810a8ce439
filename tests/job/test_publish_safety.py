#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `publish` refuses, and that whatever happens (a damaged run, a full disk, kill -9) its
folder is there whole or not at all."""
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from job_files import BATCHRANK, call, run
from publication import check_paper
from run_files import World, random_columns, write_manifest, write_run

SEED, N_KILLS = 20260302, 10


def refuse(code, text, *words_given, out):
    """Exit `code` with `text` in the message; neither folder is left."""
    found, _, err = call("publish", *words_given, "-o", out)
    assert found == code and text in err, (words_given, found, err)
    assert not out.exists() and not (out.parent / f".{out.name}.tmp-publish").exists()


def usage(folder, world):
    out = folder / "u"
    for text, words_given in [
            ("--to is missing", ()), ("unknown 'parquet'", ("--to", "parquet")),
            ("did you mean jsonl", ("--to", "jsnl")),
            ("--long goes with --to csv", ("--to", "jsonl", "--long")),
            ("--ttl goes with --to resp", ("--to", "csv", "--ttl", 5)),
            ("--columns goes with", ("--to", "resp", "--columns", "items")),
            ("did you mean scores", ("--to", "csv", "--columns", "items,score")),
            ("expected items among them", ("--to", "csv", "--columns", "scores")),
            ("--delimiter: found 'x'", ("--to", "csv", "--delimiter", "x")),
            ("--delimiter: found '\"'", ("--to", "csv", "--delimiter", '"')),
            ("--split: found '5 MB'", ("--to", "csv", "--split", "5 MB")),
            ("--split: found '0'", ("--to", "csv", "--split", "0")),
            ("do not fit into files of 40 bytes", ("--to", "csv", "--split", "40B")),
            ("needs --run-id", ("--to", "resp", "--changed-since", world.run))]:
        refuse(2, text, world.run, *words_given, out=out)
    refuse(2, "lies inside the run", world.run, "--to", "csv", out=world.run / "parts" / "x")
    refuse(4, "no/such", world.run, "--to", "csv", out=folder / "no" / "such" / "x")
    refuse(4, "No such file", folder / "nowhere", "--to", "csv", out=out)


def copy(world, folder):
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(world.run, folder))


def damaged_runs(folder, world):
    rng, out = random.Random(SEED), folder / "d"
    broken = copy(world, folder / "broken")
    (broken / "manifest.json").unlink()
    refuse(3, "the run is not complete", broken, "--to", "csv", out=out)
    names = sorted(f"parts/{p.name}" for p in (world.run / "parts").iterdir()) + ["lists.h5"]
    for i in range(20):
        name = names[i % len(names)]
        broken = copy(world, folder / "broken")
        data = bytearray((broken / name).read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        (broken / name).write_bytes(data)
        refuse(3, f"{name}: has SHA-256", broken, "--to", "csv", out=out)
        (broken / name).write_bytes(data[:-1])
        refuse(3, f"{name}: has ", broken, "--to", "csv", out=out)
        (broken / name).unlink()
        refuse(3, f"{name}: is in the manifest, but", broken, "--to", "csv", out=out)


def bad_keys(folder):
    out, rng = folder / "b", np.random.default_rng(5)
    item = np.array([b"ok", b"a,b", b"\xff"], "S4")

    def make(key, listed, flags=0, n=1):
        columns = random_columns(rng, np.array(key, "S8"), 3, 1, [])
        columns["list/item"][:] = np.array(listed, np.int32)[:, None]
        columns["customer/n"][:] = n
        columns["customer/flags"][:] = flags
        columns["customer/arm"][:] = 0
        shutil.rmtree(folder / "keys", ignore_errors=True)
        return write_run(folder / "keys", item, columns, [0, len(key)])
    run_dir = make([b"u", b"v", b"\xc3("], [0, 0, 0])
    refuse(3, "part-00000.h5: /customer/key: row 2: the key '\\xc3('", run_dir, "--to", "csv",
           out=out)
    refuse(3, "lists.h5: /item/key: row 2: the key '\\xff' is no UTF-8",
           make([b"u", b"v"], [0, 2]), "--to", "jsonl", out=out)
    refuse(3, "/item/key: row 1: the key 'a,b' has a comma", make([b"u"], [1]), "--to", "resp",
           "--value", "comma", out=out)
    refuse(3, "row 0 slot 0: item 3, expected 0 to 2", make([b"u"], [3]), "--to", "csv", out=out)
    refuse(3, "row 0: no list, and no flag says why", make([b"u"], [-1], n=0), "--to", "csv",
           out=out)
    for flags in (2, 16 | 1, 64):
        refuse(3, f"row 1: 1 items, but the flags 0x{flags:x} forbid a list",
               make([b"u", b"v"], [0, 0], flags=[0, flags]), "--to", "csv", out=out)
    run_dir = make([b"u"], [0])
    with h5py.File(run_dir / "parts" / "part-00000.h5", "a") as f:
        del f["logging"]
    write_manifest(run_dir, [1])
    refuse(3, "has no /logging/log_propensity", run_dir, "--to", "csv", "--exposures", out=out)


def places(folder, world):
    """--force replaces a publication and nothing else."""
    out, mine = folder / "p", folder / "mine"
    run("publish", world.run, "--to", "csv", "-o", out, "--split", "3kB")
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    code, _, err = call("publish", world.run, "--to", "jsonl", "-o", out)
    assert code == 2 and "--force" in err, err
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    run("publish", world.run, "--to", "jsonl", "-o", out, "--force")
    assert sorted(p.name for p in out.iterdir()) == \
        ["holdout.csv", "lists.jsonl", "publication.json", "rejects.csv"]
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    code, _, err = call("publish", world.run, "--to", "csv", "-o", mine, "--force")
    assert code == 2 and "thesis.tex" in err and (mine / "thesis.tex").read_text() == "x"


def large_run(folder):
    rng, U = np.random.default_rng(SEED), 30000
    key = np.array([f"customer {u:06d}" for u in range(U)], "S15")
    item = np.array([f"item {i:04d}" for i in range(300)], "S9")
    columns = random_columns(rng, key, len(item), 10, ["buy"])
    return write_run(folder / "large", item, columns, list(range(0, U, 1000)) + [U])


def full_disk(folder, large):
    """A file that may not grow further fails like a full disk."""
    out = folder / "full"
    done = subprocess.run([BATCHRANK, "publish", large, "--to", "csv", "-o", out],
                          capture_output=True, text=True, preexec_fn=lambda: resource.setrlimit(
                              resource.RLIMIT_FSIZE, (1500000, 1500000)))
    assert done.returncode == 4 and "lists.csv: cannot write" in done.stderr, done
    assert not out.exists() and not (folder / ".full.tmp-publish").exists()


def kills(folder, large):
    rng, words_given = random.Random(SEED), ["publish", large, "--to", "csv", "--exposures",
                                             "--split", "500kB", "-o"]
    start = time.monotonic()
    run(*words_given, folder / "whole")
    span, n_killed, n_left = time.monotonic() - start, 0, 0
    expected = {p.name: p.read_bytes() for p in (folder / "whole").iterdir()}
    out = folder / "k"
    while n_killed < N_KILLS:
        job = subprocess.Popen([BATCHRANK, *map(str, words_given), out], stdout=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.05, 1.0) * span)
        job.kill()
        if job.wait() == -signal.SIGKILL:
            n_killed += 1
            n_left += (folder / ".k.tmp-publish").exists()
        if out.exists():  # whole, or not there
            assert {p.name: p.read_bytes() for p in out.iterdir()} == expected
        else:
            run(*words_given, out)
        assert {p.name: p.read_bytes() for p in out.iterdir()} == expected
        assert not (folder / ".k.tmp-publish").exists()
        shutil.rmtree(out)
    assert n_left > 0
    check_paper(folder / "whole", 30000)
    print(f"ok  {n_killed} kills, {n_left} left an unfinished folder, each time the same bytes")


def interrupts(folder, large):
    out, n_stopped = folder / "i", 0
    for wait_s in (0.05, 0.1, 0.15, 0.2):
        job = subprocess.Popen([BATCHRANK, "publish", large, "--to", "csv", "-o", out],
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(wait_s)
        job.send_signal(signal.SIGINT)
        _, err = job.communicate()
        if job.returncode == 5:
            n_stopped += 1
            assert "run the same command again" in err and not out.exists(), err
        assert job.returncode in (0, 5, -signal.SIGINT), (job.returncode, err)
        assert job.returncode < 0 or not (folder / ".i.tmp-publish").exists()
        shutil.rmtree(out, ignore_errors=True)
    print(f"ok  {n_stopped} interrupted, nothing left")


def main():
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = World(folder / "run", SEED, max_customers=100)
        while world.U < 20 or len(list((world.run / "parts").iterdir())) < 2:
            shutil.rmtree(world.run)
            world = World(folder / "run", int(world.rng.integers(1 << 30)), max_customers=100)
        usage(folder, world)
        damaged_runs(folder, world)
        bad_keys(folder)
        places(folder, world)
        print("ok  refused with the reason, nothing left behind")
        large = large_run(folder)
        full_disk(folder, large)
        kills(folder, large)
        interrupts(folder, large)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.exit(main())
