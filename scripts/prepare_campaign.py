#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the inputs of the spring campaign, configs/campaign/run.json (docs/CAMPAIGN.md), from the
raw tables of The Complete Journey and the demo's model.

Run once before the job:  scripts/prepare_campaign.py --out campaign
Writes OUT/customers.h5 (vectors as of the morning of SEND_DAY, demographics, aggregates, earlier
mailings as contacts), OUT/catalogue.h5 (coupons as offers), OUT/model (the demo's heads on
ready-made vectors) and OUT/suppressed.txt. What is invented, and how: campaign_offers.py.
Needs NumPy, h5py and batchrank (--batchrank, $BATCHRANK or build/cpu/batchrank). Exit code 0, or 2
(usage), 3 (raw data) or that of batchrank, with a message on stderr.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

import bundle_writer
import campaign_offers as offers_of
import completejourney_raw as cj
import prepare_completejourney as demo
from customer_files import codes, fixed, open_output, publish, rows_of, sort_events, write_timeline
from raw_tables import RawError
from training.figures import auc

ROOT = Path(__file__).resolve().parent.parent
SEND_DAY = "2017-06-02"  # a Friday
FIRST_WAVE, FIRST_WAVE_DAY = 8, "2017-05-08"  # the campaign that most households were mailed
ACTIVITY = (("active", 14), ("slow", 60), ("lapsed", np.inf))  # days since the last receipt, below


# ---- vectors -------------------------------------------------------------------------------------

def encode(batchrank, folder, data, as_of):
    """x_u f32 [U, D] of the demo's model for what was known at as_of."""
    demo.write_customers(folder / "customers.h5", data, as_of)
    demo.write_catalogue(folder / "catalogue.h5", data["items"])
    sets = {"input.customers": folder / "customers.h5", "run.as_of": as_of,
            "input.catalogue": folder / "catalogue.h5", "output.path": folder / "run"}
    command = [batchrank, "encode", ROOT / "configs/demo/run.json", "-o", folder / "vectors.h5",
               "--backend", "cpu", "--log-level", "warn"]
    for key, value in sets.items():
        command += ["--set", f"{key}={value}"]
    subprocess.run([str(word) for word in command], check=True)
    with h5py.File(folder / "vectors.h5") as file:
        return file["/vector"][:]


# ---- the model -----------------------------------------------------------------------------------

def offer_tensors(data, offers):
    """The demo's redemption and lapse heads, and the offers as items."""
    folder = ROOT / "configs/demo/model"
    weights = bundle_writer.read_safetensors(folder / "weights.safetensors")
    with h5py.File(folder / "vocabulary.h5") as file:
        keys = file["/catalogue/key"][:]
    order = np.argsort(keys)
    row = order[np.searchsorted(keys[order], fixed(data["items"]["id"]))]
    if (keys[row] != fixed(data["items"]["id"])).any():
        raise RawError("a product of the catalogue is not in the demo's model")

    def mean(name):
        return offers_of.means(offers, weights[name][row]).astype(np.float32)

    kept = ("head.redemption.weight", "head.redemption.bias", "head.lapse.weight",
            "head.lapse.bias")
    return {"item.table": mean("item_embedding.weight"),
            "head.redemption.item_bias": mean("head.redemption.item_bias"),
            **{name: weights[name].astype(np.float32) for name in kept}}


def first_wave_pairs(data, offers, until):
    """Household rows mailed the first wave, its offers, and who redeemed which before `until`."""
    mailed, redeemed = data["raw"]["campaigns"], data["raw"]["coupon_redemptions"]
    households = rows_of(data["household"], np.unique(
        mailed["household_id"][mailed["campaign_id"] == FIRST_WAVE]))
    offer = np.flatnonzero(offers["campaign"] == FIRST_WAVE)
    use = (redeemed["campaign_id"] == FIRST_WAVE) & (redeemed["redemption_date"] < until)
    number = {int(u): i for i, u in enumerate(offers["coupon"][offer])}
    place = {int(h): i for i, h in enumerate(households)}
    response = np.zeros((households.size, offer.size))
    for h, u in zip(rows_of(data["household"], redeemed["household_id"][use]).tolist(),
                    redeemed["coupon_upc"][use].tolist()):
        if h in place and u in number:
            response[place[h], number[u]] = 1.0
    return households, offer, response


def fit_platt(logit, response):
    """a, b of sigmoid(a logit + b) by Newton's method on the log-likelihood, fp64."""
    x = np.stack([logit.ravel(), np.ones(logit.size)])
    y, w = response.ravel(), np.array([1.0, 0.0])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(w @ x)))
        step = np.linalg.solve((x * (p * (1.0 - p))) @ x.T, x @ (y - p))
        w = w + step
        if np.abs(step).max() < 1e-10:
            break
    return [round(float(v), 4) for v in w]


def calibrate(tensors, x_UD, pairs):
    """Platt's line through what the first wave brought, on vectors from before it."""
    households, offer, response = pairs
    x, z = x_UD[households].astype(np.float64), tensors["item.table"][offer].astype(np.float64)
    logit = x @ tensors["head.redemption.weight"].T.astype(np.float64) @ z.T
    logit += tensors["head.redemption.item_bias"][offer] + tensors["head.redemption.bias"][0]
    a, b = fit_platt(logit, response)
    p = 1.0 / (1.0 + np.exp(-(a * logit + b)))
    print(f"prepare_campaign: first wave: {households.size} households x {offer.size} offers, "
          f"{int(response.sum())} redeemed; logit x {a} {b:+}: mean probability {p.mean():.5f}, "
          f"observed {response.mean():.5f}, "
          f"AUC {auc(p.ravel(), response.ravel()):.3f}", file=sys.stderr)
    return {"type": "platt", "a": a, "b": b}


