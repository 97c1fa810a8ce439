# SPDX-License-Identifier: Apache-2.0
"""What becomes of a run directory when system calls fail or the process is killed.

Called by ctest: test_outputs.py PUBLISH_MANY BREAK_CALLS. Each case runs the small job with one
fault, looks at what lies there, then runs the same command again: the end must be byte-identical
to an undisturbed run, finished parts must not have been written again."""
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

N_UNITS = 3
ERRORS = {"write": [errno.ENOSPC, errno.EIO, errno.EINTR, "short", "tear"],
          "fsync": [errno.EIO, errno.ENOSPC],
          "rename": [errno.ENOSPC, errno.EIO, errno.EACCES],
          "open": [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EINTR, errno.EMFILE],
          "close": [errno.EIO, errno.EINTR],
          "fallocate": [errno.ENOSPC, errno.EOPNOTSUPP],
          "mkdir": [errno.ENOSPC, errno.EROFS],
          "unlink": [errno.EIO],
          "read": [errno.EIO, errno.EINTR, "short"]}
HARMLESS = {errno.EINTR, errno.EOPNOTSUPP, "short"}
SKIPPED_NAMES = {".lock", "audit.jsonl"}  # times and processes


def is_temporary(name):
    return name.startswith(".") and ".tmp-" in name


