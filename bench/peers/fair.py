# SPDX-License-Identifier: Apache-2.0
"""The same conditions for both sides: as many threads, waiting threads that sleep, the peer's BLAS
with the kernels that run it fastest here. start() must be called before NumPy or a peer is
imported: it starts this program again with the environment that it chose."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from heading import ROOT, heading  # noqa: E402, F401 for the programs beside this file

MARK = "BATCHRANK_PEER_CORETYPE"
CORETYPES = ["", "Haswell", "SkylakeX"]  # "": what OpenBLAS picks by itself

TRIAL = {
    "faiss": """
import numpy as np, time, faiss
faiss.omp_set_num_threads(1)
rng = np.random.default_rng(1)
x = rng.standard_normal((1056, 128), dtype=np.float32)
index = faiss.IndexFlatIP(128)
index.add(rng.standard_normal((30000, 128), dtype=np.float32))
call = lambda: index.search(x, 100)
""",
    "numpy": """
import numpy as np, time
rng = np.random.default_rng(1)
x = rng.standard_normal((100, 128), dtype=np.float32)
z = rng.standard_normal((30000, 128), dtype=np.float32)
call = lambda: x.dot(z.T)
"""}
CLOCK = """
call()
best = 1e9
for _ in range(7):
    start = time.thread_time(); call(); best = min(best, time.thread_time() - start)
print(best)
"""


def environment(threads, coretype):
    unset = ("OPENBLAS_CORETYPE", "GOTO_NUM_THREADS")
    env = {k: v for k, v in os.environ.items() if k not in unset}
    env.update(OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads),
               OMP_WAIT_POLICY="passive", MKL_NUM_THREADS=str(threads), **{MARK: coretype})
    if coretype:
        env["OPENBLAS_CORETYPE"] = coretype
    return env


def fastest(peer):
    """The core type with the least processor time of the peer's own call, two rounds."""
    best = {}
    for _ in range(2):
        for coretype in CORETYPES:
            done = subprocess.run([sys.executable, "-c", TRIAL[peer] + CLOCK], capture_output=True,
                                  text=True, env=environment(1, coretype))
            if done.returncode == 0:
                best[coretype] = min(best.get(coretype, 1e9), float(done.stdout))
    if not best:
        sys.exit(f"{peer}: cannot run here\n{done.stderr}")
    return min(best, key=best.get)


def start(peer, threads, coretype="best", blas_threads=None):
    if MARK in os.environ:
        return
    chosen = fastest(peer) if coretype == "best" else "" if coretype == "own" else coretype
    os.execve(sys.executable, [sys.executable, *sys.argv],
              environment(threads, chosen) | ({} if blas_threads is None else
                                              {"OPENBLAS_NUM_THREADS": str(blas_threads)}))


def blas_words(library):
    """Version and kernels of the BLAS that belongs to a library's folder."""
    from threadpoolctl import threadpool_info
    found = [f"{i['internal_api']} {i['version']} {i['architecture']}" for i in threadpool_info()
             if i["user_api"] == "blas" and library in i["filepath"]]
    return ", ".join(found) or "no BLAS"
