#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Time zones against Python's zoneinfo: offsets, local dates and midnights of every zone of this
machine, days on which the clock skips or repeats midnight, rules for years that no file lists, and
damaged files. Run by ctest: test_calendar.py CALENDAR_FILE. Skipped (77) without zone files.
"""
import datetime
import io
import os
import struct
import sys
import time
import zoneinfo
from pathlib import Path

import numpy as np

from case_file import Cases

SEED, DAY_S, EPOCH = 20260602, 86400, datetime.date(1970, 1, 1).toordinal()
DAMAGED = "damaged"
LAST = (datetime.date(2199, 12, 30).toordinal() - EPOCH) * DAY_S
# (zone, date): midnight skipped or repeated, a date skipped, a day of 23, 23.5, 24.5 or 25 hours
EDGES = [("America/Sao_Paulo", "2018-11-04"), ("America/Sao_Paulo", "2018-02-18"),
         ("Africa/Cairo", "2026-04-24"), ("Africa/Cairo", "2026-10-30"),
         ("America/St_Johns", "2010-11-07"), ("America/St_Johns", "2011-03-13"),
         ("Pacific/Apia", "2011-12-30"), ("Pacific/Apia", "2011-12-31"),
         ("Pacific/Kwajalein", "1993-08-21"), ("Europe/Paris", "2026-03-29"),
         ("Europe/Paris", "2026-10-25"), ("America/Havana", "2026-03-08"),
         ("America/Havana", "2026-11-01"), ("Asia/Beirut", "2026-03-29"),
         ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"),
         ("Asia/Kathmandu", "1986-01-01"), ("Pacific/Kiritimati", "1994-12-31"),
         ("Pacific/Pago_Pago", "2026-06-30"), ("Pacific/Kiritimati", "2026-06-30"),
         ("Africa/Casablanca", "2026-02-15"), ("America/Nuuk", "2026-03-28"),
         ("Asia/Gaza", "2026-03-28"), ("Europe/Dublin", "2026-10-25"), ("UTC", "2028-02-29"),
         ("Africa/Monrovia", "1972-01-07"), ("Europe/Paris", "2150-03-29")]
RULES = ["UTC0", "<+0545>-5:45", "CET-1CEST,M3.5.0,M10.5.0/3", "AEST-10AEDT,M10.1.0,M4.1.0/3",
         "IST-1GMT0,M10.5.0,M3.5.0/1", "EET-2EEST,M3.4.4/50,M10.4.4/50",
         "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "EST5EDT,J60,J300/1:30:15", "EST5EDT,59/0,299",
         "EST5EDT,J59,J300", "XYZ-14ABC-15,M3.1.0/1,M10.1.0/1",
         "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "XYZ-14:00ABC-15,M2.5.1/0,M12.1.6/24"]


def local_of(t, zone):
    """`zone` is Python's, or a rule for the C library: CPython before 3.13 is a day off where a
    rule counts days from 0."""
    if not isinstance(zone, str):
        return datetime.datetime.fromtimestamp(t, zone)
    if os.environ.get("TZ") != zone:
        os.environ["TZ"] = zone
        time.tzset()
    offset = datetime.timedelta(seconds=time.localtime(t).tm_gmtoff)
    return datetime.datetime.fromtimestamp(t, datetime.timezone(offset))


def day_of(t, zone):
    return local_of(t, zone).date().toordinal() - EPOCH


def midnight_of(day, zone):
    """By looking: the first instant of the local date or a later one."""
    start = day * DAY_S - 27 * 3600
    late = next(t for t in range(start, start + 3 * DAY_S, 300) if day_of(t, zone) >= day)
    return next(t for t in range(late - 299, late + 1) if day_of(t, zone) >= day)


def changes_of(rule):
    """The days around changes of the clock in 2096, a leap year."""
    start = datetime.date(2096, 1, 1).toordinal() - EPOCH
    offset = [local_of((start + d) * DAY_S, rule).utcoffset() for d in range(368)]
    return [start + d + near for d in range(1, 368) if offset[d] != offset[d - 1]
            for near in (-2, -1, 0, 1)]


def file_of(name):
    return next((p for p in (Path(f) / name for f in zoneinfo.TZPATH) if p.is_file()), None)


def slim_file(rule, offset_s=0, times=()):
    """A TZif file of two local times and a rule."""
    types = struct.pack(">iBB", offset_s, 0, 0) + struct.pack(">iBB", offset_s + 1800, 1, 0)
    def block(listed):
        return b"TZif2" + bytes(15) + struct.pack(">6i", 0, 0, 0, len(listed), 2, 4) + \
            b"".join(struct.pack(">q", t) for t in listed) + \
            bytes(i % 2 for i in range(len(listed))) + types + b"LMT\0"
    return block(()) + block(times) + b"\n" + rule.encode() + b"\n"


class Checked:
    """What was asked of the program, and what zoneinfo says."""

    def __init__(self, rng):
        self.rng, self.asked = rng, []

    def add_damaged(self, data):
        """Refused or not, the program must live and answer."""
        self.asked.append(("damaged", data, DAMAGED, [], [0, 20000, 40000]))

    def add(self, name, data, days, n_times, is_good=True, first=0, rule=None):
        zone = None
        if is_good:
            zone = rule or zoneinfo.ZoneInfo.from_file(io.BytesIO(data), name)
        times = self.rng.integers(first, LAST, n_times)
        around = np.array(days, np.int64)[:, None] * DAY_S + np.arange(-26, 51, 7) * 1800
        times = np.concatenate([times, around.ravel()])
        self.asked.append((name, data, zone, times.tolist(), list(days)))

    def run(self, program):
        cases = Cases()
        cases.put(len(self.asked))
        for _, data, _, times, days in self.asked:
            cases.put(len(data))
            cases.put(np.frombuffer(data, np.uint8), "u1")
            cases.put(len(times))
            cases.put(times)
            cases.put(len(days))
            cases.put(days, "<i4")
        answers = cases.run(program, "zones")
        n_times = n_days = n_refused = n_damaged = 0
        for name, _, zone, times, days in self.asked:
            status = answers.take(1)[0]
            if zone is DAMAGED:
                n_damaged += 1
                answers.take(0 if status else len(days))
                continue
            if zone is None:
                assert status != 0, f"{name}: not refused"
                n_refused += 1
                continue
            assert status == 0, f"{name}: refused"
            self.compare(name, zone, times, days, answers)
            n_times += len(times)
            n_days += len(days)
        answers.close()
        return n_times, n_days, n_refused, n_damaged

    @staticmethod
    def compare(name, zone, times, days, answers):
        offsets, dates = answers.take(len(times), "<i4"), answers.take(len(times), "<i4")
        for t, offset, date in zip(times, offsets, dates):
            local = local_of(t, zone)
            assert offset == local.utcoffset().total_seconds(), f"{name} at {t}: {offset}, {local}"
            assert date == local.date().toordinal() - EPOCH, f"{name} at {t}: {date}, {local}"
        for day, found in zip(days, answers.take(len(days))):
            wanted = midnight_of(day, zone)
            assert found == wanted, f"{name} day {day}: midnight {found}, expected {wanted}"


def main():
    names = sorted(n for n in zoneinfo.available_timezones() if file_of(n))
    if "Europe/Paris" not in names:
        print("skipped: no time zone files (package tzdata)")
        sys.exit(77)
    rng = np.random.default_rng(SEED)
    checked = Checked(rng)
    for name in names:
        days = rng.integers(366 * 2 + 10, 366 * 100, 4).tolist()
        checked.add(name, file_of(name).read_bytes(), days, 200)
    for name, date in EDGES:
        day = datetime.date.fromisoformat(date).toordinal() - EPOCH
        if name in names:
            checked.add(f"{name} {date}", file_of(name).read_bytes(), range(day - 1, day + 3), 0)
    for rule in RULES:
        days = rng.integers(366 * 2, 366 * 220, 6).tolist() + changes_of(rule)
        offset_s = int(local_of(0, rule).utcoffset().total_seconds())
        checked.add(rule, slim_file(rule, offset_s), days, 500, rule=rule)
        checked.add(rule + " later", slim_file(rule, offset_s, (-10**9, 10**8, 10**9)), [], 500,
                    first=10**9 + 366 * DAY_S, rule=None if "M" in rule else rule)
    # summer time that ends as it starts (RFC 8536): always on
    checked.add("always summer", slim_file("EST5EDT,0/0,J365/25", -4 * 3600),
                range(46000, 46010), 500, rule="EDT4")
    paris = file_of("Europe/Paris").read_bytes()
    for n in sorted({0, 3, 43, 44, 60, len(paris) // 2, len(paris) - 1} |
                    set(rng.integers(0, len(paris), 200).tolist())):
        checked.add(f"first {n} bytes", paris[:n], [], 0, is_good=False)
    for bad in ["EST5EDT", "EST", "E5", "EST5EDT,M13.1.0,M10.1.0", "EST5EDT,M3.1.0", "EST168",
                "EST5EDT,J0,J3", "EST5EDT,M3.1.0,M10.1.0x", "EST5:60", "<>5", "x" * 200]:
        checked.add("rule " + bad, slim_file(bad), [], 0, is_good=False)
    checked.add("not ascending", slim_file("UTC0", 0, (5, 5)), [], 0, is_good=False)
    checked.add("offset of a day", slim_file("UTC0", 93600), [], 0, is_good=False)
    for _ in range(1000):
        data = bytearray(paris if rng.random() < 0.5 else slim_file(RULES[2]))
        for at in rng.integers(0, min(len(data), 200), rng.integers(1, 4)):
            data[at] = rng.integers(0, 256)
        checked.add_damaged(bytes(data))
    n_times, n_days, n_refused, n_damaged = checked.run(sys.argv[1])
    print(f"{len(names)} zones, {len(EDGES)} edges, {len(RULES)} rules: {n_times} offsets and "
          f"dates, {n_days} midnights equal; {n_refused} broken files refused, {n_damaged} with "
          "random bytes answered")


main()
