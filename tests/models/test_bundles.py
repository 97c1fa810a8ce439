#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the catalogue of bad model bundles (bad_bundles.py): each gets its exit code and sentence.
Run by ctest: test_bundles.py CHECK_BUNDLE [CASE]."""
import subprocess
import sys
import tempfile
from pathlib import Path

from bad_bundles import AFTER, BEFORE, Bundle

PROGRAM, ONLY = sys.argv[1], sys.argv[2:]


def run(folder, case, is_before):
    name, change, code, piece = case
    b = Bundle(folder)
    if is_before:
        change(b)
    b.write()
    if not is_before:
        change(b)
    done = subprocess.run([PROGRAM, folder], capture_output=True, text=True, timeout=60)
    said = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr
    exit_code = {"ok": 0, "E_INPUT": 3, "E_IO": 4}[code]
    is_good = (done.returncode == exit_code and piece in said
               and said.split()[0] == ("ok" if code == "ok" else "BR_" + code))
    print(f"{'ok ' if is_good else 'BAD'} {name}: {said.replace(str(folder), '')}")
    if not is_good:
        print(f"    exit {done.returncode}, expected {code} with '{piece}' {done.stderr}")
    return is_good


def main():
    cases = [(c, True) for c in BEFORE] + [(c, False) for c in AFTER]
    names = [c[0] for c, _ in cases]
    assert len(set(names)) == len(names)
    n_bad = 0
    for case, is_before in cases:
        if not ONLY or case[0] in ONLY:
            with tempfile.TemporaryDirectory() as folder:
                n_bad += not run(Path(folder), case, is_before)
    print(f"{len(cases)} bundles, {n_bad} not as expected")
    sys.exit(n_bad > 0)


main()
