# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments, up to three times into one run, while a second process opens every
file that has a final name and compares it with the undisturbed run's (watch.py). Every second job
has three writers, which may finish units in another order."""
import json
import random
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

from broken_job import DEADLINE_S, Job

SEED = 20260102


class Kills:
    name = "kills"
    n_cases = None

    def __init__(self, folder):
        (folder / "many").mkdir()
        (folder / "constrained").mkdir()
        self.jobs = [Job(folder / "many", "many"), Job(folder / "constrained", "constrained")]
        self.span_s = []
        for job in self.jobs:
            job.clear()
            began = time.monotonic()
            job.run(job.words())
            self.span_s.append(time.monotonic() - began)
        self.watchers = [self._watch(job) for job in self.jobs]

    @staticmethod
    def _watch(job):
        good = {}
        for files in (job.before, job.expected):
            for name, data in files.items():
                good.setdefault(name, []).append(sha256(data).hexdigest())
        path = job.folder / "good.json"
        path.write_text(json.dumps(good))
        watcher = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "watch.py", job.out, path],
            stdout=subprocess.PIPE, text=True)
        assert watcher.stdout.readline() == "watching\n"
        return watcher

    def run(self, at):
        rng = random.Random(SEED * 1000003 + at)
        which = at % 4 == 3
        job, span_s = self.jobs[which], self.span_s[which]
        what = f"kill {at}, {job.kind}"
        job.clear()
        n_killed = 0
        writers = ["--set", "run.writers=3"] if at % 2 == 1 else []
        for _ in range(rng.randrange(1, 4)):
            n_killed += self._kill(job, rng.random() * span_s, writers)
            job.check_partial(what)
        n_before = job.n_kept
        job.check_again(what, verifies=at % 8 == 0)
        return {"killed": n_killed, "kept": job.n_kept - n_before}

    @staticmethod
    def _kill(job, after_s, more):
        with job.begin(job.words(*more)) as process:
            time.sleep(after_s)
            process.kill()
            said = process.communicate(timeout=DEADLINE_S)[1]
            code = process.returncode
        assert code in (0, -signal.SIGKILL), f"exit {code}: {said}"
        return code != 0

    def close(self):
        """What the watchers saw: an error when anything was partial."""
        n_seen = 0
        for watcher in self.watchers:
            watcher.send_signal(signal.SIGTERM)
            said = watcher.communicate(timeout=DEADLINE_S)[0].split("\n", 1)
            assert watcher.returncode == 0, f"under a final name: {said[1][:2000]}"
            n_seen += int(said[0])
        return {"observed": n_seen}
