#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`explain` on a random world with a model, rules of every kind, an experiment, objectives and
policies, constraints and shapes: each pair of customer and item against an independent computation
(verdicts, score, terms, rank, margin, probabilities, propensity, events) and against the parts, bit
for bit where they say the same; every kind of answer occurs."""
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import explain_world as world
from explain_world import GREEDY, K, LINEAR, N, U
from job_files import read_parts, run

SEED = 20261130
EXPECTED = {"type": "expected_value", "terms": world.TERMS[1:], "top": 12,
            "penalties": [world.TIRED, world.THIN]}
LOTTERY = {"type": "plackett_luce", "temperature": 1.5, "strata": [world.YOUNG], "seed": 3}
JOBS = {"plain": ({"type": "score"}, GREEDY), "linear": (LINEAR, GREEDY),
        "expected": (EXPECTED, GREEDY), "lottery": (LINEAR, LOTTERY),
        "short": (LINEAR, {**LOTTERY, "shortlist": 9}),
        "epsilon": (LINEAR, {"type": "epsilon", "epsilon": 0.3, "strata": [world.YOUNG]}),
        "allocated": (LINEAR, GREEDY, {"capacity": True}),
        "worth": (EXPECTED, GREEDY, {"capacity": True}),
        "shaped": (LINEAR, GREEDY, None, {
            "quotas": [{"name": "two of a kind", "group": "kind", "max": 2}],
            "pins": [{"name": "hero", "item": "catalogue-5", "slot": 2}]}),
        "diverse": (LINEAR, GREEDY, None, {"diversity": 0.5, "window": 30})}
FLAGS = ["short", "no_consent", "no_events", "fallback", "nothing_allowed", "held_out", "held_back",
         "no_capacity", "repaired", "diverse", "groups_full"]
CLOSE = 3e-4
IS_FEW = "--few" in sys.argv  # the sanitizers' builds are slow
ANY = {"rank": 1, "margin": 1.0}  # where the score does not matter yet


def is_allocated(name):
    return len(JOBS[name]) == 3


def is_shaped(name):
    return len(JOBS[name]) > 3


def explain(folder, name, u, key, *more):
    return json.loads(run("explain", folder / name, "--customer", f"c{u:04d}", "--item", key,
                          "--json", *more))


def check_customer(d, lists, u, found):
    held = world.holds(d, u)
    assert [r["name"] for r in found["rules"]] == world.HOLDS
    assert [r["name"] for r in found["rules"] if r["holds"]] == held
    assert found["held_back_by"] == (held[0] if held else None)
    assert found["key"] == f"c{u:04d}" and found["row"] == u
    assert found["arm"] == lists["customer/arm"][u]
    assert found["is_held_out"] == (found["arm"] < 0)
    assert found["arm_name"] == {-1: None, 0: "a", 1: "b"}[found["arm"]]
    assert found["stratum"] == (world.REGIONS + [""])[d["region"][u]]
    assert found["list_length"] == lists["customer/n"][u] and found["k"] == K
    assert found["flags"] == [w for b, w in enumerate(FLAGS)
                              if lists["customer/flags"][u] >> b & 1]


def check_item(d, lists, u, i, found):
    why = world.unlistable(d, i)
    assert (found["key"], found["row"]) == (d["item_key"][i], i)
    assert found["name"] == f"Item \"{i}\" caf\u00e9"
    assert found["is_listable"] == (not any(why.values()))
    assert found["has_no_vector"] == why["no_vector"] and found["is_not_valid"] == why["not_valid"]
    assert found["forbidden_to_everyone_by"] == ("recalled" if why["recalled"] else None)
    assert {r["name"]: r["kind"] for r in found["rules"]} == world.ITEM_RULES
    assert {r["name"] for r in found["rules"] if r["forbids"]} == world.item_rules(d, u, i), (u, i)
    assert [(n["by"], n["name"]) for n in found["never_list"]] == world.never_list(d, u, i), (u, i)
    missing = int(d["required"][i]) & ~int(d["had"][u])
    assert found["segment"]["missing_bits"] == [b for b in range(64) if missing >> b & 1]
    assert found["is_eligible"] == world.is_eligible(d, u, i)
    slots = np.flatnonzero(lists["list/item"][u] == i)
    assert found["slot"] == (slots[0] + 1 if len(slots) else None)


def before(score_N, i, mask_N):
    """How many stand before item i, at least and at most, whatever rounding does."""
    others = mask_N & (np.arange(N) != i)
    return [(others & (score_N > score_N[i] + s * CLOSE)).sum() + 1 for s in (1, -1)]


def check_rank(d, name, u, i, x_D, found):
    """Rank, and for expected values the candidates; returns the float64 score."""
    objective = JOBS[name][0]
    score, linear, eligible, contacted = world.ranks(d, u, x_D, objective)
    assert found["eligible_items"] == eligible.sum(), u
    if linear is None:
        low, high = before(score, i, eligible)
        assert low <= found["rank"] <= high, (u, i, found["rank"], low, high)
        return score[i]
    c, ordinary = found["candidates"], eligible & ~contacted
    assert abs(c["linear_score"] - linear[i]) < CLOSE
    low, high = before(linear, i, ordinary)
    assert low <= c["linear_rank"] <= high
    top = N if is_allocated(name) else objective["top"]  # as many as it needs
    if eligible[i] or not contacted[i]:
        assert c["is_candidate"] == ((eligible[i] and contacted[i]) or c["linear_rank"] <= top)
    best = np.sort(linear[ordinary])[::-1]
    assert (c["last_candidate"] is None) == (len(best) <= top)
    if len(best) > top:
        assert abs(c["last_candidate"] - best[top - 1]) < CLOSE
        if min(abs(best[top - 1] - best[top]), abs(linear[i] - best[top - 1]) or 1) < CLOSE:
            return score[i]
    ranked = eligible & (contacted | (linear >= (best[top - 1] if len(best) > top else -np.inf)))
    low, high = before(score, i, ranked) if c["is_candidate"] else \
        [r + ranked.sum() for r in before(linear, i, eligible & ~ranked)]
    assert low <= found["rank"] <= high, (u, i, found["rank"], low, high)
    return score[i]


def check_terms(d, name, lists, u, i, found, slot):
    """Contributions against float64, their sum, and the parts' own bits."""
    objective = JOBS[name][0]
    parts, _ = world.parts_of(d, lists["vector"][u].astype(float), objective)
    if world.TIRED in objective.get("penalties", []):
        parts["tired"] = np.full(N, -world.repetition(d, u, i))
    assert {t["name"] for t in found["terms"]} == set(parts)
    for t in found["terms"]:
        assert abs(t["contribution"] - parts[t["name"]][i]) < 1e-4, (u, i, t)
        if t["raw"] is not None:
            assert abs(t["raw"] * t["weight"] * t["value"] - t["contribution"]) < 1e-4
        if slot is not None and "objective/" + t["name"] in lists:
            stored = lists["objective/" + t["name"]][u, slot - 1]
            assert np.float32(t["contribution"]) == stored, (u, i, t, stored)
    assert abs(sum(t["contribution"] for t in found["terms"]) - found["score"]) < 1e-4
    for head, wanted in world.probabilities(d, lists["vector"][u].astype(float), i).items():
        assert abs(found["probabilities"][head] - wanted) < 1e-4
        if slot is not None:
            assert np.float32(found["probabilities"][head]) == \
                lists["probability/" + head][u, slot - 1]


