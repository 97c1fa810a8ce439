# SPDX-License-Identifier: Apache-2.0
"""Bad inputs, rows Timelines of the catalogue, and every other value: well-formed HDF5 whose
numbers break the contract. Also what is odd but legal."""
import h5py
import make_files
import numpy as np
from bad_case import Maker, put, replace

T0 = make_files.T0
B = "/timeline/browse"


def small(maker, name, code, *says, change=None, events=None, **more):
    """Three customers, their browse events given."""
    path = maker.case(name, code, *says)
    events = [[(1, T0), (2, T0 + 1), (3, T0 + 2)], [], [(4, T0)]] if events is None else events
    make_files.write_customers(path, ["ann", "bob", "cy"], {"browse": {"events": events, **more}})
    if change:
        with h5py.File(path, "r+", libver=("v110", "v110")) as file:
            change(file)


def offsets(maker):
    small(maker, "offset-not-0", 3, f"{B}/offset: row 0: 1; expected 0",
          change=put(f"{B}/offset", 0, 1))
    small(maker, "offset-decreases", 3, f"{B}/offset: row 2: 2 after 3",
          change=put(f"{B}/offset", 2, 2))
    small(maker, "offset-past-end", 3, f"{B}/offset: row 1: 9 is past the end; there are 4",
          change=put(f"{B}/offset", 1, 9))
    small(maker, "offset-2-to-63", 3, "9223372036854775808 is past the end",
          change=put(f"{B}/offset", 1, 1 << 63))
    small(maker, "offset-2-to-64", 3, "18446744073709551615 is past the end",
          change=put(f"{B}/offset", 1, (1 << 64) - 1))
    small(maker, "offset-short-of-end", 3, f"{B}/offset: last row: 3; expected 4",
          change=put(f"{B}/offset", 3, 3))
    maker.edit("exclude-offset", put("/exclude/offset", 3, 500), 3, "/exclude/offset: row 3: 500")
    maker.edit("contact-offset", put("/contact/offset", 0, 2), 3, "/contact/offset: row 0: 2")
    maker.edit("mailing-offset", put("/timeline/mailing/offset", 20, 0), 3,
               "/timeline/mailing/offset: row 20: 0 after")


def times(maker):
    def at(*times):
        return [[], [(1, t) for t in times], []]

    ann = "row 1 (customer 'bob')"
    small(maker, "time-decreases", 3, f"{B}/time", ann, f"event 1: time {T0} after {T0 + 5}",
          events=at(T0 + 5, T0))
    small(maker, "time-decreases-late", 3, "event 2:", events=at(T0, T0 + 9, T0 + 8))
    small(maker, "times-equal", 0, events=at(T0, T0, T0))
    small(maker, "times-restart-per-customer", 0, events=[[(1, T0 + 9)], [(1, T0)], [(1, T0 + 3)]])
    small(maker, "time-milliseconds", 3, ann, "looks like milliseconds", events=at(T0 * 1000))
    small(maker, "time-microseconds", 3, ann, "looks like microseconds", events=at(T0 * 10**6))
    small(maker, "time-nanoseconds", 3, ann, "looks like nanoseconds", events=at(T0 * 10**9))
    small(maker, "time-one-in-ms", 3, "looks like milliseconds", events=at(T0, T0 * 1000))
    small(maker, "time-before-1970", 3, "time -1; expected seconds since 1970", events=at(-1, T0))
    small(maker, "time-i64-min", 3, "-9223372036854775808", events=at(-(1 << 63)))
    small(maker, "time-i64-max", 3, "9223372036854775807", events=at((1 << 63) - 1))
    small(maker, "time-year-2200", 3, "time 7258118400;", events=at(7258118400))
    small(maker, "time-0", 0, events=at(0, 7258118399))


