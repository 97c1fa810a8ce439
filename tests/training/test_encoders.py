#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The trainer's encoders against scripts/reference.py in float64: every variant and option, empty,
short and full histories, with and without identity weights; the state after every event, which
learning from the next event is about; a history is cut to its latest events."""
import train_case as case

import numpy as np
import pytest
import torch

import model_case
import reference
from training import data, encoders

N_ROWS = 30
TABLES = {"gaps": 12, "types": 3, "modality_embedding": True}
PMIXER = ("pmixer_a", "pmixer_b", "pmixer_c_post", "pmixer_c_pre")
CASES = {
    **{f"recbole {act}": case.attention(activation=act, layers=1, heads=1)
       for act in ("relu", "gelu", "tanh", "sigmoid", "swish")},
    "recbole, two layers": case.attention(),
    "recbole, eps and all tables": case.attention(eps=1e-5, **TABLES),
    "recbole, gaps": case.attention(gaps=5), "recbole, types": case.attention(types=3),
    "recbole, modality": case.attention(modality_embedding=True),
    **{f"{v}, one layer": case.attention(v, layers=1, heads=1) for v in PMIXER},
    **{f"{v}, two layers": case.attention(v, layers=2, heads=2) for v in PMIXER},
    **{f"{v}, eps and all tables": case.attention(v, layers=3, eps=1e-6, **TABLES)
       for v in PMIXER},
    "gru": case.gru(), "gru, no bias": case.gru(bias=False), "gru, dense": case.gru(dense=True),
    "gru, stacked": case.gru(layers=2, hidden=15),
    "gru, stacked, all tables": case.gru(layers=2, bias=False, dense=True, **TABLES),
    "decay": case.decay(86400), "decay, two": case.decay(3600, 2.6e6, dim=5),
    "decay, many": case.decay(60, 3600.5, 86400, 1e9),
}


def make(name, weighted):
    """e, the module, tensors for the reference, sequences."""
    rng = np.random.default_rng(len(name) + weighted)
    e = {"name": "m", "vocabulary": "token", "prefix": "m.", "encoder": CASES[name]}
    module = case.randomise(encoders.build(CASES[name]), rng)
    table = (0.3 * rng.standard_normal((N_ROWS, CASES[name]["dim"]))).astype(np.float32)
    t = {"m." + k: v.numpy().astype(float) for k, v in module.state_dict().items()}
    t[reference.item_table(e)] = table.astype(float)
    p = CASES[name]["max_length"]
    sequences = model_case.random_sequences(rng, e, N_ROWS, [0, 1, 2, p - 1, p, p + 5, 0, 3, p],
                                            weighted)
    return e, module, torch.from_numpy(table), t, sequences


def pad_of(module, table):
    return (table[0],) if isinstance(module, encoders.Pmixer) else ()


@torch.no_grad()
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_states(name, weighted):
    e, module, table, t, sequences = make(name, weighted)
    events = case.batch_of(sequences)
    found = module(table[events["item"]], events, *pad_of(module, table))
    assert torch.isfinite(found).all()
    has = events["length"] > 0
    case.close(found[has], np.array([reference.encode(s, e, t) for s in sequences])[has])


def prefix_of(s, n):
    return {k: None if v is None else v[:n] for k, v in s.items()}


@torch.no_grad()
@pytest.mark.parametrize("name", [n for n in CASES if not n.startswith(("decay", "pmixer"))])
def test_the_state_after_every_event(name):
    """It is that of the history until then."""
    e, module, table, t, sequences = make(name, True)
    events = case.batch_of(sequences)
    found = module.all_states(table[events["item"]], events)
    for row, s in zip(found, sequences):
        for n in range(1, len(s["item"]) + 1):
            case.close(row[n - 1], reference.encode(prefix_of(s, n), e, t))


@torch.no_grad()
@pytest.mark.parametrize("name", [n for n in CASES if n.startswith("pmixer")])
def test_pmixer_sees_no_later_event(name):
    """Its states after each event have the whole history's positions, and end in its state."""
    e, module, table, t, sequences = make(name, True)
    events = case.batch_of(sequences)
    found = module.all_states(table[events["item"]], events, table[0])
    last = module(table[events["item"]], events, table[0])
    has = events["length"] > 0
    case.close(encoders.last_of(found, events["length"])[has], last[has], 1e-6)
    changed = {**events, "item": events["item"].clone()}
    changed["item"][:, 2:] = (changed["item"][:, 2:] + 1) % N_ROWS
    again = module.all_states(table[changed["item"]], changed, table[0])
    case.close(again[has][:, :1], found[has][:, :1], 1e-6)
    long = events["length"] > 2
    assert (again[long][:, 2] - found[long][:, 2]).abs().max() > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("name", ["recbole, two layers", "pmixer_b, two layers", "gru, stacked",
                                  "decay, two"])
