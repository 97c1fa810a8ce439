#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A SIMULATION, not a measurement: a run on 1 to 1,024 ranks, from costs of one rank's stages that
were measured on processors (measure_costs.py) and from assumptions about machines nobody here has
(scenarios.json: how many times faster a GPU encodes and scores, what a shared file system gives).

Simulated: the customers are hashed, a block of them by each core of each rank; catalogue and model
are sent and placed; then units go in order to whoever is free; a rank reads, computes and writes
three units at a time, each in order; the file system serves all ranks first come, first served;
handing out and the commit are rank 0's.
"limited by" is found by asking again without each limit: the one whose absence saves most.

  bench/scaling/model.py --costs bench/results/rank-costs-cpu.json --json scaling-model.json \\
      --figure docs/figures/scaling-model.png
"""
import argparse
import copy
import heapq
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
SLOTS = 3
GB = 1e9


class Pipe:
    """A shared file system in one direction: its bandwidth serves in order of arrival, and nobody
    gets more than a rank's own."""

    def __init__(self, shared_gb_s, rank_gb_s):
        self.shared, self.own, self.free_s = shared_gb_s * GB, rank_gb_s * GB, 0.0

    def serve(self, now_s, n_bytes):
        self.free_s = max(self.free_s, now_s) + n_bytes / self.shared
        return max(self.free_s, now_s + n_bytes / self.own)


