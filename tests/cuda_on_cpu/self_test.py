#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs self_test once per case and thread order, and looks for the words it must end with.

  self_test.py asan|tsan PROGRAM [hopper]
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
HOPPER = {
    "no_wait": ("more arrivals in phase 0", "more arrivals in phase 0"),
    "wrong_parity": ("and for good", "and for good"),
    "same_phase": ("seen over", "seen over"),
    "no_barrier": ("no mbarrier was made", "no mbarrier was made"),
    "no_expect": ("bytes for a barrier that expects 0 more",) * 2,
    "no_load": ("waits for 0 arrivals and 16384 bytes, and for good",) * 2,
    "no_arrival": ("waits for 1 arrivals and 0 bytes, and for good",) * 2,
    "many_arrivals": ("more arrivals in phase 0", "more arrivals in phase 0"),
    "load_over_product": ("a product under way reads this box",) * 2,
    "left_load": ("nobody waited for 1 boxes", "nobody waited for 1 boxes"),
    "early_sums": ("expected", "expected"),
    "early_a": ("expected", "expected"),
    "no_fence": ("no fence", "no fence"),
    "no_shared_fence": ("no fence of shared memory", "no fence of shared memory"),
    "left_products": ("nobody waited for", "nobody waited for"),
    "part_of_group": ("divergent warpgroup", "divergent warpgroup"),
    "named_counts": ("of which others are", "of which others are"),
}
HOPPER_GOOD = ["products", "boxes", "ring", "powers"]


def run(program, case, order):
    env = dict(os.environ, BATCHRANK_CUDA_ORDER=order,
               TSAN_OPTIONS="halt_on_error=1:atexit_sleep_ms=0")
    done = subprocess.run([program, case], env=env, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main():
    kind, program = sys.argv[1:3]
    good, planted = (HOPPER_GOOD, HOPPER) if sys.argv[3:] == ["hopper"] else (GOOD, PLANTED)
    wrong = []
    for case in good:
        for order in ORDERS:
            code, text = run(program, case, order)
            if code != 0 or "as expected" not in text:
                wrong.append(f"{case}, {order}: exit {code}: {text[-600:]}")
    for case, words in planted.items():
        want = words[kind == "tsan"]
        if want is None:
            continue
        found = [run(program, case, order) for order in ORDERS]
        # a missing barrier shows without TSan only where a reader comes first
        caught = [code != 0 and want in text for code, text in found]
        is_by_chance = kind == "asan" and want == "expected" and not case.startswith("early")
        if not (any(caught) if is_by_chance else all(caught)):
            wrong.append(f"{case}: expected \"{want}\": {[(c, t[-300:]) for c, t in found]}")
    print("\n".join(wrong))
    print(f"{len(wrong)} not as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
