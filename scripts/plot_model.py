#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what train.py and ablate_demo.py measured: reliability of each head before and after
calibration, validation by epoch, ablations with their intervals. Needs matplotlib
(scripts/install_deps.sh --train).

  scripts/plot_model.py configs/demo/model/metrics.json -o docs/figures --name demo
  scripts/plot_model.py --ablation bench/results/ablation.json -o docs/figures
Exit code 0, 2 (usage, matplotlib missing) or 3 (not such a file)."""
import argparse
import json
import sys
from pathlib import Path

INK, SOFT, ACCENT = "#1b1f24", "#8c959f", "#0969da"


def load_pyplot():
    try:
        import matplotlib
    except ImportError:
        print("plot_model: matplotlib is not there; scripts/install_deps.sh --train installs it",
              file=sys.stderr)
        sys.exit(2)
    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot
    pyplot.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
                        "axes.edgecolor": SOFT, "text.color": INK, "axes.labelcolor": INK,
                        "svg.hashsalt": "batchrank", "figure.dpi": 120}
    return pyplot


def save(figure, path):
    """Same input, same bytes: no dates, no version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", metadata={"Software": None})
    print(path)


def plot_reliability(pyplot, heads, path):
    figure, panels = pyplot.subplots(1, len(heads), figsize=(3.1 * len(heads), 3), squeeze=False)
    for panel, (name, m) in zip(panels[0], heads.items()):
        for part, colour, label in (("before", SOFT, "before"), ("after", ACCENT, "after")):
            bins = m[f"reliability_{part}"]
            panel.plot([b[0] for b in bins], [b[1] for b in bins], "o-", color=colour, ms=3, lw=1,
                       label=f"{label}, ECE {m[f'ece_{part}']:.4f}")
        top = max(max(b[:2]) for part in ("before", "after") for b in m[f"reliability_{part}"])
        panel.plot([0, top], [0, top], color=INK, lw=0.6, ls=":")
        panel.set(title=f"{name} (AUC {m['auc']:.3f})", xlabel="predicted", ylabel="observed")
        panel.legend(frameon=False, fontsize=7, loc="upper left")
    figure.tight_layout()
    save(figure, path)


def plot_epochs(pyplot, history, path):
    figure, panel = pyplot.subplots(figsize=(4.2, 2.8))
    epochs = [h["epoch"] for h in history]
    panel.plot(epochs, [h["hr"] for h in history], color=ACCENT, lw=1.2, label="HR")
    panel.plot(epochs, [h["ndcg"] for h in history], color=INK, lw=1.2, label="NDCG")
    panel.set(xlabel="epoch", ylabel="validation", ylim=(0, None))
    panel.legend(frameon=False)
    save(figure, path)


def plot_ablation(pyplot, rows, path):
    """rows: [{"name", "ndcg", "ndcg_95"}], the first the whole model."""
    figure, panel = pyplot.subplots(figsize=(5.6, 0.3 * len(rows) + 0.8))
    for i, row in enumerate(rows):
        low, high = row["ndcg_95"]
        panel.plot([low, high], [i, i], color=SOFT, lw=2)
        panel.plot(row["ndcg"], i, "o", color=ACCENT if i == 0 else INK, ms=4)
    panel.axvline(rows[0]["ndcg"], color=ACCENT, lw=0.6, ls=":")
    panel.set(yticks=range(len(rows)), yticklabels=[r["name"] for r in rows],
              xlabel="NDCG@10, every purchase of the 28 days after, 95 % interval")
    panel.invert_yaxis()
    save(figure, path)


def plot_norms(pyplot, norms, path):
    """norms: {name: [[events, mean |x|, 5 %, 95 %] by decile of history length]}."""
    figure, panel = pyplot.subplots(figsize=(4.6, 2.8))
    for (name, rows), colour in zip(norms.items(), (ACCENT, INK, SOFT)):
        events = [r[0] for r in rows]
        panel.plot(events, [r[1] for r in rows], "o-", color=colour, ms=3, lw=1, label=name)
        panel.fill_between(events, [r[2] for r in rows], [r[3] for r in rows], color=colour,
                           alpha=0.15, lw=0)
    panel.set(xlabel="events in the history (mean of a tenth of the customers)", ylabel="|x_u|")
    panel.legend(frameon=False)
    save(figure, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("metrics", nargs="?", type=Path)
    parser.add_argument("--ablation", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--name", default="model")
    args = parser.parse_args()
    if args.metrics is None and args.ablation is None:
        parser.error("metrics.json or --ablation is needed")
    pyplot = load_pyplot()
    try:
        if args.metrics:
            metrics = json.loads(args.metrics.read_text())
            if metrics.get("heads"):
                plot_reliability(pyplot, metrics["heads"],
                                 args.out / f"{args.name}-reliability.png")
            plot_epochs(pyplot, metrics["history"], args.out / f"{args.name}-epochs.png")
        if args.ablation:
            ablation = json.loads(args.ablation.read_text())
            plot_ablation(pyplot, ablation["rows"], args.out / "ablation.png")
            plot_norms(pyplot, ablation["norms"], args.out / "norms.png")
    except (OSError, ValueError, KeyError) as error:
        print(f"plot_model: {args.metrics or args.ablation}: {error!r}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
