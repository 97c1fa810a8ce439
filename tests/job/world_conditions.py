# SPDX-License-Identifier: Apache-2.0
"""Random conditions of docs/RULES.md: as trees, as text for a configuration, and what they say of
one row. Missing values are None; numbers are float32, one rounding per operation."""
import operator
from dataclasses import dataclass, field

import numpy as np

COMPARE = {"=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
           ">": operator.gt, ">=": operator.ge}
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@dataclass
class Column:
    """`written`: ways to name it; `values`: its categories, or some of its numbers or keys."""
    name: str
    kind: str  # category, number, bits, key
    written: list
    values: list = field(default_factory=list)


def columns_of(kinds):
    """kinds: [(full name, kind, values)]. A short name is one that no other column ends in."""
    short = [name.split(".", 1)[-1] for name, _, _ in kinds]
    out = []
    for (name, kind, values), end in zip(kinds, short):
        ways = [name] + ([end] if short.count(end) == 1 else [])
        plain = [w for w in ways if w.replace(".", "").replace("_", "").isalnum() and w.isascii()]
        out.append(Column(name, kind, plain + [f"`{w}`" for w in ways], values))
    return out


# ---- trees ----

def leaf(rng, columns):
    column = columns[rng.integers(len(columns))]
    if column.kind == "bits":
        return ("has", column, int(rng.integers(64 if rng.random() < 0.3 else 6)))
    if column.kind == "number":
        return number_leaf(rng, column, [c for c in columns if c.kind == "number"])
    can_miss = column.kind == "category"
    if can_miss and (not column.values or rng.random() < 0.2):
        return ("missing", column, bool(rng.random() < 0.5))
    if rng.random() < 0.5:
        return ("=" if rng.random() < 0.6 else "!=", column, pick(rng, column.values))
    n = int(rng.integers(1, min(4, len(column.values)) + 1))
    return ("in", column, [pick(rng, column.values) for _ in range(n)], bool(rng.random() < 0.4))


def pick(rng, values):
    return values[rng.integers(len(values))]


def literal(rng, column):
    """A number as it is written: one of the column's own, or near."""
    value = float(pick(rng, column.values)) if column.values else 1.0
    return f"{value if rng.random() < 0.6 else abs(value) + rng.integers(3) * 0.1:.6g}"


def number_leaf(rng, column, numbers):
    shape = rng.integers(6)
    if shape == 0:
        return ("missing", column, bool(rng.random() < 0.5))
    if shape == 1:
        n = int(rng.integers(1, 4))
        return ("in", column, [literal(rng, column) for _ in range(n)], bool(rng.random() < 0.4))
    op = pick(rng, list(COMPARE))
    if shape == 2:
        other = pick(rng, numbers)
        return (op, column, ("*", literal(rng, column), other))
    if shape == 3:
        other = pick(rng, numbers)
        return (op, (pick(rng, "+-"), column, other), literal(rng, column))
    return (op, column, literal(rng, column))


def random_condition(rng, columns, depth=2):
    if depth == 0 or rng.random() < 0.35:
        return leaf(rng, columns)
    kind = rng.integers(5)
    if kind == 0:
        return ("not", random_condition(rng, columns, depth - 1))
    return ("and" if kind < 3 else "or", random_condition(rng, columns, depth - 1),
            random_condition(rng, columns, depth - 1))


# ---- as text ----

def quote(rng, text):
    mark = "'" if rng.random() < 0.7 else '"'
    return mark + text.replace(mark, mark * 2) + mark


def write_operand(rng, node):
    if isinstance(node, Column):
        return pick(rng, node.written)
    if isinstance(node, str):
        return node
    return f"{write_operand(rng, node[1])} {node[0]} {write_operand(rng, node[2])}"


def write_value(rng, column, value):
    return value if column.kind == "number" else quote(rng, value)


def write(rng, node):
    word = node[0]
    if word in ("and", "or"):
        joined = f" {word.upper() if rng.random() < 0.2 else word} "
        return "(" + joined.join(write(rng, n) for n in node[1:]) + ")"
    if word == "not":
        return f"not ({write(rng, node[1])})"
    if word == "has":
        return f"has({pick(rng, node[1].written)}, {node[2]})"
    name = write_operand(rng, node[1])
    if word == "missing":
        return f"{name} is {'not ' if node[2] else ''}missing"
    if word == "in":
        values = ", ".join(write_value(rng, node[1], v) for v in node[2])
        return f"{name} {'not ' if node[3] else ''}in ({values})"
    is_text = isinstance(node[1], Column) and node[1].kind != "number"
    return f"{name} {word} {quote(rng, node[2]) if is_text else write_operand(rng, node[2])}"


# ---- what it says of a row: {full column name: value} ----

def operand(node, row):
    """A float32, a text, or None: missing."""
    if isinstance(node, Column):
        return row[node.name]
    if isinstance(node, str):
        return np.float32(node)
    a, b = operand(node[1], row), operand(node[2], row)
    return None if a is None or b is None else ARITHMETIC[node[0]](a, b)


def holds(node, row):
    word = node[0]
    if word == "and":
        return holds(node[1], row) and holds(node[2], row)
    if word == "or":
        return holds(node[1], row) or holds(node[2], row)
    if word == "not":
        return not holds(node[1], row)
    if word == "has":
        return bool(row[node[1].name] >> node[2] & 1)
    value = operand(node[1], row)
    if word == "missing":
        return (value is None) != node[2]
    if value is None:
        return False
    is_number = not (isinstance(node[1], Column) and node[1].kind != "number")
    if word == "in":
        return (value in [np.float32(v) if is_number else v for v in node[2]]) != node[3]
    other = operand(node[2], row) if is_number else node[2]
    return other is not None and bool(COMPARE[word](value, other))
