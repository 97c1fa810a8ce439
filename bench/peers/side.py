# SPDX-License-Identifier: Apache-2.0
"""Our side of a side-by-side run: one topk_side process (bench/kernels/topk_side.c) per variant of
score_topk, and the interleaving of runs. A variant is a screen with "+bias" or "+lse<T>" behind it:
fp32, auto+bias, int16+lse1.0."""
import os
import resource
import subprocess
import sys
import time

import numpy as np

SCREENS = ["auto", "fp32", "int16", "int8"]


class Ours:
    """Keeps the vectors and answers run()."""

    def __init__(self, build, x_path, z_path, k, threads, variant="auto", bias=None, never=None,
                 segments=None):
        screen, *more = variant.split("+")
        command = [build / "bench" / "kernels" / "topk_side", x_path, z_path, k, threads, screen]
        for word in more:
            if word == "bias":
                command += ["--bias", bias]
            elif word.startswith("lse"):
                command += ["--lse", word[3:]]
            else:
                sys.exit(f"variant {variant}: expected +bias or +lse<T>, found +{word}")
        if never:
            command += ["--never", *never]
        if segments:
            command += ["--segments", *segments]
        env = {name: v for name, v in os.environ.items() if name != "OPENBLAS_CORETYPE"}
        self.k, self.variant, self.has_bias = k, variant, "bias" in more
        self.process = subprocess.Popen([str(c) for c in command], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        word, self.prepare_s, self.prepare_mib = self.ask("").split()
        assert word == "ready"
        self.prepare_s, self.prepare_mib = float(self.prepare_s), float(self.prepare_mib)

    def ask(self, line):
        if line:
            print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"topk_side ({self.variant}) ended: {self.process.args}")
        return answer

    def run(self):
        """(wall s, cpu s); rescored per row and slow rows stay behind as fields"""
        wall, cpu, self.rescored, self.slow, self.second, *_ = map(float, self.ask("run").split())
        return wall, cpu

    def lists(self, path, n_rows):
        assert self.ask(f"save {path}") == "saved\n"
        n = n_rows * self.k
        return (np.fromfile(path, "<i4", n).reshape(n_rows, -1),
                np.fromfile(path, "<f4", n, offset=4 * n).reshape(n_rows, -1))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(call):
    """A function that answers (wall s, cpu s) of one call in this process."""
    def run():
        wall, cpu = time.monotonic(), cpu_s()
        call()
        return time.monotonic() - wall, cpu_s() - cpu
    return run


def interleave(runs, n_rounds):
    """times[run][round] = (wall s, cpu s). One round each that is not counted; the order of every
    second round is reversed."""
    times = [[] for _ in runs]
    for run in runs:
        run()
    for i in range(n_rounds):
        order = range(len(runs)) if i % 2 == 0 else reversed(range(len(runs)))
        for r in order:
            times[r].append(runs[r]())
    return np.array(times)


def ratio(over, under):
    """Median, least and most of the rounds' ratios."""
    r = np.asarray(over) / np.maximum(under, 1e-9)
    return {"ratio": float(np.median(r)), "least": float(r.min()), "most": float(r.max())}


def show(r):
    return f"{r['ratio']:7.2f} [{r['least']:6.2f} -{r['most']:7.2f}]"
