# SPDX-License-Identifier: Apache-2.0
"""The bad-input catalogue of customers.h5, catalogue.h5 and matrices, as a table: what is done to
a valid file, the exit code, and what the message must say. Run by ctest:
bad_inputs.py CHECK_INPUT"""
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[3])]
import bad_customers  # noqa: E402
import bad_files  # noqa: E402
import bad_hdf5  # noqa: E402
import bad_matrices  # noqa: E402
import make_files  # noqa: E402


def check_inputs(program, inputs):
    """One line per input: STATUS EXIT_CODE MESSAGE."""
    out = subprocess.run([program, "-t", "20", *inputs], stdout=subprocess.PIPE, check=True,
                         timeout=300)
    lines = out.stdout.decode(errors="replace").splitlines()
    assert len(lines) == len(inputs), f"{len(lines)} lines for {len(inputs)} inputs"
    return lines


def failure(case, line):
    """None, or what is wrong with the line."""
    if case.code == 0:
        return None if line == "BR_OK 0" else "expected a clean read"
    words = line.split(" ", 2)
    if len(words) < 3 or words[1] != str(case.code):
        return f"expected exit code {case.code}"
    file = str(case.path).split(":")[0]
    if file not in words[2]:
        return f"the message does not name the file {file}"
    missing = [part for part in case.says if part not in words[2]]
    return f"the message lacks {missing}" if missing else None


def main():
    with tempfile.TemporaryDirectory(prefix="batchrank-bad-") as folder:
        folder = Path(folder)
        make_files.example_customers(folder / "customers.h5")
        make_files.example_catalogue(folder / "catalogue.h5")
        cases = []
        for table in (bad_files, bad_hdf5, bad_customers, bad_matrices):
            cases += table.make_cases(folder)
        lines = check_inputs(sys.argv[1], [f"{case.kind}:{case.path}" for case in cases])
        bad = 0
        for case, line in zip(cases, lines):
            problem = failure(case, line)
            if problem:
                bad += 1
                print(f"{case.name}: {problem}; got: {line}")
        names = [case.name for case in cases]
        assert len(set(names)) == len(names), "two cases have one name"
        print(f"{len(cases)} cases, {bad} failed")
        return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
