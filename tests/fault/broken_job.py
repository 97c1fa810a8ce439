# SPDX-License-Identifier: Apache-2.0
"""A job that can be started with a fault, looked at, and started again until it is like one that
nobody disturbed.

The command that starts it is a list of words, in which {batchrank} and {ranks} are filled in:
BR_FAULT_START="mpirun -np {ranks} {batchrank}" runs every loop on several ranks."""
import json
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import h5py
import numpy as np

from run_tree import check_audits, files_of, finished_parts, temporaries_of

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BR_FAULT_BUILD", ROOT / "build" / "cpu"))
BATCHRANK = os.environ.get("BATCHRANK", str(BUILD / "batchrank"))
LIBRARY = str(BUILD / "tests" / "fault" / "libbreak_calls.so")
START = shlex.split(os.environ.get("BR_FAULT_START", "{batchrank}"))
DEADLINE_S = 60
N_CUSTOMERS = {"device": 36}  # of the others, 150

# name -> (customers per unit, more keys of the configuration)
KINDS = {"plain": (50, {"output": {"gates": True, "vectors": True}}),
         "many": (10, {}),
         "device": (12, {}),
         "constrained": (50, {"list": {"k": 4, "fallback": "none"}, "constraints": {
             "capacity": True, "limits": [{"name": "g", "group": "half", "member": "odd",
                                           "max_share": 0.4}]}})}


def make_inputs(folder, n_customers):
    """Customers, catalogue with capacities, model; the same bytes every time."""
    subprocess.run([BATCHRANK, "generate", "-o", str(folder), "--customers", str(n_customers),
                    "--items", "120", "--dim", "16", "--seed", "7"], check=True,
                   stderr=subprocess.DEVNULL)
    with h5py.File(folder / "catalogue.h5", "a") as f:
        f["/item/capacity"] = (np.arange(120) % 9).astype(np.int64)
        f["/item/group/half"] = (np.arange(120) % 2).astype(np.int32)
        f["/item/group_key/half"] = np.array([b"even", b"odd"])