def unit_rows(n, unit):
    return [unit] * (n // unit) + ([n % unit] if n % unit else [])


def opening_s(s, c, n_ranks):
    """Before the first unit: all ranks hash the customers (s["hash_by"]: so many, a core each);
    model and catalogue go to all machines; every rank places them; all together read the events
    once for popularity."""
    n_bytes = s["customers"] * c["in_bytes_per_customer"]
    n_hashing = s.get("hash_by", n_ranks)
    cores = 1 if "hash_by" in s else n_hashing * c["lanes"]
    hash_s = 0.0 if s.get("no_hash") else max(
        n_bytes / (c["hash_bytes_per_s"] * cores),
        n_bytes / (min(s["read_gb_s"], n_hashing * s["rank_gb_s"]) * GB))
    send_s = 0.0 if n_ranks <= s["ranks_per_node"] else \
        s["items"] * c["staged_bytes_per_item"] / (s["network_gb_s"] * GB)
    count_s = n_bytes / (min(s["read_gb_s"], n_ranks * s["rank_gb_s"]) * GB)
    return hash_s + send_s + c["open_fixed_s"] + s["items"] * c["open_s_per_item"] + count_s


def device_s(s, c):
    stage = c["stage_cpu_s_per_customer"]
    score_s = stage["score"] * s["items"] / c["items"]  # every customer meets every item
    return (stage["encode"] + stage["fuse"] + score_s) / c["lanes"] / s["device_factor"]


def simulate(s, c, n_ranks):
    """(seconds, seconds of opening, seconds between first and last rank's last unit)"""
    stage = c["stage_cpu_s_per_customer"]
    rows = unit_rows(s["customers"], s["unit_customers"])
    begin_s = opening_s(s, c, n_ranks)
    reading = Pipe(s["read_gb_s"], s["rank_gb_s"])
    writing = Pipe(s["write_gb_s"], s["rank_gb_s"])
    read_s, computed_s = [begin_s] * n_ranks, [begin_s] * n_ranks
    written_s = [[begin_s] * SLOTS for _ in range(n_ranks)]
    hand_s = begin_s
    waiting = [(begin_s, r) for r in range(n_ranks)]
    for n in rows:
        ready_s, r = heapq.heappop(waiting)
        hand_s = max(hand_s, ready_s) + c["hand_out_s"]
        told_s = hand_s + c["answer_s"]
        got_s = max(reading.serve(told_s, n * c["in_bytes_per_customer"]),
                    told_s + n * stage["read"])
        read_s[r] = got_s
        computed_s[r] = max(got_s, computed_s[r]) + n * device_s(s, c)
        image_s = max(computed_s[r], written_s[r][-1]) + n * (stage["policy"] + stage["write"])
        done_s = writing.serve(image_s, n * c["out_bytes_per_customer"]) + c["write_s_per_part"]
        written_s[r] = written_s[r][1:] + [done_s]
        heapq.heappush(waiting, (max(read_s[r], written_s[r][0]), r))
    ends = [w[-1] for w in written_s]
    commit_s = 0.0 if s.get("no_commit") else \
        c["commit_fixed_s"] + len(rows) * c["commit_s_per_part"]
    return max(ends) + commit_s, begin_s, max(ends) - min(ends)


def without(s, c, limit):
    """The same night without one limit."""
    s, c = copy.deepcopy(s), copy.deepcopy(c)
    stage = c["stage_cpu_s_per_customer"]
    if limit == "hashing inputs":
        s["no_hash"] = True
    elif limit == "placing the catalogue":
        c["open_s_per_item"] = 0.0
    elif limit == "reading":
        s["read_gb_s"] *= 1e6
        s["rank_gb_s"] *= 1e6
        stage["read"] = 0.0
    elif limit == "writing":
        s["write_gb_s"] *= 1e6
        s["rank_gb_s"] *= 1e6
        stage["write"] = stage["policy"] = c["write_s_per_part"] = 0.0
    elif limit == "rank 0's commit":
        s["no_commit"] = True
    elif limit == "handing out":
        c["hand_out_s"] = 0.0
    elif limit == "whole units":
        s["unit_customers"] = max(256, s["unit_customers"] // 16)
        c["write_s_per_part"] /= 16
        c["commit_s_per_part"] /= 16
    elif limit == "device":
        s["device_factor"] *= 1e6
    return s, c


LIMITS = ("device", "reading", "writing", "hashing inputs", "placing the catalogue",
          "rank 0's commit", "handing out", "whole units")


def scenario(s, c, ranks):
    rows = []
    for n in ranks:
        total_s, begin_s, tail_s = simulate(s, c, n)
        saved = {limit: total_s - simulate(*without(s, c, limit), n)[0] for limit in LIMITS}
        worst = max(saved, key=saved.get)
        rows.append({"ranks": n, "seconds": round(total_s, 3), "opening_s": round(begin_s, 3),
                     "tail_s": round(tail_s, 3), "limited_by": worst,
                     "saved_s": {k: round(v, 3) for k, v in saved.items()}})
    base = rows[0]["seconds"] * rows[0]["ranks"]
    for row in rows:
        row["efficiency"] = round(base / (row["seconds"] * row["ranks"]), 4)
    return rows


def table(s, rows):
    names = ("ranks", "seconds", "speed-up", "efficiency", "opening s", "tail s",
             "limited by (saves s)")
    lines = [f"{s['title']} (a GPU {s['device_factor']} x the measured rank; file system "
             f"{s['read_gb_s']} / {s['write_gb_s']} GB/s)", "",
             "| " + " | ".join(names) + " |", "|---:" * 6 + "|---|"]
    for r in rows:
        speed_up, limit = rows[0]["seconds"] / r["seconds"], r["limited_by"]
        lines.append(f"| {r['ranks']} | {r['seconds']:.1f} | {speed_up:.1f} "
                     f"| {100 * r['efficiency']:.0f} % | {r['opening_s']:.1f} "
                     f"| {r['tail_s']:.2f} | {limit} ({r['saved_s'][limit]:.1f}) |")
    return "\n".join(lines) + "\n"


def draw(results, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4), dpi=100)
    for result in results:
        rows = result["rows"]
        axes.plot([r["ranks"] for r in rows], [100 * r["efficiency"] for r in rows], "o-",
                  markersize=3.5, label=f"{result['scenario']['name']}: "
                                        f"{result['scenario']['title']}")
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks := [r["ranks"] for r in results[0]["rows"]], [str(n) for n in ticks])
    axes.set_xlabel("ranks, one per GPU")
    axes.set_ylabel("parallel efficiency, %")
    axes.set_ylim(0, 105)
    axes.set_title("Simulated, from stage costs measured on processors", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(0, -0.14), frameon=False)
    figure.savefig(path, bbox_inches="tight", metadata={"Software": None})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--costs", type=Path, required=True, help="of measure_costs.py")
    p.add_argument("--scenarios", type=Path, default=HERE / "scenarios.json")
    p.add_argument("--json", type=Path, help="writes the results there")
    p.add_argument("--figure", type=Path, help="draws them there (needs matplotlib)")
    a = p.parse_args()
    costs = json.loads(a.costs.read_text())["costs"]
    plan = json.loads(a.scenarios.read_text())
    results = []
    for s in plan["scenarios"]:
        rows = scenario(s, costs, plan["ranks"])
        results.append({"scenario": s, "rows": rows})
        print(table(s, rows))
    if a.json:
        a.json.write_text(json.dumps({"simulated": True, "costs": costs, "results": results},
                                     indent=1) + "\n")
    if a.figure:
        draw(results, a.figure)


if __name__ == "__main__":
    main()
