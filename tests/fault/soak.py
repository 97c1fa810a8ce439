# SPDX-License-Identifier: Apache-2.0
"""All cases of all loops, for so many hours, going on where the last soak stopped, and the table of
what was reached in docs/RELIABILITY.md. Called by scripts/soak.sh: soak.py HOURS STATE [LOOP ...].

Of loops that end, cases are taken in the order of a hash of what they are, so that any part of them
is a fair sample, and a case more or less shifts no other; `at` is the hash they have come to.
Those without end go on. Where a change of the code gave a loop another number of cases, it begins
anew and the counts go on adding up. SIGTERM and SIGINT end it after the case at hand; nothing is
lost."""
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from hashlib import sha256
from pathlib import Path

from sample import LOOPS, memory_folder, open_loop

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "RELIABILITY.md"
BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
SLICE_S = 240  # of one loop, before the next has its turn
SEED = 20261128
ON_DISK = {"kills", "lost"}  # moments are random, and flushes take their time
LAST = "over"  # after every hash
WORDS = {"killed": "killed", "failed": "ended with an error", "died": "died inside a library",
         "kept": "finished parts kept", "observed": "files read under a final name",
         "distinct": "distinct states within a turn", "resumable": "could go on",
         "nothing": "held nothing",
         "complete": "complete", "mended": "mended by smaller tasks", "hung": "hung",
         "ended": "ended by the job's own deadline", "refused": "flips refused",
         "over": "broke when all was done",
         "harmless": "flips without effect", "other lists": "flips that gave other lists",
         "missed": "flips of memory given back", "unreached": "never came to their point",
         "SIGKILL": "ranks killed", "SIGSTOP": "ranks stopped", "in time": "within their deadline",
         "too late": "over before a rank was lost"}
IS_ENDING = threading.Event()


def save(path, state):
    new = path.with_suffix(".new")
    new.write_text(json.dumps(state, indent=1) + "\n")
    new.replace(path)


def is_another(n_before, n_now):
    """Threads make a few calls more or less, and ranks share units anew each time."""
    return n_before is not None and abs(n_now - n_before) > n_before / 20


def hash_of(loop, case):
    return sha256(f"{SEED} {loop.title(case)}".encode()).hexdigest()[:16]


def cases_left(loop, counts):
    """(case, hash): all that this pass has not come to, or numbers without end."""
    if loop.n_cases is None:
        while True:
            yield counts["cases"], ""
    if is_another(counts["of"], loop.n_cases) or "at" not in counts:
        counts.update(at="", turn=0)
    counts["of"] = loop.n_cases
    found = ((hash_of(loop, case), case) for case in range(loop.n_cases))
    for digest, case in sorted(found):
        if digest > counts["at"]:
            yield case, digest
    counts["at"] = LAST


def is_over(counts):
    return counts.get("at") == LAST


def add(counts, found):
    for key, n in found.items():
        counts["seen"][key] = counts["seen"].get(key, 0) + int(n)


def run_case(loop, case, counts):
    try:
        add(counts, loop.run(case))
    except (AssertionError, subprocess.TimeoutExpired):
        counts["failures"] += 1
        print(f"{loop.name}, case {case}:")
        traceback.print_exc(limit=-2, file=sys.stdout)
        sys.stdout.flush()
    counts["cases"] += 1
    counts["turn"] = counts.get("turn", 0) + 1


def run_slice(name, counts, until):
    """One turn of a loop; counts is {at, turn, cases, failures, of, seen: {...}}: the place in this
    pass and its cases, those of all passes, and what became of them."""
    base = None if name in ON_DISK else memory_folder()
    with tempfile.TemporaryDirectory(prefix=f"batchrank-soak-{name}-", dir=base) as folder:
        loop = open_loop(name, folder)
        for case, digest in cases_left(loop, counts):
            if time.monotonic() > until or IS_ENDING.is_set():
                break
            run_case(loop, case, counts)
            counts["at"] = digest
        try:
            add(counts, loop.close() if hasattr(loop, "close") else {})
        except AssertionError as problem:
            counts["failures"] += 1
            print(f"{name}: {problem}", flush=True)


def row(name, counts):
    of = "no end" if counts["of"] is None else f"{counts.get('turn', 0):,} of {counts['of']:,}"
    seen = ", ".join(f"{n:,} {WORDS[k]}" for k, n in sorted(counts["seen"].items()) if n)
    return f"| {name} | {counts['cases']:,} | {of} | {counts['failures']:,} | {seen} |"


def write_table(state):
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    tail = rest.split(END)[1]
    lines = ["| loop | cases run | this pass | differences | what happened |",
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
        state.setdefault(name, {"turn": 0, "cases": 0, "failures": 0, "of": None, "seen": {}})
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: IS_ENDING.set())
    while time.monotonic() < end and not IS_ENDING.is_set():
        left = [n for n in names if not is_over(state[n])]
        if not left:
            break
        for name in left:
            if IS_ENDING.is_set():
                break
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
