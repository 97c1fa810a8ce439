# SPDX-License-Identifier: Apache-2.0
"""A seeded sample of a loop of faults, for the tests: sample.py LOOP N_CASES [SEED]. What the loops
are is said in docs/RELIABILITY.md; scripts/soak.sh runs all of their cases."""
import importlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

# name -> (module, class, more arguments)
LOOPS = {"points": ("loop_points", "Points"), "points-2": ("loop_points", "Points", 2),
         "points-4": ("loop_points", "Points", 4), "lost": ("loop_lost", "Lost"),
         "kills": ("loop_kills", "Kills"), "power": ("loop_power", "Power"),
         "calls": ("loop_calls", "Calls"), "memory": ("loop_memory", "Memory"),
         "devices": ("loop_devices", "Devices")}
ROOM_BYTES = 1 << 28


def memory_folder():
    """Where files are in memory, if there is room; None: where temporary files usually are."""
    path = "/dev/shm"
    return path if "TMPDIR" not in os.environ and os.access(path, os.W_OK) and \
        shutil.disk_usage(path).free > ROOM_BYTES else None


def open_loop(name, folder):
    module, cls, *more = LOOPS[name]
    return getattr(importlib.import_module(module), cls)(Path(folder), *more)


def needs_ranks(name):
    return name == "lost" or name.startswith("points-")


def choose(loop, n, seed):
    """Numbers of n cases: without repetition, or from a loop without end; and those that a loop
    wants looked at each time, because one of them once failed."""
    if loop.n_cases is None:
        return [seed * 1000 + i for i in range(n)]
    found = random.Random(seed).sample(range(loop.n_cases), min(n, loop.n_cases))
    return sorted({*found, *(loop.always() if hasattr(loop, "always") else ())})


def main():
    name, n = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20261128
    if needs_ranks(name):
        importlib.import_module("broken_job").ranks_case.skip_without_mpi()
    began, counts, n_failed = time.monotonic(), Counter(), 0
    with tempfile.TemporaryDirectory(prefix=f"batchrank-{name}-",
                                     dir=memory_folder()) as folder:
        loop = open_loop(name, folder)
        cases = choose(loop, n, seed)
        for at in cases:
            try:
                counts.update({k: int(v) for k, v in loop.run(at).items()})
            except (AssertionError, subprocess.TimeoutExpired):
                n_failed += 1
                print(f"case {at}:")
                traceback.print_exc(limit=-2, file=sys.stdout)
        if hasattr(loop, "close"):
            counts.update(loop.close())
    of = f" of {loop.n_cases}" if loop.n_cases else ""
    print(f"seed {seed}: {len(cases)}{of} cases of {name}, {n_failed} failed, "
          f"{dict(counts)}, {time.monotonic() - began:.0f} s")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
