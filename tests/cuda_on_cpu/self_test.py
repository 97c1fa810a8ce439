#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs self_test once per case and thread order, and looks for the words it must end with.

  self_test.py asan|tsan PROGRAM
"""
import os
import subprocess
import sys

ORDERS = ["ascending", "descending", "7"]
# case -> (words in any order's output under ASan, under TSan); None: not seen there
PLANTED = {
    "out_of_bounds": ("heap-buffer-overflow", None),
    "shared_bounds": ("out of bounds for type", None),
    "no_barrier": ("expected", "data race"),
    "unwritten_shared": ("nan, expected 5", "nan, expected 5"),
    "unwritten_output": ("nan, expected 7", "nan, expected 7"),
    "divergent_barrier": ("divergent barrier", "divergent barrier"),
    "divergent_shuffle": ("divergent warp", "divergent warp"),
    "no_wait": ("nan, expected 0", "nan, expected 0"),
    "host_reads": ("use-after-poison", None),
    "stale_copy": ("memory that has gone", "memory that has gone"),
    "stale_argument": ("heap-use-after-free", "heap-use-after-free"),
}
GOOD = ["good", "warp", "products", "rounding"]


def run(program, case, order):
    env = dict(os.environ, BATCHRANK_CUDA_ORDER=order,
               TSAN_OPTIONS="halt_on_error=1:atexit_sleep_ms=0")
    done = subprocess.run([program, case], env=env, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main():
    kind, program = sys.argv[1:3]
    wrong = []
    for case in GOOD:
        for order in ORDERS:
            code, text = run(program, case, order)
            if code != 0 or "as expected" not in text:
                wrong.append(f"{case}, {order}: exit {code}: {text[-600:]}")
    for case, words in PLANTED.items():
        want = words[kind == "tsan"]
        if want is None:
            continue
        found = [run(program, case, order) for order in ORDERS]
        # a missing barrier shows without TSan only where a reader comes first
        caught = [code != 0 and want in text for code, text in found]
        if not (any(caught) if case == "no_barrier" and kind == "asan" else all(caught)):
            wrong.append(f"{case}: expected \"{want}\": {[(c, t[-300:]) for c, t in found]}")
    print("\n".join(wrong))
    print(f"{len(wrong)} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
