#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws a sweep as a picture: two columns of sweep.csv against each other, a point per weighting,
the efficient ones marked and joined, the configuration's own in bold. Without matplotlib it says so
and ends with 77.

  scripts/plot_pareto.py sweep/sweep.csv --x term.income --y term.fit -o pareto.png
"""
import argparse
import csv
import sys
from pathlib import Path

try:
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
except ImportError:
    pyplot = None


def words():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("table", type=Path, help="sweep.csv")
    p.add_argument("--x", help="column; left out: the first term")
    p.add_argument("--y", help="column; left out: the second term, or coverage")
    p.add_argument("-o", "--output", type=Path, required=True, help="the PNG")
    return p.parse_args()


def read(path):
    """(names of numeric columns, rows)"""
    with open(path, newline="", encoding="utf-8") as f:
        table = csv.DictReader(f)
        columns = [c for c in table.fieldnames or [] if c not in ("name", "efficient")]
        rows = [{**r, **{c: float(r[c]) for c in columns}} for r in table]
    if not rows or not columns:
        sys.exit(f"{path}: is no sweep.csv")
    return columns, rows


def choose(columns, wanted, default):
    name = wanted or default
    if name not in columns:
        sys.exit(f"no column '{name}'; there are {', '.join(columns)}")
    return name


def draw(rows, x, y, path):
    figure, axes = pyplot.subplots(figsize=(7, 5), dpi=120)
    best = sorted((r for r in rows if r["efficient"] == "true"), key=lambda r: r[x])
    rest = [r for r in rows if r["efficient"] != "true"]
    axes.plot([r[x] for r in best], [r[y] for r in best], "o-", color="tab:blue",
              label="efficient")
    axes.plot([r[x] for r in rest], [r[y] for r in rest], "x", color="tab:gray",
              label="another is better")
    for r in rows:
        weight = "bold" if r["name"] == "configuration" else "normal"
        axes.annotate(r["name"], (r[x], r[y]), xytext=(4, 4), textcoords="offset points",
                      fontsize=7, fontweight=weight)
    axes.set_xlabel(f"{x} (mean per list)" if x.startswith("term.") else x)
    axes.set_ylabel(f"{y} (mean per list)" if y.startswith("term.") else y)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})


def main():
    a = words()
    columns, rows = read(a.table)
    terms = [c for c in columns if c.startswith("term.")]
    x = choose(columns, a.x, terms[0] if terms else None)
    y = choose(columns, a.y, terms[1] if len(terms) > 1 else "coverage")
    if pyplot is None:
        print("skipped: matplotlib is not installed")
        return 77
    draw(rows, x, y, a.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
