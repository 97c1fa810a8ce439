#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a re-ranker (q_psi, eq. 5) for a model bundle on the lists that the engine made with it,
and writes the bundle with one more head, of the type pair_mlp (docs/OBJECTIVES.md).

  batchrank run job.json --set list.k=512 --set output.vectors=true ...   once per day
  scripts/train_reranker.py model -o model-2 --train a/lists.h5 a/labels.h5 \\
      --validate b/lists.h5 b/labels.h5 --hidden 64
Lists are the candidates (x_u and the exact best items, /vector and /list of docs/FORMATS.md),
labels what came after (a timeline of labels.h5; customers by key, items of the same catalogue). It
starts as the model's score. The epoch is chosen by NDCG on --validate, or by a fourth of the
customers, and calibration (Platt: a table with flat pieces would tie what it ranks) is fitted there
too, unless --calibrate names other days.
Exit code 0, 2 (usage), 3 (input data), 4 (I/O)."""
import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

HELD_OUT = 0.25  # customers
MAX_LAYERS, MAX_WIDTH, MAX_HEADS = 3, 512, 16  # as the engine's


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    day = {"nargs": 2, "metavar": ("LISTS", "LABELS"), "type": Path}
    parser.add_argument("model", type=Path, help="folder of the bundle; it is not changed")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the new bundle")
    parser.add_argument("--train", action="append", required=True, help="a day to learn from",
                        **day)
    parser.add_argument("--validate", action="append", help="a day that chooses the epoch "
                        "(default: a fourth of the customers of the training days)", **day)
    parser.add_argument("--calibrate", action="append",
                        help="a day that calibrates (default: what validates)", **day)
    parser.add_argument("--name", default="rerank", help="of the head (rerank)")
    parser.add_argument("--label", default="purchase", help="timeline of LABELS (purchase)")
    parser.add_argument("--hidden", type=int, nargs="+", default=[64], metavar="WIDTH",
                        help="widths of 1 to 3 hidden layers, 2 to 512 (64)")
    parser.add_argument("--loss", choices=("softmax", "logistic"), default="softmax",
                        help="what was taken against what was not, or each by itself (softmax)")
    for name, kind, default, text in (
            ("negatives", int, 64, "candidates drawn per customer and step"),
            ("epochs", int, 20, "at most"), ("patience", int, 3, "epochs without a better one"),
            ("batch", int, 128, "customers per step"), ("rate", float, 1e-3, "of Adam"),
            ("decay", float, 1.0, "pull of the weights to where they began"),
            ("at", int, 10, "cut-off of validation"),
            ("calibrate-items", int, 50, "best items per customer that it is calibrated on"),
            ("seed", int, 1, "of everything random"),
            ("threads", int, 1, "CPU threads; another number may give other bits")):
        parser.add_argument(f"--{name}", type=kind, default=default, help=f"{text} ({default})")
    args = parser.parse_args()
    if len(args.hidden) > MAX_LAYERS or not all(2 <= w <= MAX_WIDTH for w in args.hidden):
        parser.error(f"--hidden: found {args.hidden}, expected 1 to {MAX_LAYERS} widths of 2 to "
                     f"{MAX_WIDTH}")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", args.name):
        parser.error(f"--name: found '{args.name}', expected letters, digits, _, - and .")
    for name in ("negatives", "epochs", "patience", "batch", "rate", "at", "calibrate_items"):
        if getattr(args, name) <= 0:
            parser.error(f"--{name.replace('_', '-')}: found {getattr(args, name)}, expected > 0")
    return args


def read_bundle(folder, name):
    """model.json, tensors as they are, {catalogue key: row of the item table}."""
    import h5py

    import bundle_writer
    from measure_lists import MeasureError

    model = json.loads((folder / "model.json").read_text())
    tensors = bundle_writer.read_safetensors(folder / "weights.safetensors")
    if not model.get("item"):
        raise MeasureError(f"{folder}/model.json: item is null: the head needs a table of items")
    if any(h["name"] == name for h in model.get("heads", [])):
        raise MeasureError(f"{folder}/model.json: head '{name}' is there already; another --name")
    if len(model.get("heads", [])) >= MAX_HEADS:
        raise MeasureError(f"{folder}/model.json: found {MAX_HEADS} heads, no more are read")
    with h5py.File(folder / "vocabulary.h5", "r") as file:
        keys = file[f"/{model['item']['vocabulary']}/key"][:].tolist()
    return model, tensors, {k: row for row, k in enumerate(keys) if k != b""}


def item_tensors(model, tensors):
    """z [V, D] and b [V] or None, float32."""
    import torch

    z_VD = torch.from_numpy(tensors[model["item"]["table"]].astype("f4"))
    bias = model["item"].get("bias")
    return z_VD, torch.from_numpy(tensors[bias].astype("f4")) if bias else None


def describe(args, head, table, notes):
    entry = {"name": args.name, "type": "pair_mlp", "hidden": args.hidden, "link": "logistic",
             "calibration": table}
    if head.item_bias_V is not None:
        entry["item_bias"] = True
    files = [p for days in (args.train, args.validate, args.calibrate) for day in days or []
             for p in day]
    notes |= {"seed": args.seed, "label": args.label,
              "command": shlex.join(["scripts/train_reranker.py", *sys.argv[1:]]),
              "data_sha256": {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}}
    return entry, notes


def train(args):
    import torch

    import bundle_writer
    from measure_lists import MeasureError
    from training import calibrate, reranker

    model, tensors, row_of_key = read_bundle(args.model, args.name)
    days, validate, calibration = (
        [reranker.Candidates(*day, args.label, row_of_key) for day in names or []]
        for names in (args.train, args.validate, args.calibrate))
    if not validate:
        days, validate = reranker.held_out(days, HELD_OUT, args.seed)
    calibration = calibration or validate
    torch.manual_seed(args.seed)
    head = reranker.PairHead(*item_tensors(model, tensors), args.hidden)
    for day in (*days, *validate, *calibration):
        if day.x.shape[1] != head.z_VD.shape[1]:
            raise MeasureError(f"/vector has {day.x.shape[1]} columns, expected dim "
                               f"{head.z_VD.shape[1]} of {args.model}")
    best, history = reranker.fit(head, days, validate, args)
    table = calibrate.fit_platt(*reranker.best_pairs(head, calibration, args.calibrate_items))
    if not table["a"] > 0:
        raise MeasureError(f"calibration: Platt's a is {table['a']:.3g}: the more the head says, "
                           "the less was taken")
    entry, notes = describe(args, head, table, {"best_epoch": best, "history": history})
    model.setdefault("heads", []).append(entry)
    model.setdefault("training", {})[f"head {args.name}"] = notes
    args.out.mkdir(parents=True, exist_ok=True)
    bundle_writer.write_safetensors(args.out / "weights.safetensors",
                                    tensors | head.tensors(args.name), None)
    bundle_writer.write_model_json(args.out / "model.json", model)
    shutil.copyfile(args.model / "vocabulary.h5", args.out / "vocabulary.h5")
    print(json.dumps({"best_epoch": best, "the score": history[0], "best": history[best],
                      "calibration": table}, indent=1))
    if best == 0:
        print("train_reranker: no epoch ranks better than the score: the head is the score",
              file=sys.stderr)


def main():
    args = parse_arguments()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    try:
        import torch
    except ImportError:
        print("train_reranker: PyTorch is not there; scripts/install_deps.sh --train installs it",
              file=sys.stderr)
        return 2
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    from measure_lists import MeasureError
    try:
        train(args)
    except MeasureError as error:
        print(f"train_reranker: {error}", file=sys.stderr)
        return 3
    except (OSError, ValueError, KeyError) as error:
        print(f"train_reranker: {error}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
