# SPDX-License-Identifier: Apache-2.0
"""What must never be found in a publication, whatever decided it: each rule of a random world
(random_worlds.py) looked at by itself, on the files of `publish --to csv` alone."""
import datetime
from zoneinfo import ZoneInfo

import world_conditions as conditions
from publication import check_paper, files_of, read_csv


def rows_of(folder, stem):
    return read_csv(files_of(folder, stem))[1]


class Published:
    """Items of each customer who gets a list, and where everybody else went."""

    def __init__(self, folder, k):
        lists, ranks = rows_of(folder, "lists"), [f"rank_{j}" for j in range(1, k + 1)]
        self.items = {row["customer"]: [row[r] for r in ranks if row[r]] for row in lists}
        self.arm = {row["customer"]: int(row["arm"]) for row in lists}
        self.rejects = {row["customer"]: row["reason"] for row in rows_of(folder, "rejects")}
        self.held_out = {row["customer"]: int(row["arm"]) for row in rows_of(folder, "holdout")}


def check(world, folder):
    published = Published(folder, world.config["list"]["k"])
    keys = [str(key) for key in world.key]
    check_paper(folder, len(keys))
    everybody = [*published.items, *published.rejects, *published.held_out]
    assert sorted(everybody) == sorted(keys), "rows + rejects + hold-outs are not the customers"
    assert all(arm == -1 for arm in published.held_out.values())
    assert all(arm >= 0 for arm in published.arm.values())
    exposed = {row["customer"] for row in rows_of(folder, "exposures")}
    assert exposed == set(published.items), "exposures of somebody who got no list"
    for u, key in enumerate(keys):
        if key in published.items:
            check_customer(world, u)
            check_items(world, u, published.items[key])
    check_households(world, keys, published)


def customer_row(world, u):
    row = {"static." + name: column[u] for name, column in world.static.items()}
    for name, column in world.aggregate.items():
        row["aggregate." + name] = column[u]
    row["key"], row["segment"] = str(world.key[u]), (world.segment or [0] * len(world.key))[u]
    return row


def item_row(world, i):
    row = {"group." + name: column[i] for name, column in world.group.items()}
    for name, column in world.value.items():
        row["value." + name] = column[i]
    row["key"] = str(world.item_key[i])
    row["segment"] = (world.item_segment or [0] * world.n_items)[i]
    return row


def date_of(world, u, t):
    """By the calendar on customer u's wall."""
    rules = world.config["rules"]
    zone = world.static["zone"][u] if rules["time_zone_column"] else None
    return datetime.datetime.fromtimestamp(t, ZoneInfo(zone or rules["time_zone"])).date()


def days_ago(world, u, t):
    """Local days between an instant and the send. Where midnight comes twice a contact may look a
    day older than the rule counts it, never younger."""
    return (date_of(world, u, world.config["rules"]["send_at"]) - date_of(world, u, t)).days


def check_customer(world, u):
    """Nothing speaks against sending anything to u."""
    rules, channel = world.config["rules"], world.config["list"]["channel"]
    row, who = customer_row(world, u), world.key[u]
    assert not channel or world.consent[channel][u] == 1, (who, "no consent")
    for file in world.suppressed:
        assert who not in file["keys"], (who, "suppressed")
    for i, rule in enumerate(rules["customers"]):
        assert not conditions.holds(world.trees["customers", i], row), (who, rule)
    met = [t for _, t in world.contact[u] if t <= rules["send_at"]]
    for cap in rules["caps"]:
        recent = [t for t in met if days_ago(world, u, t) < cap["days"]]
        n = len(set(recent)) if cap["by_message"] else len(recent)
        assert n < cap["max"], (who, cap, recent)
    today = date_of(world, u, rules["send_at"])
    for rule in rules["quiet"]:
        assert today.isoformat() not in rule.get("dates", []), (who, rule)
        assert today.strftime("%A").lower() not in rule.get("weekdays", []), (who, rule)


def check_items(world, u, names):
    """Each item is allowed to u, and stands there once."""
    place = {str(key): i for i, key in enumerate(world.item_key)}
    assert 0 < len(names) <= world.config["list"]["k"] and len(set(names)) == len(names), names
    row = customer_row(world, u)
    for i in (place[name] for name in names):
        who = (world.key[u], world.item_key[i])
        check_item_rules(world, row, item_row(world, i), who)
        assert i not in world.exclude[u], (who, "on the never-list")
        if world.item_segment is not None:
            missing = world.item_segment[i] & ~world.segment[u]
            assert missing == 0, (who, "a segment bit is missing")
        if world.valid is not None and world.as_of is not None:
            first, end = world.valid[i]
            assert first <= world.as_of < end, (who, "not valid")
        check_history(world, u, i, who)


def check_item_rules(world, customer, item, who):
    rules = world.config["rules"]
    for r, rule in enumerate(rules["items"]):
        applies = "when" not in rule or conditions.holds(world.trees["when", r], customer)
        if applies and "never" in rule:
            assert not conditions.holds(world.trees["never", r], item), (who, rule)
        if applies and "only" in rule:
            assert conditions.holds(world.trees["only", r], item), (who, rule)
    for rule in rules["matches"]:
        wanted, found = item["group." + rule["item"]], customer["static." + rule["customer"]]
        assert wanted is None or wanted == found, (who, rule)


def check_history(world, u, i, who):
    rules = world.config["rules"]
    for name in world.config["list"]["exclude_history"]:
        met = [t for item, t in world.events[name][u] if item == i]
        assert all(world.as_of is not None and t > world.as_of for t in met), (who, name)
    for rule in rules["recent"]:
        events = world.events[rule["timeline"]][u] if rule["timeline"] else world.contact[u]
        met = [t for item, t in events if item == i and t <= rules["send_at"]]
        assert all(days_ago(world, u, t) >= rule["days"] for t in met), (who, rule, met)


def check_households(world, keys, published):
    """At most one member of each household gets a list."""
    column = world.config["rules"]["household"]
    homes = [world.static[column][u] for u, key in enumerate(keys)
             if column and key in published.items and world.static[column][u] is not None]
    assert len(homes) == len(set(homes)), "two of one household got a list"