def check_draw(d, name, u, i, x_D, found, slot, lists):
    policy = JOBS[name][1]
    if policy["type"] == "greedy":
        assert found["draw"] is None
        return
    is_pl, young = policy["type"] == "plackett_luce", world.age_of(d, u) == b"c1"
    kind = "temperature" if is_pl else "epsilon"
    heat = world.YOUNG[kind] if young else policy[kind]
    assert np.float32(found["draw"][kind]) == np.float32(heat)
    score, _, eligible, _ = world.ranks(d, u, x_D, JOBS[name][0])
    most = policy.get("shortlist") or N
    p = found["draw"]["log_propensity_slot_1"]
    if not eligible[i] or found["rank"] > most:
        assert p is None
    elif is_pl:
        y = np.sort(score[eligible])[::-1][:most] / heat
        wanted = score[i] / heat - y[0] - np.log(np.exp(y - y[0]).sum())
        assert abs(p - wanted) < 1e-3 * max(1, abs(wanted)), (u, i, p, wanted)
    else:
        wanted = np.log((1 - heat) * (found["rank"] == 1) + heat / eligible.sum())
        assert abs(p - wanted) < 1e-5
    if slot == 1:
        logged = lists["logging/log_propensity"][u, 0]
        assert abs(p - logged) <= 1e-5 * max(1, abs(logged))


