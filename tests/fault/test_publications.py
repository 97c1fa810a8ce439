# SPDX-License-Identifier: Apache-2.0
"""What becomes of a publication when system calls fail or the process is killed at one of them.

Called by ctest: test_publications.py BATCHRANK BREAK_CALLS. Each case publishes with one fault: the
folder is whole or not there; the same command again gives the bytes of an undisturbed one."""
import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "job"))
from run_files import World  # noqa: E402

ERRORS = {"write": [errno.ENOSPC, errno.EIO, errno.EINTR, "short", "tear"],
          "fsync": [errno.EIO, errno.ENOSPC, "kill"],
          "rename": [errno.ENOSPC, errno.EACCES, "kill"],
          "open": [errno.EACCES, errno.ENOSPC, errno.EMFILE, "kill"],
          "close": [errno.EIO, errno.EINTR, "kill"],
          "mkdir": [errno.ENOSPC, errno.EROFS, "kill"]}
HARMLESS = {errno.EINTR, "short"}


class Bench:
    def __init__(self, program, library, folder):
        self.program, self.library, self.base = program, library, folder
        self.run = World(folder / "run", 5, max_customers=60).run
        self.under = folder / "under"
        self.under.mkdir()
        self.out = self.under / "out"
        assert self.start({}).returncode == 0
        self.expected = self.found()
        self.n_cases = self.n_fired = 0

    def start(self, settings):
        env = dict(os.environ)
        if settings:
            env.update(LD_PRELOAD=self.library, BREAK_UNDER=str(self.under),
                       BREAK_COUNT=str(self.base / "count"), **settings)
        return subprocess.run(
            [self.program, "publish", str(self.run), "--to", "csv", "-o", str(self.out),
             "--split", "3kB", "--exposures"], env=env, timeout=60, capture_output=True, text=True,
            check=False)

    def found(self):
        return {p.name: p.read_bytes() for p in self.out.iterdir()}

    def clear(self):
        for folder in (self.out, self.under / ".out.tmp-publish"):
            if folder.exists():
                for path in folder.iterdir():
                    path.unlink()
                folder.rmdir()
        (self.base / "count").unlink(missing_ok=True)

    def fail_one(self, call, how, at):
        """False when there is no call of that number."""
        what = f"{call} {at} {how}"
        self.clear()
        done = self.start({"BREAK_CALL": call, "BREAK_AT": str(at), "BREAK_HOW": str(how)})
        self.n_cases += 1
        if how in ("kill", "tear"):
            fired = done.returncode == -signal.SIGKILL
            assert fired or done.returncode == 0, f"{what}: {done.returncode} {done.stderr}"
        else:
            fired = (self.base / "count").read_text().split()[1] == "1"
            good = [0] if not fired or how in HARMLESS else [0, 4] if call == "close" else [4]
            assert done.returncode in good, f"{what}: {done.returncode} {done.stderr}"
            assert done.returncode == 0 or os.strerror(how) in done.stderr, what + done.stderr
            assert not (self.under / ".out.tmp-publish").exists(), what
        if self.out.exists():
            assert self.found() == self.expected, f"{what}: partial"
        else:
            again = self.start({})
            assert again.returncode == 0, f"{what}: again: {again.stderr}"
            assert self.found() == self.expected, f"{what}: again: other bytes"
        assert [p.name for p in self.under.iterdir()] == ["out"], what
        self.n_fired += fired
        return fired


def main():
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(sys.argv[1], sys.argv[2], Path(name))
        for call, hows in ERRORS.items():
            for how in hows:
                at = 1
                while bench.fail_one(call, how, at):
                    at += 1
                assert at > 1, f"{call} {how}: no fault ever fired"
        print(f"ok  {bench.n_fired} faults, whole or nothing each time")


if __name__ == "__main__":
    sys.exit(main())
