#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""log.trace: every unit's stages and the lanes' tasks, where they belong; the same lists with it;
a file for each rank; files that cannot be written; what plot_trace.py makes of it."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import ranks_case as case
from job_files import ROOT, call, run

STAGES = {"read": 1, "encode": 2, "fuse": 2, "score": 2, "policy": 3, "detect": 3, "write": 3}
PHASES = ["open inputs", "hash inputs", "open the run", "count popularity",
          "place weights and catalogue", "units", "commit"]
SLACK_US = 0.2  # of rounding


def spans_of(path):
    trace = json.loads(path.read_text())
    assert trace["otherData"]["lost"] == 0
    return [e for e in trace["traceEvents"] if e["ph"] == "X"]


def is_within(inner, outer):
    return inner["ts"] >= outer["ts"] - SLACK_US and \
        inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"] + SLACK_US


def check_spans(spans, units):
    assert [s["name"] for s in spans if s["tid"] == 0] == PHASES
    for name, track in STAGES.items():
        found = [s for s in spans if min(s["tid"], 3) == track and s["name"] == name]
        assert sorted({s["args"]["unit"] for s in found}) == units, (name, units)
    computing = [s for s in spans if s["tid"] == 2]
    lanes = [s for s in spans if s["tid"] > 10]
    assert {s["name"] for s in lanes} == {"encode", "fuse", "score"}
    for task in lanes:
        assert any(is_within(task, s) and s["name"] == task["name"] and s["args"] == task["args"]
                   for s in computing), task
    for track in {s["tid"] for s in spans}:
        own = sorted((s for s in spans if s["tid"] == track), key=lambda s: s["ts"])
        for a, b in zip(own, own[1:]):
            assert a["ts"] + a["dur"] <= b["ts"] + SLACK_US, (a, b)


def check_one(folder, job):
    run("run", job, "--set", f"output.path={folder / 'plain'}")
    run("run", job, "--set", f"output.path={folder / 'one'}", "--threads", 2, "--set",
        f"log.trace={folder / 'trace.json'}")
    case.compare(folder / "one", folder / "plain")
    run("verify", folder / "one")
    spans = spans_of(folder / "trace.json")
    check_spans(spans, list(range(5)))
    print(f"ok  {len(spans)} spans of one process")


def check_writers(folder, job):
    """Four writers: units in any order, the same files."""
    run("run", job, "--set", f"output.path={folder / 'four'}", "--set", "run.writers=4", "--set",
        f"log.trace={folder / 'four.json'}", "--set", "run.unit_customers=20")
    run("run", job, "--set", f"output.path={folder / 'first'}", "--set", "run.unit_customers=20")
    case.compare(folder / "four", folder / "first")
    spans = spans_of(folder / "four.json")
    check_spans(spans, list(range(20)))
    writers = {s["tid"] for s in spans if s["name"] == "write"}
    assert len(writers) > 1, writers
    print(f"ok  {len(writers)} writers, the same files")


def check_ranks(folder, job):
    if case.why_no_ranks() is not None:
        print("not tried: ranks,", case.why_no_ranks())
        return
    case.ranks(2, "run", job, "--set", f"output.path={folder / 'two'}", "--set",
               f"log.trace={folder / 'two.json'}")
    case.compare(folder / "two", folder / "plain")
    units = []
    for rank, path in enumerate((folder / "two.json", folder / "two.json.1")):
        spans = spans_of(path)
        assert {s["pid"] for s in spans} == {rank}
        units += [s["args"]["unit"] for s in spans if s["name"] == "write"]
    assert sorted(units) == list(range(5)), units
    print("ok  two ranks, a file each")


def check_refused(folder, job):
    for path, code, said in ((folder / "data" / "customers.h5", 2, "customers.h5"),
                             (folder / "none" / "trace.json", 4, "none"),
                             (folder / "data", 2, "data")):
        before = path.read_bytes() if path.is_file() else None
        got, _, log = call("run", job, "--set", f"output.path={folder / 'x'}", "--set",
                           f"log.trace={path}")
        assert got == code and said in log, (path, got, log)
        assert not (folder / "x").exists() and (before is None or path.read_bytes() == before)
    print("ok  a file that is an input, a folder, or nowhere")


def check_plot(folder):
    figure = ["--figure", folder / "t.png"] if subprocess.run(
        [sys.executable, "-c", "import matplotlib"], capture_output=True).returncode == 0 else []
    done = subprocess.run([ROOT / "scripts/plot_trace.py", folder / "trace.json", *figure, "--json",
                           folder / "t.json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((folder / "t.json").read_text())["rank 0"]
    assert found["units"] == 5 and list(found["phases_s"]) == PHASES and found["lanes"] == 2
    assert 0 < found["mean_lane_busy"] <= found["any_lane_busy"] <= 1, found
    assert "at least one lane" in done.stdout and (not figure or figure[1].stat().st_size > 0)
    done = subprocess.run([ROOT / "scripts/plot_trace.py", folder / "job.json"],
                          capture_output=True, text=True)
    assert done.returncode == 1 and "no timeline" in done.stderr, done
    print("ok  plot_trace.py:", done.stderr.strip()[-60:])


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = case.generate(folder, customers=400)
        check_one(folder, job)
        check_writers(folder, job)
        check_ranks(folder, job)
        check_refused(folder, job)
        check_plot(folder)


if __name__ == "__main__":
    sys.exit(main())