class Job:
    """Folders: data/ inputs, out/ what is written (run, old, latest), log/ what happened."""

    def __init__(self, folder, kind="plain", start=None, ranks=1, batchrank=BATCHRANK):
        self.folder, self.kind, self.ranks = Path(folder), kind, ranks
        self.start_words = [w.format(batchrank=batchrank, ranks=ranks)
                            for w in (START if start is None else start)]
        self.batchrank = batchrank
        self.out, self.data = self.folder / "out", self.folder / "data"
        self.log, self.count = self.folder / "log", self.folder / "count"
        self.signal = self.folder / "signal"
        self.n_runs = self.n_kept = 0
        if not self.data.exists():
            make_inputs(self.data, N_CUSTOMERS.get(kind, 150))
        unit, more = KINDS[kind]
        sections = {"input": {n: f"data/{f}" for n, f in (
            ("customers", "customers.h5"), ("catalogue", "catalogue.h5"), ("model", "model"))},
            "list": {"k": 6}, "run": {"unit_customers": unit, "threads": 2}, **more}
        sections["output"] = {"path": "out/run", **sections.get("output", {})}
        self.config = self.folder / f"{kind}.json"
        self.config.write_text(json.dumps(sections))
        self._make_expected()

    def _make_expected(self):
        """An older run, `latest` at it, and what is to come of the job."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        self.run(self.words("--set", f"output.path={self.out / 'old'}", "--set", "list.k=3",
                            "--set", "constraints.capacity=false", "--set",
                            "constraints.limits=[]"))
        self.before = files_of(self.out)
        shutil.copytree(self.out, self.folder / f"before-{self.kind}", symlinks=True)
        self.run(self.words())
        self.expected = files_of(self.out)
        rows = np.concatenate([h5py.File(p)["/customer/row"][:]
                               for p in sorted((self.out / "run" / "parts").iterdir())])
        assert (rows == np.arange(N_CUSTOMERS.get(self.kind, 150))).all(), \
            "customers missing, or twice"
        self.clear()

    def words(self, *more):
        return [*self.start_words, "run", str(self.config), "--log-level", "error", *more]

    def clear(self, keep=None):
        """Only the older run is there; or the copy `keep` of an output folder."""
        shutil.rmtree(self.out)
        shutil.copytree(keep or self.folder / f"before-{self.kind}", self.out, symlinks=True)
        self.forget()

    def forget(self):
        for path in (self.log, self.count, self.signal):
            path.unlink(missing_ok=True)

    def keep(self, name):
        """A copy of the output folder as it is now."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.out, path, symlinks=True)
        return path

    def run(self, words, env=None, expect=0):
        self.n_runs += 1
        done = subprocess.run(words, env={**os.environ, **(env or {})}, capture_output=True,
                              text=True, timeout=DEADLINE_S, start_new_session=True, check=False)
        if expect is not None:
            assert done.returncode == expect, f"{words}: exit {done.returncode}: {done.stderr}"
        return done

    def break_run(self, env):
        """The job with faults asked for by environment variables: exit code and stderr."""
        return self.run(self.words(), env, expect=None)

    def env_of_point(self, point, hit, action, rank=None):
        env = {"BATCHRANK_FAULT": f"{point}:{hit}:{action}", "BATCHRANK_FAULT_LOG": str(self.log)}
        return env if rank is None else {**env, "BATCHRANK_FAULT_RANK": str(rank)}

    def env_of_call(self, call, at, how, **more):
        env = {"LD_PRELOAD": LIBRARY, "BREAK_CALL": call, "BREAK_AT": str(at),
               "BREAK_HOW": str(how), "BREAK_UNDER": str(self.out), "BREAK_COUNT": str(self.count),
               "BREAK_SIGNAL": str(self.signal)}
        return {**env, **{f"BREAK_{k.upper()}": str(v) for k, v in more.items()}}

    def hits(self):
        """(rank, point, path, fired) of each hit of a fault point, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        fields = [line.split(" ") for line in lines]
        return [(int(f[0]), f[1], f[2], f[-1] == "fired" and len(f) > 3) for f in fields]

    def point_fired(self):
        return any(fired for *_, fired in self.hits())

    def counted(self):
        """(calls seen, calls broken)"""
        seen, fired = self.count.read_text().split()
        return int(seen), int(fired)

    def signal_objects(self):
        """Program and libraries in the stack of the process that died of a signal."""
        return self.signal.read_text().split() if self.signal.exists() else []

    def check_partial(self, what):
        """No file with a final name is partial or wrong; the older run is as it was."""
        found = files_of(self.out)
        for name, data in found.items():
            good = [x for x in (self.expected.get(name), self.before.get(name)) if x is not None]
            assert data in good, f"{what}: {name} is partial or wrong"
        for name, data in self.before.items():
            assert name == "latest" or found.get(name) == data, f"{what}: {name} was touched"
        latest = found.get("latest", b"").decode()
        assert latest in ("-> old", "-> run"), f"{what}: latest {latest}"
        assert latest == "-> old" or "run/manifest.json" in found, \
            f"{what}: latest points to a run that is not complete"

    def check_again(self, what, verifies=True):
        """The same command again: the same bytes, and finished parts are left alone."""
        done = finished_parts(self.out)
        self.run(self.words())
        found = files_of(self.out)
        other = [n for n in set(found) | set(self.expected) if found.get(n) != self.expected.get(n)]
        assert not other, f"{what}: again: other bytes in {other}"
        left = temporaries_of(self.out)
        assert not left, f"{what}: again: temporary files stay: {left}"
        now = finished_parts(self.out)
        for name, before in done.items():
            assert now[name] == before, f"{what}: {name} was written again"
        check_audits(self.out, what)
        self.n_kept += len(done)
        if verifies:
            self.run([self.batchrank, "verify", str(self.out / "run"), "--samples", "0"])


IS_DIRECT = START[0] == "{batchrank}"  # no launcher in between


def was_killed(code):
    """By SIGKILL, or by a launcher that lost a rank."""
    return code == -signal.SIGKILL if IS_DIRECT else code != 0


def workers_of(pid, batchrank):
    """Processes that run batchrank: this one, or those that a launcher started."""
    if IS_DIRECT:
        return [pid]
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, family = [], [pid]
    while family:
        one = family.pop()
        family += [child for child, parent in parents.items() if parent == one]
        try:
            if os.path.samefile(f"/proc/{one}/exe", batchrank):
                found.append(one)
        except OSError:
            continue
    return found
