#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a GPU's users would take instead of score_topk: torch's matmul + topk in bf16 and fp32, the
product alone that writes its scores (cuBLAS through torch), cuVS brute force, Faiss on the GPU.
Each where it is installed; what is not is listed as skipped, with the reason. Vectors and catalogue
lie on the device before the clock starts; medians by the device's own events, after warming up.

  bench/peers/gpu_topk.py [--json FILE] [--ours FILE] [--seconds 60] [--items 1000000] [--dim 128]

--json appends a line per row as soon as it is measured. --ours: bench_device's lines, for the ratio
peer / ours by time per customer. Both sides' vectors are Gaussian, not the same ones. Exit code 77
without torch or without a GPU.
"""
import argparse
import importlib
import json
import statistics
import sys
import time
from pathlib import Path

KS = [10, 100]
N_ROUNDS = 9


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--json", type=Path)
    p.add_argument("--ours", type=Path)
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--items", type=int, default=1_000_000)
    p.add_argument("--dim", type=int, default=128)
    p.add_argument("--customers", type=int, default=4096, help="per call, at most")
    return p.parse_args()


def sentence(error):
    return f"{type(error).__name__}: {error}".splitlines()[0]


def load(name):
    """A module, or why there is none."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # one that is there but does not load is skipped too
        return sentence(error)


def timed(call, deadline):
    """Median seconds of a call that enqueues work on the current stream."""
    call()
    torch.cuda.synchronize()
    seconds = []
    while len(seconds) < 3 or (len(seconds) < N_ROUNDS and time.monotonic() < deadline):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        end.record()
        end.synchronize()
        seconds.append(start.elapsed_time(end) / 1e3)
    return statistics.median(seconds)


class Table:
    def __init__(self, a):
        self.a, self.n = a, 0
        self.ours = {}
        if a.ours and a.ours.is_file():
            rows = [json.loads(line) for line in a.ours.read_text().splitlines() if line]
            self.ours = {r["shape"].split(" ", 2)[2]: r["per_s"] for r in rows
                         if r["op"] == "score_topk" and r.get("per_s")}
        print(f"{'peer':28} {'k':>4} {'customers':>9} {'us/customer':>11} {'TFLOP/s':>8} "
              f"{'/ ours':>7}")

    def keep(self, row):
        if self.a.json:
            with self.a.json.open("a") as file:
                file.write(json.dumps(row) + "\n")

    def row(self, peer, k, customers, seconds):
        us = seconds / customers * 1e6
        tflops = 2e-12 * customers * self.a.items * self.a.dim / seconds
        per_s = self.ours.get(f"N {self.a.items} D {self.a.dim} k {k}")
        ratio = us * per_s / 1e6 if per_s else None
        self.n += 1
        print(f"{peer:28} {k or '-':>4} {customers:9} {us:11.3f} {tflops:8.1f} "
              f"{f'{ratio:.2f}' if ratio else '-':>7}", flush=True)
        self.keep({"peer": peer, "k": k, "customers": customers, "us_per_customer": us,
                   "tflops": tflops, "over_ours": ratio})

    def skip(self, peer, why):
        print(f"{peer:28} skipped: {why}", flush=True)
        self.keep({"peer": peer, "skipped": why})


def by_torch(table, x, z, deadline):
    for dtype, name in ((torch.bfloat16, "bf16"), (torch.float32, "fp32")):
        a, b = x.to(dtype), z.to(dtype).T
        out = torch.empty(len(x), len(z), dtype=dtype, device="cuda")
        product = timed(lambda: torch.matmul(a, b, out=out), deadline)
        table.row(f"GEMM writing {name} scores", 0, len(x), product)
        for k in KS:
            table.row(f"torch matmul + topk {name}", k, len(x), timed(
                lambda: torch.topk(torch.matmul(a, b, out=out), k, dim=1), deadline))
        del out


def by_cuvs(table, x, z, deadline):
    brute_force = load("cuvs.neighbors.brute_force")
    cupy = load("cupy")
    for name, module in (("cuvs", brute_force), ("cupy", cupy)):
        if isinstance(module, str):
            return table.skip("cuVS brute force", f"{name}: {module}")
    for dtype, name in ((torch.float16, "fp16"), (torch.float32, "fp32")):
        queries, items = cupy.asarray(x.to(dtype)), cupy.asarray(z.to(dtype))
        index = brute_force.build(items, metric="inner_product")
        for k in KS:
            table.row(f"cuVS brute force {name}", k, len(x),
                      by_wall(lambda: brute_force.search(index, queries, k), deadline))


def by_faiss(table, x, z, deadline):
    faiss = load("faiss")
    if isinstance(faiss, str):
        return table.skip("Faiss GpuIndexFlatIP", faiss)
    if not hasattr(faiss, "StandardGpuResources"):
        return table.skip("Faiss GpuIndexFlatIP", "this faiss is built for CPUs")
    index = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), z.shape[1])
    index.add(z.cpu().numpy())
    queries = x.cpu().numpy()
    for k in KS:
        table.row("Faiss GpuIndexFlatIP fp32", k, len(x),
                  by_wall(lambda: index.search(queries, k), deadline))


def by_wall(call, deadline):
    """For libraries with streams of their own."""
    seconds = []
    call()
    torch.cuda.synchronize()
    while len(seconds) < 3 or (len(seconds) < N_ROUNDS and time.monotonic() < deadline):
        start = time.monotonic()
        call()
        torch.cuda.synchronize()
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)


def main():
    global torch
    a = words()
    torch = load("torch")
    if isinstance(torch, str):
        print(f"skipped: torch: {torch}")
        return 77
    if not torch.cuda.is_available():
        print(f"skipped: torch {torch.__version__} sees no GPU")
        return 77
    deadline = time.monotonic() + a.seconds
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(1)
    free = torch.cuda.mem_get_info()[0]
    customers = max(64, min(a.customers, int(free * 0.4) // (4 * a.items) // 64 * 64))
    x = torch.randn(customers, a.dim, device="cuda")
    z = torch.randn(a.items, a.dim, device="cuda")
    print(f"# {torch.cuda.get_device_name()}, torch {torch.__version__}, CUDA "
          f"{torch.version.cuda}; N {a.items}, D {a.dim}")
    table = Table(a)
    for name, run in (("torch", by_torch), ("cuVS", by_cuvs), ("Faiss", by_faiss)):
        if time.monotonic() > deadline:
            table.skip(name, f"no time left of {a.seconds:g} s")
            continue
        try:
            run(table, x, z, deadline)
        except Exception as error:  # one peer's failure is a row, the others still run
            table.skip(name, sentence(error))
        torch.cuda.empty_cache()
    return 0


if __name__ == "__main__":
    sys.exit(main())
