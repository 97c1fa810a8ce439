#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""configs/batchrank.schema.json means what the parser means: configurations that the program reads
pass, those it refuses for a value's own sake do not. Skipped (77) without jsonschema."""
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parents[3]
TERM = {"name": "buy", "head": "buy", "weight": 2.5, "value": "margin"}
PENALTY = {"name": "seen", "type": "repetition", "weight": 0.5, "half_life_days": 7}

GOOD = [
    {},
    {"type": "linear", "terms": [TERM, {"name": "s", "weight": -1}]},
    {"type": "expected_value", "top": 64, "terms": [TERM], "penalties": [PENALTY]},
    {"penalties": [{"name": "cheap", "type": "low_value", "weight": 1, "value": "margin",
                    "floor": -0.5}]},
]
BAD = [
    {"type": "other"},
    {"tpye": "score"},
    {"top": 0},
    {"top": 1.5},
    {"terms": TERM},
    {"terms": [3]},
    {"terms": [{"name": "buy"}]},
    {"terms": [{**TERM, "name": ""}]},
    {"terms": [{**TERM, "wieght": 1}]},
    {"terms": [{**TERM, "weight": "1"}]},
    {"terms": [{**TERM, "weight": 1e7}]},
    {"terms": [{**TERM, "name": str(i)} for i in range(17)]},
    {"penalties": [{**PENALTY, "weight": -1}]},
    {"penalties": [{**PENALTY, "half_life_days": 0}]},
    {"penalties": [{**PENALTY, "type": "both"}]},
]


def job(objective):
    return {"input": {"customers": "c.h5", "catalogue": "i.h5"}, "output": {"path": "run"},
            "objective": objective}


def main():
    schema = json.loads((ROOT / "configs/batchrank.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    files = sorted(ROOT.glob("configs/*/run*.json"))
    assert files, "no configs/*/run*.json"
    for path in files:
        validator.validate(json.loads(path.read_text()))
    for objective in GOOD:
        validator.validate(job(objective))
    for objective in BAD:
        assert not validator.is_valid(job(objective)), objective
    print(f"{len(files)} files, {len(GOOD)} good and {len(BAD)} bad objectives")


if __name__ == "__main__":
    main()
