# SPDX-License-Identifier: Apache-2.0
"""scripts/train_reranker.py on lists that the engine made: where it begins, that it learns what a
score cannot say, that the engine ranks by what it has learnt (its probabilities within 2e-5 of
PyTorch's), the same bits again, what it leaves alone and what it refuses."""
import contextlib
import io
import json
import sys

import train_case as case

import h5py
import numpy as np
import pytest
import torch

import bundle_writer
import job_files
import model_case
import train_reranker
from training import calibrate, reranker

U, N, DIM, M, K = 160, 90, 6, 60, 10
MODEL = {"format": "batchrank-model", "version": 1, "name": "case", "model_version": "1",
         "dim": DIM, "item": {"vocabulary": "catalogue", "table": "item.table",
                              "bias": "item.bias"}, "modalities": [],
         "heads": [{"name": "buy", "link": "logistic"}]}
QUICK = ["--hidden", "16", "8", "--epochs", "12", "--rate", "0.01", "--decay", "0.01",
         "--batch", "32", "--negatives", "20"]


def write_day(folder, z_ND, rng):
    """`purchase`: three items whose product with the customer is nearest to 1, so that no order by
    it finds them; `click`: three that it finds."""
    folder.mkdir()
    x = rng.standard_normal((U, DIM)).astype(np.float32)
    score = x @ z_ND.T
    taken = {"purchase": np.argsort(np.abs(score - 1), axis=1)[:, :3],
             "click": np.argsort(-score - rng.gumbel(0, 0.3, score.shape), axis=1)[:, :3]}
    key = np.array([f"c{u:04d}" for u in range(U)], "S6")
    with job_files.open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"], f["/vector"] = key, x
    with job_files.open_file(folder / "labels.h5", "customers") as f:
        f["/customer/key"] = key[::-1]
        for name, rows in taken.items():
            job_files.write_timeline(f, name, [[(int(i), 5) for i in row] for row in rows[::-1]])


