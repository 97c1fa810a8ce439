# SPDX-License-Identifier: Apache-2.0
"""Snapshots with simulated identity noise, for ablate_demo.py: an event of the purchase timelines
gets a confidence p(u | identifier), 1 for half of them, else drawn from 0.1 to 0.9, and with
probability 1 - p it is some other household's event of about the same time. `noisy` keeps the
confidences as identity weights, `noisy-unweighted` has the same events without them; labels are
the true ones. An event keeps its confidence and fate in every snapshot, as in an identity graph."""
import os
import shutil

import h5py
import numpy as np

SEED, SURE_SHARE, LOWEST, HIGHEST = 20171201, 0.5, 0.1, 0.9
NOISY = ("purchase", "habit")  # the same receipt lines


def event_draws(row, item, time, n):
    """n uniform numbers per event, the same for the same event in every snapshot (splitmix64 of
    customer, item and time)."""
    with np.errstate(over="ignore"):
        key = (row.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
               ^ item.astype(np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
               ^ time.astype(np.uint64) * np.uint64(0x94D049BB133111EB) ^ np.uint64(SEED))
        out = []
        for _ in range(n):
            key = key + np.uint64(0x9E3779B97F4A7C15)
            z = key
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            out.append((z ^ (z >> np.uint64(31))).astype(np.float64) / 2.0 ** 64)
    return out


def noisy_items(row, item, time):
    """Item and weight of each event after the noise: a wrong event's item is that of one of the 200
    events nearest in time."""
    sure, confidence, fate, place = event_draws(row, item, time, 4)
    weight = np.where(sure < SURE_SHARE, 1.0, LOWEST + (HIGHEST - LOWEST) * confidence)
    is_wrong = fate >= weight
    by_time = np.argsort(time, kind="stable")
    rank = np.empty(len(time), np.int64)
    rank[by_time] = np.arange(len(time))
    other = np.clip(rank + (place * 200).astype(np.int64) - 100, 0, len(time) - 1)
    return np.where(is_wrong, item[by_time[other]], item), weight.astype(np.float32)


def rewrite(path, has_weights):
    with h5py.File(path, "r+") as file:
        for name in NOISY:
            group = file[f"/timeline/{name}"]
            row = np.repeat(np.arange(len(group["offset"]) - 1),
                            np.diff(group["offset"][:].astype(np.int64)))
            item, weight = noisy_items(row, group["item"][:], group["time"][:])
            group["item"][:] = item
            if has_weights:
                group["weight"] = weight


def write_noisy(snapshots, work, days):
    """WORK/noisy and WORK/noisy-unweighted from the snapshots; what is there is kept."""
    for name, has_weights in (("noisy", True), ("noisy-unweighted", False)):
        for day in days:
            folder = work / name / day
            if folder.exists():
                continue
            part = folder.with_name(day + ".part")
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(snapshots / day, part)
            rewrite(part / "customers.h5", has_weights)
            os.rename(part, folder)
