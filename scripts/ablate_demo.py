#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What each part of the demo's model is worth: trains it again without the part, ranks the held-out
month with the engine, and compares the lists with the whole model's (docs/DEMO.md).

  scripts/train_demo.sh -o demo/model        # for the data that it prepares
  scripts/ablate_demo.py --json docs/figures/demo-ablation.json
Several processes may share the trainings: --part 1/2 and --part 2/2 train every second variant and
end; the call without --part then finds them. Variants: fusion against concatenation, each modality
off, identity weights under simulated identity noise, staleness with and without its augmentation,
norm band. Every training is seeded; a variant whose model is there is not trained again. Needs
PyTorch; about two minutes a variant.
Exit code 0, 2 (usage) or 4 (a step failed)."""
import argparse
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np

import ablation_data
import measure_lists

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
AS_OF = "2017-12-01T05:00:00Z"
DAYS_LATE = (0, 1, 7)
BAND = {"lo": 8.0, "hi": 12.0}


def variants(model):
    """{name: changes}: `model` replaces that section, `set` configuration keys, `data` names the
    snapshots (ablation_data), `late` days of staleness of the events that are ranked from."""
    out = {"whole model": {}}
    even = {**model, "fusion": {**model["fusion"], "train_as": "concatenation"}}
    out["concatenation, no gates"] = {"model": even}
    for m in model["modalities"]:
        rest = [other for other in model["modalities"] if other["name"] != m["name"]]
        out[f"without {m['name']}"] = {"model": {**model, "modalities": rest}}
    # The same receipt lines are recalled whoever reads them.
    out["without habit"]["set"] = {"objective.recall_modality": "purchase"}
    out["without statics, aggregates"] = {"model": {**model, "static": [], "aggregate": []}}
    out["identity noise, weights on"] = {"data": "noisy"}
    out["identity noise, weights off"] = {"data": "noisy-unweighted"}
    for days in DAYS_LATE[1:]:
        out[f"{days} d late"] = {"late": days, "like": "whole model"}
    out["delay augmentation"] = {"set": {"augment.delay_days": 7.0}}
    for days in DAYS_LATE[1:]:
        out[f"delay augmentation, {days} d late"] = {"late": days, "like": "delay augmentation"}
    free = {**model, "fusion": {**model["fusion"], "mlp_layers": 1}}
    out["h of one layer"] = {"model": free}
    out["h of one layer, norm band"] = {
        "model": {**free, "fusion": {**free["fusion"], "band": BAND}}}
    return out


def run(words, what):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode != 0:
        print(f"ablate_demo: {what}: exit {done.returncode}\n{done.stderr[-2000:]}",
              file=sys.stderr)
        sys.exit(4)
    return done.stderr


def train(args, config, name, change):
    """The bundle of a variant; heads play no part in ranking and are left out."""
    folder = args.work / slug(name) / "model"
    if (folder / "model.json").exists():
        return folder
    own = {**config, **{k: {**v} for k, v in config.items() if isinstance(v, dict)}}
    own["model"] = {**change.get("model", config["model"]), "heads": []}
    own.pop("tasks", None)
    own["data"] |= {"catalogue": str(args.data / "data/catalogue.h5"),
                    "snapshots": str(args.work / change["data"] if "data" in change
                                     else args.data / "snapshots"), "heads": [], "calibrate": []}
    own["fit"] = {**config["fit"], "head_epochs": 0}
    own["fit"]["epochs"] = args.epochs or own["fit"]["epochs"]
    own["fit"]["start"] = {k: v for k, v in own["fit"].get("start", {}).items()
                           if k in [m["name"] for m in own["model"]["modalities"]]}
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / "train.json"
    path.write_text(json.dumps(own, indent=1))
    words = [sys.executable, HERE / "train.py", path, "-o", folder, "--threads", args.threads]
    for key, value in change.get("set", {}).items():
        words += ["--set", f"{key}={json.dumps(value)}"]
    print(f"ablate_demo: {name}", file=sys.stderr, flush=True)
    run(words, name)
    return folder


def rank(args, name, change, model):
    """Lists and vectors of the held-out month by the engine."""
    folder = args.work / slug(name) / "run"
    snapshots = args.work / change["data"] if "data" in change else args.data / "snapshots"
    as_of = str(np.datetime64(AS_OF[:-1]) - np.timedelta64(change.get("late", 0), "D")) + "Z"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if not (folder / "manifest.json").exists():
        run([args.batchrank, "run", ROOT / "configs/demo/run.json",
             "--set", f"input.customers={snapshots / args.day / 'customers.h5'}",
             "--set", f"input.catalogue={args.data / 'data/catalogue.h5'}",
             "--set", f"input.model={model}", "--set", f"output.path={folder}",
             "--set", "output.vectors=true", "--set", f"run.as_of={as_of}",
             "--set", "list.k=10"], name)
    return folder / "lists.h5"


def slug(name):
    return name.replace(",", "").replace(" ", "-")


def norms(path, customers):
    """[events, mean |x|, 5 %, 95 %] by tenths of the customers by history length."""
    with h5py.File(customers, "r") as file:
        n_events = np.diff(file["/timeline/purchase/offset"][:].astype(np.int64))
    with h5py.File(path, "r") as file:
        norm = np.linalg.norm(file["/vector"][:].astype(np.float64), axis=1)
    known = np.flatnonzero((n_events > 0) & np.isfinite(norm))
    order = known[np.argsort(n_events[known], kind="stable")]
    return [[float(n_events[part].mean()), float(norm[part].mean()),
             *(float(v) for v in np.percentile(norm[part], (5, 95)))]
            for part in np.array_split(order, 10)]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=ROOT / "configs/demo/train.json")
    parser.add_argument("--data", type=Path, default=ROOT / "demo", help="prepared demo data")
    parser.add_argument("--day", default="2017-12-01", help="snapshot that is ranked")
    parser.add_argument("--batchrank", type=Path, default=ROOT / "build/cpu/batchrank")
    parser.add_argument("--work", type=Path, default=ROOT / "demo/ablation")
    parser.add_argument("--epochs", type=int, help="at most; as configured")
    parser.add_argument("--part", metavar="I/N", help="train every N-th variant from the I-th")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not args.part and not args.json:
        parser.error("--json or --part is needed")
    for name in ("data", "work"):
        setattr(args, name, getattr(args, name).resolve())
    return args


def main():
    args = parse_arguments()
    config = json.loads(args.config.read_text())
    days = sorted({*config["data"]["train"], *config["data"]["validate"], args.day})
    ablation_data.write_noisy(args.data / "snapshots", args.work, days)
    lists, models = {}, {}
    every = variants(config["model"])
    if args.part:
        first, step = (int(n) for n in args.part.split("/"))
        own = [(n, c) for n, c in every.items() if "like" not in c][first - 1::step]
        for name, change in own:
            train(args, config, name, change)
        return 0
    for name, change in every.items():
        like = change.get("like")
        models[name] = models[like] if like else train(args, config, name, change)
        lists[name] = rank(args, name, change, models[name])
    snapshot = args.data / "snapshots" / args.day
    with h5py.File(args.data / "data/catalogue.h5", "r") as file:
        item_keys = file["/item/key"][:]
    keys, row, item = measure_lists.read_cases(snapshot / "labels.h5", "purchase", len(item_keys))
    result = measure_lists.compare(
        {name: measure_lists.read_lists(path, keys, item_keys, 10)
         for name, path in lists.items()}, row, item, len(keys))
    measure_lists.show(result, len(row), "purchase", 10)
    args.json.write_text(json.dumps({
        "cases": len(row), "rows": [{"name": n, **m} for n, m in result.items()],
        "norms": {name: norms(lists[name], snapshot / "customers.h5") for name in (
            "whole model", "h of one layer", "h of one layer, norm band")}}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
