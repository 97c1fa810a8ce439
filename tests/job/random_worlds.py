# SPDX-License-Identifier: Apache-2.0
"""Random decisions: one configuration, one catalogue, and customers of whom each is a world of its
own. Drawn so that edges are common: ties, missing categories, NaN, empty lists, contacts at
midnight and on days when clocks change, items valid from or to exactly as_of, odd keys."""
import datetime
import json
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

import run_files
import world_conditions as conditions

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "models")]
import make_files  # noqa: E402
import model_case  # noqa: E402

U = 100
DAY = 86400
ZONES = ["Europe/Paris", "America/Sao_Paulo", "Africa/Cairo", "America/Havana", "Pacific/Apia",
         "Asia/Kathmandu", "Australia/Lord_Howe", "America/New_York", "UTC", "Pacific/Kiritimati",
         "Asia/Beirut", "America/St_Johns"]
# Sends on and after days on which clocks change or a date is skipped.
SENDS = ["2023-03-26", "2023-10-29", "2023-11-05", "2023-11-06", "2023-04-28", "2023-10-27",
         "2018-11-04", "2018-02-18", "2011-12-31", "2023-10-01", "2024-02-29", "2024-01-01"]
LETTERS = [c for c in run_files.LETTERS if c.isprintable() and c not in "\u2028\x7f"]
MODEL = {"format": "batchrank-model", "version": 1, "name": "worlds", "model_version": "1",
         "item": {"vocabulary": "catalogue", "table": "item.table", "bias": "item.bias"},
         "modalities": [{"name": "buy", "vocabulary": "catalogue", "prefix": "buy.",
                         "encoder": {"type": "decay", "max_length": 20, "half_lives_s": [86400]}}]}


def text_keys(rng, n, prefix):
    """Distinct keys, a third of them with signs and letters of many scripts."""
    keys = {}
    while len(keys) < n:
        odd = "".join(rng.choice(LETTERS, rng.integers(1, 6))) if rng.random() < 0.33 else ""
        keys[f"{odd.strip()}{prefix}{len(keys)}"] = None
    return list(keys)


def number_keys(rng, n):
    big = rng.integers(1, 1 << 63, n, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    keys = dict.fromkeys([(1 << 64) - 1, 0, *big.tolist()])
    return list(keys)[:n]


def categories(rng, n, names, missing=0.2):
    """Per row the name of a category, None: missing."""
    return [None if rng.random() < missing else names[rng.integers(len(names))] for _ in range(n)]


def numbers(rng, n, missing=0.0):
    """float32 in quarters and tenths, so that literals hit them exactly."""
    out = rng.integers(0, 40, n) * rng.choice([0.25, 0.1], n)
    return [None if rng.random() < missing else np.float32(v) for v in out]


def vectors(rng, shape):
    """Small whole numbers where ties are wanted."""
    if rng.random() < 0.5:
        return rng.integers(-1, 2, shape).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32)


