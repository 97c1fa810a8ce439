# SPDX-License-Identifier: Apache-2.0
"""Reads of a good customers.h5 and catalogue.h5 fail: EIO once, at any read, ends in exit code 4
with the file's name and the reason; EINTR and a read of half the bytes change nothing.
failing_reads.py CHECK_INPUT BREAK_CALLS"""
import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import make_files  # noqa: E402


def check(program, library, folder, target, how, at):
    """The line check_input prints, and the number of reads."""
    count = folder / "count"
    count.unlink(missing_ok=True)
    env = {**os.environ, "LD_PRELOAD": library, "BREAK_CALL": "read", "BREAK_HOW": str(how),
           "BREAK_AT": str(at), "BREAK_UNDER": str(folder), "BREAK_COUNT": str(count)}
    out = subprocess.run([program, target], env=env, stdout=subprocess.PIPE, check=True,
                         timeout=60)
    return out.stdout.decode().strip(), int(count.read_text().split()[0])


def main():
    program, library = sys.argv[1:]
    bad = n_runs = 0
    with tempfile.TemporaryDirectory(prefix="batchrank-reads-") as folder:
        folder = Path(folder)
        make_files.example_customers(folder / "customers.h5")
        make_files.example_catalogue(folder / "catalogue.h5", libver="earliest")
        for kind in ("customers=30", "catalogue"):
            target = f"{kind}:{folder / kind.split('=')[0]}.h5"
            line, n_reads = check(program, library, folder, target, 0, 0)
            assert line == "BR_OK 0" and n_reads > 20, (line, n_reads)
            for how, step in ((errno.EIO, 1), (errno.EINTR, 3), ("short", 3)):
                for at in range(1, n_reads + 1, step):
                    line, _ = check(program, library, folder, target, how, at)
                    n_runs += 1
                    good = line == "BR_OK 0" if how != errno.EIO else (
                        line.startswith("BR_E_IO 4 ") and kind.split("=")[0] in line
                        and "Input/output error" in line)
                    if not good:
                        bad += 1
                        print(f"{kind}, read {at}, {how}: {line}")
    print(f"{n_runs} runs, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
