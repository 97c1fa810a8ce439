#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HR@k and NDCG@k of finished runs with 95 % bootstrap intervals over customers. The figures are
those of `batchrank evaluate`; this adds how far they would move with other customers.

  scripts/ranking_intervals.py --run RUN [--run OTHER] --truth FILE --modality NAME
                               [--negatives FILE.npy] [--at 1,5,10]
With --negatives the runs need output.vectors; item vectors are those of the run's model. With two
runs the differences (second less first, same customers drawn for both) are printed as well. Exit
code 0, 2 (usage) or 3 (input)."""
import argparse
import json
import sys
from pathlib import Path

import h5py
import numpy as np

import bundle_writer

SEED, N_DRAWS = 1, 10000


class InputError(Exception):
    pass


def join(keys, wanted):
    """Row in `keys` of each wanted key, -1 where it is not there."""
    row = {key: i for i, key in enumerate(keys.tolist())}
    return np.array([row.get(key, -1) for key in wanted.tolist()], dtype=np.int64)


def read_targets(path, modality):
    """Customer keys and the catalogue row of each one's first held-out item, -1 without one."""
    with h5py.File(path) as file:
        if f"/timeline/{modality}" not in file:
            raise InputError(f"{path}: /timeline/{modality} is not there")
        offset = file[f"/timeline/{modality}/offset"][:].astype(np.int64)
        item = np.append(file[f"/timeline/{modality}/item"][:], -1)
        first = np.where(offset[1:] > offset[:-1], offset[:-1], item.size - 1)
        return file["/customer/key"][:], item[first]


class Run:
    """Customers and lists of a run directory, and the target of each (-1: not judged)."""

    def __init__(self, folder, truth_path, modality):
        self.folder = Path(folder)
        with h5py.File(self.folder / "lists.h5") as file:
            self.customer, self.item_key = file["/customer/key"][:], file["/item/key"][:]
            self.list = file["/list/item"][:]
            self.x_UD = file["/vector"][:] if "/vector" in file else None
        keys, item = read_targets(truth_path, modality)
        row = join(keys, self.customer)
        self.target = np.where(row >= 0, item[row], -1)
        if not (self.target >= 0).any():
            raise InputError(f"{truth_path}: no customer of {folder} has an event")

    def places(self):
        """Place of each judged customer's target in the list, from 0, a large number beyond it."""
        judged = self.target >= 0
        hit = self.list[judged] == self.target[judged, None]
        return np.where(hit.any(axis=1), hit.argmax(axis=1), np.iinfo(np.int64).max - 2)

    def item_vectors(self):
        """z_i and b_i in the order of the catalogue; f32 as the engine has them."""
        config = json.loads((self.folder / "config.json").read_text())
        model = Path(config["input"]["model"])
        item = json.loads((model / "model.json").read_text())["item"]
        tensors = bundle_writer.read_safetensors(model / "weights.safetensors")
        with h5py.File(model / "vocabulary.h5") as file:
            row = join(file[f"/{item['vocabulary']}/key"][:], self.item_key)
        if (row < 0).any():
            raise InputError(f"{model}: item {self.item_key[row < 0][0]} has no row")
        bias = tensors[item["bias"]][row] if item.get("bias") else np.zeros(row.size, np.float32)
        return tensors[item["table"]][row], bias

    def places_among(self, negative_UN):
        """Place among the negatives of its row: how many of them score higher."""
        if self.x_UD is None:
            raise InputError(f"{self.folder}: has no /vector; run it with output.vectors true")
        if len(negative_UN) != len(self.customer):
            raise InputError(f"negatives: found {len(negative_UN)} rows, expected "
                             f"{len(self.customer)}")
        z_ND, bias_N = self.item_vectors()
        place = []
        for u in np.flatnonzero(self.target >= 0):
            row = np.append(self.target[u], negative_UN[u].astype(np.int64))
            score = z_ND[row].astype(np.float64) @ self.x_UD[u].astype(np.float64) + bias_N[row]
            place.append((score[1:] > score[0]).sum())
        return np.array(place, dtype=np.int64)


def measures(place, cutoffs):
    """{name: value of each customer}."""
    out = {}
    for k in cutoffs:
        hit = place < k
        out[f"HR@{k}"] = hit.astype(np.float64)
        out[f"NDCG@{k}"] = hit / np.log2(place.astype(np.float64) + 2)
    return out


def interval(value):
    """Mean and 95 % percentile interval over resampled customers; the same draws every time."""
    rng = np.random.default_rng(SEED)
    mean = [value[rng.integers(0, value.size, value.size)].mean() for _ in range(N_DRAWS)]
    return value.mean(), *np.percentile(mean, [2.5, 97.5])


def show(what, values):
    for name, value in values.items():
        mean, low, high = interval(value)
        print(f"{what:<22} {name:<8} {mean:9.6f} {low:9.4f} {high:9.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, action="append", required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--modality", default="purchase")
    parser.add_argument("--at", default="1,5,10")
    parser.add_argument("--negatives", type=Path, help="catalogue rows, f32 [customers, n] .npy")
    args = parser.parse_args()
    cutoffs = [int(k) for k in args.at.split(",")]
    try:
        runs = [Run(folder, args.truth, args.modality) for folder in args.run]
        if any(max(cutoffs) > run.list.shape[1] for run in runs):
            raise InputError(f"--at {max(cutoffs)}: the lists are shorter")
        tables = {"lists": [measures(run.places(), cutoffs) for run in runs]}
        if args.negatives:
            negatives = np.load(args.negatives)
            tables["negatives"] = [measures(run.places_among(negatives), cutoffs) for run in runs]
        if any(not np.array_equal(run.customer, runs[0].customer) for run in runs):
            raise InputError("the runs are not of the same customers")
    except (InputError, OSError, KeyError) as error:
        print(f"ranking_intervals: {error}", file=sys.stderr)
        return 3
    print(f"{(runs[0].target >= 0).sum()} customers, {N_DRAWS} draws")
    for what, found in tables.items():
        for run, values in zip(runs, found):
            show(f"{what} {run.folder.name}", values)
        for run, values in zip(runs[1:], found[1:]):
            show(f"{what} difference", {n: values[n] - found[0][n] for n in values})
    return 0


if __name__ == "__main__":
    sys.exit(main())
