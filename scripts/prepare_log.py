#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A table of what was shown as a log for `batchrank evaluate --log` (docs/FORMATS.md).

  scripts/prepare_log.py --csv shown.csv --out log.h5 [--rewards clicks.csv]
      [--column customer=user_id]...
Columns of the table, in any order; others are left aside. --column gives one another header.
  customer, item      keys, as text
  position            1, 2, 3, ...
  list                which list the row belongs to; rows may come in any order. Without this
                      column every row is a list of its own
  propensity          probability of the item in its place given the items above it, in (0, 1]; or
  log_propensity      its natural logarithm. Empty: unknown, the list will be left out
  reward              what came of it; with --rewards instead: a table of customer, item, reward
                      and, if the log has lists, list. Rewards of a row are added up, none is 0
  arm, flagged        whole numbers, optional; stratum: text, optional
  target.NAME         probability of the same under policy NAME, in [0, 1]; any number of them
  model.NAME, value.NAME   what a reward model says of the row, and of the list under NAME (the same
                      number in every row of the list); optional
Exit code 0, 2 (usage) or 3 (a table; file, row and column are named)."""
import argparse
import csv
import sys
from pathlib import Path

import numpy as np

import customer_files as files
from raw_tables import RawError

COLUMNS = ("customer", "item", "position", "list", "propensity", "log_propensity", "reward", "arm",
           "flagged", "stratum")


class Table:
    """A CSV by columns; row i of it is on line line[i] of the file."""

    def __init__(self, path, renamed):
        self.path, self.renamed = path, renamed
        with open(path, newline="", encoding="utf-8") as text:
            reader = csv.reader(text)
            self.header = next(reader, None) or []
            self.row, self.line = [], []
            for row in reader:
                self.row.append(row)
                self.line.append(reader.line_num)
        if not self.row:
            raise RawError(f"{path}: no rows; expected a header and at least one")
        for row, line in zip(self.row, self.line):
            if len(row) != len(self.header):
                raise RawError(f"{path}: line {line}: found {len(row)} columns, expected "
                               f"{len(self.header)} as in the header")

    def has(self, name):
        return self.renamed.get(name, name) in self.header

    def texts(self, name):
        header = self.renamed.get(name, name)
        if header not in self.header:
            raise RawError(f"{self.path}: column {header} is not there")
        at = self.header.index(header)
        return [row[at] for row in self.row]

    def fail(self, i, name, found, expected):
        raise RawError(f"{self.path}: line {self.line[i]}, column {self.renamed.get(name, name)}: "
                       f"found '{found}', expected {expected}")

    def keys(self, name):
        texts = self.texts(name)
        for i, text in enumerate(texts):
            if not text:
                self.fail(i, name, "", "a key")
        return texts

    def numbers(self, name, dtype, low=-np.inf, high=np.inf, empty=None):
        parse = int if np.issubdtype(dtype, np.integer) else float
        out = np.empty(len(self.row), dtype)
        for i, text in enumerate(self.texts(name)):
            if empty is not None and not text:
                out[i] = empty
                continue
            try:
                value = parse(text)
            except ValueError:
                self.fail(i, name, text, f"a number ({np.dtype(dtype).name})")
            if not low <= value <= high:  # NaN too
                self.fail(i, name, text, f"a number in [{low:g}, {high:g}]")
            out[i] = value
        return out


def list_order(table, position):
    """Order of the rows by list (as they first appear) and position, and the list number of each
    row; numbers None: every row is its own."""
    if not table.has("list"):
        return np.arange(position.size), None
    first = {}
    number = np.array([first.setdefault(t, len(first)) for t in table.keys("list")], np.int64)
    order = np.lexsort((position, number))
    start = np.searchsorted(number[order], number[order])
    wrong = np.flatnonzero(position[order] != np.arange(position.size) - start + 1)
    if wrong.size:
        i = wrong[0]
        table.fail(int(order[i]), "position", position[order][i],
                   f"{i - start[i] + 1}: a list has positions 1, 2, 3, ... each once")
    return order, number


def log_propensities(table):
    if table.has("log_propensity"):
        return table.numbers("log_propensity", np.float64, high=0, empty=np.nan)
    tiny = np.nextafter(0, 1)
    return np.log(table.numbers("propensity", np.float64, tiny, 1, empty=np.nan))


def rewards(table, other):
    """The table's own column, or the sums of another table's rows; its rows that were not shown are
    counted on stderr."""
    if other is None:
        return table.numbers("reward", np.float64, -1e300, 1e300)
    by = ("customer", "item") + (("list",) if table.has("list") and other.has("list") else ())
    row = {}
    for i, key in enumerate(zip(*(table.keys(name) for name in by))):
        if key in row:
            table.fail(i, by[-1], key[-1],
                       f"each {', '.join(by)} once, as rewards are joined by it")
        row[key] = i
    out, n_lost = np.zeros(len(table.row)), 0
    amount = other.numbers("reward", np.float64, -1e300, 1e300)
    for key, value in zip(zip(*(other.keys(name) for name in by)), amount):
        if key in row:
            out[row[key]] += value
        else:
            n_lost += 1
    if n_lost:
        print(f"{other.path}: {n_lost} of {amount.size} rewards belong to nothing shown",
              file=sys.stderr)
    return out


def target_names(table):
    """Of columns target.NAME, by their own header or by --column."""
    other = set(table.renamed.values())
    columns = [h for h in table.header if h not in other] + list(table.renamed)
    return [c[7:] for c in columns if c.startswith("target.")]


def check_renamed(tables, renamed):
    for name, header in renamed.items():
        if not any(header in table.header for table in tables):
            raise RawError(f"--column {name}={header}: no table has a column '{header}'")


def write_targets(file, table, order, first):
    for name in target_names(table):
        if not name or "/" in name:
            raise RawError(f"{table.path}: column target.{name}: expected a name without '/'")
        p = table.numbers(f"target.{name}", np.float64, 0, 1)[order]
        with np.errstate(divide="ignore"):
            file[f"/target/{name}/log_probability"] = np.log(p)
        if table.has(f"model.{name}") or table.has(f"value.{name}"):
            file[f"/target/{name}/reward"] = table.numbers(f"model.{name}", np.float64, -1e300,
                                                           1e300)[order]
            value = table.numbers(f"value.{name}", np.float64, -1e300, 1e300)[order]
            of_list = value[first][np.searchsorted(first, np.arange(value.size), "right") - 1]
            if (value != of_list).any():
                i = int(np.argmax(value != of_list))
                table.fail(int(order[i]), f"value.{name}", value[i],
                           f"{of_list[i]} as in the first row of its list")
            file[f"/target/{name}/value"] = value[first]


def write_log(file, table, other):
    position = table.numbers("position", np.int32, 1, 1024)
    order, number = list_order(table, position)
    file["/shown/position"] = position[order]
    first = np.arange(position.size)
    if number is not None:
        file["/shown/list"] = number[order].astype(np.uint64)
        first = np.unique(number[order], return_index=True)[1]
    for name in ("customer", "item"):
        file[f"/shown/{name}"] = files.fixed(table.keys(name))[order]
    file["/shown/log_propensity"] = log_propensities(table)[order]
    file["/shown/reward"] = rewards(table, other)[order]
    if table.has("arm"):
        file["/shown/arm"] = table.numbers("arm", np.int32, -1, 2**31 - 1)[order]
    if table.has("flagged"):
        file["/shown/flagged"] = table.numbers("flagged", np.uint8, 0, 1)[order]
    if table.has("stratum"):
        stratum, names = files.codes(table.texts("stratum"))
        file["/shown/stratum"] = stratum[order]
        file["/stratum/key"] = files.fixed(names)
    write_targets(file, table, order, first)
    return first.size


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rewards", type=Path)
    parser.add_argument("--column", action="append", default=[], metavar="NAME=HEADER")
    args = parser.parse_args()
    renamed = dict(text.partition("=")[::2] for text in args.column)
    unknown = [n for n in renamed if n not in COLUMNS and n.split(".")[0] not in
               ("target", "model", "value")]
    if unknown:
        parser.error(f"--column: '{unknown[0]}' is none of {', '.join(COLUMNS)}")
    try:
        table = Table(args.csv, renamed)
        other = Table(args.rewards, renamed) if args.rewards else None
        check_renamed([table] + ([other] if other else []), renamed)
        file = files.open_output(args.out, "batchrank-log")
        n_lists = write_log(file, table, other)
        files.publish(file, args.out)
    except (RawError, OSError, ValueError) as error:
        args.out.with_name(args.out.name + ".tmp").unlink(missing_ok=True)
        print(f"prepare_log: {error}", file=sys.stderr)
        return 3
    print(f"{args.out}: {n_lists} lists, {len(table.row)} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
