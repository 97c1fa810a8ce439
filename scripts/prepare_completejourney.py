#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the raw tables of The Complete Journey into customers.h5 and catalogue.h5 (docs/DEMO.md).

Run once before the demo job:  scripts/prepare_completejourney.py --out demo
Writes OUT/data/{customers,catalogue}.h5, the whole year for the nightly job, and
OUT/split/{customers,truth}.h5, for the evaluation: events before --cut, and what was bought after.
Needs NumPy and h5py. Exit code 0, or 2 (usage) or 3 (raw data), with a message on stderr.
"""
import argparse
import os
import sys
from pathlib import Path

import h5py
import numpy as np

import completejourney_raw as cj

AS_OF = "2018-01-01"   # the morning after the last receipt
CUT = "2017-12-01"     # the demo's time split; the shipped model saw nothing after it
WINDOW_DAYS = 28       # purchase_window in truth.h5
# Departments that are on receipts but are nothing a list could offer.
NOT_MERCHANDISE = ("FUEL", "COUPON", "MISCELLANEOUS", "TRAVEL & LEISURE", "CNTRL/STORE SUP",
                   "POSTAL CENTER")
CATALOGUE_EVENTS = ("purchase", "habit")  # the other modalities carry campaigns
AGGREGATES = ("baskets_30d", "baskets_90d", "spend_90d", "departments_90d", "private_share_90d",
              "days_since_last", "mailings_90d", "redemptions_180d")


def fixed(texts):
    """Texts as fixed-width bytes (UTF-8, NUL-padded)."""
    return np.array([str(t).encode("utf-8") for t in texts], dtype="S")


def codes(texts):
    """Category numbers (-1 for an empty text) and the sorted category names."""
    names = sorted({t for t in texts if t})
    number = {t: i for i, t in enumerate(names)}
    return np.array([number.get(t, -1) for t in texts], dtype=np.int32), names


def build_items(raw):
    """The catalogue: every product bought in the year that has a description and is merchandise.

    Returns {"id" i64 [N] ascending, "name", "price" f32 [N], column: texts [N]}."""
    products, sold = raw["products"], raw["transactions"]
    bought = np.isin(products["product_id"], sold["product_id"])
    offered = np.array([d not in NOT_MERCHANDISE for d in products["department"]])
    rows = np.flatnonzero(bought & offered)
    rows = rows[np.argsort(products["product_id"][rows], kind="stable")]
    items = {"id": products["product_id"][rows]}
    for column in ("manufacturer_id", "department", "brand", "product_category", "product_type",
                   "package_size"):
        items[column] = [products[column][r] for r in rows]
    items["name"] = [" ".join(f"{d} / {c} / {t} / {b} {s}".split()) for d, c, t, b, s in zip(
        items["department"], items["product_category"], items["product_type"], items["brand"],
        items["package_size"])]
    items["price"] = median_price(sold, items["id"])
    return items


def median_price(sold, ids):
    """Median of sales_value / quantity per product; 0 where it never sold for a positive amount."""
    row = rows_of(ids, sold["product_id"])
    use = (row >= 0) & (sold["quantity"] > 0) & (sold["sales_value"] > 0)
    row, unit = row[use], sold["sales_value"][use] / sold["quantity"][use]
    order = np.lexsort((unit, row))
    row, unit = row[order], unit[order]
    first = np.searchsorted(row, np.arange(ids.size))
    count = np.searchsorted(row, np.arange(ids.size), side="right") - first
    price = np.zeros(ids.size, dtype=np.float32)
    has = count > 0
    low, high = first[has] + (count[has] - 1) // 2, first[has] + count[has] // 2
    price[has] = (unit[low] + unit[high]) / 2
    return price


def rows_of(ids, wanted):
    """Row of each wanted id in the ascending array ids, -1 where it is not there."""
    row = np.minimum(np.searchsorted(ids, wanted), ids.size - 1)
    return np.where(ids[row] == wanted, row, -1)


def build_dataset(raw):
    """Households, items and the timelines, each sorted by (customer, time, file order)."""
    sold, mailed = raw["transactions"], raw["campaigns"]
    redeemed, described = raw["coupon_redemptions"], raw["campaign_descriptions"]
    households = np.unique(np.concatenate([t["household_id"] for t in (
        sold, mailed, redeemed, raw["demographics"])]))
    items = build_items(raw)
    campaigns = np.sort(described["campaign_id"])
    start = dict(zip(described["campaign_id"].tolist(), described["start_date"].tolist()))
    mailed_at = np.array([start[c] for c in mailed["campaign_id"].tolist()], dtype=np.int64)
    item = rows_of(items["id"], sold["product_id"])
    purchase = sort_events(households, sold["household_id"], sold["transaction_timestamp"], item,
                           keep=item >= 0)
    timelines = {
        "purchase": purchase,
        "habit": purchase,  # the same lines for a second encoder: a modality has one
        "mailing": sort_events(households, mailed["household_id"], mailed_at,
                               rows_of(campaigns, mailed["campaign_id"])),
        "redemption": sort_events(households, redeemed["household_id"],
                                  redeemed["redemption_date"],
                                  rows_of(campaigns, redeemed["campaign_id"])),
    }
    return {"household": households, "items": items, "campaign": campaigns,
            "timelines": timelines, "raw": raw}


def sort_events(households, household, time, token, keep=None):
    """One modality as {"customer", "item", "time"}; `keep` drops events without a token."""
    keep = np.ones(time.size, dtype=bool) if keep is None else keep
    customer, time, token = rows_of(households, household)[keep], time[keep], token[keep]
    order = np.lexsort((time, customer))  # stable: ties keep file order
    return {"customer": customer[order], "item": token[order].astype(np.int32),
            "time": time[order]}


def select(events, use):
    return {name: column[use] for name, column in events.items()}


def distinct(households, *columns):
    """Distinct combinations of columns (the first is the customer) counted per customer."""
    pairs = np.unique(np.stack(columns), axis=1)
    return np.bincount(pairs[0], minlength=households.size).astype(np.float64)


def aggregates(data, as_of):
    """f32 [U, A] in the order of AGGREGATES, from events strictly before as_of; NaN: unknown."""
    households, sold = data["household"], data["raw"]["transactions"]
    n = households.size
    customer = rows_of(households, sold["household_id"])
    age = as_of - sold["transaction_timestamp"]
    department, private = receipt_lines(data)
    in_30, in_90 = ((age > 0) & (age <= d * cj.DAY_S) for d in (30, 90))
    lines_90 = np.bincount(customer[in_90], minlength=n)
    last = np.full(n, np.inf)
    np.minimum.at(last, customer[age > 0], age[age > 0])
    events = [data["timelines"][m] for m in ("mailing", "redemption")]
    recent = [e["customer"][(e["time"] < as_of) & (e["time"] >= as_of - d * cj.DAY_S)]
              for e, d in zip(events, (90, 180))]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.bincount(customer[in_90], private[in_90], minlength=n) / lines_90
    return np.column_stack([
        distinct(households, customer[in_30], sold["basket_id"][in_30]),
        distinct(households, customer[in_90], sold["basket_id"][in_90]),
        np.bincount(customer[in_90], sold["sales_value"][in_90], minlength=n),
        distinct(households, customer[in_90], department[in_90]),
        share,
        np.where(np.isinf(last), np.nan, last / cj.DAY_S),
        np.bincount(recent[0], minlength=n),
        np.bincount(recent[1], minlength=n)]).astype(np.float32)


def receipt_lines(data):
    """Department number and whether it is a private brand, for each receipt line."""
    products = data["raw"]["products"]
    order = np.argsort(products["product_id"], kind="stable")
    row = rows_of(products["product_id"][order], data["raw"]["transactions"]["product_id"])
    department = codes(products["department"])[0][order]
    private = np.array([b == "Private" for b in products["brand"]], dtype=np.float64)[order]
    return np.where(row >= 0, department[row], -1), np.where(row >= 0, private[row], 0.0)


def statics(data):
    """{column: (i32 [U] category or -1, category names)} from the demographics."""
    table = data["raw"]["demographics"]
    order = np.argsort(table["household_id"], kind="stable")
    row = rows_of(table["household_id"][order], data["household"])
    out = {}
    for column in cj.STATICS:
        number, names = codes(table[column])
        out[column] = (np.where(row >= 0, number[order][row], -1).astype(np.int32), names)
    return out


def open_output(path, kind):
    """A new HDF5 file under a temporary name; publish() gives it its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = h5py.File(path.with_name(path.name + ".tmp"), "w")
    file.attrs["format"] = np.bytes_(kind)
    file.attrs["version"] = np.int64(1)
    return file


