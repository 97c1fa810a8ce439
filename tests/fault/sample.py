# SPDX-License-Identifier: Apache-2.0
"""A seeded sample of a loop of faults, for the tests: sample.py LOOP N_CASES [SEED]. What the loops
are is said in docs/RELIABILITY.md; scripts/soak.sh runs all of their cases."""
import importlib
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

LOOPS = {"points": "loop_points.Points", "calls": "loop_calls.Calls",
         "memory": "loop_memory.Memory", "kills": "loop_kills.Kills",
         "power": "loop_power.Power", "devices": "loop_devices.Devices"}


def open_loop(name, folder):
    module, cls = LOOPS[name].split(".")
    return getattr(importlib.import_module(module), cls)(Path(folder))


def choose(loop, n, seed):
    """Numbers of n cases: without repetition, or from a loop without end."""
    if loop.n_cases is None:
        return [seed * 1000 + i for i in range(n)]
    return sorted(random.Random(seed).sample(range(loop.n_cases), min(n, loop.n_cases)))


def main():
    name, n = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20261128
    began, counts, n_failed = time.monotonic(), Counter(), 0
    with tempfile.TemporaryDirectory(prefix=f"batchrank-{name}-") as folder:
        loop = open_loop(name, folder)
        cases = choose(loop, n, seed)
        for at in cases:
            try:
                counts.update({k: int(v) for k, v in loop.run(at).items()})
            except AssertionError:
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
