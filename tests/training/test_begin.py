# SPDX-License-Identifier: Apache-2.0
"""Where training begins and what it reads of a history: fit.begin, modalities that start silent,
heads at their rates, windows anywhere in long histories, keys that only later days hold, the drawn
rows that validation ranks among, the loss against drawn rows."""
import train_case as case

import h5py
import numpy as np
import pytest
import torch

import bundle_writer
from training import loop, objectives, ranks
from training.data import Vocabularies

DAY, NEXT = case.FIRST, case.SECOND
NEXT_EVENT = {"dim": 12, "modalities": [case.modality("buy", case.attention())]}
TWO = {"dim": 12, "item": {"bias": True, "start": 0.1},
       "modalities": [case.modality("buy", case.decay()), case.modality("mail", case.gru())],
       "static": [{"name": "age", "dim": 3}], "aggregate": ["spend"],
       "fusion": {"type": "gated"},
       "heads": [{"name": "click", "item_bias": True},
                 {"name": "lapse", "type": "survival", "periods": 4,
                  "period_s": case.PERIOD_S}]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return case.write_data(tmp_path_factory.mktemp("begin"))


def trainer_of(folder, model=TWO, **keys):
    return loop.Trainer(case.assembly(folder, model, **keys))


def next_event(folder, **keys):
    return trainer_of(folder, NEXT_EVENT, objective__type="next_event",
                      data__customers=str(folder / "snapshots" / DAY / "customers.h5"), **keys)


# ---- a beginning

def test_begin_takes_the_weights(folder, tmp_path):
    first = next_event(folder, seed=1)
    bundle_writer.write_safetensors(tmp_path / "weights.safetensors", first.model.tensors())
    again = next_event(folder, seed=2, fit__begin=str(tmp_path))
    for name, value in first.model.tensors().items():
        assert np.array_equal(value, again.model.tensors()[name]), name


def test_begin_of_another_model(folder, tmp_path):
    tensors = next_event(folder).model.tensors()
    tensors["item_embedding.weight"] = tensors["item_embedding.weight"][:, :-1]
    bundle_writer.write_safetensors(tmp_path / "weights.safetensors", tensors)
    with pytest.raises(ValueError, match="item_embedding.weight has shape"):
        next_event(folder, fit__begin=str(tmp_path))


def test_a_silent_modality_says_nothing_at_first(folder):
    trainer = trainer_of(folder, fit__start={"buy": 3.0, "mail": 0})
    snapshot = trainer.data.days("train")[0]
    rows = snapshot.customers.known()
    batch = snapshot.customers.batch(rows, trainer.spec)
    z_VD = trainer.model.items.table()
    mail = trainer.spec["modalities"][1]
    state = trainer.model.state(mail, batch["events"]["mail"], z_VD)
    gate = trainer.model.fusion.gates["mail"]["g"]
    assert state.abs().max() > 0 and (gate(state) == 0).all()


def test_side_rate_holds_sides_back(folder):
    def moved(rate):
        trainer = trainer_of(folder, fit__start={"mail": 0}, fit__side_rate=rate, fit__epochs=1)
        before = trainer.model.statics["age"].weight.detach().clone()
        trainer.fit()
        return float((trainer.model.statics["age"].weight - before).abs().max())
    assert moved(0.0) == 0 < moved(0.01) < moved(1.0)


def test_heads_start_at_their_rates(folder):
    trainer = trainer_of(folder)
    snapshot = trainer.data.days("train")[0]
    rows = snapshot.customers.known()
    period = snapshot.labels.first_period("lapse", rows, 4, case.PERIOD_S)
    hazard = torch.sigmoid(trainer.model.heads["lapse"].bias)
    for p in range(4):
        n_events, at_risk = int((period == p).sum()), int((period >= p).sum())
        assert float(hazard[p]) == pytest.approx((n_events + 1) / (at_risk + 2), rel=1e-5)
    _, item = snapshot.labels.items("click", rows)
    count = np.bincount(item, minlength=case.N_ITEMS + 1)[1:]
    bias = trainer.model.heads["click"].item_bias.detach().numpy()[1:]
    np.testing.assert_allclose(np.exp(bias), (count + 0.05) / len(rows), rtol=1e-5)


# ---- histories

def test_windows_anywhere(folder):
    """augment.shift 1: long histories end anywhere, the held-out event is never in a window, short
    ones stay whole."""
    trainer = next_event(folder, augment__shift=1.0)
    timeline = trainer.data.customers.timeline["buy"]
    length = 10  # max_length and the event to be predicted
    n_events = np.diff(timeline.offset)
    customers = np.flatnonzero(n_events > 2)
    held = np.stack([trainer.shift(timeline, customers, length) for _ in range(200)])
    spare = np.maximum(n_events[customers] - 1 - length, 0)
    assert (spare > 0).any() and (held >= 0).all()
    assert (held.max(0) <= spare).all() and (held.min(0) == 0).all()
    assert (held.max(0)[spare > 0] > 0).all() and (held[:, spare == 0] == 0).all()
    assert next_event(folder).shift(timeline, customers, length) == 0


def test_keys_of_later_days_are_unknown(folder, tmp_path):
    words = Vocabularies(np.array([b"sku"]))
    assert words.rows("campaign", np.array([b"b", b"a"])).tolist() == [2, 1]
    words.is_open = False
    assert words.rows("campaign", np.array([b"a", b"new", b"b"])).tolist() == [1, 0, 2]
    assert words.n_rows("campaign") == 3
    (tmp_path / "late").mkdir()
    late = case.write_data(tmp_path / "late", days=(DAY, NEXT))
    with h5py.File(late / "snapshots" / NEXT / "customers.h5", "r+") as file:
        keys = file["/vocabulary/campaign/key"][:]
        keys[0] = b"new"
        file["/vocabulary/campaign/key"][:] = keys
    data = case.assembly(late, TWO)
    assert b"new" not in data.vocabularies.key["campaign"]
    assert data.snapshots[NEXT].customers.timeline["mail"].item.max() <= case.N_CAMPAIGNS


# ---- drawn rows

def test_place_among_drawn_rows():
    class Model:
        class items:
            bias = torch.tensor([0.0, 0.0, 5.0, 0.0])

    x = torch.tensor([[1.0, 0.0]])
    z = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0], [2.0, 9.0]])
    drawn = torch.tensor([[1, 2, 3, 3]])
    assert ranks.place_among(Model, x, z, torch.tensor([1]), drawn).tolist() == [1]
    assert ranks.place_among(Model, x, z, torch.tensor([2]), drawn).tolist() == [0]


def test_validation_draws_the_same_rows_each_time(folder):
    trainer = next_event(folder, fit__metric="drawn_hr")
    first, second = trainer.validate(), trainer.validate()
    assert first == second and 0 <= first["drawn_hr"] <= 1


def test_contrast_by_hand():
    class Model:
        class items:
            bias = None

        @staticmethod
        def scores(x, z, rows):
            return x @ z.t()

    x, z = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [0.5], [1.0]])
    share = torch.tensor([0.0, 1.0, 0.0])  # every drawn row is row 1
    loss = objectives.contrast(Model, x, z, torch.tensor([0, 1]), torch.tensor([2, 1]),
                               torch.tensor([1.0, 3.0]), share, 4,
                               torch.Generator().manual_seed(1))
    first = np.log1p(4 * np.exp(0.5 - 1.0))
    second = np.log1p(4 * np.exp(1.0 - 1.0))
    assert float(loss) == pytest.approx((first + 3 * second) / 4, rel=1e-6)


if __name__ == "__main__":
    case.main(__file__)
