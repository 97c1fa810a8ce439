# SPDX-License-Identifier: Apache-2.0
"""Training examples for the demo's model: a household as it looked on a day, and what it did in
the HORIZON_DAYS days after. Used by train_demo.py; features come from prepare_completejourney.py,
the same code that writes customers.h5.
"""
import numpy as np
import torch

import completejourney_raw as cj
import prepare_completejourney as prepare
from demo_model import MAX_LENGTH

HORIZON_DAYS = 28
HORIZON_S = HORIZON_DAYS * cj.DAY_S
TIME_BITS = 33


class Timeline:
    """Events of one modality, sorted by (customer, time), with fast cuts."""

    def __init__(self, events):
        self.item, self.time = events["item"].astype(np.int64), events["time"]
        self.key = (events["customer"].astype(np.int64) << TIME_BITS) + self.time

    def cut(self, customer, time):
        """First event of each customer at or after its time."""
        return np.searchsorted(self.key, (customer << TIME_BITS) + time)

    def history(self, customer, as_of, max_length):
        """The last max_length events before as_of, oldest first: item and time [B, T], length."""
        end = self.cut(customer, as_of)
        start = np.maximum(self.cut(customer, np.zeros_like(as_of)), end - max_length)
        length = end - start
        index = start[:, None] + np.arange(max(1, length.max()))
        index = np.where(index < end[:, None], index, 0)
        return self.item[index], self.time[index], length

    def future(self, customer, as_of, span):
        """Events in [as_of, as_of + span): row of the batch and item of each."""
        begin, end = self.cut(customer, as_of), self.cut(customer, as_of + span)
        row = np.repeat(np.arange(customer.size), end - begin)
        index = np.arange(row.size) - np.repeat(np.cumsum(end - begin) - (end - begin),
                                                end - begin)
        return row, self.item[index + begin[row]]


class Examples:
    """The data set with what training needs beside it."""

    def __init__(self, data):
        self.data = data
        self.n_items = data["items"]["id"].size
        self.timeline = {m: Timeline(e) for m, e in data["timelines"].items()}
        self.static = np.column_stack([n + 1 for n, _ in prepare.statics(data).values()])
        self.coupon, self.covered = self.coupon_items()
        self._aggregate = {}

    def coupon_items(self):
        """Redemptions as a timeline of coupon numbers, and the catalogue rows each covers."""
        raw, coupons = self.data["raw"], self.data["raw"]["coupons"]
        redeemed = raw["coupon_redemptions"]
        number = np.unique(coupons["coupon_upc"])
        row = prepare.rows_of(self.data["items"]["id"], coupons["product_id"])
        pair = np.unique(np.stack([prepare.rows_of(number, coupons["coupon_upc"]), row]), axis=1)
        pair = pair[:, pair[1] >= 0]
        events = prepare.sort_events(self.data["household"], redeemed["household_id"],
                                     redeemed["redemption_date"],
                                     prepare.rows_of(number, redeemed["coupon_upc"]))
        first = np.searchsorted(pair[0], np.arange(number.size + 1))
        return Timeline(events), [pair[1][a:b] for a, b in zip(first, first[1:])]

    def aggregate(self, as_of):
        if as_of not in self._aggregate:
            self._aggregate[as_of] = prepare.aggregates(self.data, as_of)
        return self._aggregate[as_of]

    def at(self, days):
        """(customer, as_of) of every household that had bought or been mailed by each day."""
        rows = []
        for day in days:
            everyone = np.arange(self.data["household"].size)
            when = np.full(everyone.size, day)
            known = sum(t.cut(everyone, when) - t.cut(everyone, np.zeros_like(when))
                        for t in self.timeline.values()) > 0
            rows.append(np.stack([everyone[known], when[known]], axis=1))
        return np.concatenate(rows)

    def batch(self, rows, mean, std):
        """Model inputs of (customer, as_of) rows as tensors."""
        customer, as_of = rows[:, 0], rows[:, 1]
        out = {"item": {}, "time": {}, "length": {}}
        for name, timeline in self.timeline.items():
            parts = timeline.history(customer, as_of, MAX_LENGTH[name])
            for field, value in zip(("item", "time", "length"), parts):
                out[field][name] = torch.from_numpy(value)
        days, place = np.unique(as_of, return_inverse=True)
        every = np.stack([self.aggregate(day) for day in days])
        out["aggregate"] = torch.from_numpy(((every[place, customer] - mean) / std)
                                            .astype(np.float32))
        out["static"] = torch.from_numpy(self.static[customer].astype(np.int64))
        return out

    def labels(self, rows, heads=("purchase", "redemption")):
        """{head: (row of the batch, item)} of the horizon, each pair once."""
        customer, as_of = rows[:, 0], rows[:, 1]
        out = {}
        if "purchase" in heads:
            out["purchase"] = self.timeline["purchase"].future(customer, as_of, HORIZON_S)
        if "redemption" in heads:
            row, coupon = self.coupon.future(customer, as_of, HORIZON_S)
            covered = [self.covered[c] for c in coupon]
            out["redemption"] = (np.repeat(row, [c.size for c in covered]),
                                 np.concatenate([np.zeros(0, dtype=np.int64), *covered]))
        return {name: unique_pairs(*pair, self.n_items) for name, pair in out.items()}

    def popularity(self, before):
        """Receipt lines of each item before a time, f32 [N]."""
        timeline = self.timeline["purchase"]
        return np.bincount(timeline.item[timeline.time < before],
                           minlength=self.n_items).astype(np.float32)


def unique_pairs(row, item, n_items):
    pair = np.unique(row * n_items + item)
    return torch.from_numpy(pair // n_items), torch.from_numpy(pair % n_items)
