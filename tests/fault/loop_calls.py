# SPDX-License-Identifier: Apache-2.0
"""Every k-th call on a file fails once, or from k on, is cut short, torn, killed at or delayed: in
what a job of three units writes (fresh, and gone on with) and in what it reads."""
import errno
import os
import signal

from broken_job import Job
from loop_points import Scene, cut_off
from run_tree import temporaries_of

FULL = [errno.ENOSPC, errno.EIO, errno.EDQUOT]
# call -> (how it breaks once, how it breaks from k on)
WRITES = {"open": (FULL + [errno.EMFILE, errno.EINTR, "kill"], FULL),
          "write": (FULL + [errno.EINTR, "short", "tear", "kill", "delay"], FULL),
          "fsync": (FULL + ["kill", "delay"], FULL),
          "rename": (FULL + ["kill", "delay"], FULL),
          "close": (FULL + [errno.EINTR, "kill"], FULL),
          "fallocate": (FULL + [errno.EOPNOTSUPP], FULL),
          "mkdir": (FULL + ["kill"], FULL),
          "link": (FULL + ["kill"], FULL),
          "unlink": (FULL + ["kill"], FULL),
          "truncate": ([errno.EIO], []),
          "read": ([errno.EIO, errno.EINTR, "short"], [errno.EIO])}
READS = {"open": ([errno.EIO, errno.EMFILE, errno.EACCES], [errno.EIO]),
         "read": ([errno.EIO, errno.EINTR, "short", "kill"], [errno.EIO]),
         "close": ([errno.EIO], [])}
HARMLESS = {errno.EINTR, errno.EOPNOTSUPP, "short", "delay"}


class Calls:
    name = "calls"

    def __init__(self, folder):
        (folder / "calls").mkdir()
        job = Job(folder / "calls")
        self.cells = []  # (scene, folder, call, how, is_always, number)
        for scene in (Scene(job, "fresh"), cut_off(job, "resumed", "publish.named@part-00001")):
            self._list_cells(scene, job.out, WRITES)
            if scene.begin is None:
                self._list_cells(scene, job.data, READS)
        self.n_cases = len(self.cells)

    def _list_cells(self, scene, under, table):
        job = scene.job
        for call, (once, always) in table.items():
            scene.prepare()
            job.run(job.words(), job.env_of_call(call, 0, 0, under=under))
            n, _ = job.counted()
            assert n > 0 or (call in ("unlink", "mkdir") or under == job.data), \
                f"{scene.name}: there is no call of {call}"
            self.cells += [(scene, under, call, how, is_always, at) for at in range(1, n + 1)
                           for is_always, hows in ((0, once), (1, always)) for how in hows]

    def always(self):
        """A part that was read back was opened without patience for signals (open 27 of a job)."""
        return [at for at, (scene, under, call, how, _, number) in enumerate(self.cells)
                if (scene.name, under, call, how) == ("fresh", scene.job.out, "open", errno.EINTR)
                and number % 3 == 0]

    def title(self, at):
        scene, under, call, how, is_always, number = self.cells[at]
        return (f"{scene.name}: {call} {number}{' and later' * is_always} under {under.name}: "
                f"{os.strerror(how) if isinstance(how, int) else how}")

    def run(self, at):
        scene, under, call, how, is_always, number = self.cells[at]
        job, what = scene.job, self.title(at)
        scene.prepare()
        done = job.break_run(job.env_of_call(call, number, how, always=is_always, under=under))
        assert job.counted()[1] > 0, f"{what}: the fault did not fire"
        job.check_partial(what)
        said = done.stderr
        if how in ("kill", "tear"):
            assert job.was_killed(done.returncode), f"{what}: exit {done.returncode}: {said}"
        elif done.returncode < 0:
            objects = job.signal_objects()
            assert any("hdf5" in o for o in objects) and under == job.data, \
                f"{what}: {signal.Signals(-done.returncode).name} in {objects[:6]}"
        elif how in HARMLESS and "no readable HDF5 file" not in said:  # the library's own open
            assert done.returncode == 0, f"{what}: exit {done.returncode}: {said}"
        else:
            assert done.returncode in (0, 4), f"{what}: exit {done.returncode}: {said}"
            assert done.returncode == 0 or os.strerror(how) in said, f"{what}: {said}"
            assert how != errno.ENOSPC or call not in ("write", "rename", "fallocate") or \
                not done.returncode or "bytes wanted" in said or "append" in said, \
                f"{what}: {said}"
            if done.returncode and call != "unlink":
                left = temporaries_of(job.out)
                assert not left, f"{what}: temporary files stay: {left}"
        job.check_again(what, verifies=number % 8 == 0)
        was_asked = how in ("kill", "tear")
        return {"failed": done.returncode == 4, "killed": was_asked,
                "died": done.returncode < 0 and not was_asked}
