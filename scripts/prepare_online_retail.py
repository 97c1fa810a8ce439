#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the invoice lines of Online Retail II into customers.h5 and catalogue.h5 (docs/RETAIL.md).

Run once before the retail job:  scripts/prepare_online_retail.py --out retail
Writes OUT/data/{customers,catalogue}.h5, the whole year for the nightly job, and
OUT/split/{customers,truth}.h5, for the evaluation: events before --cut, and what was bought after.
With --snapshots also OUT/snapshots/DAY/{customers,labels}.h5, the past and the future of each day,
to train on.
Needs NumPy and h5py. Exit code 0, or 2 (usage) or 3 (raw data), with a message on stderr.
"""
import argparse
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

import online_retail_raw as retail
from customer_files import (check_day, check_window, codes, distinct, first_from, fixed, medians,
                            open_output, publish, rows_of, select, sort_events, window,
                            write_after, write_timeline)
from item_text import features
from raw_tables import DAY_S, days

AS_OF = "2010-12-10"   # the morning after the last invoice
CUT = "2010-11-11"     # the time split
WINDOW_DAYS = 28       # of truth and labels
N_TEXT = 48            # columns of /extra/text
MIN_NOUN = 3           # items that share a noun before it is a group
# Everything else is postage, fees, discounts, adjustments, tests, vouchers, or stock that no
# customer bought under that code.
PRODUCT = re.compile(r"\d{5}[A-Z]{0,2}")
COLOURS = {"PINK", "BLUE", "RED", "WHITE", "BLACK", "GREEN", "SILVER", "CREAM", "GOLD", "PURPLE",
           "IVORY", "YELLOW", "BROWN", "ORANGE", "GREY", "TURQUOISE", "LILAC", "AMBER", "AMETHYST",
           "NATURAL", "CLEAR"}
NO_NOUN = COLOURS | {"SET", "DESIGN", "DESIGNS", "LARGE", "SMALL", "MEDIUM", "MINI", "ASSORTED",
                     "ASST", "PACK", "COLOUR", "COLOURS", "PIECE", "PCS", "SIZE", "SPOT", "SPOTS",
                     "RETROSPOT", "STRIPE", "AND", "WITH", "FOR", "THE"}
AGGREGATES = ("invoices_30d", "invoices_90d", "items_90d", "log_spend_90d", "log_invoice_spend",
              "lines_per_invoice", "return_share", "days_since_last", "days_since_first")


def sort_out(raw):
    """Which lines are used, and how many are not, by the first reason that applies."""
    product = np.array([PRODUCT.fullmatch(code) is not None for code in raw["code"]])
    rules = (("have no customer", raw["customer"] == retail.NO_CUSTOMER),
             ("are no product", ~product), ("have quantity 0", raw["quantity"] == 0),
             ("have a negative price", raw["price"] < 0))
    use, dropped = np.ones(product.size, dtype=bool), {}
    for reason, wrong in rules:
        dropped[reason] = int((use & wrong).sum())
        use &= ~wrong
    return use, dropped


def build_items(lines):
    """Every product that a customer bought or returned: {"code" sorted, "name", "price", ...}."""
    code = np.unique(lines["code"])
    row = rows_of(code, lines["code"])
    described = [Counter() for _ in code]
    for r, text in zip(row.tolist(), lines["description"]):
        described[r][text] += text != ""
    name = [min(d, key=lambda t: (-d[t], t)) or c for d, c in zip(described, code)]
    sold = (lines["quantity"] > 0) & (lines["price"] > 0)
    return {"code": code, "name": name, "row": row,
            "price": medians(row[sold], lines["price"][sold], code.size),
            "family": shared([c[:5] for c in code], 2), "series": [c[:3] for c in code],
            "noun": shared([noun(n) for n in name], MIN_NOUN), "colour": [colour(n) for n in name]}


def words(name):
    return re.findall(r"[A-Z]{3,}", name.upper())


def colour(name):
    return next((w for w in words(name) if w in COLOURS), "")


def noun(name):
    """What the item is: its last word that is no colour, size or pack, in the singular."""
    word = next((w for w in reversed(words(name)) if w not in NO_NOUN), "")
    plural = len(word) > 3 and word.endswith("S") and word[-2] not in "AISU"
    return word[:-1] if plural else word


def shared(texts, at_least):
    """The texts, empty where fewer than at_least items have the same."""
    count = Counter(texts)
    return [t if count[t] >= at_least else "" for t in texts]


def build_dataset(raw):
    """Customers, items, the used lines and the timelines, each sorted by (customer, time, file
    order)."""
    use, dropped = sort_out(raw)
    place = np.flatnonzero(use)
    lines = {name: column[place] if isinstance(column, np.ndarray)
             else np.array([column[i] for i in place]) for name, column in raw.items()}
    if not place.size:
        raise retail.RawError(f"{retail.TABLE}: no line of a customer and a product")
    keys, items = np.unique(lines["customer"]), build_items(lines)
    bought, country = lines["quantity"] > 0, codes(
        ["" if c == "Unspecified" else c for c in lines["country"]])
    # Every line as one sorted table, what aggregates and countries are taken from.
    order = np.lexsort((lines["time"], lines["customer"]))
    every = {"customer": rows_of(keys, lines["customer"])[order], "time": lines["time"][order],
             "item": items["row"][order], "bought": bought[order],
             "spend": (lines["quantity"] * lines["price"])[order],
             "invoice": np.unique(lines["invoice"], return_inverse=True)[1][order],
             "country": country[0][order]}
    timelines = {m: sort_events(keys, lines["customer"], lines["time"], items["row"], keep)
                 for m, keep in (("purchase", bought), ("return", ~bought))}
    return {"customer": keys, "items": items, "lines": every, "countries": country[1],
            "timelines": timelines, "dropped": dropped}


def ratio(above, below):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)


def aggregates(data, as_of):
    """f32 [U, A] in the order of AGGREGATES, from lines strictly before as_of; NaN: unknown. Spend
    is of purchases, as log(1 + GBP): some customers are wholesalers."""
    n, past = data["customer"].size, select(data["lines"], data["lines"]["time"] < as_of)
    sold = select(past, past["bought"])
    age = as_of - sold["time"]
    in_30, in_90 = (select(sold, age <= d * DAY_S) for d in (30, 90))
    lines = np.bincount(sold["customer"], minlength=n)
    invoices = distinct(n, sold["customer"], sold["invoice"])
    spend, spend_90 = (np.bincount(s["customer"], s["spend"], minlength=n) for s in (sold, in_90))
    last, first = np.full(n, np.nan), np.full(n, np.nan)
    last[sold["customer"]] = age / DAY_S  # sorted by time: the last assignment stays
    first[sold["customer"][::-1]] = age[::-1] / DAY_S
    return np.column_stack([
        distinct(n, in_30["customer"], in_30["invoice"]),
        distinct(n, in_90["customer"], in_90["invoice"]),
        distinct(n, in_90["customer"], in_90["item"]),
        np.log1p(spend_90),
        np.log1p(ratio(spend, invoices)),
        ratio(lines, invoices),
        1 - ratio(lines, np.bincount(past["customer"], minlength=n)),
        last,
        first]).astype(np.float32)


def write_customers(path, data, as_of):
    """customers.h5 as it would have looked at as_of."""
    n, lines = data["customer"].size, select(data["lines"], data["lines"]["time"] < as_of)
    file = open_output(path, "batchrank-customers")
    file["/customer/key"] = fixed(data["customer"])
    for name, events in data["timelines"].items():
        write_timeline(file, name, select(events, events["time"] < as_of), n, "catalogue")
    country = np.full(n, -1, dtype=np.int32)
    country[lines["customer"]] = lines["country"]  # sorted by time: that of the last line
    file["/static/country"] = country
    file["/static_key/country"] = fixed(data["countries"])
    dataset = file.create_dataset("/aggregate", data=aggregates(data, as_of))
    dataset.attrs["names"] = fixed(AGGREGATES)
    # The data knows no consent. Everyone may be contacted, so that the channel can be shown.
    file["/consent/mail"] = np.ones(n, dtype=np.uint8)
    file["/extra/as_of"] = np.int64(as_of)
    publish(file, path)


def write_truth(path, data, cut):
    """What was bought after the cut: `purchase`, the first line of each customer (the next
    purchase), and `purchase_window`, all lines of the WINDOW_DAYS days after the cut."""
    events = data["timelines"]["purchase"]
    following = first_from(events, cut)
    write_after(path, fixed(data["customer"]), {
        "purchase": following, "purchase_window": window(events, cut, WINDOW_DAYS)}, cut)
    return following["item"].size


def write_snapshots(folder, data, texts):
    """DAY/{customers,labels}.h5 for each day: what was known that morning, and what came."""
    keys, events = fixed(data["customer"]), data["timelines"]
    for text in texts:
        as_of = retail.day_start(text)
        check_window(text, as_of, WINDOW_DAYS, events["purchase"]["time"])
        write_customers(folder / text / "customers.h5", data, as_of)
        write_after(folder / text / "labels.h5", keys, {
            "purchase": window(events["purchase"], as_of, WINDOW_DAYS),
            "return": window(events["return"], as_of, WINDOW_DAYS),
            "next_purchase": first_from(events["purchase"], as_of)}, as_of)


def write_catalogue(path, items):
    file = open_output(path, "batchrank-catalogue")
    file["/item/key"] = fixed(items["code"])
    file["/item/name"] = fixed(items["name"])
    for group in ("family", "series", "noun", "colour"):
        number, names = codes(items[group])
        file[f"/item/group/{group}"] = number
        file[f"/item/group_key/{group}"] = fixed(names)
    file["/item/value/price"] = items["price"]
    # Not /item/vector: the engine would rank by it.
    file["/extra/text"] = features(items["name"], N_TEXT)
    publish(file, path)


def parse_arguments():
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--raw", type=Path, default=here / "configs/retail/raw")
    parser.add_argument("--out", type=Path, default=here / "retail")
    parser.add_argument("--cut", default=CUT, help=f"first day after the time split ({CUT})")
    parser.add_argument("--snapshots", metavar="DAYS",
                        help="DAY[,DAY...] or FIRST:LAST:STEP, STEP in days")
    return parser.parse_args()


def main():
    args = parse_arguments()
    try:
        cut, as_of = retail.day_start(args.cut), retail.day_start(AS_OF)
        snapshots = days(args.snapshots) if args.snapshots else []
        data = build_dataset(retail.read_all(args.raw))
        for option, text in [("--cut", args.cut)] + [("--snapshots", s) for s in snapshots]:
            check_day(f"{option} {text}", retail.day_start(text),
                      data["timelines"]["purchase"]["time"])
        write_catalogue(args.out / "data/catalogue.h5", data["items"])
        write_customers(args.out / "data/customers.h5", data, as_of)
        write_customers(args.out / "split/customers.h5", data, cut)
        n_truth = write_truth(args.out / "split/truth.h5", data, cut)
        write_snapshots(args.out / "snapshots", data, snapshots)
    except (retail.RawError, OSError) as error:
        print(f"prepare_online_retail: {error}", file=sys.stderr)
        return 3
    counts = ", ".join(f"{len(e['item'])} {m} events" for m, e in data["timelines"].items())
    dropped = ", ".join(f"{n} {reason}" for reason, n in data["dropped"].items())
    print(f"{data['customer'].size} customers, {data['items']['code'].size} products, {counts}; "
          f"lines left out: {dropped}; {n_truth} customers bought something after {args.cut}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