def items(maker):
    def of(item):
        return [[], [(3, T0), (item, T0)], [(4, T0)]]

    small(maker, "item-minus-1", 3, "row 1 (customer 'bob'), event 1: item -1; expected 0 to 29",
          events=of(-1))
    small(maker, "item-n", 3, f"{B}/item", "item 30; expected 0 to 29", events=of(30))
    small(maker, "item-n-minus-1", 0, events=of(29))
    small(maker, "item-i32-max", 3, "item 2147483647", events=of((1 << 31) - 1))
    small(maker, "item-i32-min", 3, "item -2147483648", events=of(-(1 << 31)))
    maker.edit("token-n", put("/timeline/mailing/item", 0, 6), 3, "/timeline/mailing/item",
               "item 6; expected 0 to 5")
    maker.edit("exclude-n", put("/exclude/item", 0, 30), 3, "/exclude/item: row 1",
               "item 30; expected 0 to 29")
    maker.edit("exclude-minus-1", put("/exclude/item", 0, -1), 3, "/exclude/item", "item -1")


def weights(maker):
    def of(weight):
        return {"events": [[(1, T0)], [(1, T0), (2, T0)], []], "weight": [[1], [0.5, weight], []]}

    for name, weight, found in (("nan", np.nan, "nan"), ("inf", np.inf, "inf"),
                                ("negative", -0.25, "-0.25"), ("above-1", 1.5, "1.5"),
                                ("minus-inf", -np.inf, "-inf")):
        small(maker, f"weight-{name}", 3, f"{B}/weight", "(customer 'bob'), event 2", found,
              **of(weight))
    small(maker, "weight-0", 0, **of(0))
    small(maker, "weight-1", 0, **of(1))
    small(maker, "weight-subnormal", 0, **of(1e-40))


def columns(maker):
    who = "row 9 (customer 'customer-0009')"
    maker.edit("aggregate-inf", put("/aggregate", (9, 1), np.inf), 3, "/aggregate", who,
               "column 'spend_30d': inf")
    maker.edit("aggregate-minus-inf", put("/aggregate", (9, 0), -np.inf), 3,
               "column 'baskets_30d': -inf")
    maker.edit("aggregate-nan", put("/aggregate", (9, 0), np.nan), 0)
    maker.edit("vector-nan", put("/vector", (9, 2), np.nan), 3, "/vector", who, "column 2: nan")
    maker.edit("vector-inf", put("/vector", (9, 0), np.inf), 3, "/vector", who, "column 0: inf")
    maker.edit("consent-2", put("/consent/post", 9, 2), 3, "/consent/post", who,
               "2; expected 0 or 1")
    maker.edit("consent-255", put("/consent/email", 9, 255), 3, "/consent/email", "255")
    maker.edit("static-n", put("/static/age", 9, 3), 3, "/static/age", who,
               "category 3; expected -1 to 2")
    maker.edit("static-minus-2", put("/static/age", 9, -2), 3, "category -2")


def customer_keys(maker):
    maker.edit("empty-key", put("/customer/key", 9, b""), 3, "/customer/key: row 9",
               "the key is empty")
    maker.edit("duplicate-key", put("/customer/key", 9, b"customer-0008"), 3,
               "key 'customer-0008' is in rows 8 and 9")
    maker.edit("nul-in-key", put("/customer/key", 9, b"a\0b"), 3, "/customer/key: row 9",
               "a NUL at byte 1")
    maker.edit("number-keys", replace("/customer/key", np.arange(20, dtype="<u8")), 0)
    maker.edit("static-key-nul", put("/static_key/age", 1, b"a\0b"), 3, "/static_key/age: row 1")


