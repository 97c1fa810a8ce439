# SPDX-License-Identifier: Apache-2.0
"""One of several ranks is killed or stopped at a random moment of its work: the job ends within its
deadline, says which rank is lost, and the same command with another number of ranks goes on to the
same bytes.

Rank 0 names the phase of a rank it misses. The others know only that rank 0 is silent; of a killed
rank it is the launcher that knows. A rank that is stopped when all work is done is missed after
PARTING_S (host/comm/comm.c), a constant; one that is stopped when the others have ended is left to
its launcher, which waits: the run is complete, and such a case does not count as a lost rank."""
import os
import random
import select
import signal
import time

from broken_job import DEADLINE_S, PATIENT, Job, ranks_case
from run_tree import files_of

SEED = 20260103
MISSED_S = 2  # all of deadlines.*
PARTING_S = 30
SAID_S = 1   # from a deadline to the message: a look of the watchdog, and a busy machine
ENDED_S = 5  # from the message to the end: MPI has 3 s to end all, the launcher kills after 1
MOMENTS = 0.8  # of an undisturbed run's time, from the first work on
DEADLINES = [w for key in ("answer", "setup", "unit", "allocate", "finish")
             for w in ("--set", f"deadlines.{key}={MISSED_S}")]


class Lost:
    name = "lost"
    n_cases = None

    def __init__(self, folder):
        self.folder, self.scenes = folder, {}

    def _scene(self, kind, ranks):
        """(job, seconds of work when nothing is lost)"""
        if (kind, ranks) not in self.scenes:
            (self.folder / f"{kind}-{ranks}").mkdir()
            job = Job(self.folder / f"{kind}-{ranks}", kind, ranks=ranks)
            job.clear()
            with self._begin(job, {}) as process:
                began = time.monotonic()
                said = process.communicate(timeout=DEADLINE_S)[1]
            assert process.returncode == 0, f"{kind}, {ranks} ranks: {said}"
            assert files_of(job.out) == job.expected, f"{kind}, {ranks} ranks: other bytes"
            self.scenes[kind, ranks] = (job, time.monotonic() - began)
        return self.scenes[kind, ranks]

    @staticmethod
    def _begin(job, env):
        """Once a rank is past the configuration, and so has its deadlines."""
        process = job.begin(job.words(*DEADLINES), {**env, "BATCHRANK_FAULT_LOG": str(job.log)})
        until = time.monotonic() + DEADLINE_S
        while not job.log.exists() and process.poll() is None:
            assert time.monotonic() < until, "no rank begins"
            time.sleep(0.001)
        return process

    def run(self, at):
        rng = random.Random(SEED * 1000003 + at)
        ranks = rng.choice((2, 3, 4))
        job, span_s = self._scene("constrained" if at % 8 in (3, 6) else "long", ranks)
        number = (signal.SIGKILL, signal.SIGSTOP)[at % 2]
        victim = 0 if rng.random() < 0.4 else rng.randrange(1, ranks)
        what = f"lost {at}, {job.kind}: {number.name} to rank {victim} of {ranks}"
        job.clear()
        with self._begin(job, PATIENT if at % 8 in (0, 5) else {}) as process:
            time.sleep(rng.random() * MOMENTS * span_s)
            pids = job.workers(process.pid)
            try:
                os.kill(pids[victim], number)
            except (KeyError, ProcessLookupError):  # it had ended
                pids = None
            said_s, said, took_s = listen(process, lambda: end_alone(job, pids, victim))
        if pids is None or took_s is None:
            assert files_of(job.out) == job.expected, f"{what}: not complete: {said}"
            return {"too late": True}
        ranks_case.wait_for_end(what, pids.values())
        what += f": exit {process.returncode} after {took_s:.1f} s: {said}"
        in_time = self._check_end(number, victim, process.returncode, what) + ENDED_S
        assert took_s <= in_time and said_s <= in_time - ENDED_S + SAID_S, \
            f"{what}: said after {said_s:.1f} s"
        job.check_partial(what)
        job.check_again(what, verifies=at % 8 == 0, ranks=rng.choice((1, 2, 3, 4)))
        return {number.name: True, "in time": True}

    @staticmethod
    def _check_end(number, victim, code, what):
        """Seconds after which the loss must be noticed."""
        if number == signal.SIGKILL:
            assert code != 0 and f"process rank {victim}" in what, what
            return MISSED_S
        assert code == 5, what
        if "cannot part" in what:
            return PARTING_S
        assert f"rank {victim}" in what and "is lost" in what, what
        assert victim == 0 or "last in phase" in what, what
        return MISSED_S


def end_alone(job, pids, victim):
    """Kills a stopped rank that the others have left, the run complete. True: it was so."""
    if pids is None or not (job.out / "run" / "manifest.json").exists() or \
            any(ranks_case.is_alive(p) for r, p in pids.items() if r != victim):
        return False
    os.kill(pids[victim], signal.SIGKILL)
    return True


def listen(process, end_alone_once):
    """(seconds to the first word, all that is said, seconds to the end); no seconds where a rank
    that was left alone had to be ended."""
    began, said_s, said, was_alone = time.monotonic(), None, [], False
    while True:
        if select.select([process.stderr], [], [], 0.1)[0]:
            said.append(os.read(process.stderr.fileno(), 1 << 16).decode())
            if not said[-1]:
                break
            said_s = time.monotonic() - began if said_s is None else said_s
        elif not was_alone:
            was_alone = end_alone_once()
        assert time.monotonic() - began < DEADLINE_S, f"never ends: {said}"
    process.wait(DEADLINE_S)
    took_s = time.monotonic() - began
    if was_alone:
        return None, "".join(said), None
    return took_s if said_s is None else said_s, "".join(said), took_s
