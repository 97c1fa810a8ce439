#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`run` on an emulated GPU with launches recorded in graphs and without: the same parts, byte for
byte, fewer launches; a wrong word for the switch is a usage error."""
import json
import re
import tempfile
from pathlib import Path

from job_files import call, run

LAUNCHES = re.compile(r"([\d.]+) launches a unit: ([\d.]+) kernels one by one, "
                      r"([\d.]+) replays of (\d+) recorded")


def run_with(folder, graphs, *settings):
    """What the parts hold, launches a unit, replays a unit."""
    out = folder / f"run-{graphs}"
    code, _, log = call("run", folder / "job.json", "--set", f"output.path={out}", *settings,
                        env={"BATCHRANK_CUDA_GRAPHS": graphs})
    assert code == 0, log
    said = LAUNCHES.search(log)
    assert said, log
    parts = [p.read_bytes() for p in sorted((out / "parts").glob("part-*.h5"))]
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    return parts, float(said[1]), float(said[3])


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("generate", "-o", folder, "--dim", "16", "--customers", "120", "--items", "600",
            "--browse", "6", "--purchase", "3")
        (folder / "job.json").write_text(json.dumps(
            {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
             "output": {"path": "run", "vectors": True},
             "list": {"k": 10}, "run": {"unit_customers": 24, "threads": 1}}))
        for words in ([], ["--set", "policy.type=plackett_luce"]):
            on, n_on, n_replays = run_with(folder, "on", *words)
            off, n_off, none = run_with(folder, "off", *words)
            assert len(on) == 5 and on == off, "other lists"
            assert n_replays > 0 and none == 0 and n_on < n_off, (n_on, n_replays, n_off, none)
            print(f"ok  {' '.join(words)} the same bytes; {n_on} launches a unit, or {n_off}")
        code, _, log = call("run", folder / "job.json", env={"BATCHRANK_CUDA_GRAPHS": "perhaps"})
        assert code == 2 and "found 'perhaps', expected on or off" in log, log
        print("ok  a wrong word: exit 2")


if __name__ == "__main__":
    main()
