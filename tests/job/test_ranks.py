#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same bytes from 2, 3, 4 and 8 ranks and from two machines; ranks that are not alike are
refused; verbs that are no work for ranks."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py

import ranks_case as case
from job_files import run

IS_FEW = "--few" in sys.argv  # the sanitizers' builds are slow


def check_plain(folder):
    job = case.generate(folder)
    run("run", job, "--set", f"output.path={folder / 'one'}", "--log-level", "error")
    for n in (3,) if IS_FEW else (2, 3, 4, 8):
        said = case.ranks(n, "run", job, "--set", f"output.path={folder / f'of{n}'}")[1]
        case.compare(folder / f"of{n}", folder / "one")
        assert f"{n} ranks on 1 machine" in said, said
        print(f"ok  {n} ranks: the same bytes")
    run("verify", folder / "of3")
    said = case.ranks(2, "run", job, "--set", f"output.path={folder / 'of3'}")[1]
    assert "complete already" in said, said


def check_machines(folder):
    """As if on two machines: catalogue and model are sent, the same bytes come out."""
    env = {"BATCHRANK_RANKS_PER_NODE": "2"}
    said = case.ranks(3, "run", folder / "job.json", "--set",
                      f"output.path={folder / 'machines'}", env=env)[1]
    assert "3 ranks on 2 machines" in said, said
    case.compare(folder / "machines", folder / "one")
    print("ok  3 ranks on 2 machines: the same bytes")


def refuse(folder, second, said, env=None):
    """A second rank that is not like the first."""
    first = [case.BATCHRANK, "run", str(folder / "job.json"), "--set",
             f"output.path={folder / 'none'}"]
    done = subprocess.run(["mpirun", "--oversubscribe", "-np", "1", *first, ":", "-np", "1",
                           *second, *first[1:]], env={**case.ENV, **(env or {})}, text=True,
                          capture_output=True, timeout=60)
    told = [x for x in done.stderr.splitlines() if x.startswith("batchrank: ")]
    assert done.returncode == 2 and len(told) == 1, done
    assert "rank 1 (setup)" in told[0] and said in told[0] and "as rank 0 has" in told[0], told
    assert not (folder / "none").exists()
    print("ok ", told[0][:90])


def check_differences(folder):
    other = folder / "other"
    shutil.copy(case.BATCHRANK, other)
    with open(other, "ab") as f:
        f.write(b"0")
    refuse(folder, [str(other)], 'found "sha256 of the program"')
    mount = ["unshare", "--mount", "sh", "-c",
             f'mount --bind "{folder}/changed.h5" "{folder}/data/customers.h5" && exec "$0" "$@"']
    if subprocess.run([*mount[:-1], "true"], capture_output=True).returncode != 0:
        print("not done: a machine with another file (no right to mount)")
        return
    shutil.copy(folder / "data" / "customers.h5", folder / "changed.h5")
    with h5py.File(folder / "changed.h5", "r+") as f:
        name = sorted(f["timeline"])[0]
        f[f"timeline/{name}/item"][0] ^= 1
    refuse(folder, [*mount, case.BATCHRANK], 'found "sha256 of customers"',
           {"BATCHRANK_RANKS_PER_NODE": "1"})


def check_verbs(folder):
    """What one process does, and what rank 0 does for all."""
    assert "done by one process, but 2 were started" in case.ranks(2, "topk", expect=2)[1]
    out = case.ranks(2, "info", folder / "one")[0]
    assert out == run("info", folder / "one"), out
    assert case.ranks(2, "--version")[0] == run("--version")


def main():
    case.skip_without_mpi()
    with tempfile.TemporaryDirectory() as name:
        check_plain(Path(name))
        check_machines(Path(name))
        check_differences(Path(name))
        check_verbs(Path(name))


if __name__ == "__main__":
    sys.exit(main())