def files_of(folder):
    """name -> bytes of every file that has its final name."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            if is_temporary(name) or name in SKIPPED_NAMES:
                continue
            path = os.path.join(base, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def temporaries_of(folder):
    return [name for _, _, names in os.walk(folder) for name in names if is_temporary(name)]


class Bench:
    def __init__(self, program, library):
        self.program, self.library = program, library
        self.base = tempfile.mkdtemp(prefix="batchrank-fault-")
        self.run = os.path.join(self.base, "run")
        self.count = os.path.join(self.base, "count")
        assert self.start({}).returncode == 0
        self.expected = files_of(self.run)
        self.n_cases = 0
        self.n_again = 0

    def start(self, settings):
        env = dict(os.environ)
        if settings:
            env.update(LD_PRELOAD=self.library, BREAK_UNDER=self.run, BREAK_COUNT=self.count)
            env.update(settings)
        return subprocess.run([self.program, self.run, str(N_UNITS)], env=env, timeout=60,
                              stderr=subprocess.PIPE, text=True, check=False)

    def clear(self):
        shutil.rmtree(self.run, ignore_errors=True)
        if os.path.exists(self.count):
            os.remove(self.count)

    def counted(self):
        with open(self.count, encoding="ascii") as file:
            return [int(x) for x in file.read().split()]

    def check_partial(self, what):
        """No file with a final name is ever partial or wrong."""
        for name, data in files_of(self.run).items():
            assert self.expected.get(name) == data, f"{what}: {name} is partial or wrong"

    def check_again(self, what):
        """The same command again: the same bytes, and finished parts are left alone."""
        parts = os.path.join(self.run, "parts")
        done = {}
        for name in os.listdir(parts) if os.path.isdir(parts) else []:
            receipt = os.path.join(self.run, "receipts", name[5:10] + ".json")
            if os.path.exists(receipt) and not is_temporary(name):
                found = os.stat(os.path.join(parts, name))
                done[name] = (found.st_ino, found.st_mtime_ns)
        result = self.start({})
        assert result.returncode == 0, f"{what}: again: {result.returncode} {result.stderr}"
        assert files_of(self.run) == self.expected, f"{what}: other bytes in the end"
        assert not temporaries_of(self.run), f"{what}: temporary files stay"
        for name, before in done.items():
            found = os.stat(os.path.join(parts, name))
            assert (found.st_ino, found.st_mtime_ns) == before, f"{what}: {name} written again"
        assert os.readlink(os.path.join(self.base, "latest")) == "run", what
        check_audit(os.path.join(self.run, "audit.jsonl"), what)
        self.n_again += len(done)

    def fail_one(self, call, how, at, always):
        what = f"{call} {at} {how}{' and later' if always else ''}"
        self.clear()
        result = self.start({"BREAK_CALL": call, "BREAK_AT": str(at), "BREAK_HOW": str(how),
                             "BREAK_ALWAYS": "1" if always else "0"})
        self.n_cases += 1
        self.check_partial(what)
        if how in ("kill", "tear"):
            if result.returncode == 0:
                return False  # past the last call
            assert result.returncode == -signal.SIGKILL, f"{what}: {result.returncode}"
        else:
            if not self.counted()[1]:
                assert result.returncode == 0, f"{what}: {result.returncode} {result.stderr}"
                return False
            assert result.returncode in (0, 4), f"{what}: {result.returncode} {result.stderr}"
            if result.returncode == 4:
                assert result.stderr.startswith("BR_E_IO: ") or "\nBR_E_IO: " in result.stderr, what
                reason = os.strerror(how)
                assert reason in result.stderr, f"{what}: {result.stderr}"
                if how == errno.ENOSPC and call in ("write", "fsync", "rename", "fallocate"):
                    assert "bytes wanted" in result.stderr or "append" in result.stderr or \
                        "flush" in result.stderr, f"{what}: {result.stderr}"
                if call != "unlink":
                    assert not temporaries_of(self.run), f"{what}: temporary files stay"
            else:
                assert files_of(self.run) == self.expected, f"{what}: success, other bytes"
            if how in HARMLESS and call in ("write", "read", "fallocate", "close"):
                assert result.returncode == 0, f"{what}: {result.stderr}"
        self.check_again(what)
        return True

    def fail_each(self, call, how, always, step):
        at, n_fired = 1, 0
        while self.fail_one(call, how, at, always):
            n_fired += 1
            at += step
        if call != "unlink":  # a fresh run deletes nothing
            assert n_fired > 0, f"{call} {how}: no fault ever fired"

    def kill_at_random(self, n_kills):
        """SIGKILL at random moments, several times into the same directory."""
        rng = random.Random(1)
        self.clear()
        began = time.monotonic()
        assert self.start({}).returncode == 0
        span = time.monotonic() - began
        n_killed = 0
        while n_killed < n_kills:
            self.clear()
            for _ in range(3):
                with subprocess.Popen([self.program, self.run, str(N_UNITS)],
                                      stderr=subprocess.DEVNULL) as job:
                    time.sleep(rng.random() * span)
                    job.kill()
                    n_killed += job.wait() == -signal.SIGKILL
                self.check_partial("random kill")
            if os.path.isdir(self.run):
                self.check_again("random kill")


def check_audit(path, what):
    """Every line is chained to the one before; a torn line is vouched for by the next."""
    previous = "0" * 64
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    assert lines.pop() == b"", f"{what}: audit.jsonl ends in the middle of a line"
    for at, line in enumerate(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            assert at + 1 < len(lines), f"{what}: torn last line"
        else:
            assert entry["prev"] == previous, f"{what}: audit line {at + 1}"
            body = line[:line.rindex(b',"hash":"')]
            assert entry["hash"] == hashlib.sha256(body).hexdigest(), f"{what}: audit line {at + 1}"
        previous = hashlib.sha256(line).hexdigest()


def main():
    program, library = sys.argv[1:3]
    step = int(os.environ.get("BR_FAULT_STEP", sys.argv[3] if len(sys.argv) > 3 else "1"))
    bench = Bench(program, library)
    try:
        for call, hows in ERRORS.items():
            for how in hows:
                bench.fail_each(call, how, False, step)
        for call in ("write", "fsync", "rename", "open"):
            bench.fail_each(call, errno.ENOSPC, True, 2 * step)
        for call in ("write", "fsync", "rename", "open", "close", "mkdir"):
            bench.fail_each(call, "kill", False, step)
        bench.kill_at_random(30)
    finally:
        shutil.rmtree(bench.base)
    print(f"{bench.n_cases} faults, {bench.n_again} finished parts left alone")


if __name__ == "__main__":
    main()
