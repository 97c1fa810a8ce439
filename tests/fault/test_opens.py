# SPDX-License-Identifier: Apache-2.0
"""The proof of docs/GOVERNANCE.md from the outside: a library preloaded between the program and
HDF5 writes down every dataset that is opened and read. Of every verb that reads a configuration, no
denied dataset is among them; of `run`, they are what the manifest says. test_opens.py BATCHRANK
TRACE_OPENS"""
import json
import os
import sys
import tempfile
from pathlib import Path

PROGRAM, LIBRARY = sys.argv[1:]
os.environ["BATCHRANK"] = PROGRAM
sys.path.insert(0, str(Path(__file__).parents[1] / "job"))
import governance_world as world  # noqa: E402
from job_files import call, run  # noqa: E402

DENY = {"governance": {"deny": world.GARBAGE}}


def covers(denied, path):
    return any(path == d or path.startswith(d + "/") for d in denied)


def traced(folder, *words):
    """What the inputs' datasets met: {file name: {"open": {path}, "read": {path or path[n]},
    "attr": {path}}}"""
    trace = folder / "trace"
    trace.unlink(missing_ok=True)
    code, _, log = call(*words, env={"LD_PRELOAD": LIBRARY, "TRACE_OPENS": str(trace)})
    assert code == 0, (words, code, log)
    met = {}
    for line in trace.read_text().splitlines():
        what, file, path, *more = line.split(" ")
        of = met.setdefault(Path(file).name, {"open": set(), "read": set(), "attr": set()})
        if what == "read" and path == "/aggregate":
            assert more and more != ["all"], line
            of["read"] |= {f"/aggregate[{world.AGGREGATES[int(c)]}]" for c in more}
        else:
            of[what].add(path)
    return met


def check(folder, name, *words):
    """No denied dataset was opened, none of its attributes, no denied column read."""
    met = traced(folder, *words)
    for file, denied in world.OBJECTS.items():
        of = met[file + ".h5"]
        bad = [p for kind in of.values() for p in kind if covers(denied, p)]
        assert not bad, (name, file, bad)
        assert of["open"], (name, file)
    print(f"ok  {name}: " + ", ".join(f"{f} {len(of['open'])} opened" for f, of in met.items()
                                      if f in ("customers.h5", "catalogue.h5")))
    return met


def check_run(folder):
    """The manifest names what was opened, no more and no less."""
    met = check(folder, "run", "run", folder / "job.json")
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    for entry in manifest["inputs"]:
        file = entry["file"] if entry["file"].endswith(".h5") else entry["file"] + ".h5"
        opened = met[file]["open"]
        assert {p for p in entry["read"] if "[" not in p} == opened, (file, opened)
        columns = {p for p in entry["read"] if "[" in p}
        assert {p for p in met[file]["read"] if "[" in p} <= columns, met[file]["read"]
    assert met["customers.h5"]["read"] >= {"/aggregate[visits]", "/customer/key"}


def check_trace(folder):
    """The library sees what it should: without `deny` the same columns are opened."""
    world.job(folder / "open.json", folder / "good", folder / "model", output={"path": "open"})
    met = traced(folder, "run", folder / "open.json")
    for file, denied in world.OBJECTS.items():
        seen = met[file + ".h5"]["open"]
        expected = {p for p in denied if "[" not in p and p not in ("/timeline/service",
                                                                    "/state/service")}
        assert expected <= seen, (expected - seen)
    assert "/timeline/service/item" in met["customers.h5"]["open"]


def check_all_aggregates(folder):
    """Nothing of /aggregate is left: not opened; only the names of its columns are read."""
    names = ["aggregate." + a for a in world.AGGREGATES]
    world.write_model(folder / "plain", world.model(aggregates=()))
    world.job(folder / "none.json", folder / "bad", folder / "plain", output={"path": "none"},
              governance={"deny": [*(g for g in world.GARBAGE if "income" not in g), *names]})
    met = check(folder, "run without aggregates", "run", folder / "none.json")
    assert "/aggregate" not in met["customers.h5"]["open"]
    assert "/aggregate" in met["customers.h5"]["attr"]


def main():
    with tempfile.TemporaryDirectory(prefix="batchrank-opens-") as name:
        folder = Path(name)
        for which in ("good", "bad"):
            world.write_inputs(folder / which)
        world.spoil(folder / "bad")
        world.write_model(folder / "model", world.model())
        job = folder / "job.json"
        world.job(job, folder / "bad", folder / "model", **DENY)
        check_run(folder)
        check_trace(folder)
        check_all_aggregates(folder)
        for verb in ("check", "plan"):
            check(folder, verb, verb, job)
        check(folder, "encode", "encode", job, "-o", folder / "x.h5")
        check(folder, "verify", "verify", folder / "run")
        check(folder, "explain", "explain", folder / "run", "--customer", "u07", "--item",
              "catalogue-3", "--why-not")
        check(folder, "evaluate", "evaluate", "--config", job, "--truth",
              folder / "bad" / "customers.h5", "--modality", "buy", "--popularity")
        met = traced(folder, "publish", folder / "run", "--to", "csv", "-o", folder / "out")
        assert not {"customers.h5", "catalogue.h5"} & set(met), met
        world.job(job, folder / "bad", folder / "model", **DENY, output={"path": "sweep-run"},
                  objective={"type": "linear", "terms": [{"name": "s", "weight": 1}]})
        (folder / "weights.json").write_text(json.dumps(
            [{"name": "a", "weights": {"s": 1}}, {"name": "b", "weights": {"s": 2}}]))
        check(folder, "run --sweep", "run", job, "--sweep", folder / "weights.json", "-o",
              folder / "sweep")
        world.job(job, folder / "bad", folder / "model", **DENY, output={"path": "fleet"},
                  list={"k": 3, "fallback": "none"}, constraints={"capacity": True})
        check(folder, "run under constraints", "run", job)
        check(folder, "allocate", "allocate", folder / "fleet", "-o", folder / "again")
        for out in ("fleet", "again"):
            run("verify", folder / out)
            manifest = json.loads((folder / out / "manifest.json").read_text())
            assert manifest["inputs"][0]["denied"] == world.OBJECTS["customers"], out
    return 0


if __name__ == "__main__":
    sys.exit(main())
