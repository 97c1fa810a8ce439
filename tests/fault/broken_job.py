# SPDX-License-Identifier: Apache-2.0
"""A job that can be started with a fault, looked at, and started again until it is like one that
nobody disturbed. One rank is the program itself; several are started by mpirun."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "job"))
import ranks_case  # noqa: E402
from run_tree import check_audits, files_of, finished_parts, temporaries_of  # noqa: E402

BUILD = Path(os.environ.get("BR_FAULT_BUILD", ROOT / "build" / "cpu"))
BATCHRANK = os.environ.get("BATCHRANK", str(BUILD / "batchrank"))
LIBRARY = str(BUILD / "tests" / "fault" / "libbreak_calls.so")
# One machine: Open MPI needs no network, and what is left of a job that lost a rank is killed at
# once. PATIENT gives it the time that is usual, so that ranks may end by themselves.
ENV = {**ranks_case.ENV, "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "vader,self",
       "OMPI_MCA_odls_base_sigkill_timeout": "0"}
PATIENT = {"OMPI_MCA_odls_base_sigkill_timeout": "1"}
DEADLINE_S = 60
SEVERAL_UNIT = 10  # customers per unit for several ranks: units for each
N_CUSTOMERS = {"device": 36, "long": 600}  # of the others, 150

# name -> (customers per unit, more keys of the configuration)
KINDS = {"plain": (50, {"output": {"gates": True, "vectors": True}}),
         "many": (10, {}),
         "long": (10, {}),
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

    def __init__(self, folder, kind="plain", ranks=1, batchrank=BATCHRANK):
        self.folder, self.kind, self.ranks = Path(folder), kind, ranks
        self.batchrank = batchrank
        self.out, self.data = self.folder / "out", self.folder / "data"
        self.log, self.count = self.folder / "log", self.folder / "count"
        self.signal = self.folder / "signal"
        self.n_runs = self.n_kept = 0
        if not self.data.exists():
            make_inputs(self.data, N_CUSTOMERS.get(kind, 150))
        unit, more = KINDS[kind]
        unit = unit if ranks == 1 else SEVERAL_UNIT
        sections = {"input": {n: f"data/{f}" for n, f in (
            ("customers", "customers.h5"), ("catalogue", "catalogue.h5"), ("model", "model"))},
            "list": {"k": 6}, "run": {"unit_customers": unit, "threads": 2}, **more}
        sections["output"] = {"path": "out/run", **sections.get("output", {})}
        self.config = self.folder / f"{kind}.json"
        self.config.write_text(json.dumps(sections))
        self._make_expected()

    def _make_expected(self):
        """An older run, `latest` at it, and what is to come of the job, by one process."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        self.run(self.words("--set", f"output.path={self.out / 'old'}", "--set", "list.k=3",
                            "--set", "constraints.capacity=false", "--set",
                            "constraints.limits=[]", ranks=1))
        self.before = files_of(self.out)
        shutil.copytree(self.out, self.folder / f"before-{self.kind}", symlinks=True)
        self.run(self.words(ranks=1))
        self.expected = files_of(self.out)
        rows = np.concatenate([h5py.File(p)["/customer/row"][:]
                               for p in sorted((self.out / "run" / "parts").iterdir())])
        assert (rows == np.arange(N_CUSTOMERS.get(self.kind, 150))).all(), \
            "customers missing, or twice"
        self.clear()

    def words(self, *more, ranks=None):
        """The command; by another number of ranks than the job's, if asked for."""
        ranks = self.ranks if ranks is None else ranks
        launch = [] if ranks == 1 else [*ranks_case.LAUNCH, str(ranks)]
        return [*launch, self.batchrank, "run", str(self.config), "--log-level", "error", *more]

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

    def begin(self, words, env=None):
        self.n_runs += 1
        return subprocess.Popen(words, env={**ENV, **(env or {})}, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, start_new_session=True)

    def run(self, words, env=None, expect=0):
        with self.begin(words, env) as process:
            try:
                said = process.communicate(timeout=DEADLINE_S)[1]
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        if self.ranks > 1:
            wait_for_session(process.pid)
        if expect is not None:
            assert process.returncode == expect, f"{words}: exit {process.returncode}: {said}"
        return subprocess.CompletedProcess(words, process.returncode, None, said)

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

    def check_again(self, what, verifies=True, ranks=None):
        """The same command again: the same bytes, and finished parts are left alone."""
        done = finished_parts(self.out)
        self.run(self.words(ranks=ranks))
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

    def was_killed(self, code):
        """By SIGKILL, or by a launcher that lost a rank."""
        return code == -signal.SIGKILL if self.ranks == 1 else code != 0

    def workers(self, pid):
        """{rank: process} of a job that was begun as this process."""
        return {0: pid} if self.ranks == 1 else ranks_case.processes(pid, self.batchrank)


def wait_for_session(leader):
    """Until nothing runs any more of what a launcher started."""
    until = time.monotonic() + 10
    while any(session_of(path) == leader for path in Path("/proc").glob("[0-9]*/stat")):
        assert time.monotonic() < until, f"session {leader} lives on"
        time.sleep(0.005)


def session_of(path):
    """By a file /proc/PID/stat; 0 where the process is gone."""
    try:
        fields = path.read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[3])
