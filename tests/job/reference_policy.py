# SPDX-License-Identifier: Apache-2.0
"""What a run must decide, by brute force over all customers and items of a random world
(random_worlds.py), from docs/RULES.md, docs/EXACTNESS.md and docs/FORMATS.md alone:

    expected = reference_policy.decide(world, x_UD)     # {dataset of the parts: array}
"""
import datetime
import functools
from zoneinfo import ZoneInfo

import numpy as np

import world_conditions as conditions
from job_files import canonical_sums, round_scores

SHORT, NO_CONSENT, NO_EVENTS, FALLBACK, NOTHING, HELD_OUT, HELD_BACK = 1, 2, 4, 8, 16, 32, 64
BY_MODEL, BY_POPULARITY = 1, 2
DAY = 86400
FOREVER = 1 << 62
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


# ---- days ----

def local_date(zone, t):
    return datetime.datetime.fromtimestamp(t, ZoneInfo(zone)).date()


@functools.lru_cache(None)
def midnight(zone, date):
    """The first instant whose local date is `date` or a later one, by trying quarters of hours."""
    noon = int(datetime.datetime(date.year, date.month, date.day, 12,
                                 tzinfo=datetime.timezone.utc).timestamp())
    return next(t for t in range(noon - 28 * 3600, noon + 28 * 3600, 900)
                if local_date(zone, t) >= date)


class Days:
    """What is recent for one customer: the last n local days, today included, until send_at."""

    def __init__(self, world, u):
        rules = world.config["rules"]
        zone = world.static["zone"][u] if rules["time_zone_column"] else None
        self.zone = zone or rules["time_zone"]
        self.send_at = rules["send_at"]
        self.today = local_date(self.zone, self.send_at)

    def recent(self, events, days):
        since = midnight(self.zone, self.today - datetime.timedelta(days - 1))
        return [(item, t) for item, t in events if since <= t <= self.send_at]

    def is_quiet(self, rule):
        return (self.today.isoformat() in rule.get("dates", []) or
                WEEKDAYS[self.today.weekday()] in rule.get("weekdays", []))


# ---- who gets a list ----

def customer_row(world, u):
    row = {f"static.{n}": v[u] for n, v in world.static.items()}
    row |= {f"aggregate.{n}": v[u] for n, v in world.aggregate.items()}
    return row | {"key": str(world.key[u]),
                  "segment": 0 if world.segment is None else world.segment[u]}


def item_row(world, i):
    row = {f"group.{n}": v[i] for n, v in world.group.items()}
    row |= {f"value.{n}": v[i] for n, v in world.value.items()}
    return row | {"key": str(world.item_key[i]),
                  "segment": 0 if world.item_segment is None else world.item_segment[i]}


def is_capped(cap, days, contacts):
    met = days.recent(contacts, cap["days"])
    return len({t for _, t in met} if cap["by_message"] else met) >= cap["max"]


def held_by(world):
    """[(name, customers that the rule holds back)] in precedence."""
    rules, channel = world.config["rules"], world.config["list"]["channel"]
    days = [Days(world, u) for u in range(len(world.key))]
    everyone = range(len(world.key))
    out = []
    if channel:
        out.append(("consent", {u for u in everyone if not world.consent[channel][u]}))
    for rule, file in zip(rules["suppressions"], world.suppressed):
        out.append((rule["name"], {u for u in everyone if world.key[u] in file["keys"]}))
    for i, rule in enumerate(rules["customers"]):
        out.append((rule["name"], {u for u in everyone if conditions.holds(
            world.trees["customers", i], customer_row(world, u))}))
    for rule in rules["quiet"]:
        out.append((rule["name"], {u for u in everyone if days[u].is_quiet(rule)}))
    for cap in rules["caps"]:
        out.append((cap["name"], {u for u in everyone
                                  if is_capped(cap, days[u], world.contact[u])}))
    if rules["household"]:
        free = set(everyone).difference(*[held for _, held in out])
        home = world.static[rules["household"]]
        first = {home[u]: u for u in sorted(free, reverse=True)}
        out.append(("household", {u for u in everyone
                                  if home[u] is not None and first.get(home[u]) != u}))
    order = rules.get("order", [])
    return sorted(out, key=lambda rule: order.index(rule[0]) if rule[0] in order else len(order))


def verdicts(world):
    """Names in precedence, and per customer the place of the first rule that holds, -1: none."""
    held = held_by(world)
    return [name for name, _ in held], np.array(
        [next((r for r, (_, who) in enumerate(held) if u in who), -1)
         for u in range(len(world.key))], np.int32)


def fnv1a(data):
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 % (1 << 32)
    return value


