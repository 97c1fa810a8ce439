# SPDX-License-Identifier: Apache-2.0
"""All cases of all loops, for so many hours, going on where the last soak stopped, and the table of
what was reached in docs/RELIABILITY.md. Called by scripts/soak.sh: soak.py HOURS STATE [LOOP ...].

Of loops that end, cases are taken in a random order that stays the same, so that any part of them
is a fair sample; those without end go on. Where a change of the code gave a loop another number of
cases, they begin anew and the counts go on adding up."""
import fcntl
import json
import os
import sys
import tempfile
import time
import traceback
from hashlib import sha256
from pathlib import Path

from sample import LOOPS, open_loop

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
SLICE_S = 240  # of one loop, before the next has its turn
SEED = 20261128
WORDS = {"killed": "killed", "failed": "ended with an error", "died": "died inside a library",
         "kept": "finished parts kept", "observed": "files read under a final name",
         "distinct": "distinct states within a turn", "resumable": "could go on",
         "nothing": "held nothing",
         "complete": "complete", "mended": "mended by smaller tasks", "hung": "hung",
         "ended": "ended by the job's own deadline", "refused": "flips refused",
         "harmless": "flips without effect", "other lists": "flips that gave other lists",
         "missed": "flips of memory given back"}


def save(path, state):
    new = path.with_suffix(".new")
    new.write_text(json.dumps(state, indent=1) + "\n")
    new.replace(path)


def is_another(n_before, n_now):
    """Threads make a few calls more or less; a change of the code makes many."""
    return n_before is not None and abs(n_now - n_before) > n_before / 50


def run_slice(name, counts, until):
    """One turn of a loop; counts is {next, cases, failures, of, seen: {...}}."""
    with tempfile.TemporaryDirectory(prefix=f"batchrank-soak-{name}-") as folder:
        loop = open_loop(name, folder)
        order = None if loop.n_cases is None else \
            sorted(range(loop.n_cases), key=lambda i: sha256(f"{SEED} {i}".encode()).digest())
        if is_another(counts["of"], loop.n_cases):
            counts["next"] = 0
        counts["of"] = loop.n_cases
        seen = counts.setdefault("seen", {})
        while time.monotonic() < until and (order is None or counts["next"] < len(order)):
            case = counts["next"] if order is None else order[counts["next"]]
            try:
                for key, n in loop.run(case).items():
                    seen[key] = seen.get(key, 0) + int(n)
            except AssertionError:
                counts["failures"] += 1
                print(f"{name}, case {case}:")
                traceback.print_exc(limit=-2, file=sys.stdout)
                sys.stdout.flush()
            counts["next"] += 1
            counts["cases"] += 1
        try:
            for key, n in loop.close().items() if hasattr(loop, "close") else ():
                seen[key] = seen.get(key, 0) + n
        except AssertionError as problem:
            counts["failures"] += 1
            print(f"{name}: {problem}", flush=True)


def row(name, counts):
    of = "no end" if counts["of"] is None else f"{counts['of']:,}"
    seen = ", ".join(f"{n:,} {WORDS[k]}" for k, n in sorted(counts["seen"].items()) if n)
    return f"| {name} | {counts['cases']:,} | {of} | {counts['failures']:,} | {seen} |"


def write_table(state):
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    lines = ["| loop | cases run | cases there are | differences | what happened |",
             "|---|---|---|---|---|"]
    lines += [row(name, state[name]) for name in LOOPS if name in state]
    PAGE.write_text(f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}")


def main():
    hours, path = float(sys.argv[1]), Path(sys.argv[2])
    names = sys.argv[3:] or list(LOOPS)
    end = time.monotonic() + 3600 * hours
    lock = open(ROOT / "build" / "soak.lock", "w", encoding="ascii")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    state, n_failed = json.loads(path.read_text()) if path.exists() else {}, 0
    slice_s = min(SLICE_S, 3600 * hours / len(names))
    for name in names:
        state.setdefault(name, {"next": 0, "cases": 0, "failures": 0, "of": None, "seen": {}})
    while time.monotonic() < end:
        left = [n for n in names if state[n]["of"] is None or state[n]["next"] < state[n]["of"]]
        if not left:
            break
        for name in left:
            before = state[name]["failures"]
            run_slice(name, state[name], min(end, time.monotonic() + slice_s))
            n_failed += state[name]["failures"] - before
            save(path, state)
            write_table(state)
            print(row(name, state[name]), flush=True)
    lock.close()
    return 1 if n_failed else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
