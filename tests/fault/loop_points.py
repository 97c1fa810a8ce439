# SPDX-License-Identifier: Apache-2.0
"""Every named fault point (host/base/fault.h), at its first, middle and last hit, on every rank:
the process is killed there; at first hits it also exits, stops for a while, waits, or fails (of
several ranks each does one of these).

Several ranks share units as they become free, so hits differ from run to run: where a hit does not
come, the last one of that run is tried next. A run that several ranks began is finished by as many,
or by one."""
import os
import signal
import subprocess
import time
from collections import Counter
from zlib import crc32

from broken_job import BUILD, DEADLINE_S, PATIENT, Job
from run_tree import files_of

FILES = ("part-", "receipts/", "run.json", "config.json", "lists.h5", "stats.json", "metrics.prom",
         "manifest.json", "prices.npy")
ACTIONS = ("exit", "stop", "delay=50", "fail=E_IO")
N_LISTINGS = 2  # of several ranks: places are those of any of them
N_TRIES = 8  # for a hit of one of several ranks


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
    job.run(job.words(ranks=1), job.env_of_point(point, 1, "kill"), expect=None)
    assert job.point_fired(), f"{point} never fired"
    scene = Scene(job, name, job.keep(name))
    job.clear()
    return scene


class Points:
    name = "points"

    def __init__(self, folder, ranks=1):
        self.cells = []  # (scene, point, (which, number) of a hit, action, rank)
        seen = set()
        for kind in ("plain", "constrained"):
            (folder / kind).mkdir()
        plain = Job(folder / "plain", ranks=ranks)
        scenes = [Scene(plain, "fresh"),
                  cut_off(plain, "resumed", "publish.named@part-00001"),
                  cut_off(plain, "unannounced", "publish.done@manifest.json"),
                  Scene(Job(folder / "constrained", "constrained", ranks=ranks), "constrained")]
        for scene in scenes:
            seen |= self._list_cells(scene)
        names = subprocess.run([BUILD / "tests" / "fault" / "fault_points"], check=True,
                               capture_output=True, text=True).stdout.split()
        assert set(names) == seen, f"fault points that no scene passes: {set(names) - seen}"
        if ranks == 1:
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
        """Counts the hits of undisturbed runs; the names of the points they pass."""
        job, places = scene.job, Counter()
        for _ in range(N_LISTINGS if job.ranks > 1 else 1):
            scene.prepare()
            job.run(job.words(), {"BATCHRANK_FAULT_LOG": str(job.log)})
            assert files_of(job.out) == job.expected, f"{scene.name}, {job.ranks} ranks: bytes"
            places |= Counter((rank, point, kind_of(point, path))
                              for rank, point, path, _ in job.hits())
        for (rank, point, kind), n in sorted(places.items()):
            at = f"{point}@{kind}" if kind else point
            hits = {n: "last", (n + 1) // 2: "middle", 1: "first"}
            self.cells += [(scene, at, (which, hit), "kill", rank) for hit, which in hits.items()]
            turn = crc32(f"{scene.name} {rank} {at}".encode()) % len(ACTIONS)
            actions = ACTIONS if job.ranks == 1 else ACTIONS[turn:turn + 1]
            self.cells += [(scene, at, ("first", 1), action, rank) for action in actions]
        return {point for _, point, _ in places}

    def title(self, at):
        scene, point, (which, _), action, rank = self.cells[at]
        return (f"{scene.name}, {scene.job.ranks} ranks: rank {rank} at {point}, {which} hit: "
                f"{action}")

    def run(self, at):
        scene, point, (_, hit), action, rank = self.cells[at]
        job, what = scene.job, self.title(at)
        more = PATIENT if at % 8 == 0 else {}
        for _ in range(N_TRIES):
            scene.prepare()
            env = {**job.env_of_point(point, hit, action, rank), **more}
            code, said = stop_and_go(job, env) if action == "stop" else started(job, env)
            if job.point_fired():
                break
            assert job.ranks > 1, f"{what}: the fault did not fire"
            assert code == 0 and files_of(job.out) == job.expected, f"{what}: {code}: {said}"
            hit = min(hit, max(1, self._n_hits(job, point, rank)))
        else:
            return {"unreached": True}
        job.check_partial(what)
        self._check_end(job, action, code, f"{what}: exit {code}: {said}")
        job.check_again(what, ranks=None if at % 2 else 1)
        return {"killed": action == "kill"}

    @staticmethod
    def _n_hits(job, at, rank):
        point, _, kind = at.partition("@")
        return sum(r == rank and p == point and kind_of(p, path) == kind
                   for r, p, path, _ in job.hits())

    @staticmethod
    def _check_end(job, action, code, what):
        if action in ("stop", "delay=50"):
            assert code == 0, what
        elif action == "kill":
            assert job.was_killed(code), what
        elif action == "exit":
            assert code == 4 or (job.ranks > 1 and code != 0), what
        else:
            assert code == 4 and "fails as asked for" in what, what


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
    with job.begin(job.words(), env) as process:
        until = time.monotonic() + DEADLINE_S
        stopped = []
        while not stopped and process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
            stopped = [p for p in job.workers(process.pid).values() if is_stopped(p)]
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        said = process.communicate(timeout=DEADLINE_S)[1]
    return process.returncode, said