def check_popular(d, lists, u, i, found):
    count = world.popularity(d)
    eligible = np.array([world.is_eligible(d, u, j) for j in range(N)])
    order = [j for j in np.lexsort((np.arange(N), -count)) if eligible[j] or j == i]
    assert found["by"] == "popularity" and found["score"] == count[i]
    assert found["rank"] == order.index(i) + 1 and found["terms"] == []
    return count[i]


def check_score(d, name, lists, u, i, found, slot):
    if any(world.unlistable(d, i).values()):
        assert found is None
        return
    x_D, n = lists["vector"][u].astype(float), lists["customer/n"][u]
    if lists["customer/flags"][u] & 8:
        wanted = check_popular(d, lists, u, i, found)
    else:
        assert found["by"] == "model"
        wanted = check_rank(d, name, u, i, x_D, found)
        check_terms(d, name, lists, u, i, found, slot)
        check_draw(d, name, u, i, x_D, found, slot, lists)
    assert abs(found["score"] - wanted) < CLOSE, (u, i, found["score"], wanted)
    source = 2 if found["by"] == "popularity" else 1
    if slot is not None and lists["list/source"][u, slot - 1] == source:
        assert np.float32(found["score"]) == lists["list/score"][u, slot - 1]
    of_kind = lists["list/score"][u, :n][lists["list/source"][u, :n] == source]
    last = of_kind[-1] if len(of_kind) else None
    assert (found["margin"] is None) == (last is None)
    if last is not None:
        assert np.float32(found["last_listed"]) == last
        assert abs(found["margin"] - (float(last) - found["score"])) < 1e-6 * max(1, abs(last))


def wanted_reason(d, name, lists, u, i, score):
    listable = not any(world.unlistable(d, i).values())
    policy = JOBS[name][1]
    if world.holds(d, u):
        return "held_back"
    if lists["customer/arm"][u] < 0:
        return "held_out"
    if not listable:
        return "not_listable"
    if world.item_rules(d, u, i):
        return "rule"
    if int(d["required"][i]) & ~int(d["had"][u]):
        return "segment"
    if world.never_list(d, u, i):
        return "never_list"
    if i in lists["list/item"][u]:
        return "listed"
    n = lists["customer/n"][u]
    if (is_allocated(name) or is_shaped(name)) and not (n == K and (score["margin"] or 0) > 0):
        return "shape" if is_shaped(name) else "constraints"
    is_drawn = policy["type"] != "greedy" and not lists["customer/flags"][u] & 8
    most = policy.get("shortlist") or N
    return "not_drawn" if is_drawn and score["rank"] <= most else "outscored"


