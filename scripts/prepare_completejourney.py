#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the raw tables of The Complete Journey into customers.h5 and catalogue.h5 (docs/DEMO.md).

Run once before the demo job:  scripts/prepare_completejourney.py --out demo
Writes OUT/data/{customers,catalogue}.h5, the whole year for the nightly job, and
OUT/split/{customers,truth}.h5, for the evaluation: events before --cut, and what was bought after.
With --snapshots also OUT/snapshots/DAY/{customers,labels}.h5, the past and the future of each day,
to train on.
Needs NumPy and h5py. Exit code 0, or 2 (usage) or 3 (raw data), with a message on stderr.
"""
import argparse
import sys
from pathlib import Path

import numpy as np

import completejourney_promotions as promotions
import completejourney_raw as cj
from customer_files import (check_day, check_window, codes, distinct, first_from, fixed, medians,
                            open_output, publish, rows_of, select, sort_events, window,
                            write_after, write_timeline)
from raw_tables import days

AS_OF = "2018-01-01"   # the morning after the last receipt
CUT = "2017-12-01"     # the demo's time split; the shipped model saw nothing after it
WINDOW_DAYS = 28       # of truth and labels
# Departments that are on receipts but are nothing a list could offer.
NOT_MERCHANDISE = ("FUEL", "COUPON", "MISCELLANEOUS", "TRAVEL & LEISURE", "CNTRL/STORE SUP",
                   "POSTAL CENTER")
CATALOGUE_EVENTS = ("purchase", "habit", "promotion")  # the other modalities carry campaigns
AGGREGATES = ("baskets_30d", "baskets_90d", "spend_90d", "departments_90d", "private_share_90d",
              "days_since_last", "mailings_90d", "redemptions_180d")


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
    return medians(row[use], sold["sales_value"][use] / sold["quantity"][use], ids.size)


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
        "promotion": promotions.seen(households, items["id"], sold, raw["promotions"]),
    }
    return {"household": households, "items": items, "campaign": campaigns,
            "timelines": timelines, "raw": raw}


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
        distinct(n, customer[in_30], sold["basket_id"][in_30]),
        distinct(n, customer[in_90], sold["basket_id"][in_90]),
        np.bincount(customer[in_90], sold["sales_value"][in_90], minlength=n),
        distinct(n, customer[in_90], department[in_90]),
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


def write_customers(path, data, as_of, tell_as_of=False):
    """customers.h5 as it would have looked at as_of."""
    n = data["household"].size
    file = open_output(path, "batchrank-customers")
    file["/customer/key"] = fixed(data["household"])
    for name, events in data["timelines"].items():
        write_timeline(file, name, select(events, events["time"] < as_of), n,
                       "catalogue" if name in CATALOGUE_EVENTS else "campaign")
    file["/vocabulary/campaign/key"] = fixed(data["campaign"])
    for name, (number, names) in statics(data).items():
        file[f"/static/{name}"] = number
        file[f"/static_key/{name}"] = fixed(names)
    dataset = file.create_dataset("/aggregate", data=aggregates(data, as_of))
    dataset.attrs["names"] = fixed(AGGREGATES)
    # The data knows no consent. Everyone may be contacted, so that the channel can be shown.
    file["/consent/mail"] = np.ones(n, dtype=np.uint8)
    if tell_as_of:
        file["/extra/as_of"] = np.int64(as_of)
    publish(file, path)


def write_truth(path, data, cut):
    """What was bought after the cut: `purchase`, the first line of each household (the next
    purchase), and `purchase_window`, all lines of the WINDOW_DAYS days after the cut."""
    events = data["timelines"]["purchase"]
    following = first_from(events, cut)
    write_after(path, fixed(data["household"]), {
        "purchase": following, "purchase_window": window(events, cut, WINDOW_DAYS)})
    return following["item"].size


def write_snapshots(folder, data, texts):
    """DAY/{customers,labels}.h5 for each day: what was known that morning, and what came."""
    keys, purchase = fixed(data["household"]), data["timelines"]["purchase"]
    covered = covered_redemptions(data)
    for text in texts:
        as_of = cj.day_start(text)
        check_window(text, as_of, WINDOW_DAYS, purchase["time"])
        write_customers(folder / text / "customers.h5", data, as_of, tell_as_of=True)
        write_after(folder / text / "labels.h5", keys, {
            "purchase": window(purchase, as_of, WINDOW_DAYS),
            "redemption": window(covered, as_of, WINDOW_DAYS),
            "next_purchase": first_from(purchase, as_of)}, as_of)


def covered_redemptions(data):
    """Redemptions once more, by item: an event for each catalogue item that the coupon covers."""
    coupons, redeemed = (data["raw"][t] for t in ("coupons", "coupon_redemptions"))
    number = np.unique(coupons["coupon_upc"])
    item = rows_of(data["items"]["id"], coupons["product_id"])
    coupon, item = np.unique(np.stack([rows_of(number, coupons["coupon_upc"]), item])[:, item >= 0],
                             axis=1)
    wanted = rows_of(number, redeemed["coupon_upc"])
    first = np.searchsorted(coupon, wanted)
    n_covered = np.searchsorted(coupon, wanted, side="right") - first
    line = np.repeat(np.arange(wanted.size), n_covered)
    place = np.arange(line.size) - np.repeat(np.cumsum(n_covered) - n_covered, n_covered)
    return sort_events(data["household"], redeemed["household_id"][line],
                       redeemed["redemption_date"][line], item[first[line] + place])


def write_catalogue(path, items):
    file = open_output(path, "batchrank-catalogue")
    file["/item/key"] = fixed(items["id"])
    file["/item/name"] = fixed(items["name"])
    for group, column in (("department", "department"), ("category", "product_category"),
                          ("type", "product_type"), ("manufacturer", "manufacturer_id"),
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
    parser.add_argument("--snapshots", metavar="DAYS",
                        help="DAY[,DAY...] or FIRST:LAST:STEP, STEP in days")
    return parser.parse_args()


def main():
    args = parse_arguments()
    try:
        cut, as_of = cj.day_start(args.cut), cj.day_start(AS_OF)
        snapshots = days(args.snapshots) if args.snapshots else []
        data = build_dataset(cj.read_all(args.raw))
        time = data["timelines"]["purchase"]["time"]
        for option, text in [("--cut", args.cut)] + [("--snapshots", s) for s in snapshots]:
            check_day(f"{option} {text}", cj.day_start(text), time)
        write_catalogue(args.out / "data/catalogue.h5", data["items"])
        write_customers(args.out / "data/customers.h5", data, as_of)
        write_customers(args.out / "split/customers.h5", data, cut)
        n_truth = write_truth(args.out / "split/truth.h5", data, cut)
        write_snapshots(args.out / "snapshots", data, snapshots)
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
