#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check_nccl alone and as 2 to 4 ranks: what goes well, what all must refuse, and planted faults of
NCCL, each of which ends the job in time, with rank, operation and device in the message."""
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROGRAM, LIBRARY = sys.argv[1:3]
ENV = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
       "LD_LIBRARY_PATH": LIBRARY,
       "ASAN_OPTIONS": "detect_leaks=0"}  # of MPI, and of what ends early
MOVED, DEVICE = "NCCL 2.28.9: test of rank", "on cuda: emulated on the host"


def check(n, *words, expect=0, said=(), within=20, **env):
    alone = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", str(n)] if n > 1 else []
    start = time.monotonic()
    done = subprocess.run([*alone, PROGRAM, *words], env={**ENV, **env}, capture_output=True,
                          text=True, timeout=60)
    took, text = time.monotonic() - start, done.stdout + done.stderr
    what = f"{n} ranks {' '.join(words)} {env}"
    assert done.returncode == expect, f"{what}: exit {done.returncode}\n{text}"
    for part in said:
        assert part in text, f"{what}: no '{part}' in\n{text}"
    assert took < within, f"{what}: {took:.1f} s"
    print(f"ok  {what}: exit {expect}, {took:.1f} s")


def fault(n, text, *words, expect, said, within=12):
    check(n, *words, expect=expect, said=said, within=within, BATCHRANK_NCCL_FAULT=text)


def check_alone(folder):
    check(1, said=["ok  1 ranks"])
    check(1, "dense", expect=6, said=["found rows 8 apart, expected 4"])
    check(1, "pieces", expect=6, said=["1 pieces of [3, 8], expected [3, 8]"])
    fault(1, "system:0:0", expect=4, said=["NCCL 2.28.9: start of rank 0", DEVICE, "planted"])
    fault(1, "system:0:2", "moves", expect=4, said=[f"{MOVED} 0", DEVICE, "planted"])
    fault(1, "refuse:0:1", "moves", expect=4, said=[f"{MOVED} 0", "invalid argument"])
    fault(1, "flip:0:4", "moves", expect=4, said=["rank 0 received other bytes than rank 0"])
    fault(1, "block:0:2", "moves", expect=5, said=["nothing moved for 2 s (phase setup)"])
    (folder / "libnccl.so.2").touch()
    check(1, expect=4, said=["libnccl.so.2: file too short", "run.nccl=off"],
          LD_LIBRARY_PATH=str(folder))
    check(1, expect=4, said=["version code 21300, expected 2.14"], BATCHRANK_NCCL_VERSION="21300")


def check_ranks():
    """A few jobs at a time: they sleep most of it."""
    here = dict(expect=4, said=["rank 1 received other bytes than rank 0 sent"])
    late = "not done after 2 s (phase setup)"
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(check, 4, said=["ok  4 ranks", "hashes agree"]),
            pool.submit(check, 2, "sizes", expect=6, said=["ranks came with 256 to 288 bytes"]),
            pool.submit(check, 2, "names", expect=6, said=["different arrays, rank 0 with test"]),
            pool.submit(check, 3, "fails", expect=4, said=["rank 2 (setup): no memory on one"]),
            pool.submit(check, 2, expect=4, said=["versions 22705 to 22809"],
                        BATCHRANK_NCCL_VERSION="22705:1"),
            pool.submit(fault, 3, "remote:2:3", "moves", expect=5,
                        said=[f"{MOVED} 2", DEVICE, "remote process exited"]),
            pool.submit(fault, 2, "absent:1:0", expect=5, said=["start of rank", late]),
            pool.submit(fault, 3, "absent:1:2", "moves", expect=5, said=[MOVED, late, DEVICE]),
            pool.submit(fault, 2, "flip:1:2", "moves", **here),
            pool.submit(fault, 2, "flip:1:4", "moves", **here),
            pool.submit(fault, 2, "block-abort:1:1", "moves", expect=4,
                        said=[f"{MOVED} 1", "planted"])]
        for job in jobs:
            job.result()


def main():
    if shutil.which("mpirun") is None:
        print("skipped: mpirun is not installed")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as name:
        check_alone(Path(name))
    check(2, said=["ok  2 ranks"])
    if "--few" not in sys.argv:
        check_ranks()


if __name__ == "__main__":
    sys.exit(main())