def check_pair(d, name, lists, u, i, found):
    check_customer(d, lists, u, found["customer"])
    check_item(d, lists, u, i, found["item"])
    check_score(d, name, lists, u, i, found["score"], found["item"]["slot"])
    wanted = wanted_reason(d, name, lists, u, i, found["score"])
    assert found["why_not"]["reason"] == wanted, (name, u, i, found["why_not"], wanted)
    if (wanted, name) == ("shape", "shaped"):
        assert "quota 'two of a kind' has no more room" in found["why_not"]["answer"]
    for m, modality in enumerate(found["modalities"]):
        for c in ("alpha", "gate"):
            assert np.float32(modality[c]) == lists["gate/" + c][u, m]
    if found["score"] is None:
        assert found["events"]["tried"] == 0
    return found["why_not"]["reason"]


def check_events(d, name, u, i, found):
    """The five most influential events, in float64: the same up to near ties."""
    wanted = sorted(world.influences(d, u, i, JOBS[name][0]), key=lambda e: -abs(e[3]))
    assert found["tried"] == len(wanted)
    shown = found["most_influential"]
    assert len(shown) == min(5, len(wanted))
    for e, due in zip(shown, wanted):
        assert abs(abs(e["change"]) - abs(due[3])) < 1e-4, (u, i, e, due)
        assert any(w[:3] == (e["modality"], e["key"], e["time_s"]) and
                   abs(w[3] - e["change"]) < 1e-4 for w in wanted), (u, i, e)
    return len(wanted)


def choose_pairs(d, name, lists, rng):
    """Random pairs, and for each reason a few of those that should have it."""
    pairs = [(int(u), int(i)) for u, i in zip(rng.integers(0, U, 40), rng.integers(0, N, 40))]
    pairs += [(int(u), int(lists["list/item"][u, 0])) for u in rng.integers(0, U, 25)
              if lists["customer/n"][u]]
    by_reason = {}
    for u, i in zip(rng.integers(0, U, 1500), rng.integers(0, N, 1500)):
        few = by_reason.setdefault(wanted_reason(d, name, lists, u, i, ANY), [])
        if len(few) < 5:
            few.append((int(u), int(i)))
    by_model = (lists["customer/n"] > 0) & ((lists["customer/flags"] & 8) == 0)
    for u in np.flatnonzero(by_model)[:12]:  # the best that the list has not
        score, _, eligible, _ = world.ranks(d, u, lists["vector"][u].astype(float), JOBS[name][0])
        eligible[lists["list/item"][u][:lists["customer/n"][u]]] = False
        if eligible.any():
            pairs.append((int(u), int(np.where(eligible, score, -np.inf).argmax())))
    fallback = np.flatnonzero((lists["customer/flags"] & 8) > 0)[:8]
    return pairs + sum(by_reason.values(), []) + [(int(u), int(u) % N) for u in fallback]


def check_job(folder, d, name, rng):
    path = world.write_config(folder, name, *JOBS[name])
    run("run", path)
    lists = read_parts(folder / name)
    pairs = choose_pairs(d, name, lists, rng)[::4 if IS_FEW else 1]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda p: explain(folder, name, p[0], d["item_key"][p[1]],
                                                "--threads", "1"), pairs))
    reasons = {}
    for (u, i), f in zip(pairs, found):
        reason = check_pair(d, name, lists, u, i, f)
        reasons[reason] = reasons.get(reason, 0) + 1
    scored = [(p, f) for p, f in zip(pairs, found) if f["score"]]
    n_events = sum(check_events(d, name, *p, f["events"]) for p, f in scored[:12])
    print(f"ok  {name}: {len(pairs)} pairs {reasons}, {n_events} events left out")
    return set(reasons)


def main():
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = world.make(folder, rng)
        reasons = set()
        for job in JOBS:
            reasons |= check_job(folder, d, job, rng)
        assert IS_FEW or reasons == {
            "held_back", "held_out", "not_listable", "rule", "segment", "never_list", "outscored",
            "constraints", "shape", "not_drawn", "listed"}, reasons


if __name__ == "__main__":
    sys.exit(main())