def deal(world):
    """Arm and its probability of each customer; -1: held out."""
    experiment = world.config["experiment"]
    if not experiment:
        return np.zeros(len(world.key), np.int32), np.ones(len(world.key), np.float32)
    weights = [arm["weight"] for arm in experiment["arms"]] or [1.0]
    out = int(np.floor(experiment["hold_out"] * 10000 + 0.5))
    share = [sum(weights[:a + 1]) / sum(weights) for a in range(len(weights))]
    edges = [out] + [out + int(np.floor((10000 - out) * s + 0.5)) for s in share]
    arms, shares = [], []
    for key in world.key:
        bucket = fnv1a(str(fnv1a((experiment["salt"] + str(key)).encode())).encode()) % 10000
        arm = next(a for a in range(len(edges)) if bucket < edges[a]) - 1
        arms.append(arm)
        shares.append(out if arm < 0 else edges[arm + 1] - edges[arm])
    return np.array(arms, np.int32), (np.array(shares) / 10000).astype(np.float32)


# ---- which items ----

def is_listed(world, i, scorable):
    """May anybody see the item, as far as its dates and its vector are concerned?"""
    return scorable[i] and (world.valid is None or world.as_of is None or
                            world.valid[i][0] <= world.as_of < world.valid[i][1])


def scorable_items(world):
    if not world.has_model:
        return [True] * world.n_items
    return [int(str(key).split("-")[1]) < world.n_rows for key in world.item_key]


def forbidden_by_rules(world):
    """[U, N]"""
    rules, N = world.config["rules"], world.n_items
    items, out = [item_row(world, i) for i in range(N)], np.zeros((len(world.key), N), bool)
    customers = [customer_row(world, u) for u in range(len(world.key))]
    for r, rule in enumerate(rules["items"]):
        kind = "only" if "only" in rule else "never"
        hit = np.array([conditions.holds(world.trees[kind, r], row) for row in items])
        for u, row in enumerate(customers):
            if "when" not in rule or conditions.holds(world.trees["when", r], row):
                out[u] |= hit if kind == "never" else ~hit
    for rule in rules["matches"]:
        of_item, of_customer = world.group[rule["item"]], world.static[rule["customer"]]
        out |= np.array([[i is not None and i != c for i in of_item] for c in of_customer])
    if world.item_segment is not None:
        out |= np.array([[i & ~c != 0 for i in world.item_segment] for c in world.segment])
    return out


def never_listed(world, u):
    out = set(world.exclude[u])
    as_of = FOREVER if world.as_of is None else world.as_of
    for name in world.config["list"]["exclude_history"]:
        out |= {item for item, t in world.events[name][u] if t <= as_of}
    for rule in world.config["rules"]["recent"]:
        met = Days(world, u).recent(events_of(world, rule["timeline"], u), rule["days"])
        out |= {item for item, _ in met}
    return out


def events_of(world, timeline, u):
    return world.events[timeline][u] if timeline else world.contact[u]


def listed_to_anybody(world):
    """[N]: items that are not out of this run for everyone."""
    scorable, rules = scorable_items(world), world.config["rules"]
    out = np.array([is_listed(world, i, scorable) for i in range(world.n_items)])
    for r, rule in enumerate(rules["items"]):
        kind = "only" if "only" in rule else "never"
        if "when" not in rule:
            out &= [conditions.holds(world.trees[kind, r], item_row(world, i)) == (kind == "only")
                    for i in range(world.n_items)]
    for rule in rules["matches"]:
        names = {None, *world.static[rule["customer"]]}
        out &= [name in names for name in world.group[rule["item"]]]
    return out


def eligible_items(world):
    """[U, N]"""
    scorable = scorable_items(world)
    out = ~forbidden_by_rules(world)
    out[:, [i for i in range(world.n_items) if not is_listed(world, i, scorable)]] = False
    for u in range(len(world.key)):
        out[u, sorted(never_listed(world, u))] = False
    return out


# ---- what they are worth ----

def low_value(world, penalty):
    lack = penalty["floor"] - np.array(world.value[penalty["value"]], np.float64)
    return penalty["weight"] * np.maximum(lack, 0)


def repetition(world, penalty):
    """[U, N], float64"""
    out = np.zeros((len(world.key), world.n_items))
    send_at = world.config["rules"]["send_at"]
    for u in range(len(world.key)):
        for item, t in events_of(world, penalty["timeline"], u):
            if t <= send_at:
                out[u, item] += 2.0 ** (-(send_at - t) / (penalty["half_life_days"] * DAY))
    return penalty["weight"] * out


def values_of(world, name):
    return np.array(world.value[name], np.float64) if name else np.ones(world.n_items)


