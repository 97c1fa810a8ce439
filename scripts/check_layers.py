# SPDX-License-Identifier: Apache-2.0
"""Include arrows, and who knows CUDA; see check_layers.sh."""
import re
import subprocess
import sys
from pathlib import Path

# room -> floor; a file's room is its longest matching prefix
FLOORS = {"host/base": 0, "kernels": 1, "host/config": 1, "models": 2, "host/decide": 2,
          "host/io": 3, "host/comm": 3, "host/pipeline": 4, "host/verbs": 5, "host/main.c": 6}
# library header -> rooms that may include it
LIBRARIES = {"hdf5.h": ["host/io"], "cjson/": ["host/config"], "mpi.h": ["host/comm"],
             "nccl.h": ["host/comm"], "cblas.h": ["kernels/cpu", "bench"],
             "openssl/": ["host/io"], "omp.h": ["host/base", "bench"], "cuda": ["kernels/cuda"],
             "cublas": ["kernels/cuda"]}
# host/ and models/ know the cuda backend by its name alone: "cuda" in a choice, BR_BACKEND_CUDA.
NO_CUDA = ("host/", "models/")
# A device's own handles (kernels/share.h) are for collectives alone.
HANDLE = re.compile(r"\bbr_dev_(stream|address|poll)\b")
HANDLES = ("kernels/", "host/comm/nccl/", "tests/")
CUDA_WORD = re.compile(
    r"\b(cuda[A-Z_]\w*|cu[A-Z][a-z]\w*|cublas\w*|nvidia\w*|nvcc|libcu(da|blas)\w*|br_cuda\w*|"
    r"BR_(WITH_|HAS_)?CUDA\w*|CUDA\w*|__(CUDA|NVCC)\w*|__(global|device|host|shared)__)|<<<")
CUDA_NAME = re.compile(r"\bcuda\b")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
STRING = re.compile(r'"(\\.|[^"\\\n])*"')
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]')


def room_of(path):
    rooms = [r for r in FLOORS if path == r or path.startswith(r + "/")]
    return max(rooms, key=len) if rooms else None


def check_project(path, target):
    """A quoted include of the project itself."""
    here, there = room_of(path), room_of(target)
    if there is None:
        return None if path.startswith(("tests/", "bench/")) else \
            f"include: found \"{target}\", expected a path from the repository root"
    if path.startswith("bench/") and there != here:
        return None
    if path.startswith("tests/") or here is None or here == there:
        return None
    if there == "kernels" and target != "kernels/ops.h":
        return f"seam: found \"{target}\", expected kernels/ops.h only"
    if FLOORS[there] >= FLOORS[here]:
        return f"arrow: {here} (floor {FLOORS[here]}) includes {there} (floor {FLOORS[there]})"
    return None


def check_library(path, target):
    if path.startswith("tests/"):
        return None
    for header, rooms in LIBRARIES.items():
        if target == header or not header.endswith(".h") and target.startswith(header):
            if not any(path.startswith(r + "/") for r in rooms):
                return f"library: <{target}> belongs to {', '.join(rooms)} alone"
    return None


def check_cuda(path, text):
    """What knows more of CUDA than the backend's name."""
    if not path.startswith(NO_CUDA):
        return
    if path.endswith((".cu", ".cuh")):
        yield f"{path}:1: cuda: found a CUDA source, expected it in kernels/cuda"
    if path.endswith((".txt", ".cmake")):
        text = re.sub(r"#.*", "", text)
    else:
        text = COMMENT.sub(lambda m: "\n" * m.group().count("\n"), text)
    for n, line in enumerate(text.splitlines(), 1):
        m = CUDA_WORD.search(line) or CUDA_NAME.search(STRING.sub('""', line))
        if m:
            yield f"{path}:{n}: cuda: found {m.group()}, expected no more than the backend's name"


def check(path, lines):
    yield from check_cuda(path, "\n".join(lines))
    for n, line in enumerate(lines, 1):
        if HANDLE.search(line) and not path.startswith(HANDLES):
            yield f"{path}:{n}: handle: {HANDLE.search(line).group()} belongs to host/comm/nccl"
        m = INCLUDE.match(line)
        if m is None:
            continue
        problem = (check_project if m.group(1) == '"' else check_library)(path, m.group(2))
        if problem:
            yield f"{path}:{n}: {problem}"


def self_test():
    cases = [("host/base/x.c", '#include "models/model.h"', "arrow"),
             ("kernels/ref/x.c", '#include "host/config/json.h"', "arrow"),
             ("host/io/x.c", '#include "host/comm/comm.h"', "arrow"),
             ("models/x.c", '#include "kernels/backend.h"', "seam"),
             ("models/x.c", '#include "model.h"', "include"),
             ("host/pipeline/x.c", "#include <hdf5.h>", "library"),
             ("host/io/x.c", "#include <cjson/cJSON.h>", "library"),
             ("models/x.c", "#include <cblas.h>", "library"),
             ("host/pipeline/x.c", "#include <mpi.h>", "library"),
             ("host/pipeline/x.c", "#include <cuda_runtime.h>", "library"),
             ("host/io/x.c", '#include "kernels/cuda/cuda.h"', "seam"),
             ("models/x.cu", "int x;", "cuda"),
             ("host/comm/mpi.c", "#include <cuda_runtime.h>", "library"),
             ("host/pipeline/x.c", "#include <nccl.h>", "library"),
             ("host/pipeline/x.c", "p = br_dev_address(mat);", "handle"),
             ("models/CMakeLists.txt", "target_link_libraries(br_models CUDA::cudart)", "cuda")]
    cases += [(room + "/x.c", line, "cuda") for room in ("host/pipeline", "models") for line in
              ("#include <cuda_runtime.h>", "cudaMalloc(&p, 1);", "cuMemAlloc(&p, 1);",
               "#ifdef BR_WITH_CUDA", "cublasLtHandle_t h;", "#if defined(__CUDACC__)",
               "kernel<<<1, 32>>>(p);", "br_cuda_sync(dev);", "int cuda = 1;",
               'dlsym(h, "cudaMalloc");', 'dlopen("libcuda.so.1", 0);', "__global__ void f(void);")]
    missed = [c for c in cases if not any(c[2] + ":" in f for f in check(c[0], [c[1]]))]
    good = list(check("host/io/x.c", [
        '#include "host/config/json.h"', "#include <hdf5.h>", '#include "kernels/ops.h"',
        "#include <stdio.h>", "/* cudaMalloc", " * and cuda */", '#define X "auto|ref|cpu|cuda"',
        "backend = BR_BACKEND_CUDA;", '{"--backend", "auto, ref, cpu or cuda (auto)"}']))
    good += check("kernels/cuda/x.cu", ["#include <cuda_runtime.h>", "cudaMalloc(&p, 1);"])
    print("\n".join([f"missed: {c}" for c in missed] + [f"false: {g}" for g in good]))
    print(f"{len(cases) - len(missed)} of {len(cases)} cases refused; {len(good)} false findings")
    return 1 if missed or good else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], capture_output=True,
                           text=True).stdout.splitlines()
    if not names:
        sys.exit("check_layers.sh: git ls-files names no file here")
    findings = []
    for name in names:
        path = Path(name)
        is_source = path.suffix in {".c", ".h", ".cu", ".cuh", ".cmake"}
        if (is_source or path.name == "CMakeLists.txt") and path.is_file():
            findings += check(name, path.read_text(errors="replace").splitlines())
    print("\n".join(findings))
    print(f"{len(findings)} findings")
    return 1 if findings else 0


sys.exit(main())