def write_model(folder, tensors, offers, calibration):
    head = {h["name"]: h for h in json.loads(
        (ROOT / "configs/demo/model/model.json").read_text())["heads"]}
    description = {
        "format": "batchrank-model", "version": 1, "name": "spring-campaign",
        "model_version": SEND_DAY, "dim": int(tensors["item.table"].shape[1]), "modalities": [],
        "item": {"vocabulary": "catalogue", "table": "item.table"},
        "heads": [{**head["redemption"], "calibration": calibration}, head["lapse"]],
        "training": {"lineage": "heads of configs/demo/model on means of its item vectors; "
                                "scripts/prepare_campaign.py"}}
    bundle_writer.write_bundle(folder, description, tensors, {"catalogue": offers["key"]})


# ---- the files -----------------------------------------------------------------------------------

def contacts(data, offers, as_of):
    """Earlier mailings: contact with each offer of the campaign when it began."""
    mailed = data["timelines"]["mailing"]
    of_campaign = [np.flatnonzero(offers["campaign"] == c) for c in data["campaign"]]
    earlier = np.flatnonzero(mailed["time"] < as_of)
    n = np.array([of_campaign[c].size for c in mailed["item"][earlier]])
    return {"customer": np.repeat(mailed["customer"][earlier], n),
            "time": np.repeat(mailed["time"][earlier], n),
            "item": np.concatenate([of_campaign[c] for c in mailed["item"][earlier]])}


def redeemed(data, offers, as_of):
    """Coupons that were redeemed, as catalogue rows."""
    table = data["raw"]["coupon_redemptions"]
    row = {(int(c), int(u)): i for i, (c, u) in enumerate(zip(offers["campaign"],
                                                              offers["coupon"]))}
    item = np.array([row.get(pair, -1) for pair in zip(table["campaign_id"].tolist(),
                                                       table["coupon_upc"].tolist())])
    return sort_events(data["household"], table["household_id"], table["redemption_date"], item,
                       keep=(item >= 0) & (table["redemption_date"] < as_of))


def activity(days_since_last):
    """How lately a household was seen, by ACTIVITY, as texts."""
    limit = [below for _, below in ACTIVITY]
    return ["never seen" if np.isnan(d) else ACTIVITY[int(np.searchsorted(limit, d, "right"))][0]
            for d in days_since_last]


def write_customers(path, data, offers, x_UD, as_of):
    aggregate = demo.aggregates(data, as_of)
    n, household = data["household"].size, data["household"]
    file = open_output(path, "batchrank-customers")
    file["/customer/key"], file["/vector"] = fixed(household), x_UD
    days = aggregate[:, demo.AGGREGATES.index("days_since_last")]
    for name, (number, names) in {**demo.statics(data),
                                  "activity": codes(activity(days))}.items():
        file[f"/static/{name}"], file[f"/static_key/{name}"] = number, fixed(names)
    dataset = file.create_dataset("/aggregate", data=aggregate)
    dataset.attrs["names"] = fixed(demo.AGGREGATES)
    events = contacts(data, offers, as_of)
    file["/contact/offset"] = np.searchsorted(events["customer"],
                                              np.arange(n + 1)).astype(np.uint64)
    file["/contact/item"] = events["item"].astype(np.int32)
    file["/contact/time"] = events["time"]
    write_timeline(file, "redeemed", redeemed(data, offers, as_of), n, "catalogue")
    file["/consent/mail"] = (offers_of.share("consent", household.tolist()) < 0.95).astype(np.uint8)
    publish(file, path)
    return events["item"].size


def prepare(args):
    data = demo.build_dataset(cj.read_all(args.raw))
    as_of, wave = cj.day_start(SEND_DAY), cj.day_start(FIRST_WAVE_DAY)
    offers = offers_of.build(data["raw"], data["items"])
    with tempfile.TemporaryDirectory() as name:
        x_UD = {at: encode(args.batchrank, Path(name), data, at) for at in (wave, as_of)}
    tensors = offer_tensors(data, offers)
    calibration = calibrate(tensors, x_UD[wave], first_wave_pairs(data, offers, as_of))
    write_model(args.out / "model", tensors, offers, calibration)
    offers_of.write(args.out / "catalogue.h5", offers)
    n_contacts = write_customers(args.out / "customers.h5", data, offers, x_UD[as_of], as_of)
    keys = data["household"].tolist()
    out = [key for key, s in zip(keys, offers_of.share("suppression", keys)) if s < 0.02]
    (args.out / "suppressed.txt").write_text("".join(f"{key}\n" for key in out))
    n_open = sum(start <= as_of < end for start, end in zip(offers["start"], offers["end"]))
    coupons = data["raw"]["coupons"]
    n_all = len(set(zip(coupons["campaign_id"].tolist(), coupons["coupon_upc"].tolist())))
    print(f"{len(keys)} households, {len(offers['key'])} offers, {n_open} of them open on "
          f"{SEND_DAY} ({n_all - len(offers['key'])} more cover no product that was sold), "
          f"{n_contacts} contacts")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--raw", type=Path, default=ROOT / "configs/demo/raw")
    parser.add_argument("--out", type=Path, default=ROOT / "campaign")
    parser.add_argument("--batchrank", default=os.environ.get(
        "BATCHRANK", str(ROOT / "build/cpu/batchrank")))
    args = parser.parse_args()
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        prepare(args)
    except (cj.RawError, OSError) as error:
        print(f"prepare_campaign: {error}", file=sys.stderr)
        return 3
    except subprocess.CalledProcessError as error:
        print(f"prepare_campaign: batchrank encode ended with exit code {error.returncode}",
              file=sys.stderr)
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
