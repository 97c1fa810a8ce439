#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what became of every customer of a run, rule by rule, and what its constraints are worth.

Called by campaign.sh after the job, or by hand on any complete run (docs/CAMPAIGN.md):
  scripts/show_ledger.py campaign/run --catalogue campaign/catalogue.h5
The first table takes customers off one rule after the other, per stratum, down to the lists; each
column has to come to the customers it began with, and all together to the rows of the manifest.
Exit code 0, 3 with a message when a file is not what it should be, or 6 when the ledger does not
balance.
"""
import argparse
import json
import sys
from pathlib import Path

ENDS = ("held_out", "nothing_allowed", "short", "full")
KINDS = {"budget": ("at most", "unit of cost"), "max_units": ("at most, places", "place"),
         "max_share": ("at most, share", "place"),
         "min_share": ("at least, share", "place less")}


class LedgerError(Exception):
    """A file is not what it should be; the message is for people."""


class OutOfBalance(Exception):
    """The counts do not add up."""


def read_json(path):
    try:
        return json.loads(path.read_text())
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}; expected a complete run") from None
    except ValueError as error:
        raise LedgerError(f"{path}: no JSON ({error})") from None


def table(head, rows):
    """Rows of texts and numbers as aligned lines; the first column to the left."""
    cells = [[str(c) for c in row] for row in [head] + rows]
    width = [max(len(row[c]) for row in cells) for c in range(len(head))]
    return ["  ".join([row[0].ljust(width[0])] + [cell.rjust(w) for cell, w in
                                                  zip(row[1:], width[1:])]).rstrip()
            for row in cells]


# ---- the ledger ----------------------------------------------------------------------------------

def strata_of(ledger):
    """Strata that have customers, as (name, counts); then their sum as `all`."""
    strata = [(name or "(unknown)", s) for name, s in ledger["strata"].items() if s["customers"]]
    if len(strata) == 1:
        return strata
    total = {end: sum(s[end] for _, s in strata) for end in ("customers",) + ENDS}
    total["held_back"] = {rule: sum(s["held_back"][rule] for _, s in strata)
                          for rule in ledger["rules"]}
    return strata + [("all", total)]


def check_balance(ledger, strata, n_rows):
    """Every stratum comes to its customers, all to the rows of the run."""
    for name, s in strata:
        if set(s["held_back"]) != set(ledger["rules"]):
            raise LedgerError(f"stratum '{name}': found rules {sorted(s['held_back'])}, expected "
                              f"{sorted(ledger['rules'])}")
        found = sum(s["held_back"].values()) + sum(s[end] for end in ENDS)
        if found != s["customers"]:
            raise OutOfBalance(f"stratum '{name}': the parts come to {found}, expected "
                               f"{s['customers']}")
    if strata[-1][1]["customers"] != n_rows:
        raise OutOfBalance(f"the strata come to {strata[-1][1]['customers']} customers, expected "
                           f"{n_rows} (manifest.json)")


def waterfall(ledger, strata):
    """Lines of the table: what is taken off, and what remains."""
    counts = [s for _, s in strata]
    held_back = [sum(s["held_back"].values()) for s in counts]
    eligible = [s["customers"] - h for s, h in zip(counts, held_back)]
    rows = [["customers"] + [s["customers"] for s in counts]]
    rows += [[f"- {rule}"] + [-s["held_back"][rule] for s in counts] for rule in ledger["rules"]]
    rows += [["= may be contacted"] + eligible,
             ["- held out"] + [-s["held_out"] for s in counts],
             ["- nothing to send"] + [-s["nothing_allowed"] for s in counts],
             ["= listed"] + [s["short"] + s["full"] for s in counts],
             ["  of them short"] + [s["short"] for s in counts],
             ["  of them full"] + [s["full"] for s in counts]]
    return table(["ledger"] + [name for name, _ in strata], rows)


def item_rules(ledger):
    if not ledger["items"]:
        return []
    rows = [[name, r["items"], r["customers"], r["pairs"]] for name, r in ledger["items"].items()]
    return [""] + table(["rule on items", "items", "customers", "pairs"], rows)


# ---- the allocation ------------------------------------------------------------------------------

def number(value):
    return f"{value:.6g}"


def limit_rows(allocation):
    n = allocation["places"]
    for limit in allocation["limits"]:
        bound, unit = KINDS[limit["kind"]]
        is_share = limit["kind"].endswith("share")
        used = limit["used"] / n if is_share and n else limit["used"]
        worth = limit.get("one_more_place", limit.get("one_more_unit_of_cost"))
        yield [f"{limit['name']} ({bound})", number(limit["bound"]), number(used),
               number(worth), unit]


def item_names(path):
    """{key: name} of the catalogue; {} without one."""
    if path is None:
        return {}
    import h5py
    try:
        with h5py.File(path, "r") as file:
            if "/item/name" not in file:
                return {}
            text = [[str(t) if not isinstance(t, bytes) else t.decode("utf-8", "replace")
                     for t in file[name][:]] for name in ("/item/key", "/item/name")]
            return dict(zip(*text))
    except OSError as error:
        raise LedgerError(f"{path}: cannot be opened as HDF5 ({error})") from None


def prices(allocation, names, n_items):
    """Lines of two tables: what holds over all, then the items whose next unit is worth most."""
    items = sorted(allocation["items"], key=lambda i: (-i["one_more_unit"], i["item"]))
    lines = [f"{allocation['places']} places worth {number(allocation['value'])}; no allocation "
             f"is worth more than {number(allocation['dual_value'])} "
             f"(gap {100 * allocation['gap']:.4f} %)"]
    if allocation["limits"]:
        lines += [""] + table(["constraint", "bound", "used", "one more is worth", "of"],
                              list(limit_rows(allocation)))
    if items:
        rows = [[item["item"], item["capacity"], number(item["one_more_unit"])]
                for item in items[:n_items]]
        told = table(["item at its capacity", "capacity", "one more unit is worth"], rows)
        lines += [""] + [f"{line}  {name}".rstrip() for line, name in zip(
            told, [""] + [names.get(row[0], "") for row in rows])]
    if len(items) > n_items:
        lines.append(f"... and {len(items) - n_items} more items at their capacity")
    return lines


def show(args):
    n_rows = read_json(args.run / "manifest.json")["rows"]
    stats = read_json(args.run / "stats.json")
    if "ledger" not in stats:
        raise LedgerError(f"{args.run}/stats.json: has no ledger: the job has neither rules nor an "
                          "experiment")
    strata = strata_of(stats["ledger"])
    check_balance(stats["ledger"], strata, n_rows)
    lines = waterfall(stats["ledger"], strata) + item_rules(stats["ledger"])
    lines += ["", f"balanced: every column comes to its customers, all to the {n_rows} of the run"]
    if "allocation" in stats:
        lines += [""] + prices(stats["allocation"], item_names(args.catalogue), args.items)
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="run directory")
    parser.add_argument("--catalogue", type=Path, help="catalogue.h5, to show names of items")
    parser.add_argument("--items", type=int, default=10, help="dearest items to show (10)")
    try:
        show(parser.parse_args())
    except LedgerError as error:
        print(f"show_ledger: {error}", file=sys.stderr)
        return 3
    except OutOfBalance as error:
        print(f"show_ledger: out of balance: {error}", file=sys.stderr)
        return 6
    return 0


if __name__ == "__main__":
    sys.exit(main())
