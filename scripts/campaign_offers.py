# SPDX-License-Identifier: Apache-2.0
"""Coupons of The Complete Journey as offers, and the numbers that its tables lack.

Imported by prepare_campaign.py, once per run. An offer is a coupon in a campaign. Its vector and
its bias are the means over the products that the coupon covers.

INVENTED, for the data has no cost, no margin, no consent and no complaints (docs/CAMPAIGN.md):
what share() below deals out. A share is a number in [0, 1) that hangs on SEED, what it is for and
the key alone, so it is the same on every machine and whatever else changes.

  /item/value/margin_cents      UNITS x (0.20 + 0.20 x share) of the price, the median over the
                                coupon's products: what a redeemed coupon sells until summer
  /item/value/face_value_cents  (0.05 + 0.15 x share) of that price, in steps of 5, at least 5
  /item/value/net_cents         margin_cents - face_value_cents
  /item/value/print_cents       0.4; 0.6 for type B
  /item/capacity                PRINT_RUN of the campaign's type x (0.5 + share), in steps of 5
  /consent/mail                 1 where share < 0.95
  suppressed.txt                customers with another share < 0.02
"""
import collections
import datetime
import hashlib

import numpy as np

import completejourney_raw as cj
from customer_files import codes, fixed, open_output, publish, rows_of
from raw_tables import day

SEED = 20170602
UNITS = 3
PRINT_RUN = {"Type A": 60, "Type B": 90, "Type C": 40}


def share(purpose, keys):
    """f64 in [0, 1) for each key."""
    first = [hashlib.sha256(f"{SEED}/{purpose}/{key}".encode()).hexdigest()[:8] for key in keys]
    return np.array([int(digits, 16) for digits in first], dtype=np.float64) / 2.0 ** 32


def covered_products(coupons, ids):
    """{(campaign, coupon): rows of the products, ascending}; coupons that cover none are absent."""
    row = rows_of(ids, coupons["product_id"])
    offers = collections.defaultdict(set)
    for campaign, coupon, r in zip(coupons["campaign_id"].tolist(),
                                   coupons["coupon_upc"].tolist(), row.tolist()):
        if r >= 0:
            offers[campaign, coupon].add(r)
    return {offer: np.array(sorted(rows)) for offer, rows in sorted(offers.items())}


def most_frequent(texts):
    """The text that occurs most often, of several the first in the alphabet."""
    counts = collections.Counter(texts)
    return min(counts, key=lambda text: (-counts[text], text))


def day_after(text):
    """When the day after this one begins, UTC seconds."""
    return cj.day_start((day(text) + datetime.timedelta(days=1)).isoformat())


def build(raw, items):
    """Offers in ascending order of campaign and coupon: {column: array or list [N]}."""
    covers = covered_products(raw["coupons"], items["id"])
    table = raw["campaign_descriptions"]
    about = {campaign: (kind, int(start), day_after(last)) for campaign, kind, start, last in zip(
        table["campaign_id"].tolist(), table["campaign_type"], table["start_date"],
        table["end_date"])}
    out = {"campaign": np.array([c for c, _ in covers]), "coupon": np.array([u for _, u in covers]),
           "products": list(covers.values())}
    out["key"] = [f"{c}-{u}" for c, u in covers]
    out["type"], out["start"], out["end"] = map(list, zip(*(about[c] for c, _ in covers)))
    for column in ("department", "product_category"):
        out[column] = [most_frequent([items[column][r] for r in rows]) for rows in covers.values()]
    out["name"] = [f"campaign {c}: {category} ({len(rows)} products)" for (c, _), category, rows in
                   zip(covers, out["product_category"], covers.values())]
    price = [items["price"][rows] for rows in covers.values()]
    out["price"] = np.array([np.median(p[p > 0]) if (p > 0).any() else 0.0 for p in price])
    return out


def means(offers, table):
    """Mean over each offer's products of the rows of an array [products, ...], in fp64."""
    return np.stack([table[rows].astype(np.float64).mean(axis=0) for rows in offers["products"]])


def invented_values(offers):
    cents = 100.0 * offers["price"]
    margin = np.rint(UNITS * (0.20 + 0.20 * share("margin", offers["key"])) * cents)
    face = np.rint((0.05 + 0.15 * share("face value", offers["key"])) * cents / 5) * 5
    face = np.maximum(face, 5.0)
    print_cents = np.array([0.6 if kind == "Type B" else 0.4 for kind in offers["type"]])
    return {"margin_cents": margin, "face_value_cents": face, "net_cents": margin - face,
            "print_cents": print_cents}


def invented_capacity(offers):
    run = np.array([PRINT_RUN[kind] for kind in offers["type"]], dtype=np.float64)
    capacity = run * (0.5 + share("capacity", offers["key"]))
    return (np.rint(capacity / 5) * 5).astype(np.int64)


def write(path, offers):
    """catalogue.h5. Listed from the campaign's first day to the end of its last."""
    file = open_output(path, "batchrank-catalogue")
    file["/item/key"], file["/item/name"] = fixed(offers["key"]), fixed(offers["name"])
    for group, texts in (("campaign", [str(c) for c in offers["campaign"]]),
                         ("campaign_type", offers["type"]), ("department", offers["department"])):
        number, names = codes(texts)
        file[f"/item/group/{group}"], file[f"/item/group_key/{group}"] = number, fixed(names)
    for name, values in invented_values(offers).items():
        file[f"/item/value/{name}"] = values.astype(np.float32)
    file["/item/capacity"] = invented_capacity(offers)
    file["/item/valid"] = np.array([offers["start"], offers["end"]], dtype=np.int64).T
    publish(file, path)
