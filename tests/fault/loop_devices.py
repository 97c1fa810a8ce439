# SPDX-License-Identifier: Apache-2.0
"""Faults of the emulated GPU (tests/cuda_on_cpu/device_fault.h) in a job of three units: memory
that is refused once or from some allocation on, a device that is broken from some call on, a call
that never returns (the job's own deadline ends it), and bits that flip in what is copied and in
device memory. What a flip does is counted: it is refused, changes nothing, or gives other lists
(docs/RELIABILITY.md)."""
import json
import random
import subprocess

from broken_job import BUILD, Job
from run_tree import files_of

SEED = 20261128
EMULATED = str(BUILD / "tests" / "cuda_on_cpu" / "batchrank_emulated")
DEADLINES = [w for key in ("setup", "unit", "finish") for w in ("--set", f"deadlines.{key}=2")]
N_STICKY, N_FLIPS = 40, 100


def spread(n, most):
    """At most so many of 1..n, the first and the last among them."""
    return sorted({1 + (n - 1) * i // max(1, most - 1) for i in range(most)}) if n > most else \
        list(range(1, n + 1))


class Devices:
    name = "devices"

    def __init__(self, folder):
        (folder / "devices").mkdir()
        self.job = Job(folder / "devices", "device", batchrank=EMULATED)
        self.counts = self.folder_counts({})
        seen, rng = self.counts, random.Random(SEED)
        self.cells = [("fault", f"malloc:{at}:{how}") for at in range(1, seen["malloc"] + 1)
                      for how in ("oom", "oom+")]
        for call in ("launch", "copy", "sync"):
            self.cells += [("fault", f"{call}:{at}:sticky") for at in spread(seen[call], N_STICKY)]
        for call in ("malloc", "launch", "copy", "sync"):
            self.cells += [("hang", f"{call}:{at}:hang") for at in spread(seen[call], 3)]
        for i in range(N_FLIPS):
            bit = rng.randrange(1 << 40)
            self.cells.append(("flip", f"upload:{rng.randint(1, seen['upload'])}:{bit}"))
            self.cells.append(("flip", f"download:{rng.randint(1, seen['download'])}:{bit}"))
            self.cells.append(("flip", f"memory@{rng.randint(1, len(seen['blocks']))}:"
                                       f"{rng.randint(1, seen['launch'])}:{bit}"))
        self.n_cases = len(self.cells)

    def folder_counts(self, env, *more):
        self.job.clear()
        path = self.job.folder / "counts.json"
        path.unlink(missing_ok=True)
        self.done = self.job.run(self.job.words(*more), {**env, "BATCHRANK_CUDA_COUNT": str(path)},
                                 expect=None)
        return json.loads(path.read_text()) if path.exists() else None

    def title(self, at):
        return " ".join(self.cells[at])

    def run(self, at):
        kind, text = self.cells[at]
        return getattr(self, f"_{kind}")(text)

    def _fault(self, text):
        seen, job = self.folder_counts({"BATCHRANK_CUDA_FAULT": text}), self.job
        code, said = self.done.returncode, self.done.stderr
        assert seen is not None and seen["fired"] > 0, f"{text}: did not fire: {code} {said}"
        if self._is_over(text, seen):
            assert code == 0 and files_of(job.out) == job.expected, f"{text}: exit {code}: {said}"
            return {"over": True}
        assert code in ((0, 4) if "oom" in text else (4,)), f"{text}: exit {code}: {said}"
        assert code == 0 or "cuda device 0" in said or "memory" in said, f"{text}: {said}"
        job.check_partial(text)
        job.check_again(text, verifies=False)
        return {"failed": code == 4, "mended": code == 0}

    def _is_over(self, text, seen):
        """Did the device break when nothing was asked of it any more but to give memory back?"""
        return "sticky" in text and self.done.returncode == 0 and \
            all(seen[call] == self.counts[call] for call in ("launch", "copy"))

    def _hang(self, text):
        job = self.job
        seen = self.folder_counts({"BATCHRANK_CUDA_FAULT": text}, *DEADLINES)
        code, said = self.done.returncode, self.done.stderr
        assert seen is not None and seen["fired"] == 1, f"{text}: did not fire: {code} {said}"
        assert code == 5 and "nothing moved for 2 s" in said, f"{text}: exit {code}: {said}"
        job.check_partial(text)
        job.check_again(text, verifies=False)
        return {"ended": True}

    def _flip(self, text):
        job = self.job
        try:
            seen = self.folder_counts({"BATCHRANK_CUDA_FLIP": text})
        except subprocess.TimeoutExpired:  # an offset that became huge: a kernel goes on and on
            job.check_partial(text)
            return {"hung": True}
        code, said = self.done.returncode, self.done.stderr
        assert code in (0, 3, 4, 6) or code < 0, f"{text}: exit {code}: {said}"
        if code == 0 and seen["fired"] == 0:
            return {"missed": True}  # memory that was given back by then
        if code != 0:
            job.check_partial(text)
            return {"refused": True}
        return {"harmless": True} if files_of(job.out) == job.expected else {"other lists": True}
