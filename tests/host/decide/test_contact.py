#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Caps, rest, quiet days and repetition of random customers in many time zones, against Python:
dates by zoneinfo, penalties in float64 bit for bit. Run by ctest: test_contact.py CALENDAR_FILE.
Skipped (77) without zone files.
"""
import datetime
import math
import sys
import zoneinfo
from pathlib import Path

import numpy as np

from case_file import Cases

SEED, N_WORLDS, N_CUSTOMERS = 20260603, 300, 12
DAY_S, EPOCH = 86400, datetime.date(1970, 1, 1).toordinal()
ZONES = ["Europe/Paris", "America/New_York", "America/Sao_Paulo", "Africa/Cairo", "Asia/Kathmandu",
         "Pacific/Kiritimati", "Pacific/Pago_Pago", "America/St_Johns", "Australia/Lord_Howe",
         "Asia/Beirut", "America/Havana", "Asia/Tokyo"]
# Around changes of the clock as well as on ordinary days.
SENDS = ["2026-03-29", "2026-10-25", "2018-11-04", "2026-04-24", "2026-10-30", "2026-11-01",
         "2026-03-08", "2026-06-15", "2027-01-01", "2028-02-29"]
LN2 = 0.693147180559945309417


def halved(x):
    """2^-x by the engine's operations: the nearest power of 2, then e^r to degree 13."""
    if -x < -1021.0:
        return 0.0
    whole = round(-x)
    y = (-x - whole) * LN2
    total = 1.0 / math.factorial(13)
    for n in range(12, -1, -1):
        total = total * y + 1.0 / math.factorial(n)
    return total * 2.0 ** whole


def check_halved():
    drawn = np.random.default_rng(SEED).random(4000) * 900
    for x in np.concatenate([np.linspace(0, 40, 4001), drawn]):
        assert abs(halved(float(x)) / 2.0 ** -float(x) - 1.0) <= 4e-16, x


def date_of(t, zone):
    return datetime.datetime.fromtimestamp(int(t), zone).date().toordinal()


