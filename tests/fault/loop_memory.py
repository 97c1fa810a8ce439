# SPDX-License-Identifier: Apache-2.0
"""Every n-th allocation of our own code fails, once or from n on: exit code 4 with a message, or
the same bytes; never a signal. Then those of libraries, where a signal inside libhdf5 counts as a
kill (docs/RELIABILITY.md): never wrong bytes."""
import signal

from broken_job import Job
from loop_points import Scene

N_OF_LIBRARY = 1500  # of each library's, at most: spread over all
WORDS = ("allocate", "memory", "Memory", "room", "cannot start")


class Memory:
    name = "memory"

    def __init__(self, folder):
        self.cells = []  # (scene, caller, is_always, number)
        for kind in ("plain", "constrained"):
            (folder / f"memory-{kind}").mkdir()
            scene = Scene(Job(folder / f"memory-{kind}", kind), kind)
            callers = ("", "libhdf5", "libcrypto", "libcjson") if kind == "plain" else ("",)
            for caller in callers:
                self._list_cells(scene, caller)
        self.n_cases = len(self.cells)

    def _list_cells(self, scene, caller):
        job = scene.job
        scene.prepare()
        job.run(job.words(), job.env_of_call("malloc", 0, 0, caller=caller))
        n, _ = job.counted()
        assert n > 100, f"{scene.name}: {n} allocations of {caller or 'the program'}"
        step = 1 if caller == "" else max(1, n // N_OF_LIBRARY)
        self.cells += [(scene, caller, is_always, at) for at in range(1, n + 1, step)
                       for is_always in (0, 1)]

    def title(self, at):
        scene, caller, is_always, number = self.cells[at]
        return (f"{scene.name}: allocation {number}{' and later' * is_always} of "
                f"{caller or 'the program'}")

    def run(self, at):
        scene, caller, is_always, number = self.cells[at]
        job, what = scene.job, self.title(at)
        scene.prepare()
        done = job.break_run(job.env_of_call("malloc", number, 12, always=is_always,
                                             caller=caller))
        job.check_partial(what)
        code, said = done.returncode, done.stderr
        if code < 0:
            objects = job.signal_objects()
            assert caller != "" and objects, \
                f"{what}: {signal.Signals(-code).name} in {objects[:8]}"
        elif code == 255:  # exit(-1) of libhdf5, where an error of its own finds no memory
            assert caller == "libhdf5", f"{what}: exit {code}: {said}"
        else:
            assert job.counted()[1] > 0 or number > job.counted()[0] - 8, \
                f"{what}: the fault did not fire"
            assert code in ((0, 4) if caller == "" else (0, 3, 4)), f"{what}: exit {code}: {said}"
            if code == 4 and caller == "":
                assert any(w in said for w in WORDS), f"{what}: {said}"
        job.check_again(what, verifies=number % 8 == 0)
        return {"failed": code == 4, "died": code < 0 or code == 255}
