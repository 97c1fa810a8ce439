#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while generate, encode and run write: exit code 5 before the work is done, a message that
says what became of the output, no temporary file left; run goes on when called again."""
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from job_files import BATCHRANK, run

DEADLINE_S = 60


def interrupt(folder, begun, *words):
    """Sends SIGINT once a file that matches `begun` is there; what the process said."""
    process = subprocess.Popen([BATCHRANK, *map(str, words)], cwd=folder, text=True,
                               stderr=subprocess.PIPE)
    until = time.monotonic() + DEADLINE_S
    while not list(folder.glob(begun)) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=DEADLINE_S)[1]
    assert process.returncode == 5, f"{words}: exit {process.returncode}: {said}"
    left = [str(p) for p in folder.rglob("*.tmp-*")]
    assert not left, f"{words}: left behind {left}"
    print("ok ", words[0], said.splitlines()[-1])
    return said


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        said = interrupt(folder, "data/*.tmp-*", "generate", "-o", "data", "--customers", 400_000)
        assert "data/customers.h5 was not written" in said, said
        run("generate", "-o", folder / "data", "--customers", 8000, "--items", 500)
        job = {"input": {"customers": "data/customers.h5", "catalogue": "data/catalogue.h5",
                         "model": "data/model"},
               "output": {"path": "run"}, "run": {"unit_customers": 100}}
        (folder / "job.json").write_text(json.dumps(job))
        said = interrupt(folder, "*.tmp-*", "encode", "job.json", "-o", "vectors.h5")
        assert "vectors.h5 was not written" in said, said
        assert not (folder / "vectors.h5").exists()
        said = interrupt(folder, "run/parts/*.h5", "run", "job.json")
        assert "run the same command again" in said, said
        run("run", folder / "job.json")
        assert (folder / "run" / "manifest.json").exists()


if __name__ == "__main__":
    sys.exit(main())
