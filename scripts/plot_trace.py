#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a timeline of `run` (log.trace, docs/TRACE.md) says: how long phases and stages took, in
which share of the time each thread worked, and the lanes had something to do. Draws it, too.

  scripts/plot_trace.py trace.json [trace.json.1 ...] [--figure FILE.png] [--json FILE]

A lane of a GPU counts as busy from the moment its work is enqueued until it is done: that is the
most the GPU can have been busy."""
import argparse
import json
import sys
from pathlib import Path

COLOURS = {"read": "#4477aa", "encode": "#ee6677", "fuse": "#ccbb44", "score": "#228833",
           "policy": "#66ccee", "detect": "#aa3377", "write": "#777777"}
OTHER = "#dddddd"


def load(path):
    """{track: [(name, begin_s, end_s, unit)]} of one rank, in order of time, and its name."""
    try:
        events = json.loads(Path(path).read_text())["traceEvents"]
        names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
        rank = next(e["args"]["name"] for e in events if e["name"] == "process_name")
        tracks = {name: [] for name in names.values()}
        for e in events:
            if e["ph"] == "X":
                tracks[names[e["tid"]]].append((e["name"], e["ts"] / 1e6,
                                                (e["ts"] + e["dur"]) / 1e6,
                                                e.get("args", {}).get("unit", -1)))
    except (OSError, ValueError, KeyError, StopIteration) as problem:
        sys.exit(f"{path}: no timeline of `run`, expected log.trace's JSON: {problem!r}")
    return rank, {name: sorted(spans, key=lambda s: s[1]) for name, spans in tracks.items()}


def union(spans):
    """Seconds in which at least one of [(begin, end)] lasts."""
    total, end_s = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, end_s))
        end_s = max(end_s, end)
    return total


def cut(spans, begin_s, end_s):
    return [(max(b, begin_s), min(e, end_s)) for _, b, e, _ in spans if b < end_s and e > begin_s]


def summary(tracks):
    """Of one rank: seconds of its phases, and shares of the phase `units`."""
    phases = tracks["command"]
    units = [s for s in phases if s[0] == "units"]
    if not units:
        sys.exit("the timeline has no phase `units`: the run ended before its first unit")
    begin, end = units[0][1], units[-1][2]
    wall = sum(e - b for _, b, e, _ in units)
    lanes = [name for name in tracks if name.startswith("lane ")]
    spans = [s for name in lanes for s in cut(tracks[name], begin, end)]
    stages = {}
    threads = [name for name in tracks if "thread" in name]
    for name in threads:
        for stage, b, e, _ in tracks[name]:
            stages[stage] = stages.get(stage, 0.0) + e - b
    share = {name: union(cut(tracks[name], begin, end)) / wall for name in threads}
    return {"wall_s": phases[-1][2] - phases[0][1],
            "phases_s": {name: sum(e - b for n, b, e, _ in phases if n == name)
                         for name in dict.fromkeys(s[0] for s in phases)},
            "stages_s": stages, "busy_share": share, "lanes": len(lanes),
            "any_lane_busy": union(spans) / wall,
            "mean_lane_busy": sum(e - b for b, e in spans) / wall / max(1, len(lanes)),
            "units": len({s[3] for name in threads for s in tracks[name] if s[0] == "policy"})}


def say(rank, s):
    print(f"{rank}: {s['units']} units, {s['wall_s']:.3f} s")
    for name, seconds in s["phases_s"].items():
        print(f"  {name:<28} {seconds:9.3f} s  {100 * seconds / s['wall_s']:5.1f} %")
    print("  of the units' time:")
    for name, share in s["busy_share"].items():
        print(f"    {name:<26} {100 * share:16.1f} %")
    print(f"    {'at least one lane':<26} {100 * s['any_lane_busy']:16.1f} %")
    print(f"    {'a lane, of ' + str(s['lanes']):<26} {100 * s['mean_lane_busy']:16.1f} %")
    print("  stages: " + ", ".join(f"{n} {t:.3f} s" for n, t in s["stages_s"].items()))


def draw(ranks, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import patches, pyplot

    rows = [(rank, name, spans) for rank, tracks in ranks for name, spans in tracks.items()]
    began = min(spans[0][1] for _, _, spans in rows if spans)
    figure, axes = pyplot.subplots(figsize=(11, 0.45 * len(rows) + 1.6), dpi=110)
    for at, (_, _, spans) in enumerate(rows):
        for colour in {COLOURS.get(s[0], OTHER) for s in spans}:
            axes.broken_barh([(b - began, e - b) for n, b, e, _ in spans
                              if COLOURS.get(n, OTHER) == colour], (at - 0.4, 0.8),
                             facecolors=colour, linewidth=0)
        for name, b, e, _ in spans:
            if name not in COLOURS and e - b > 0.04 * (spans[-1][2] - spans[0][1]):
                axes.text((b + e) / 2 - began, at, name, ha="center", va="center", fontsize=6)
    axes.set_yticks(range(len(rows)), [n if len(ranks) == 1 else f"{r}: {n}" for r, n, _ in rows],
                    fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.legend(handles=[patches.Patch(color=c, label=n) for n, c in COLOURS.items()], ncol=7,
                fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    figure.savefig(path, bbox_inches="tight", metadata={"Software": None})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("trace", nargs="+", help="what log.trace named, of each rank")
    p.add_argument("--figure", help="draws it there (needs matplotlib)")
    p.add_argument("--json", help="writes the figures there")
    a = p.parse_args()
    ranks = [load(path) for path in a.trace]
    found = {rank: summary(tracks) for rank, tracks in ranks}
    for rank, s in found.items():
        say(rank, s)
    if a.json:
        Path(a.json).write_text(json.dumps(found, indent=1) + "\n")
    if a.figure:
        draw(ranks, a.figure)


if __name__ == "__main__":
    main()