def test_more_padding_changes_nothing(name):
    e, module, table, t, sequences = make(name, True)
    small = [s for s in sequences if 0 < len(s["item"]) < 4]
    alone, together = case.batch_of(small), case.batch_of(small + [sequences[4]])
    case.close(module(table[together["item"]], together, *pad_of(module, table))[:len(small)],
               module(table[alone["item"]], alone, *pad_of(module, table)), 1e-6)


def test_dropout_is_off_outside_training():
    for encoder in (case.attention(), case.attention("pmixer_b"), case.gru(), case.decay()):
        module = encoders.build(encoder, dropout=0.5)
        table = torch.randn(N_ROWS, encoder["dim"], generator=torch.Generator().manual_seed(1))
        events = case.batch_of(make("gru", False)[4])
        outputs = []
        for mode in (False, False, True):
            module.train(mode)
            outputs.append(module(table[events["item"]], events, *pad_of(module, table))[1:3])
        assert torch.equal(outputs[0], outputs[1]) and not torch.equal(outputs[0], outputs[2])


# ---- what an encoder is given

class Tokens:
    """Just enough of data.Vocabularies: the token's row is its number + 1, token 9 has none."""

    def rows(self, name, keys):
        return np.where(np.arange(len(keys)) == 9, 0, np.arange(len(keys)) + 1)


def timeline(rows, as_of=None):
    flat = [e for row in rows for e in row]
    group = {"offset": np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.uint64),
             "item": np.array([e[0] for e in flat], np.int32),
             "time": np.array([e[1] for e in flat]),
             "weight": np.array([e[2] for e in flat], np.float32)}

    class Group(dict):
        name, attrs = "/timeline/m", {"vocabulary": b"token"}

    file = {"/customer/key": np.zeros(len(rows)), "/vocabulary/token/key": np.zeros(10)}
    return data.Timeline(Group(group), "case.h5", Tokens(), file, as_of)


def test_events_are_dropped_then_cut():
    """Without a row, of weight 0, after as_of: dropped; then the last max_length are kept."""
    rows = [[(0, 1, 1.0), (9, 2, 1.0), (1, 3, 0.5), (2, 4, 0.0), (3, 5, 1.0), (4, 6, 1.0)],
            [], [(9, 1, 1.0)], [(5, 1, 1.0)]]
    batch = timeline(rows, as_of=5).batch(np.array([0, 1, 2, 3]), 2)
    assert batch["item"].tolist() == [[2, 4], [0, 0], [0, 0], [6, 0]]
    assert batch["time"].tolist() == [[3, 5], [0, 0], [0, 0], [1, 1]]
    assert batch["weight"].tolist() == [[0.5, 1], [1, 1], [1, 1], [1, 1]]
    assert batch["length"].tolist() == [2, 0, 0, 1]


def test_events_can_be_held_back():
    rows = [[(i, 10 * i, 1.0) for i in range(5)], [(7, 10, 1.0)], []]
    t, everyone = timeline(rows), np.array([0, 1, 2])
    assert t.batch(everyone, 3, n_held=1)["item"].tolist() == [[2, 3, 4], [0, 0, 0], [0, 0, 0]]
    late = t.batch(everyone, 9, before=np.array([30, 10, 5]))
    assert late["item"].tolist() == [[1, 2, 3], [0, 0, 0], [0, 0, 0]]
    assert late["length"].tolist() == [3, 0, 0]
    row, place = t.pairs(np.array([2, 1, 0, 0]))
    assert row.tolist() == [1] + [2] * 5 + [3] * 5
    assert t.item[place].tolist() == [8] + [1, 2, 3, 4, 5] * 2
    assert len(timeline([[], []]).batch(np.array([0, 1]), 3)["item"][0]) == 1


if __name__ == "__main__":
    case.main(__file__)
