# SPDX-License-Identifier: Apache-2.0
"""Every named fault point (host/base/fault.h), at its first, middle and last hit, on every rank:
the process is killed there; at first hits it also exits, stops for a while, waits, or fails."""
import os
import signal
import subprocess
import time
from collections import Counter

from broken_job import BUILD, DEADLINE_S, IS_DIRECT, Job, was_killed, workers_of

FILES = ("part-", "receipts/", "run.json", "config.json", "lists.h5", "stats.json", "metrics.prom",
         "manifest.json", "prices.npy")
RANKS = [int(r) for r in os.environ.get("BR_FAULT_RANKS", "1").split(",")]


def kind_of(point, path):
    """Which of the files that pass this point; the same point at two files is two places."""
    if not point.startswith(("publish.", "folder.", "resume.", "audit.")):
        return ""
    return next((f for f in FILES if f in path), path.rsplit("/", 1)[-1] if path != "-" else "")


class Scene:
    """A job, and what lies in its output folder when it is started."""

    def __init__(self, job, name, begin=None):
        self.job, self.name, self.begin = job, name, begin

    def prepare(self):
        self.job.clear(self.begin)


def cut_off(job, name, point):
    """A scene that begins where a kill at `point` left the output folder."""
    job.clear()
    job.break_run(job.env_of_point(point, 1, "kill"))
    assert job.point_fired(), f"{point} never fired"
    scene = Scene(job, name, job.keep(f"{name}-{job.ranks}"))
    job.clear()
    return scene


class Points:
    name = "points"

    def __init__(self, folder):
        self.cells = []  # (scene, point, hit, action, rank)
        seen = set()
        for ranks in RANKS:
            base = folder / f"points-{ranks}"
            for kind in ("plain", "constrained"):
                (base / kind).mkdir(parents=True)
            plain = Job(base / "plain", ranks=ranks)
            scenes = [Scene(plain, "fresh"),
                      cut_off(plain, "resumed", "publish.named@part-00001"),
                      cut_off(plain, "unannounced", "publish.done@manifest.json"),
                      Scene(Job(base / "constrained", "constrained", ranks=ranks), "constrained")]
            for scene in scenes:
                seen |= self._list_cells(scene)
        names = subprocess.run([BUILD / "tests" / "fault" / "fault_points"], check=True,
                               capture_output=True, text=True).stdout.split()
        assert set(names) == seen, f"fault points that no scene passes: {set(names) - seen}"
        self._check_refusals(plain)
        self.n_cases = len(self.cells)

    @staticmethod
    def _check_refusals(job):
        """What names no point, no hit or no action arms nothing."""
        job.clear()
        for text in ("", "publish.named", "publish.named:1", "publish.named:0:kill",
                     "publish.name:1:kill", "publish.named:1:kil", "publish.named:1:delay=",
                     "publish.named:1x:kill", "publish.named:1:fail=OK"):
            done = job.run(job.words(), {"BATCHRANK_FAULT": text}, expect=2)
            assert "BATCHRANK_FAULT" in done.stderr, f"{text}: {done.stderr}"

    def _list_cells(self, scene):
        """Counts the hits of an undisturbed run; the names of the points it passes."""
        scene.prepare()
        job = scene.job
        job.run(job.words(), {"BATCHRANK_FAULT_LOG": str(job.log)})
        places = Counter((rank, point, kind_of(point, path)) for rank, point, path, _ in job.hits())
        for (rank, point, kind), n in sorted(places.items()):
            at = f"{point}@{kind}" if kind else point
            for hit in sorted({1, (n + 1) // 2, n}):
                self.cells.append((scene, at, hit, "kill", rank))
            self.cells += [(scene, at, 1, action, rank)
                           for action in ("exit", "stop", "delay=50", "fail=E_IO")]
        return {point for _, point, _ in places}

    def run(self, at):
        scene, point, hit, action, rank = self.cells[at]
        job = scene.job
        what = f"{scene.name}, {job.ranks} ranks: rank {rank} at {point}, hit {hit}: {action}"
        scene.prepare()
        env = job.env_of_point(point, hit, action, rank)
        code, said = stop_and_go(job, env) if action == "stop" else started(job, env)
        assert job.point_fired(), f"{what}: the fault did not fire"
        job.check_partial(what)
        if action in ("stop", "delay=50"):
            assert code == 0, f"{what}: exit {code}: {said}"
        elif action == "kill":
            assert was_killed(code), f"{what}: exit {code}: {said}"
        elif IS_DIRECT:
            assert code == 4, f"{what}: exit {code}: {said}"
            assert action == "exit" or "fails as asked for" in said, f"{what}: {said}"
        else:
            assert code != 0, f"{what}: the job went on without a rank"
        job.check_again(what)
        return {"killed": action == "kill"}


def started(job, env):
    done = job.break_run(env)
    return done.returncode, done.stderr


def is_stopped(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop_and_go(job, env):
    """The process stops itself; when all is still, it is sent on."""
    job.n_runs += 1
    with subprocess.Popen(job.words(), env={**os.environ, **env}, stderr=subprocess.PIPE,
                          stdout=subprocess.DEVNULL, text=True, start_new_session=True) as process:
        until = time.monotonic() + DEADLINE_S
        stopped = []
        while not stopped and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
            stopped = [p for p in workers_of(process.pid, job.batchrank) if is_stopped(p)]
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        said = process.communicate(timeout=DEADLINE_S)[1]
    return process.returncode, said