def rank_by(world, x_UD):
    """Queries, item vectors and bias whose canonical score ranks: eq. 8, each rounded once."""
    objective = world.config["objective"]
    terms = objective.get("terms") or [{"weight": 1.0, "value": ""}]
    names = list(dict.fromkeys(t["value"] for t in terms))
    weight = [np.float32(sum(t["weight"] for t in terms if t["value"] == n)) for n in names]
    query = np.concatenate([x_UD * w for w in weight], axis=1)
    item = np.concatenate([(values_of(world, n)[:, None] * world.z).astype(np.float32)
                           for n in names], axis=1)
    bias = np.zeros(world.n_items)
    for term in terms:
        if world.bias is not None:
            bias += term["weight"] * values_of(world, term["value"]) * world.bias.astype(np.float64)
    for penalty in objective["penalties"]:
        bias -= low_value(world, penalty) if penalty["type"] == "low_value" else 0
    return query, item, bias.astype(np.float32)


def scores(world, x_UD):
    """[U, N] float32, and what each part of the objective added: {dataset: [U, N] float32}."""
    objective, parts = world.config["objective"], {}
    plain = round_scores(canonical_sums(x_UD, world.z, world.bias)).astype(np.float64)
    for term in objective.get("terms", []):
        parts[term["name"]] = term["weight"] * values_of(world, term["value"])[None, :] * plain
    cost = np.zeros(plain.shape)
    for penalty in objective["penalties"]:
        if penalty["type"] == "low_value":
            parts[penalty["name"]] = np.broadcast_to(0 - low_value(world, penalty), plain.shape)
        else:
            parts[penalty["name"]] = 0 - repetition(world, penalty)
            cost += repetition(world, penalty)
    query, item, bias = rank_by(world, x_UD)
    total = canonical_sums(query, item, bias) - cost.astype(np.float32).astype(np.float64)
    return round_scores(total), {f"objective/{n}": v.astype(np.float32) for n, v in parts.items()}


# ---- lists ----

def popularity(world):
    """Events per item over everybody."""
    named = world.config["list"]["fallback_modality"]
    as_of = FOREVER if world.as_of is None else world.as_of
    count = np.zeros(world.n_items, np.int64)
    for name, events in world.events.items():
        if named in ("", name):
            for item, t in (e for row in events for e in row):
                count[item] += t <= as_of
    return count


def has_events(world, u, scorable):
    """Is there an event that the model can use?"""
    as_of = FOREVER if world.as_of is None else world.as_of
    return not world.has_model or any(scorable[i] and t <= as_of for i, t in world.events["buy"][u])


def empty_columns(world, names):
    U, k = len(world.key), world.config["list"]["k"]
    out = {name: np.full((U, k), np.nan, np.float32) for name in ["list/score", *names]}
    return out | {"list/item": np.full((U, k), -1, np.int32),
                  "list/source": np.zeros((U, k), np.uint8),
                  "customer/n": np.zeros(U, np.int32), "customer/flags": np.zeros(U, np.uint32)}


def fill(out, u, order, value_N, source):
    """The best items of customer u: value descending, then row."""
    k = out["list/item"].shape[1]
    best = sorted(order, key=lambda i: (-value_N[i], i))[:k]
    n = len(best)
    out["list/item"][u, :n], out["list/score"][u, :n] = best, value_N[best]
    out["list/source"][u, :n], out["customer/n"][u] = source, n
    return NOTHING if n == 0 else SHORT if n < k else 0


def decide(world, x_UD):
    """{dataset of the parts: array}, and the names of the rules in precedence."""
    score_UN, parts = scores(world, x_UD)
    eligible, popular = eligible_items(world), popularity(world)
    names, rule = verdicts(world)
    out = empty_columns(world, parts)
    if names:
        out["customer/rule"] = rule
    out["customer/arm"], out["customer/arm_probability"] = deal(world)
    scorable, flags = scorable_items(world), out["customer/flags"]
    for u in range(len(world.key)):
        if rule[u] >= 0:
            flags[u] = NO_CONSENT if names[rule[u]] == "consent" else HELD_BACK
        elif out["customer/arm"][u] < 0:
            flags[u] = HELD_OUT
        elif has_events(world, u, scorable) or world.config["list"]["fallback"] == "none":
            flags[u] = fill(out, u, np.flatnonzero(eligible[u]), score_UN[u], BY_MODEL)
            flags[u] |= 0 if has_events(world, u, scorable) else NO_EVENTS
            listed = out["list/item"][u, :out["customer/n"][u]]
            for name, part in parts.items():
                out[name][u, :len(listed)] = part[u, listed]
        else:
            flags[u] = NO_EVENTS | FALLBACK | fill(out, u, np.flatnonzero(eligible[u]),
                                                   popular.astype(np.float32), BY_POPULARITY)
    return out, names
