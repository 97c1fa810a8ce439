#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/scripts/imports/: small checkpoints by the real libraries, trained on synthetic
events, with what the libraries' own forward passes give, so that importers are tested where the
libraries are not installed. By hand, when a library changes its format:

    make_import_files.py MODEL_A.py MODEL_B.py MODEL_C.py

with RecBole 1.2.1, implicit 0.7.3 and PyTorch; the arguments are model.py of pmixer/SASRec.pytorch
at commits 30c43cf, 33bc1d8 and f701731."""
import importlib.util
import os
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import scipy.sparse
import torch

OUT = Path(__file__).resolve().parent / "imports"
N_ITEMS, WINDOW, DIM, SEED = 24, 7, 8, 20261125


def histories(n_users):
    """[U, WINDOW + 4] item numbers 1..N_ITEMS: neighbours follow each other."""
    rng = np.random.default_rng(SEED)
    steps = rng.integers(1, 4, (n_users, WINDOW + 4)).cumsum(axis=1)
    return (rng.integers(0, N_ITEMS, (n_users, 1)) + steps) % N_ITEMS + 1


def probes(is_left):
    """[12, WINDOW], lengths 1 to WINDOW, 0 where there is no event."""
    rng = np.random.default_rng(SEED + 1)
    item_UT = np.zeros((12, WINDOW), np.int64)
    for u, row in enumerate(item_UT):
        n = u % WINDOW + 1
        row[WINDOW - n if is_left else 0:WINDOW if is_left else n] = rng.integers(1, N_ITEMS + 1, n)
    return item_UT


def best(score_UV):
    """Rows of the ten best items, padding row 0 left out."""
    return np.argsort(-score_UV[:, 1:], axis=1, kind="stable")[:, :10] + 1


def forget_paths(config):
    """Names of this machine's folders do not belong in the repository."""
    for settings in vars(config).values():
        for key, value in settings.items() if isinstance(settings, dict) else ():
            if isinstance(value, str) and "/" in value:
                settings[key] = Path(value).name


def recbole(name, folder):
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_logger, init_seed

    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    lines += [f"u{u}\tsku-{item}\t{t}" for u, row in enumerate(histories(40))
              for t, item in enumerate(row)]
    (folder / "tiny").mkdir(exist_ok=True)
    (folder / "tiny" / "tiny.inter").write_text("\n".join(lines) + "\n")
    settings = {
        "data_path": str(folder), "checkpoint_dir": str(folder), "epochs": 3, "use_gpu": False,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "train_neg_sample_args": None,
        "MAX_ITEM_LIST_LENGTH": WINDOW, "hidden_size": DIM if name == "SASRec" else 12,
        "embedding_size": DIM, "inner_size": 20, "n_layers": 2, "n_heads": 2, "num_layers": 1,
        "learning_rate": 0.05, "hidden_act": "gelu", "show_progress": False}
    config = Config(model=name, dataset="tiny", config_dict=settings)
    init_seed(SEED, True)
    init_logger(config)
    data = create_dataset(config)
    train, valid, _ = data_preparation(config, data)
    model = get_model(name)(config, train.dataset).to("cpu")
    trainer = get_trainer(config["MODEL_TYPE"], name)(config, model)
    trainer.fit(train, valid, saved=True, show_progress=False)
    saved = torch.load(trainer.saved_model_file)
    model.load_state_dict(saved["state_dict"])
    model.eval()
    item_UT = probes(is_left=False)
    batch = {"item_id_list": torch.from_numpy(item_UT),
             "item_length": torch.from_numpy((item_UT > 0).sum(1))}
    with torch.no_grad():
        vector = model.forward(batch["item_id_list"], batch["item_length"])
        score = model.full_sort_predict(batch)
    base = OUT / f"recbole_{name.lower()}"
    saved["optimizer"] = saved["other_parameter"] = None  # much, and no importer reads it
    forget_paths(saved["config"])
    torch.save(saved, base.with_suffix(".pth"))
    np.savez(base.with_suffix(".npz"), item=item_UT, vector=vector.numpy(),
             best=best(score.numpy()))
    base.with_suffix(".txt").write_text("\n".join(data.field2id_token["item_id"]) + "\n")


def pmixer(variant, path, norm_first):
    """Random weights of a size that tells the variants apart, in the real module."""
    spec = importlib.util.spec_from_file_location("pmixer_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments = types.SimpleNamespace(device="cpu", hidden_units=DIM, maxlen=WINDOW, num_blocks=2,
                                      num_heads=2, dropout_rate=0.0, norm_first=norm_first)
    torch.manual_seed(SEED)
    model = module.SASRec(40, N_ITEMS, arguments)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.xavier_normal_(parameter.data)
    if variant != "a":  # its main.py did not zero the padding rows
        model.item_emb.weight.data[0] = model.pos_emb.weight.data[0] = 0
    model.eval()
    item_UT = probes(is_left=True)
    with torch.no_grad():
        vector = model.log2feats(item_UT)[:, -1]
        score = model.predict(np.zeros(len(item_UT), int), item_UT, np.arange(N_ITEMS + 1))
    base = OUT / f"pmixer_{variant}"
    torch.save(model.state_dict(), base.with_suffix(".pth"))
    np.savez(base.with_suffix(".npz"), item=item_UT, vector=vector.numpy(),
             best=best(score.numpy()))


def implicit():
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    item_UT = histories(30)
    users = np.repeat(np.arange(len(item_UT)), item_UT.shape[1])
    clicks = scipy.sparse.csr_matrix((np.ones(len(users), np.float32),
                                      (users, item_UT.ravel() - 1)))
    for name, kind in (("als", AlternatingLeastSquares), ("bpr", BayesianPersonalizedRanking)):
        model = kind(factors=6, iterations=8, random_state=SEED % 1000, num_threads=1)
        model.fit(clicks, show_progress=False)
        model.save(str(OUT / f"implicit_{name}.npz"))
        rows = np.arange(len(item_UT))
        item, score = model.recommend(rows, None, N=10, filter_already_liked_items=False)
        np.savez(OUT / f"implicit_{name}_best.npz", best=item, score=score)


def main(models):
    OUT.mkdir(exist_ok=True)
    torch.set_num_threads(1)
    implicit()
    for variant, path, norm_first in zip(("a", "b", "c-post", "c-pre"), [*models, models[2]],
                                         (False, False, False, True)):
        pmixer(variant, path, norm_first)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in ("SASRec", "GRU4Rec"):
            recbole(name, Path(folder))


if __name__ == "__main__":
    main([Path(name).resolve() for name in sys.argv[1:]])