def job(folder, day, model, out, **more):
    job_files.write_job(folder / f"{out}.json", output={"path": out, "vectors": True},
                        input={"customers": f"{day}/customers.h5", "catalogue": "catalogue.h5",
                               "model": model}, **more)
    job_files.run("run", folder / f"{out}.json", "--threads", 1)
    return folder / out / "lists.h5"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A bundle in half precision, and the candidates of two days."""
    folder, rng = tmp_path_factory.mktemp("rerank"), np.random.default_rng(3)
    with job_files.open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"catalogue-{i + 1}" for i in range(N)], "S16")
    tensors = model_case.random_tensors(rng, model_case.model_shapes(MODEL, {"catalogue": N + 1}))
    tensors["item.table"] = rng.standard_normal((N + 1, DIM))
    bundle_writer.write_bundle(folder / "model", MODEL, tensors, {
        "catalogue": [b""] + [f"catalogue-{i + 1}".encode() for i in range(N)]}, "F16")
    z_ND = bundle_writer.read_safetensors(folder / "model/weights.safetensors")["item.table"][1:]
    for day in ("a", "b"):
        write_day(folder / day, z_ND.astype(np.float32), rng)
        job(folder, day, "model", f"lists-{day}", list={"k": M})
    return folder


def call(*words):
    """(exit code, stdout, stderr)"""
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["train_reranker.py", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = train_reranker.main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return code, out.getvalue(), err.getvalue()


def files(world, day):
    return world / f"lists-{day}/lists.h5", world / day / "labels.h5"


def train(world, out, *words):
    return call(world / "model", "-o", world / out, "--train", *files(world, "a"), "--validate",
                *files(world, "b"), *QUICK, *words)


def candidates(world, day):
    row_of_key = {f"catalogue-{i + 1}".encode(): i + 1 for i in range(N)}
    return reranker.Candidates(*files(world, day), "purchase", row_of_key)


def head_of(world, out):
    """The head as it was written."""
    model, tensors, _ = train_reranker.read_bundle(world / out, "another")
    entry = model["heads"][-1]
    head = reranker.PairHead(*train_reranker.item_tensors(model, tensors), entry["hidden"])
    with torch.no_grad():
        for i, layer in enumerate(head.layers):
            for part in ("weight", "bias"):
                value = tensors[f"head.{entry['name']}.{i}.{part}"]
                getattr(layer, part).copy_(torch.from_numpy(value))
    return head, entry


@pytest.mark.parametrize("hidden", [[2], [7, 5], [4, 9, 3]])
def test_it_begins_as_the_score(world, hidden):
    model, tensors, _ = train_reranker.read_bundle(world / "model", "rerank")
    day = candidates(world, "a")
    head = reranker.PairHead(*train_reranker.item_tensors(model, tensors), hidden)
    with h5py.File(world / "lists-a/lists.h5") as f:
        case.close(reranker.logits(head, day), f["/list/score"][:])
    assert day.did.sum() > U and (day.n_taken == 3).all()


def test_it_learns_and_the_engine_ranks_by_it(world):
    code, out, err = train(world, "learnt")
    assert code == 0, err
    told = json.loads(out)
    assert told["best_epoch"] > 0 and told["best"]["ndcg"] > 2 * told["the score"]["ndcg"], told
    head, entry = head_of(world, "learnt")
    day = candidates(world, "b")
    logit = reranker.logits(head, day)
    assert reranker.measure(head, [day], 10)["ndcg"] == told["best"]["ndcg"]
    lists = job(world, "b", "learnt", "again", list={"k": K}, objective={
        "type": "expected_value", "top": M,
        "terms": [{"name": "again", "head": "rerank", "weight": 1}]})
    top = torch.topk(logit, K, dim=1)
    with h5py.File(lists) as f:
        found = torch.from_numpy(f["/list/item"][:].astype(np.int64)) + 1
        assert (found == day.row.gather(1, top.indices)).double().mean() > 0.999
        case.close(f["/probability/rerank"][:], calibrate.apply(
            entry["calibration"], top.values.double().numpy()))
        case.close(f["/list/score"][:], f["/probability/rerank"][:], 0)
    job_files.run("verify", world / "again", "--samples", U)


def test_logistic_loss_learns_too(world):
    code, out, err = train(world, "logistic", "--loss", "logistic")
    assert code == 0, err
    told = json.loads(out)
    assert told["best"]["ndcg"] > 1.5 * told["the score"]["ndcg"], told


def test_the_rest_stays_and_the_bits_come_again(world):
    for out in ("one", "two"):
        assert train(world, out, "--epochs", "3", "--label", "click")[0] == 0
    one, two = ((world / out / "weights.safetensors").read_bytes() for out in ("one", "two"))
    assert one == two
    before = bundle_writer.read_safetensors(world / "model/weights.safetensors")
    after = bundle_writer.read_safetensors(world / "one/weights.safetensors")
    for name, value in before.items():
        assert after[name].dtype == value.dtype and (after[name] == value).all(), name
    assert after["head.rerank.0.weight"].dtype == np.float32
    model = json.loads((world / "one/model.json").read_text())
    assert model["heads"][:-1] == MODEL["heads"]
    notes = model["training"]["head rerank"]
    assert len(notes["data_sha256"]) == 4 and notes["history"][0]["epoch"] == 0


def test_without_a_day_to_validate(world):
    """A fourth of the customers, the same every time, and never in the training."""
    code, out, err = call(world / "model", "-o", world / "alone", "--train", *files(world, "a"),
                          "--train", *files(world, "b"), *QUICK)
    assert code == 0, err
    assert json.loads(out)["best"]["ndcg"] > 2 * json.loads(out)["the score"]["ndcg"]
    (kept,), (held,) = reranker.held_out([candidates(world, "a")], 0.25, 1)
    assert len(held.x) == U // 4 and len(kept.x) == U - U // 4
    both = torch.cat([kept.x, held.x])
    assert len(torch.unique(both, dim=0)) == U
    assert (held.x == reranker.held_out([candidates(world, "a")], 0.25, 1)[1][0].x).all()


def test_no_gain_is_told(world):
    """Without a step it is the score."""
    code, out, err = train(world, "still", "--rate", "1e-12", "--epochs", "1", "--label", "click")
    assert code == 0 and "the head is the score" in err
    assert json.loads(out)["best_epoch"] == 0


def test_refused(world):
    plain = world / "plain.h5"
    with h5py.File(world / "lists-a/lists.h5") as old, h5py.File(plain, "w") as new:
        for name in ("customer", "item"):
            old.copy(name, new)
        for name in ("item", "source"):
            new[f"list/{name}"] = old[f"list/{name}"][:]
    a = files(world, "a")
    cases = [(["--name", "buy"], 3, "head 'buy' is there already"),
             (["--hidden", "1"], 2, "expected 1 to 3 widths of 2 to 512"),
             (["--hidden", "4", "4", "4", "4"], 2, "expected 1 to 3 widths"),
             (["--name", "a/b"], 2, "expected letters"),
             (["--rate", "0"], 2, "--rate: found 0.0, expected > 0"),
             (["--label", "open"], 3, "/timeline/open is not there"),
             (["--rate", "1e-12"], 3, "the more the head says, the less was taken"),
             (["--train", plain, a[1]], 3, "/vector is not there; expected lists of a run"),
             (["--train", world / "none.h5", a[1]], 3, "none.h5")]
    for words, expect, wanted in cases:
        code, _, err = train(world, "bad", *words)
        assert code == expect and wanted in err, (words, code, err)
    assert not (world / "bad").exists()


if __name__ == "__main__":
    case.main(__file__)