def publish(file, path):
    file.close()
    os.replace(path.with_name(path.name + ".tmp"), path)
    print(f"wrote {path}", file=sys.stderr)


def write_timeline(file, name, events, n_customers, vocabulary):
    group = file.create_group(f"/timeline/{name}")
    group.attrs["vocabulary"] = np.bytes_(vocabulary)
    offset = np.searchsorted(events["customer"], np.arange(n_customers + 1))
    group["offset"] = offset.astype(np.uint64)
    group["item"] = events["item"]
    group["time"] = events["time"]


def write_customers(path, data, as_of):
    """customers.h5 as it would have looked at as_of."""
    n = data["household"].size
    with_file = open_output(path, "batchrank-customers")
    with_file["/customer/key"] = fixed(data["household"])
    for name, events in data["timelines"].items():
        write_timeline(with_file, name, select(events, events["time"] < as_of), n,
                       "catalogue" if name in CATALOGUE_EVENTS else "campaign")
    with_file["/vocabulary/campaign/key"] = fixed(data["campaign"])
    for name, (number, names) in statics(data).items():
        with_file[f"/static/{name}"] = number
        with_file[f"/static_key/{name}"] = fixed(names)
    dataset = with_file.create_dataset("/aggregate", data=aggregates(data, as_of))
    dataset.attrs["names"] = fixed(AGGREGATES)
    # The data knows no consent. Everyone may be contacted, so that the channel can be shown.
    with_file["/consent/mail"] = np.ones(n, dtype=np.uint8)
    publish(with_file, path)


