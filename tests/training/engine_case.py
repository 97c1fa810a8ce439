# SPDX-License-Identifier: Apache-2.0
"""A model with random weights, written by training/export.py, through `batchrank run`, and all that
the engine gives beside what the PyTorch modules compute. For test_engine.py and test_demo.py."""
import numpy as np
import torch

import job_files
import train_case as case
from training import calibrate, export, loop
from training.model import is_survival

K = 7
POPULARITY = 8  # flag of a customer whose list is not the model's


class Untrained(loop.Trainer):
    """A trainer whose model has random weights instead of a training."""

    def __init__(self, assembly, rng):
        self.data, self.config, self.spec = assembly, assembly.config, assembly.spec
        self.model = case.randomise(assembly.model(), rng)
        self.epoch = self.best_epoch = 0


def write(folder, trainer, customers, calibration):
    """The bundle, and a job over the very file that `customers` was read from."""
    description = export.describe(trainer.data, calibration,
                                  export.training_notes(trainer.data, trainer, {}, "test"))
    export.write(folder / "model", trainer.data, trainer, description, customers)
    job_files.write_job(
        folder / "job.json", input={"customers": str(customers.path),
                                    "catalogue": trainer.config["data.catalogue"],
                                    "model": "model"},
        list={"k": K}, output={"path": "run", "vectors": True, "gates": True})


def run(folder, *words):
    job_files.run("run", folder / "job.json", "--threads", 1, *words)
    return job_files.read_parts(folder / "run")


@torch.no_grad()
def check(folder, trainer, customers, calibration):
    """Writes, runs, compares; gives the lists for more."""
    write(folder, trainer, customers, calibration)
    lists, rows = run(folder), np.arange(len(customers.key))
    z_VD = trainer.model.items.table()
    x_BD, alpha_BM = trainer.model.explain(customers.batch(rows, trainer.spec), z_VD)
    assert (lists["customer/row"] == rows).all() and np.ptp(x_BD.numpy(), axis=0).min() > 1e-3
    case.close(lists["vector"], x_BD)
    if alpha_BM is not None:
        case.close(lists["gate/alpha"], alpha_BM)
    by_model = np.flatnonzero((lists["customer/flags"] & POPULARITY) == 0)
    assert (by_model == customers.known()).all()
    lists = {name: column[by_model] for name, column in lists.items()
             if len(column) == len(rows)}
    check_lists(trainer, lists, x_BD[by_model], z_VD)
    for head in trainer.spec["heads"]:
        check_head(trainer, head, calibration.get(head["name"], {"type": "none"}), lists,
                   x_BD[by_model], z_VD)
    return lists


def check_lists(trainer, lists, x_BD, z_VD):
    """Each listed item's score, and the scores that a list should hold."""
    item_BK = torch.from_numpy(lists["list/item"].astype(np.int64))
    for x, item, found in zip(x_BD.split(256), item_BK.split(256),
                              torch.from_numpy(lists["list/score"]).split(256)):
        score_BN = trainer.model.scores(x, z_VD)[:, 1:]
        case.close(found, score_BN.gather(1, item))
        case.close(found, torch.topk(score_BN, item.shape[1], dim=1).values)


def check_head(trainer, head, table, lists, x_BD, z_VD):
    """A probability per listed item, or a survival curve."""
    if is_survival(head):
        logit = trainer.model.hazard_logits(head["name"], x_BD).double().numpy()
        wanted = np.cumprod(1 - calibrate.apply(table, logit), axis=1)
        found = lists["survival/" + head["name"]]
    else:
        item_BK = torch.from_numpy(lists["list/item"].astype(np.int64)) + 1
        logit = torch.cat([trainer.model.head_logits(head["name"], x, z_VD).gather(1, item)
                           for x, item in zip(x_BD.split(256), item_BK.split(256))])
        wanted = calibrate.apply(table, logit.double().numpy())
        found = lists["probability/" + head["name"]]
    assert np.ptp(wanted) > 0.01, f"head {head['name']} says the same of everything"
    case.close(found, wanted)
