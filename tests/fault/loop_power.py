# SPDX-License-Identifier: Apache-2.0
"""The power goes: states of the output folder that power_states.py allows are built from traces of
a job (undisturbed, or killed once and gone on with). In each `verify` and the same command are run:
the folder holds nothing, or a run that can go on, or one that verifies; never one that says it is
complete and is not. Once the job has ended with 0, it is complete whatever is lost."""
import hashlib
import random
import shutil

from broken_job import Job
from loop_points import Scene
from power_states import Link, Trace, materialise, state

SEED = 20261128
N_OF_TRACE = 40  # states, before another trace is taken
BETWEEN = ("publish.named", "folder.made", "latest.named", "audit.written")  # done, not flushed
COMPLETE, INTERRUPTED, INPUT, IO = 0, 5, 3, 4


def digest(found):
    h = hashlib.sha256()
    for name in sorted(found):
        data = found[name]
        h.update(repr((name, data.target if isinstance(data, Link) else data)).encode())
    return h.hexdigest()


class Power:
    name = "power"
    n_cases = None

    def __init__(self, folder):
        self.folder, self.seen = folder, set()
        self.jobs = []
        for kind in ("plain", "constrained"):
            (folder / f"power-{kind}").mkdir()
            self.jobs.append(Job(folder / f"power-{kind}", kind))
        self.points = {}
        self.number, self.trace = None, None

    def _places(self, job):
        """Fault points that a job passes, in order, with their hits."""
        if job.kind not in self.points:
            Scene(job, "trace").prepare()
            job.run(job.words(), {"BATCHRANK_FAULT_LOG": str(job.log)})
            hits, seen = [], {}
            for _, point, *_ in job.hits():
                seen[point] = seen.get(point, 0) + 1
                hits.append((point, seen[point]))
            self.points[job.kind] = hits
        return self.points[job.kind]

    def _take_trace(self, number):
        """Of a job by itself, or killed at a fault point and started again; the last of them."""
        rng = random.Random(SEED * 7 + number)
        job = self.jobs[number % 4 == 3]
        places = self._places(job)
        if rng.random() < 0.5:
            places = [p for p in places if p[0] in BETWEEN]
        place = rng.choice(places) if number % 4 else None
        job.clear()
        lines = self.folder / "trace"
        for path in (lines, self.folder / "trace.data"):
            path.unlink(missing_ok=True)
        env = {**job.env_of_call("none", 0, 0), "BREAK_TRACE": str(lines)}
        before = job.folder / f"before-{job.kind}"
        n_first = 0
        if place is not None:
            job.break_run({**env, **job.env_of_point(*place, "kill")})
            assert job.point_fired(), f"{place} never fired"
            n_first = len(lines.read_text().splitlines())
        job.run(job.words(), env)
        self.number = number
        self.trace = Trace(job.out, before, lines)
        self.job, self.place, self.n_first = job, place, n_first

    def run(self, at):
        if at // N_OF_TRACE != self.number:
            self._take_trace(at // N_OF_TRACE)
        rng, job = random.Random(SEED * 1000003 + at), self.job
        moment = self.trace.n if rng.random() < 0.15 else rng.randrange(self.trace.n + 1)
        found = state(self.trace, moment, rng)
        what = (f"state {at}: {job.kind}, killed at {self.place}, power gone at step {moment} of "
                f"{self.trace.n}")
        key = digest(found)
        is_new = key not in self.seen
        self.seen.add(key)
        shutil.rmtree(job.out)
        job.out.mkdir()
        job.forget()
        materialise(found, job.out)
        outcome = self._look(job, what, moment == self.trace.n)
        job.check_again(what)
        return {"distinct": is_new, outcome: True}

    @staticmethod
    def _look(job, what, is_over):
        """The outcome by what is there and what verify says."""
        run = job.out / "run"
        done = job.run([job.batchrank, "verify", str(run), "--samples", "0"], expect=None)
        is_complete = (run / "manifest.json").exists()
        says = f"{what}: verify: exit {done.returncode}: {done.stderr}"
        assert done.returncode in (COMPLETE, INTERRUPTED, INPUT, IO), says
        if is_complete:
            assert done.returncode in (COMPLETE, INTERRUPTED), says
        else:
            assert done.returncode in (INPUT, IO), says
        assert not is_over or (is_complete and done.returncode == COMPLETE), \
            f"{what}: had ended with 0: {says}"
        for name, data in job.before.items():
            path = job.out / name
            assert name == "latest" or path.read_bytes() == data, f"{what}: {name} was touched"
        latest = (job.out / "latest").readlink().name
        assert latest == "old" or is_complete, f"{what}: latest points to a run not complete"
        assert not is_over or latest == "run", f"{what}: had ended with 0, latest is {latest}"
        return "complete" if done.returncode == COMPLETE else \
            "resumable" if (run / "run.json").exists() else "nothing"