def write_truth(path, data, cut):
    """What was bought after the cut: `purchase`, the first line of each household (the next
    purchase), and `purchase_window`, all lines of the WINDOW_DAYS days after the cut."""
    events, n = data["timelines"]["purchase"], data["household"].size
    later = select(events, events["time"] >= cut)
    _, first = np.unique(later["customer"], return_index=True)
    window = later["time"] < cut + WINDOW_DAYS * cj.DAY_S
    file = open_output(path, "batchrank-customers")
    file["/customer/key"] = fixed(data["household"])
    write_timeline(file, "purchase", select(later, first), n, "catalogue")
    write_timeline(file, "purchase_window", select(later, window), n, "catalogue")
    publish(file, path)
    return first.size


def write_catalogue(path, items):
    file = open_output(path, "batchrank-catalogue")
    file["/item/key"] = fixed(items["id"])
    file["/item/name"] = fixed(items["name"])
    for group, column in (("department", "department"), ("category", "product_category"),
                          ("brand", "brand")):
        number, names = codes(items[column])
        file[f"/item/group/{group}"] = number
        file[f"/item/group_key/{group}"] = fixed(names)
    file["/item/value/price"] = items["price"]
    publish(file, path)


def parse_arguments():
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--raw", type=Path, default=here / "configs/demo/raw")
    parser.add_argument("--out", type=Path, default=here / "demo")
    parser.add_argument("--cut", default=CUT, help=f"first day after the time split ({CUT})")
    return parser.parse_args()


def main():
    args = parse_arguments()
    try:
        cut, as_of = cj.day_start(args.cut), cj.day_start(AS_OF)
        data = build_dataset(cj.read_all(args.raw))
        time = data["timelines"]["purchase"]["time"]
        if not time.min() < cut <= time.max():
            raise cj.RawError(f"--cut {args.cut}: no purchases on both sides of it; "
                              "expected a day in 2017")
        write_catalogue(args.out / "data/catalogue.h5", data["items"])
        write_customers(args.out / "data/customers.h5", data, as_of)
        write_customers(args.out / "split/customers.h5", data, cut)
        n_truth = write_truth(args.out / "split/truth.h5", data, cut)
    except (cj.RawError, OSError) as error:
        print(f"prepare_completejourney: {error}", file=sys.stderr)
        return 3
    counts = ", ".join(f"{len(e['item'])} {m} events" for m, e in data["timelines"].items())
    dropped = data["raw"]["transactions"]["product_id"].size - time.size
    print(f"{data['household'].size} households, {data['items']['id'].size} products, {counts}; "
          f"{dropped} receipt lines of fuel and the like left out of the timelines; "
          f"{n_truth} households bought something after {args.cut}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
