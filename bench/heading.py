# SPDX-License-Identifier: Apache-2.0
"""What stands above every table and in every results file: commit, processor, date, load, command.
Absolute paths of the command are given by their last name: where someone keeps scratch
files says nothing about a measurement."""
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def commit():
    return subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                          capture_output=True, text=True).stdout.strip()


def command():
    return [Path(sys.argv[0]).name, *(Path(w).name if w.startswith("/") else w
                                      for w in sys.argv[1:])]


def heading(threads):
    """First lines of a table, and the same as fields for --json."""
    head = {"commit": commit(), "processor": processor(), "threads": threads,
            "date": time.strftime("%Y-%m-%d"), "load": round(os.getloadavg()[0], 2),
            "command": command()}
    print(f"# batchrank {head['commit']}, {head['processor']}, {threads} threads, {head['date']}, "
          f"load at the start {head['load']}\n# {' '.join(head['command'])}")
    return head
