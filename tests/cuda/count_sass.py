#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions per score of the loops of Hopper's screen and log-sum-exp, and per inner value
of the fused blocks', from their machine code: what docs/PERFORMANCE.md holds beside the budget of
one tensor core's time. Compiles for one architecture and disassembles; needs nvcc and cuobjdump
(CUDA_BIN names a folder with it and nvdisasm, else PATH), no GPU.

  count_sass.py              writes the table
  count_sass.py --check      compares with sass.tsv: exit 1 where a loop has more instructions
  count_sass.py --write      writes sass.tsv anew
  count_sass.py --self-test  on a few lines of made-up machine code

A panel's count is the cheapest way round the loop through all of its products: nothing waits, no
score passes, no item has segments. A block's is the cheapest way round through the votes on eight
scores a lane. all: what a panel that is noted at once takes beside it, before its hits' own loop.
special: of the panel's, what the special-function unit makes. Of a fused block a panel is 128 inner
values, and the cheapest way that of as many products as it has; or it is a tile of 64 rows in slots
of 16, and a block 16 queries' way round one granule of 16 keys. Exit 77 where a tool is missing.
"""
import argparse
import heapq
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_ptxas  # noqa: E402

ROOT = check_ptxas.ROOT
TABLE = Path(__file__).resolve().parent / "sass.tsv"
# file, kernels by codes and by products of a row, parts of a score's product
FP16, SUMS = "br_fp16", 64  # codes of a log-sum-exp; sums of a thread and a panel
LOOPS = [("kernels/cuda/hopper/screen.cu", r"hopper_kernel<(?P<codes>\w+), (?P<steps>\d+)>", 1),
         ("kernels/cuda/hopper/sums.cu", r"hopper_sums_kernel<(?P<steps>\d+)>", 3)]
# file, kernels, what a thread of 128 inner values has, and their products for 64 W columns
BLOCKS = [("kernels/cuda/block/feed_forward.cu",
           r"feed_forward_kernel<(\d+), \(br_activation\)[12]>", 64,
           lambda w: 4 * w + 8 * ((w + 1) // 2))]
# file, kernels of W boxes of columns and heads of C chunks of 16
ATTENDS = [("kernels/cuda/block/self_attention.cu", r"self_attention_kernel<(\d+), (\d+)>")]
PRODUCT = re.compile(r"^(HGMMA|IGMMA|HMMA|IMMA)\b")
VOTE = re.compile(r"^VOTEU?\.ANY\b")
SCAN, STORE = re.compile(r"^SHFL\.UP\b"), re.compile(r"^STS\b")
# lane-instructions a score that a tensor core's time has room for, and its bytes of a row
ISSUE_LANES, CODE_BYTES = 128, {"br_fp16": 2, "br_bf16": 2, "br_int8": 1}
FIGURES = ["products", "instructions", "per_score", "budget", "maxima", "block", "all", "special"]

LINE = re.compile(r"^\s*/\*([0-9a-f]{4,})\*/\s+(.*?)\s*;")


class Code:
    """One kernel's instructions: where each may go next."""

    def __init__(self, lines):
        self.at = [address for address, _ in lines]
        self.text = [re.sub(r"^@!?U?P\w+\s+", "", text) for _, text in lines]
        index = {address: i for i, address in enumerate(self.at)}
        self.next = []
        for i, (_, text) in enumerate(lines):
            name = self.text[i].split(" ")[0].split(".")[0]
            to = [i + 1] if i + 1 < len(lines) else []
            is_sure = not text.startswith("@")
            if name in ("EXIT", "RET") and is_sure:
                to = []
            if name == "BRA":
                place = int(re.findall(r"0x[0-9a-f]+", text)[-1], 16)
                does_fall = not is_sure or re.match(r"BRA(\.\w+)* U?!?U?P\d", self.text[i])
                to = ([i + 1] if does_fall else []) + [index[place]]
            if name == "BRX":
                to = [i + 1]
            self.next.append([t for t in to if t < len(lines)])

    def way(self, start, end):
        """The fewest instructions from behind start up to end, or None."""
        before, heap = {}, []
        for t in self.next[start]:
            heapq.heappush(heap, (1, t, start))
        done = set()
        while heap:
            cost, i, came = heapq.heappop(heap)
            if i in done:
                continue
            done.add(i)
            before[i] = came
            if i == end:
                path = [i]
                while (came := before[path[-1]]) != start:
                    path.append(came)
                return path[::-1]
            for t in self.next[i]:
                if t not in done:
                    heapq.heappush(heap, (cost + 1, t, i))
        return None

    def cycle(self, marks):
        """The cheapest way round through all marks in order: the instructions on it."""
        path = []
        for here, there in zip(marks, marks[1:] + marks[:1]):
            step = self.way(here, there)
            if step is None:
                return None
            path += step
        return path


