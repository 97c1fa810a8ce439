#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What every kernel of kernels/cuda/ and bench/ladder/ takes of a multiprocessor, as ptxas says,
beside ptxas.tsv. Refused: a spill; products that wait for each other (wgmma); more than 8 registers
above the table's figure; more stack or static shared memory than the table's; a kernel that the
table lacks, or has in vain. Compiles for one architecture, links nothing, needs no GPU. Called by
ctest; exit 77 where there is no nvcc.

  check_ptxas.py              compares
  check_ptxas.py --write      writes the table anew: look at the difference before it is committed
  check_ptxas.py --self-test  a planted spill and wrong tables are refused
  --jobs N                    compilers at a time (2)
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TABLE = HERE / "ptxas.tsv"
ARCHITECTURE = "90a"
FIGURES = ["registers", "spill_stores", "spill_loads", "stack", "shared"]
MORE_REGISTERS = 8

ENTRY = re.compile(r"Compiling entry function '([^']+)'")
MEMORY = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
LOSS = re.compile(r"Potential Performance Loss: (.*?) in the function '([^']+)'")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+)(?:\+\d+)? bytes smem)?")


def find_nvcc():
    places = [os.environ.get("CUDACXX"), shutil.which("nvcc"), "/usr/local/cuda/bin/nvcc"]
    return next((p for p in places if p and Path(p).is_file()), None)


def sources():
    """The largest first. gemm.cu has no kernel, and wants cuBLASLt's header."""
    found = [p for folder in ("kernels/cuda", "bench/ladder")
             for p in sorted((ROOT / folder).rglob("*.cu")) if p.name != "gemm.cu"]
    return sorted(found, key=lambda p: -p.stat().st_size)


