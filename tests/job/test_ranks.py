#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same bytes from 1, 2, 3, 4 and 8 ranks: an ordinary job, and one under constraints."""
import sys
import tempfile
from pathlib import Path

import ranks_case as case
from job_files import run


def check_plain(folder):
    job = case.generate(folder)
    run("run", job, "--set", f"output.path={folder / 'one'}", "--log-level", "error")
    for n in (1, 2, 3, 4, 8):
        said = case.ranks(n, "run", job, "--set", f"output.path={folder / f'of{n}'}")[1]
        case.compare(folder / f"of{n}", folder / "one")
        assert n == 1 or f"{n} ranks on 1 machine" in said, said
        print(f"ok  {n} ranks: the same bytes")
    run("verify", folder / "of4")
    said = case.ranks(2, "run", job, "--set", f"output.path={folder / 'of2'}")[1]
    assert "complete already" in said, said


def main():
    case.skip_without_mpi()
    with tempfile.TemporaryDirectory() as name:
        check_plain(Path(name))


if __name__ == "__main__":
    sys.exit(main())