def kernels_of(text):
    """{name: [(address, instruction)]} of cuobjdump -sass."""
    found, name = {}, None
    for line in text.splitlines():
        if m := re.search(r"Function : (\S+)", line):
            name = m.group(1)
            found[name] = []
        elif (m := LINE.match(line)) and name:
            found[name].append((int(m.group(1), 16), m.group(2)))
    return found


def runs_of(code, pattern):
    """Marks of the loops that hold such instructions: the largest set that one way round meets."""
    marks = [i for i, t in enumerate(code.text) if pattern.match(t)]
    return [m for m in marks if code.way(m, m) is not None]


def puts_of(code, n_sums):
    """Marks of the way on which all that passes is noted: a sum over the lanes, stores."""
    scans = runs_of(code, SCAN)
    stores = [i for i in runs_of(code, STORE) if scans and i > scans[-1]]
    runs = [stores[i:i + n_sums] for i in range(len(stores) - n_sums + 1)]
    run = min(runs, key=lambda r: r[-1] - r[0]) if runs else None
    return scans + [run[0], run[-1]] if run else []


def loop_of(code, n):
    """The cheapest way round through n products after each other, or through all (None)."""
    products = runs_of(code, PRODUCT)
    n = n or len(products)
    runs = [products[i:i + n] for i in range(len(products) - n + 1)] if n else []
    return min(filter(None, map(code.cycle, runs)), key=len, default=None)


def measure(code, n_sums, n_products=None):
    path = loop_of(code, n_products)
    if path is None:
        return None
    products = [i for i in path if PRODUCT.match(code.text[i])]
    names = [code.text[i].split(" ")[0].split(".")[0] for i in path]
    votes = [v for v in runs_of(code, VOTE) if v not in set(path)]
    eights = [votes[i:i + 8] for i in range(len(votes) - 7)]
    block = code.cycle(min(eights, key=lambda e: e[-1] - e[0])) if eights else None
    puts = puts_of(code, n_sums) if n_products is None else []
    all_of_it = (code.cycle(runs_of(code, PRODUCT) + puts) if puts else None) or []
    return {"products": len(products), "instructions": len(path),
            "per_score": len(path) / n_sums,
            "maxima": sum(n.startswith(("VIMNMX", "FMNMX")) for n in names),
            "block": len(block) if block else 0,
            "all": max(len(all_of_it) - len(path), 0),
            "special": sum(n == "MUFU" for n in names)}


def find_tool(name):
    folder = os.environ.get("CUDA_BIN")
    places = [folder and str(Path(folder) / name), shutil.which(name),
              f"/usr/local/cuda/bin/{name}"]
    return next((p for p in places if p and Path(p).is_file()), None)


def disassemble(nvcc, dumper, path):
    with tempfile.TemporaryDirectory() as folder:
        cubin = str(Path(folder) / "out.cubin")
        arch = check_ptxas.ARCHITECTURE
        subprocess.run([nvcc, "-cubin", f"-gencode=arch=compute_{arch},code=sm_{arch}",
                        "-std=c++17", "-O3", "--fmad=false", f"-I{ROOT}", "-D_GNU_SOURCE",
                        "-DBR_WITH_CUDA", "-o", cubin, str(ROOT / path)],
                       check=True, capture_output=True, text=True)
        env = dict(os.environ, PATH=f"{Path(dumper).parent}:{os.environ['PATH']}")
        return subprocess.run([dumper, "-sass", cubin], check=True, capture_output=True, text=True,
                              env=env).stdout


