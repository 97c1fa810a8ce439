# SPDX-License-Identifier: Apache-2.0
"""Forward passes by the frameworks themselves, for golden files. Each function gives an Oracle;
ImportError where the framework, or PyTorch, is not installed. Called once per import."""
import importlib
import importlib.util
import types

import numpy as np

from importers.golden import N_BEST, Oracle, best, padded
from importers.refusal import Refusal


class Settings(dict):
    """RecBole reads configuration by key; what a model does not need may be None."""

    def __missing__(self, key):
        return None


def load(*names):
    """Modules by name. A library that does not suit the others' versions fails in its own way."""
    try:
        return [importlib.import_module(name) for name in names]
    except Exception as error:
        raise ImportError(f"{names[-1]} cannot be imported: {error}") from error


def state_of(torch, tensors):
    return {name: torch.from_numpy(np.ascontiguousarray(v, np.float32))
            for name, v in tensors.items()}


def recbole(modality, tensors, histories):
    torch, package, models = load("torch", "recbole", "recbole.model.sequential_recommender")
    e = modality["encoder"]
    settings = Settings(
        USER_ID_FIELD="user", ITEM_ID_FIELD="item", LIST_SUFFIX="_list", NEG_PREFIX="neg_",
        ITEM_LIST_LENGTH_FIELD="item_length", MAX_ITEM_LIST_LENGTH=e["max_length"],
        device=torch.device("cpu"), loss_type="CE", n_layers=e["layers"], num_layers=e["layers"],
        n_heads=e.get("heads"), hidden_size=e.get("hidden", e["dim"]), embedding_size=e["dim"],
        inner_size=e.get("inner"), hidden_act=e.get("activation"), layer_norm_eps=e.get("eps"),
        hidden_dropout_prob=0.0, attn_dropout_prob=0.0, dropout_prob=0.0, initializer_range=0.02)
    n_rows = len(tensors[modality["item_table"]])
    kind = models.GRU4Rec if e["type"] == "gru" else models.SASRec
    model = kind(settings, types.SimpleNamespace(num=lambda _field: n_rows))
    model.load_state_dict(state_of(torch, tensors), strict=True)
    model.eval()
    batch = {"item_list": torch.from_numpy(padded(histories, e["max_length"], is_left=False)),
             "item_length": torch.tensor([len(items) for items in histories])}
    with torch.no_grad():
        vector = model.forward(batch["item_list"], batch["item_length"])
        score = model.full_sort_predict(batch)
    return Oracle(vector.numpy(), *best(score.numpy(), 1),
                  f"RecBole {package.__version__} {kind.__name__} on PyTorch {torch.__version__}")


def pmixer(path, modality, tensors, histories, norm_first):
    """SASRec of pmixer's model.py; what the file says is run."""
    torch, = load("torch")
    e = modality["encoder"]
    spec = importlib.util.spec_from_file_location("pmixer_model", path)
    if spec is None:
        raise Refusal(f"{path}: cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    arguments = types.SimpleNamespace(
        device="cpu", hidden_units=e["dim"], maxlen=e["max_length"], num_blocks=e["layers"],
        num_heads=e["heads"], dropout_rate=0.0, norm_first=norm_first)
    n_rows = len(tensors[modality["item_table"]])
    model = module.SASRec(1, n_rows - 1, arguments)
    try:
        model.load_state_dict(state_of(torch, tensors), strict=True)
    except RuntimeError as error:
        raise Refusal(f"{path}: its SASRec does not take these tensors: {error}") from error
    model.eval()
    item_UT = padded(histories, e["max_length"], is_left=True)
    with torch.no_grad():
        vector = model.log2feats(item_UT)[:, -1, :]
        score = model.predict(np.zeros(len(item_UT), int), item_UT, np.arange(n_rows))
    return Oracle(vector.numpy(), *best(score.numpy(), 1),
                  f"SASRec of {path.name} (norm_first {norm_first}) on PyTorch "
                  f"{torch.__version__}")


def implicit(path, rows_U):
    """The best items of these users by the model's own recommend."""
    package, als = load("implicit", "implicit.cpu.als")
    model = als.AlternatingLeastSquares.load(str(path))
    item_UK, score_UK = model.recommend(rows_U, None, N=min(N_BEST, len(model.item_factors)),
                                        filter_already_liked_items=False)
    return Oracle(model.user_factors[rows_U], item_UK, score_UK,
                  f"implicit {package.__version__}, recommend()")