def draw_world(rng):
    send_at = (datetime.date.fromisoformat(rng.choice(SENDS)).toordinal() - EPOCH) * DAY_S
    send_at += int(rng.integers(-DAY_S, 2 * DAY_S))
    n_days = int(rng.integers(1, 40))
    near = [send_at // DAY_S + d for d in range(-2, 3)]
    return {"send_at": send_at, "n_days": n_days, "weekdays": int(rng.integers(0, 128)),
            "quiet": rng.permutation(near)[:rng.integers(0, 3)].tolist(),
            "rest": int(rng.integers(1, n_days + 1)),
            "caps": [(int(rng.integers(1, 6)), int(rng.integers(1, n_days + 1)),
                      int(rng.integers(0, 2))) for _ in range(rng.integers(0, 5))],
            "weight": float(rng.choice([0.0, 0.3, 1.7])),
            "half_life": float(rng.choice([1.0, 3600.0, 7.5 * DAY_S]))}


def draw_customer(rng, world):
    n = int(rng.integers(0, 40))
    span = int(rng.choice([2, 10, 60])) * DAY_S
    times = world["send_at"] - rng.integers(-DAY_S // 2, span, n)
    if n > 3 and rng.random() < 0.5:
        times[rng.integers(0, n, n // 2)] = times[0]
    if n > 0 and rng.random() < 0.2:
        times[0] = world["send_at"]
    items = rng.integers(0, int(rng.choice([3, 20, 2**31 - 1])), n)
    return {"zone": int(rng.integers(0, len(ZONES))), "items": items, "times": np.sort(times)}


def write(cases, world, customers):
    cases.put([world["send_at"], world["n_days"], world["weekdays"], len(world["quiet"]),
               len(world["caps"]), world["rest"], len(customers)])
    cases.put(world["weight"], "<f8")
    cases.put(world["half_life"], "<f8")
    cases.put(world["quiet"], "<i4")
    cases.put(world["caps"])
    for c in customers:
        cases.put([c["zone"], len(c["items"])])
        cases.put(c["items"], "<i4")
        cases.put(c["times"])


def is_capped(cap, dates, times, today):
    most, days, by_message = cap
    inside = [t for t, d in zip(times, dates) if d > today - days]
    return (len(set(inside)) if by_message else len(inside)) >= most


def penalties_of(world, known):
    total = {}
    for item, t in known:
        total[item] = total.get(item, 0.0) + halved((world["send_at"] - t) / world["half_life"])
    return {item: value * world["weight"] for item, value in total.items()}


def check(world, customer, answers, name, seen):
    zone = zoneinfo.ZoneInfo(ZONES[customer["zone"]])
    day, weekday, quiet, _, capped, n_recent, n_penalties = (int(v) for v in answers.take(7))
    recent = answers.take(n_recent, "<i4").tolist()
    items = answers.take(n_penalties, "<i4").tolist()
    penalties = answers.take(n_penalties, "<f8").tolist()
    today = date_of(world["send_at"], zone)
    known = [(int(i), int(t)) for i, t in zip(customer["items"], customer["times"])
             if t <= world["send_at"]]
    times = [t for _, t in known]
    dates = [date_of(t, zone) for t in times]
    assert day == today - EPOCH, f"{name}: day {day}, expected {today - EPOCH}"
    assert weekday == datetime.date.fromordinal(today).weekday(), f"{name}: weekday {weekday}"
    wanted = bool(world["weekdays"] >> weekday & 1) or day in world["quiet"]
    assert quiet == wanted, f"{name}: quiet {quiet}, expected {wanted}"
    wanted = sum(is_capped(cap, dates, times, today) << c for c, cap in enumerate(world["caps"]))
    assert capped == wanted, f"{name}: capped {capped:b}, expected {wanted:b}"
    wanted = sorted({i for (i, _), d in zip(known, dates) if d > today - world["rest"]})
    assert recent == wanted, f"{name}: resting {recent}, expected {wanted}"
    wanted = penalties_of(world, known)
    assert items == sorted(wanted), f"{name}: penalised {items}, expected {sorted(wanted)}"
    assert penalties == [wanted[i] for i in items], f"{name}: {penalties}, expected {wanted}"
    rolling = sum(t > world["send_at"] - world["rest"] * DAY_S for t in times)
    for word, is_so in (("quiet", quiet), ("capped", capped), ("resting", recent),
                        ("penalised", any(penalties)),
                        ("known later", len(known) < len(customer["items"])),
                        ("not rolling", rolling != sum(d > today - world["rest"] for d in dates))):
        seen[word] = seen.get(word, 0) + bool(is_so)


def main():
    files = [next((p for p in (Path(f) / z for f in zoneinfo.TZPATH) if p.is_file()), None)
             for z in ZONES]
    if None in files:
        print("skipped: no time zone files (package tzdata)")
        sys.exit(77)
    check_halved()
    rng = np.random.default_rng(SEED)
    cases, worlds = Cases(), []
    cases.put(len(files))
    for file in files:
        cases.put(file.stat().st_size)
        cases.put(np.frombuffer(file.read_bytes(), np.uint8), "u1")
    cases.put(N_WORLDS)
    for _ in range(N_WORLDS):
        world = draw_world(rng)
        customers = [draw_customer(rng, world) for _ in range(N_CUSTOMERS)]
        write(cases, world, customers)
        worlds.append((world, customers))
    answers = cases.run(sys.argv[1], "contacts")
    seen = {}
    for w, (world, customers) in enumerate(worlds):
        for u, customer in enumerate(customers):
            check(world, customer, answers, f"seed {SEED} world {w} customer {u}", seen)
    answers.close()
    print(f"{N_WORLDS} worlds, {N_WORLDS * N_CUSTOMERS} customers equal:",
          ", ".join(f"{word} {n}" for word, n in seen.items()))
    assert min(seen.values()) >= 50, "a case that hardly occurs is not tested"


main()