def compile_one(nvcc, path):
    """ptxas' words about one file."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [nvcc, "-cubin", f"-gencode=arch=compute_{ARCHITECTURE},code=sm_{ARCHITECTURE}",
             "-std=c++17", "-O3", "--fmad=false", f"-I{ROOT}", "-D_GNU_SOURCE", "-DBR_WITH_CUDA",
             "-Xptxas=-v", "-o", str(Path(folder) / "out.cubin"), str(path)],
            capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{path}: does not compile\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def demangle(names):
    if not names:
        return []
    done = subprocess.run(["c++filt", *names], capture_output=True, text=True, check=True)
    return [short(line) for line in done.stdout.splitlines()]


def short(name):
    """Without return type and parameters: void f<int, 4>(p) is f<int, 4>."""
    name = re.sub(r"\(anonymous namespace\)::|&?_INTERNAL_\w+::", "", name)
    depth, end = 0, len(name)
    for at, c in enumerate(name):
        depth += (c == "<") - (c == ">")
        if c == "(" and depth == 0:
            end = at
            break
    return re.sub(r"^void ", "", name[:end])


def parse(text, file):
    """{(file, kernel): {figure: n}}; "loss" too where ptxas says that wgmma waits for itself."""
    found, memory = [], (0, 0, 0)
    losses = {m.group(2): m.group(1) for m in LOSS.finditer(text)}
    for line in text.splitlines():
        if m := ENTRY.search(line):
            found.append([m.group(1), None])
            memory = (0, 0, 0)
        elif m := MEMORY.search(line):
            memory = tuple(map(int, m.groups()))
        elif (m := USED.search(line)) and found:
            found[-1][1] = dict(zip(FIGURES, (int(m.group(1)), memory[1], memory[2], memory[0],
                                              int(m.group(2) or 0))))
    for name, figures in found:
        if figures and name in losses:
            figures["loss"] = losses[name]
    names = demangle([name for name, _ in found])
    return {(file, name): figures for name, (_, figures) in zip(names, found) if figures}


def measure(nvcc, paths, jobs):
    out = {}
    with ThreadPoolExecutor(jobs) as pool:
        for path, text in zip(paths, pool.map(lambda p: compile_one(nvcc, p), paths)):
            out.update(parse(text, str(path.relative_to(ROOT))))
    return out


def read_table(text):
    rows = [line.split("\t") for line in text.splitlines() if line and line[0] != "#"][1:]
    return {(file, kernel): dict(zip(FIGURES, map(int, figures)))
            for file, kernel, *figures in rows}


def version(nvcc):
    text = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout
    return re.search(r"release ([\d.]+)", text).group(1)


def table_text(kernels, nvcc):
    lines = [f"# tests/cuda/check_ptxas.py --write, nvcc {version(nvcc)}, sm_{ARCHITECTURE}; bytes",
             "\t".join(["file", "kernel", *FIGURES])]
    for (file, kernel), figures in sorted(kernels.items()):
        lines.append("\t".join([file, kernel, *(str(figures[f]) for f in FIGURES)]))
    return "\n".join(lines) + "\n"


def compare(kernels, table):
    """Sentences about what is refused."""
    for key, now in sorted(kernels.items()):
        what, before = ": ".join(key), table.get(key)
        if now["spill_stores"] or now["spill_loads"]:
            yield (f"{what}: spills {now['spill_stores']} bytes of stores, {now['spill_loads']} of "
                   f"loads, expected none")
        if "loss" in now:
            yield f"{what}: {now['loss']}"
        if before is None:
            yield f"{what}: not in {TABLE.name}; --write adds it"
            continue
        if now["registers"] > before["registers"] + MORE_REGISTERS:
            yield (f"{what}: {now['registers']} registers, expected at most {before['registers']} "
                   f"+ {MORE_REGISTERS}")
        for figure in ("stack", "shared"):
            if now[figure] > before[figure]:
                yield f"{what}: {now[figure]} bytes of {figure}, expected {before[figure]}"
    for key in sorted(set(table) - set(kernels)):
        yield f"{': '.join(key)}: in {TABLE.name}, but there is no such kernel"


def self_test(nvcc):
    planted = HERE / "spilling.cu"
    found = measure(nvcc, [planted], 1)
    key = (str(planted.relative_to(ROOT)), "spilling_kernel")
    clean = {**found[key], "spill_stores": 0, "spill_loads": 0}
    fewer = {**clean, "registers": clean["registers"] - MORE_REGISTERS - 1}
    near = {**clean, "registers": clean["registers"] - MORE_REGISTERS}
    lean = {**clean, "shared": clean["shared"] - 1, "stack": clean["stack"] - 1}
    cases = [("spill", found, found, ["spills"]), ("clean", {key: clean}, {key: clean}, []),
             ("waits", {key: {**clean, "loss": "serialized"}}, {key: clean}, ["serialized"]),
             ("new kernel", {key: clean}, {}, ["not in"]),
             ("gone kernel", {}, {key: clean}, ["no such kernel"]),
             ("registers", {key: clean}, {key: fewer}, ["registers"]),
             ("few registers", {key: clean}, {key: near}, []),
             ("memory", {key: clean}, {key: lean}, ["of stack", "of shared"])]
    n_right = 0
    for name, kernels, table, wanted in cases:
        lines = list(compare(kernels, table))
        is_right = len(lines) == len(wanted) and all(w in x for w, x in zip(wanted, lines))
        n_right += is_right
        print(f"{'ok' if is_right else 'WRONG'}  {name}: {'; '.join(lines) or 'nothing refused'}")
    is_same = read_table(table_text(found, nvcc)) == found
    sample = ("ptxas info : (C7520) Potential Performance Loss: serialized in the function 'k'\n"
              "ptxas info : Compiling entry function 'k' for 'sm_90a'\n"
              "    8 bytes stack frame, 4 bytes spill stores, 2 bytes spill loads\n"
              "ptxas info : Used 10 registers, used 1 barriers, 4096 bytes smem, 16 bytes cmem[2]")
    is_read = parse(sample, "f") == {("f", "k"): {**dict(zip(FIGURES, (10, 4, 2, 8, 4096))),
                                                  "loss": "serialized"}}
    names = [short("void f<(int)4, g(int)>(p, q)"), short("plain(p)")]
    n_right += is_same + is_read + (names == ["f<(int)4, g(int)>", "plain"])
    print(f"{n_right} of {len(cases) + 3} right")
    return 0 if n_right == len(cases) + 3 else 1


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--write", action="store_true")
    p.add_argument("--self-test", action="store_true")
    p.add_argument("--jobs", type=int, default=2)
    return p.parse_args()


def main():
    a = words()
    nvcc = find_nvcc()
    if nvcc is None or shutil.which("c++filt") is None:
        print("no nvcc here: skipped" if nvcc is None else "no c++filt here: skipped")
        return 77
    if a.self_test:
        return self_test(nvcc)
    kernels = measure(nvcc, sources(), a.jobs)
    if a.write:
        TABLE.write_text(table_text(kernels, nvcc))
    text = TABLE.read_text()
    refused = list(compare(kernels, read_table(text)))
    print("\n".join(refused))
    if f"nvcc {version(nvcc)}," not in text.splitlines()[0]:
        print(f"nvcc {version(nvcc)} here, another one made the table: figures may differ")
    print(f"{len(kernels)} kernels, {len(refused)} refused; most registers "
          f"{max(k['registers'] for k in kernels.values())}")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