class World:
    """Everything that a run is told: `config`, columns of `customers` and `items`, and trees of the
    conditions by (key, place)."""

    def __init__(self, seed):
        self.seed = seed
        self.rng = np.random.default_rng([20261128, seed])
        self.trees = {}
        self.has_model = self.rng.random() < 0.3
        self.draw_times()
        self.draw_items()
        self.draw_customers()
        self.draw_config()

    # ---- when ----

    def draw_times(self):
        rng = self.rng
        day = datetime.datetime.fromisoformat(rng.choice(SENDS)).replace(
            tzinfo=ZoneInfo(rng.choice(ZONES)))
        shift = rng.choice([0, -1, 1, 1800, 3 * 3600, 9 * 3600, 20 * 3600])
        self.send_at = int(day.timestamp()) + int(shift)
        self.as_of = self.send_at - int(rng.choice([0, 0, 1, 3 * DAY]))
        if rng.random() < 0.15:
            self.as_of = None

    def instants(self, zone, n):
        """Times of events, not decreasing: now, midnights, the same message twice, later ones."""
        rng, out = self.rng, []
        zone = ZoneInfo(zone or "UTC")
        today = datetime.datetime.fromtimestamp(self.send_at, zone).date()
        for _ in range(n):
            kind = rng.random()
            if kind < 0.4:
                ago = datetime.timedelta(int(rng.integers(0, 9)))
                midnight = datetime.datetime.combine(today - ago, datetime.time(0), zone)
                out.append(int(midnight.timestamp()) + int(rng.integers(-1, 2)))
            elif kind < 0.5:
                out.append(self.send_at + int(rng.integers(-1, 2)))
            elif kind < 0.65 and out:
                out.append(out[-1])
            else:
                out.append(self.send_at - int(rng.integers(-DAY, 40 * DAY)))
        return sorted(out)

    # ---- the catalogue ----

    def draw_items(self):
        rng = self.rng
        N = self.n_items = int(rng.integers(1, 50))
        self.dim = int(rng.integers(1, 20))
        if self.has_model:
            self.item_key = [f"catalogue-{i}" for i in rng.permutation(np.arange(1, N + 1))]
        elif rng.random() < 0.3:
            self.item_key = number_keys(rng, N)
        else:
            self.item_key = text_keys(rng, N, "i")
        self.group = {"brand": categories(rng, N, ["Acme", "Bo's", "Nord", "Süd"]),
                      "size": categories(rng, N, ["0", "1", "2"]),
                      "region": categories(rng, N, ["North", "South", "East"], 0.5)}
        self.value = {"price": numbers(rng, N), "margin": numbers(rng, N)}
        self.item_segment = None
        if rng.random() < 0.4:
            bit = rng.choice([0, 1, 2, 3, 62, 63], N)
            self.item_segment = [int(1 << int(b)) if rng.random() < 0.3 else 0 for b in bit]
        self.valid = None
        if rng.random() < 0.5:
            now = self.as_of or self.send_at
            ends = [(now - DAY, now + DAY), (now, now + 1), (now - 1, now), (now + 1, now + 9)]
            self.valid = [ends[rng.choice(4, p=[0.55, 0.25, 0.1, 0.1])] for _ in range(N)]
        self.capacity = np.where(rng.random(N) < 0.3, -1, rng.integers(0, 30, N)).tolist()
        self.z = vectors(rng, (N, self.dim))
        self.bias = vectors(rng, N) if rng.random() < 0.5 else None
        self.n_rows = N + 1 - (N // 8 if N > 8 else 0)  # the last items have no row in the model

    # ---- the customers ----

    def draw_customers(self):
        rng = self.rng
        self.key = number_keys(rng, U) if rng.random() < 0.3 else text_keys(rng, U, "c")
        self.static = {"region": categories(rng, U, ["North", "South", "West"]),
                       "tier": categories(rng, U, ["gold", "silver", "it's"]),
                       "zone": categories(rng, U, ZONES[:int(rng.integers(1, len(ZONES)))]),
                       "home": categories(rng, U, [f"h{i}" for i in range(rng.integers(1, 60))])}
        self.aggregate = {"age": numbers(rng, U, 0.3), "prix moyen": numbers(rng, U, 0.3)}
        self.segment = None
        if self.item_segment is not None or rng.random() < 0.6:
            some = rng.integers(0, 1 << 63, (2, U), dtype=np.uint64)
            self.segment = [int(a) | int(b) << 1 if rng.random() < 0.5 else int(a) & int(b) & 15
                            for a, b in some.T]
        self.consent = {"email": rng.integers(0, 2, U).tolist(),
                        "post": (rng.random(U) < 0.9).astype(int).tolist()}
        self.exclude = [rng.integers(0, self.n_items, rng.choice([0, 0, 1, 3, 20])).tolist()
                        for _ in range(U)]
        self.events = {name: [self.some_events(u) for u in range(U)] for name in ("buy", "view")}
        self.contact = [self.some_events(u) for u in range(U)]
        self.x = vectors(rng, (U, self.dim))
        if rng.random() < 0.5:
            self.x[rng.integers(U)] = 0

    def some_events(self, u):
        n = int(self.rng.choice([0, 0, 1, 3, 8]))
        return [(int(self.rng.integers(self.n_items)), t)
                for t in self.instants(self.static["zone"][u], n)]

    # ---- the configuration ----

    def columns(self):
        """Columns that conditions on customers and on items may name."""
        customer = [(f"static.{n}", "category", sorted(set(v) - {None}))
                    for n, v in self.static.items()]
        customer += [(f"aggregate.{n}", "number", [x for x in v if x is not None])
                     for n, v in self.aggregate.items()]
        item = [(f"group.{n}", "category", sorted(set(v) - {None})) for n, v in self.group.items()]
        item += [(f"value.{n}", "number", v) for n, v in self.value.items()]
        for kinds, bits in ((customer, self.segment), (item, self.item_segment)):
            if bits is not None:
                kinds.append(("segment", "bits", []))
        for kinds, keys in ((customer, self.key), (item, self.item_key)):
            kinds.append(("key", "key", [str(k) for k in keys]))
        return conditions.columns_of(customer), conditions.columns_of(item)

    def condition(self, place, columns):
        tree = conditions.random_condition(self.rng, columns)
        self.trees[place] = tree
        return conditions.write(self.rng, tree)

    def some(self, most, chance=0.5):
        return range(int(self.rng.integers(1, most + 1)) if self.rng.random() < chance else 0)

    def draw_config(self):
        rng = self.rng
        self.config = {"list": self.draw_list(), "objective": self.draw_objective(),
                       "rules": self.draw_rules(), "experiment": self.draw_experiment(),
                       "run": {"unit_customers": int(rng.choice([7, 33, 100])), "backend": "cpu"}}
        if self.as_of is not None:
            self.config["run"]["as_of"] = self.as_of
        if self.has_model:
            self.config["output"] = {"vectors": True}

    def draw_list(self):
        rng = self.rng
        fallback = rng.choice(["popularity", "popularity", "none"]).item()
        return {"k": int(rng.choice([1, 3, 10, self.n_items + 2])),
                "channel": rng.choice(["", "email", "post"], p=[0.6, 0.1, 0.3]).item(),
                "exclude_history": rng.choice(["buy", "view"], rng.choice([0, 0, 1, 2]),
                                              replace=False).tolist(),
                "fallback": fallback,
                "fallback_modality": rng.choice(["", "view"]).item() if fallback != "none" else ""}

    def draw_objective(self):
        rng = self.rng
        objective = {"type": "score", "penalties": []}
        for i in self.some(2, 0.4):
            if rng.random() < 0.6:
                objective["penalties"].append(
                    {"name": f"again{i}", "type": "repetition",
                     "weight": rng.choice([0, 0.5, 2.25]),
                     "half_life_days": rng.choice([0.5, 3, 14]),
                     "timeline": rng.choice(["", "buy", "view"]).item()})
            else:
                objective["penalties"].append(
                    {"name": f"thin{i}", "type": "low_value", "weight": rng.choice([0.3, 1]),
                     "value": rng.choice(["price", "margin"]).item(),
                     "floor": rng.choice([2.5, 4])})
        if rng.random() < 0.35:
            objective["type"] = "linear"
            objective["terms"] = [
                {"name": f"t{i}", "weight": rng.choice([1, 0.5, 0.1, -0.75]),
                 "value": rng.choice(["", "price", "margin"]).item()}
                for i in range(rng.integers(1, 4))]
        return objective

    def draw_rules(self):
        rng = self.rng
        of_customers, of_items = self.columns()
        rules = {"send_at": self.send_at, "time_zone": rng.choice(ZONES[:9]).item(),
                 "time_zone_column": rng.choice(["", "zone"], p=[0.3, 0.7]).item(),
                 "household": rng.choice(["", "home"], p=[0.7, 0.3]).item(),
                 "strata": rng.choice(["", "tier"]).item()}
        rules["customers"] = [
            {"name": f"hold {i}", "hold": self.condition(("customers", i), of_customers)}
            for i in self.some(2, 0.25)]
        rules["items"] = [self.item_rule(i, of_customers, of_items) for i in self.some(5)]
        rules["matches"] = [{"name": "where", "customer": "region", "item": "region"}
                            for _ in self.some(1, 0.3)]
        rules["caps"] = [{"name": f"cap {i}", "max": int(rng.integers(1, 6)),
                          "days": int(rng.choice([1, 2, 7, 30])),
                          "by_message": bool(rng.random() < 0.5)} for i in self.some(2, 0.4)]
        rules["recent"] = [{"name": f"recent {i}", "days": int(rng.choice([1, 2, 7, 30])),
                            "timeline": rng.choice(["", "buy", "view"]).item()}
                           for i in self.some(2, 0.4)]
        rules["quiet"] = [self.quiet_rule(i) for i in self.some(2, 0.15)]
        rules["suppressions"] = self.draw_suppressions()
        self.draw_order(rules)
        return rules

    def item_rule(self, i, of_customers, of_items):
        rng = self.rng
        kind = "never" if rng.random() < 0.7 else "only"
        rule = {"name": f"items {i}", kind: self.condition((kind, i), of_items)}
        if rng.random() < 0.75:
            rule["when"] = self.condition(("when", i), of_customers)
        return rule

    def quiet_rule(self, i):
        """Days around the send: zones disagree on which day it is."""
        day = datetime.datetime.fromtimestamp(self.send_at, ZoneInfo("UTC")).date()
        day += datetime.timedelta(int(self.rng.integers(-1, 3)))
        if self.rng.random() < 0.5:
            return {"name": f"quiet {i}", "dates": [day.isoformat(), "2030-01-01"]}
        return {"name": f"quiet {i}", "weekdays": [day.strftime("%A").lower()]}

    def draw_suppressions(self):
        rng, self.suppressed = self.rng, []
        for i in self.some(2, 0.35):
            self.suppressed.append({"is_run": bool(rng.random() < 0.3), "keys":
                                    {self.key[u] for u in rng.integers(0, U, rng.integers(0, 25))}})
        return [{"name": f"file {i}", "path": f"suppression-{i}"}
                for i in range(len(self.suppressed))]

    def draw_order(self, rules):
        names = [r["name"] for k in ("customers", "caps", "quiet", "suppressions")
                 for r in rules[k]] + (["household"] if rules["household"] else [])
        self.rng.shuffle(names)
        if self.rng.random() < 0.5:
            rules["order"] = names[:int(self.rng.integers(0, len(names) + 1))]

    def draw_experiment(self):
        rng = self.rng
        if rng.random() < 0.3:
            return {}
        arms = [{"name": f"arm{i}", "weight": rng.choice([1, 1, 2.5, 1e-6])}
                for i in range(rng.integers(0, 4))]
        return {"salt": rng.choice(["spring", "été-1"]).item(), "arms": arms,
                "hold_out": rng.choice([0, 0.1, 0.33333])}

    # ---- files ----

    def take_vectors(self, tensors):
        """z_i and b_i of the model; an item without a row has none."""
        row = [int(key.split("-")[1]) for key in self.item_key]
        row = [r if r < self.n_rows else 0 for r in row]
        self.z = tensors["item.table"][row].astype(np.float32)
        self.bias = tensors["item.bias"][row].astype(np.float32)

    def write(self, folder):
        write_catalogue(self, folder / "catalogue.h5")
        write_customers(self, folder / "customers.h5")
        inputs = {"customers": "customers.h5", "catalogue": "catalogue.h5"}
        if self.has_model:
            inputs["model"] = "model"
            self.take_vectors(model_case.write(folder / "model", with_dim(self.dim),
                                               {"catalogue": self.n_rows}, self.rng))
        for i, file in enumerate(self.suppressed):
            write_suppression(self, folder / f"suppression-{i}", file)
        self.inputs = inputs
        self.write_job(folder, "run")

    def write_job(self, folder, name, **sections):
        """NAME.json, whose run is NAME."""
        config = {"input": self.inputs, **self.config, **sections}
        config["output"] = {"path": name, **self.config.get("output", {})}
        (folder / f"{name}.json").write_text(json.dumps(config, default=float, indent=1))


def with_dim(dim):
    """Every other width is fused with columns that rules may name too."""
    encoder = {**MODEL["modalities"][0]["encoder"], "dim": dim}
    model = {**MODEL, "dim": dim, "modalities": [{**MODEL["modalities"][0], "encoder": encoder}]}
    if dim % 2:
        model |= {"fusion": {"type": "gated"}, "static": [{"name": "tier", "dim": 3, "rows": 4}],
                  "aggregate": [{"name": "prix moyen", "mean": 4.0, "std": 2.0}]}
    return model


def coded(names_of_rows):
    """(category numbers, names)"""
    names = sorted(set(names_of_rows) - {None}) or ["none"]
    return [-1 if n is None else names.index(n) for n in names_of_rows], names


def write_catalogue(world, path):
    groups = {name: coded(rows) for name, rows in world.group.items()}
    sizes = [-1 if s is None else int(s) for s in world.group["size"]]
    if not {"0", "1", "2"} - set(world.group["size"]):
        groups["size"] = (sizes, None)  # a group without names: its numbers are
    vector = {} if world.has_model else {"vector": world.z, "bias": world.bias}
    make_files.write_catalogue(path, world.item_key, groups=groups, values=world.value,
                               segment=world.item_segment, valid=world.valid,
                               capacity=world.capacity, **vector)


def write_customers(world, path):
    aggregate = np.array([[np.nan if v is None else v for v in column]
                          for column in world.aggregate.values()], np.float32).T
    make_files.write_customers(
        path, world.key, timelines={n: {"events": e} for n, e in world.events.items()},
        statics={n: coded(rows) for n, rows in world.static.items()},
        aggregate=(list(world.aggregate), aggregate), segment=world.segment,
        exclude=world.exclude, contact=world.contact, consent=world.consent,
        vector=None if world.has_model else world.x)


def write_suppression(world, path, file):
    """Lines that end in LF or CRLF, the last one without an end, with a mark of UTF-8 or without;
    or a run: some have no list."""
    keys = sorted(file["keys"], key=str)
    if not file["is_run"]:
        ends = world.rng.choice(["\n", "\r\n"], len(keys))
        text = "".join(f"{k}{e}" for k, e in zip(keys, ends))
        text = text[:-1] if len(keys) % 2 and ends[-1] == "\n" else text
        mark = "\ufeff" if keys and world.rng.random() < 0.3 else ""  # as spreadsheets write it
        path.write_bytes((mark + text).encode())
        return
    others = [k for k in world.key if k not in file["keys"]][:5]
    n = np.array([1] * len(keys) + [0] * len(others), np.int32)
    run_files.write_run(path, make_files.keys(world.item_key), {
        "customer/key": make_files.keys(keys + others), "customer/n": n,
        "customer/flags": np.where(n > 0, 0, 16).astype(np.uint32), "customer/arm": n * 0,
        "customer/arm_probability": np.ones(len(n), np.float32),
        "list/item": np.where(n > 0, 0, -1).astype(np.int32)[:, None],
        "list/score": np.where(n > 0, 1, np.nan).astype(np.float32)[:, None],
        "list/source": n.astype(np.uint8)[:, None]}, sorted({0, len(n) // 2, len(n)}))
