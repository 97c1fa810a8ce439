#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check_comm alone and as 2 to 5 ranks, on one machine and on several pretended ones; a rank that
stands still, and ranks that wait for each other, end within their deadline."""
import os
import shutil
import subprocess
import sys
import time

PROGRAM = sys.argv[1]
ENV = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
       # Open MPI keeps memory of plugins that it closed; one rank is looked at for leaks
       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def ranks(n, *words, per_machine=None):
    env = ENV if per_machine is None else {**ENV, "BATCHRANK_RANKS_PER_NODE": str(per_machine)}
    return subprocess.run(["mpirun", "--oversubscribe", "--bind-to", "none", "-np", str(n),
                           PROGRAM, *words], env=env, capture_output=True, text=True, timeout=60)


def check_late(mode, said):
    start = time.monotonic()
    done = ranks(3, mode)
    took = time.monotonic() - start
    assert done.returncode == 5 and said in done.stderr, (mode, done)
    assert took < 8, took
    print(f"ok  {mode}: ended after {took:.1f} s:",
          [x for x in done.stderr.splitlines() if said in x][0])


def main():
    done = subprocess.run([PROGRAM], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "ok  1 ranks" in done.stdout, done
    if shutil.which("mpirun") is None:
        print("skipped: mpirun is not installed; one rank is right")
        sys.exit(77)
    done = ranks(2)
    if "has no MPI" in done.stderr:
        assert done.returncode == 2 and "2 processes" in done.stderr, done
        print("skipped: built without MPI; one rank is right, and two are refused")
        sys.exit(77)
    for n, per_machine in ((2, None), (3, 1), (5, 2)):
        done = ranks(n, per_machine=per_machine)
        machines = 1 if per_machine is None else -(-n // per_machine)
        assert done.returncode == 0, done
        assert f"ok  {n} ranks on {machines} machines" in done.stdout, done
        print(done.stdout.strip())
    check_late("uneven", "rank 1")
    check_late("deadlock", "wait for each other")


if __name__ == "__main__":
    sys.exit(main())