def count(nvcc, dumper):
    out = {}
    for path, pattern, parts in LOOPS:
        found = kernels_of(disassemble(nvcc, dumper, path))
        for name, lines in zip(check_ptxas.demangle(list(found)), found.values()):
            m = re.match(pattern, name.replace("(int)", ""))
            row = measure(Code(lines), SUMS) if m else None
            if row is None:
                continue
            code_bytes = CODE_BYTES[m.groupdict().get("codes", FP16)]
            codes = int(m["steps"]) * 32 // code_bytes * parts
            scores = 4096 * (2 // code_bytes) / (2 * codes)
            row["budget"] = ISSUE_LANES / scores
            out[m.group(0)] = row
    for path, pattern, n_sums, n_products in BLOCKS:
        found = kernels_of(disassemble(nvcc, dumper, path))
        for name, lines in zip(check_ptxas.demangle(list(found)), found.values()):
            m = re.match(pattern, name.replace("(int)", ""))
            row = measure(Code(lines), n_sums, n_products(int(m.group(1)))) if m else None
            if row is not None:
                row["budget"] = float(row["products"])  # of 64 clocks, for 64 * 128 values
                out[m.group(0).replace("(br_activation)", "")] = row
    for path, pattern in ATTENDS:
        found = kernels_of(disassemble(nvcc, dumper, path))
        for name, lines in zip(check_ptxas.demangle(list(found)), found.values()):
            if m := re.match(pattern, name.replace("(int)", "")):
                w, c = int(m.group(1)), int(m.group(2))
                code = Code(lines)
                row = measure(code, 32 * w)
                n_wide = sum(t.startswith("HGMMA") for t in code.text)
                row["budget"] = 2.0 * n_wide / w  # of 64 clocks each, for 64 rows of 64 W
                row["block"] = len(loop_of(code, 4 * c))
                out[m.group(0)] = row
    return out


def table_text(rows, version):
    lines = [f"# tests/cuda/count_sass.py --write, nvcc {version}, "
             f"sm_{check_ptxas.ARCHITECTURE}; of a thread and a panel",
             "\t".join(["kernel", *FIGURES])]
    for name, row in sorted(rows.items()):
        figures = [f"{row[f]:.2f}" if isinstance(row[f], float) else str(row[f]) for f in FIGURES]
        lines.append("\t".join([name, *figures]))
    return "\n".join(lines) + "\n"


def compare(rows, text):
    before = {line.split("\t")[0]: line.split("\t")[1:] for line in text.splitlines()[2:]}
    for name, row in sorted(rows.items()):
        if name not in before:
            yield f"{name}: not in {TABLE.name}; --write adds it"
        elif row["instructions"] > int(before[name][1]) + 8:
            yield f"{name}: {row['instructions']} instructions, expected {before[name][1]} + 8"
    for name in sorted(set(before) - set(rows)):
        yield f"{name}: in {TABLE.name}, but no such loop is found"


MADE_UP = """
        Function : k
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/                   HGMMA.64x128x16.F32 R24, R4, gdesc[UR4], !UPT ;
        /*0020*/                   HGMMA.64x128x16.F32 R24, R8, gdesc[UR8], R24 ;
        /*0030*/                   VIMNMX3 R0, R24, R25, R26, !PT ;
        /*0040*/              @!P0 BRA 0x70 ;
        /*0050*/                   STS [R2], R0 ;
        /*0060*/                   BRA 0x70 ;
        /*0070*/              @P1  BRA 0x10 ;
        /*0080*/                   EXIT ;
"""


def self_test():
    code = Code(kernels_of(MADE_UP)["k"])
    row = measure(code, 64)
    expected = {"products": 2, "instructions": 5, "per_score": 5 / 64, "maxima": 1, "block": 0,
                "all": 0, "special": 0}
    more = {"k": {**(row or expected), "instructions": 40, "budget": 1.0}}
    text = table_text({"k": {**(row or expected), "budget": 1.0}}, "13.0")
    is_right = row == expected and len(list(compare(more, text))) == 1 and \
        not list(compare({"k": {**row, "budget": 1.0}}, text))
    print("right" if is_right else f"WRONG: {row}, expected {expected}")
    return 0 if is_right else 1


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for word in ("--check", "--write", "--self-test"):
        p.add_argument(word, action="store_true")
    a = p.parse_args()
    if a.self_test:
        return self_test()
    nvcc, dumper = check_ptxas.find_nvcc(), find_tool("cuobjdump")
    if nvcc is None or dumper is None or find_tool("nvdisasm") is None:
        print("no nvcc, cuobjdump or nvdisasm here: skipped")
        return 77
    rows = count(nvcc, dumper)
    text = table_text(rows, check_ptxas.version(nvcc))
    if a.write:
        TABLE.write_text(text)
    print(text, end="")
    refused = list(compare(rows, TABLE.read_text())) if a.check else []
    print("\n".join(refused))
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
