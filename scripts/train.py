#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a model of docs/MODELS.md with PyTorch and writes its bundle for the engine.

  scripts/install_deps.sh --train
  scripts/train.py configs/demo/train.json -o demo/model
Steps: learn to rank (and the heads beside it); the heads alone, on frozen vectors; calibrate them
on later days; measure on days that no step has seen; write model.json, weights.safetensors,
vocabulary.h5, metrics.json, golden.safetensors. Every epoch leaves OUT/checkpoint.pt: the same
command with --resume goes on from it, to the same bits. One page on how to: docs/MODELS.md.
Exit code 0, 2 (usage, configuration), 3 (input data), 4 (I/O, diverged)."""
import argparse
import json
import os
import shlex
import sys
from pathlib import Path


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, help="training configuration (JSON)")
    parser.add_argument("-o", "--out", type=Path, help="folder of the bundle")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="sets one configuration key, as --set fit.epochs=3")
    parser.add_argument("--threads", type=int, default=0,
                        help="CPU threads; another number may give other bits (0: all cores)")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/checkpoint.pt")
    parser.add_argument("--days", action="store_true",
                        help="print the snapshots that the configuration needs, and no more")
    parser.add_argument("--keys", action="store_true", help="print every configuration key")
    args = parser.parse_args()
    if not args.keys and (args.config is None or (args.out is None and not args.days)):
        parser.error("a configuration and -o OUT are needed")
    return args


def load_torch(n_threads):
    """Repeatable results: fixed threads, deterministic operations."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(n_threads)
    try:
        import torch
    except ImportError:
        print("train: PyTorch is not there; scripts/install_deps.sh --train installs it",
              file=sys.stderr)
        sys.exit(2)
    torch.set_num_threads(n_threads)
    torch.use_deterministic_algorithms(True)


def train(args):
    from training import assemble, calibrate, config, export, heads, loop, measure

    c = config.resolve(config.load(args.config, args.set), args.config.resolve().parent)
    data = assemble.Assembly(c)
    trainer = loop.Trainer(data)
    args.out.mkdir(parents=True, exist_ok=True)
    checkpoint = args.out / "checkpoint.pt"
    if args.resume and trainer.resume(checkpoint):
        print(f"train: going on after epoch {trainer.epoch}", file=sys.stderr)
    trainer.fit(checkpoint)
    heads.fit(trainer)
    table, fitted = calibrate.fit_all(trainer)
    metrics = measure.all_metrics(trainer, table)
    metrics["calibration_fit"] = fitted
    notes = export.training_notes(data, trainer, brief(metrics), shlex.join(
        ["scripts/train.py", *[str(a) for a in sys.argv[1:]]]))
    test = data.days("test")
    export.write(args.out, data, trainer, export.describe(data, table, notes),
                 test[-1].customers if test else data.customers)
    (args.out / "metrics.json").write_text(json.dumps(
        {**metrics, "history": trainer.history}, indent=1) + "\n")
    checkpoint.unlink(missing_ok=True)
    print(json.dumps(brief(metrics), indent=1))


def brief(metrics):
    """Without the bins of the reliability plots."""
    heads = {name: {k: v for k, v in m.items() if not k.startswith("reliability")}
             for name, m in metrics["heads"].items()}
    return {**metrics, "heads": heads}


def main():
    args = parse_arguments()
    from training import config
    if args.keys:
        print(config.table())
        return 0
    try:
        if args.days:
            print(",".join(config.days(config.load(args.config, args.set))))
            return 0
    except config.ConfigError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    load_torch(args.threads or os.cpu_count())
    from training import data
    try:
        train(args)
    except config.ConfigError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    except data.DataError as error:
        print(f"train: {error}", file=sys.stderr)
        return 3
    except (OSError, ValueError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