def catalogue(maker):
    def edit(name, change, *says, code=3):
        maker.edit(name, change, code, *says, kind="catalogue")

    edit("duplicate-item", put("/item/key", 7, b"item-003"),
         "/item/key: key 'item-003' is in rows 3 and 7")
    edit("empty-item-key", put("/item/key", 7, b""), "/item/key: row 7: the key is empty")
    edit("item-number-keys", replace("/item/key", np.arange(30, dtype="<u8")), code=0)
    edit("duplicate-number", replace("/item/key", np.zeros(30, "<u8")), "key '0' is in rows 0 and")
    edit("name-latin-1", put("/item/name", 7, b"caf\xe9"), "/item/name: row 7: no UTF-8 text")
    edit("name-utf-8", put("/item/name", 7, "café".encode()), code=0)
    edit("name-cut", put("/item/name", 7, "café".encode()[:-1]), "/item/name: row 7")
    edit("name-surrogate", put("/item/name", 7, b"\xf8\x88\x80\x80"), "/item/name: row 7")
    edit("name-too-wide", replace("/item/name", np.asarray([b"x"] * 30, "S1025")),
         "1025 bytes per value; expected 1 to 1024")
    edit("group-n", put("/item/group/department", 7, 3), "/item/group/department: row 7",
         "group 3; expected -1 to 2")
    edit("group-minus-2", put("/item/group/brand", 7, -2), "group -2; expected -1")
    edit("price-nan", put("/item/value/price", 7, np.nan), "/item/value/price: row 7", "nan")
    edit("price-inf", put("/item/value/price", 7, np.inf), "/item/value/price: row 7", "inf")
    edit("bias-nan", put("/item/bias", 7, np.nan), "/item/bias: row 7", "nan")
    edit("item-vector-nan", put("/item/vector", (7, 3), np.nan), "/item/vector: row 7, column 3")
    edit("item-vector-huge", put("/item/vector", (7, 3), 1e38), code=0)
    edit("valid-backwards", put("/item/valid", (7, 1), 0), "/item/valid: row 7",
         "expected from <= to")
    edit("capacity-minus-2", put("/item/capacity", 7, -2), "/item/capacity: row 7: -2")
    edit("long-group-name", lambda f: f.move("/item/group/brand", "/item/group/" + "b" * 64),
         "name of 64 bytes; at most 63")
    edit("many-values", lambda f: [f.create_dataset(f"/item/value/v{i}", data=np.zeros(30, "<f4"))
                                   for i in range(32)], "/item/value: more than 32 columns")


def states(maker):
    def put_state(file, h=(3, 5), times=3, version=b"7"):
        file["/state/browse/h"] = np.zeros(h, "<f4")
        file["/state/browse/last_time"] = np.zeros(times, "<i8")
        if version is not None:
            file["/state"].attrs["model_version"] = np.bytes_(version)

    small(maker, "states", 0, change=put_state)
    small(maker, "state-rows", 3, "/state/browse/h: 4 rows; expected 3, one per row of",
          change=lambda f: put_state(f, h=(4, 5)))
    small(maker, "state-rank", 3, "/state/browse/h", change=lambda f: put_state(f, h=(3,)))
    small(maker, "state-times", 3, "/state/browse/last_time: 2 rows",
          change=lambda f: put_state(f, times=2))
    small(maker, "state-version", 3, "/state", "model_version",
          change=lambda f: put_state(f, version=None))
    small(maker, "state-stranger", 3, "/state/browse/c: unknown",
          change=lambda f: (put_state(f), f.create_dataset("/state/browse/c", data=[1])))


def odd_but_legal(maker):
    small(maker, "no-events-at-all", 0, events=[[], [], []])
    small(maker, "all-weights-0", 0, events=[[(1, T0)], [], [(2, T0)]], weight=[[0], [], [0]])
    path = maker.case("keys-only", 0)
    make_files.write_customers(path, ["ann"])
    path = maker.case("vectors-only", 0)
    make_files.write_customers(path, [5, 6], vector=[[1, 2], [3, 4]])
    path = maker.case("one-long-customer", 0)
    make_files.write_customers(path, ["a", "b"], {"browse": {
        "events": [[(i % 30, T0 + i) for i in range(20_000)], [(1, T0)]]}})
    path = maker.case("bare-catalogue", 0, kind="catalogue")
    make_files.write_catalogue(path, ["only"])
    path = maker.case("unused-vocabulary", 0)
    make_files.write_customers(path, ["ann"], vocabularies={"spare": ["x"]})


def make_cases(folder):
    maker = Maker(folder)
    for table in (offsets, times, items, weights, columns, customer_keys, catalogue,
                  states, odd_but_legal):
        table(maker)
    return maker.cases
