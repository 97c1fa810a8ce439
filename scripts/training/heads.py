# SPDX-License-Identifier: Apache-2.0
"""The heads (eq. 6 and 17): where they start, and the stage that learns them alone on frozen x_u
and z_i. Called once per run."""
import numpy as np
import torch

from training.model import is_survival
from training.progress import Progress

PRIOR = 0.05  # responses added to each item's


@torch.no_grad()
def start(model, assembly):
    """Every head starts at the rates of its labels: an item's log rate per customer, a period's
    hazard; learning is about who differs from them."""
    days = assembly.days("heads") if assembly.snapshots else []
    if not days:
        return
    n_customers = sum(len(s.customers.known()) for s in days)
    for head in assembly.spec["heads"]:
        module, label = model.heads[head["name"]], assembly.label_of(head)
        if is_survival(head):
            period = torch.cat([s.labels.first_period(label, s.customers.known(), head["periods"],
                                                      head["period_s"]) for s in days])
            step = torch.arange(head["periods"])
            n_events = (period[:, None] == step).sum(0).double() + 1
            at_risk = (period[:, None] >= step).sum(0).double() + 2
            module.bias.copy_(torch.logit(n_events / at_risk))
            continue
        count_V = torch.zeros(len(assembly.catalogue.key) + 1, dtype=torch.float64)
        for s in days:
            item = s.labels.items(label, s.customers.known())[1]
            count_V += torch.bincount(item, minlength=len(count_V))
        if hasattr(module, "item_bias"):
            module.item_bias.copy_(torch.log((count_V + PRIOR) / n_customers))
            module.item_bias[0] = 0
        else:
            module.bias.fill_(float(torch.log((count_V.mean() + PRIOR) / n_customers)))


def fit(trainer):
    """The heads alone, on frozen x_u and z_i, over the whole catalogue."""
    c = trainer.config
    if c["fit.weights"] == "F16":
        trainer.model.round_to(torch.float16)
    if not c["fit.head_epochs"] or not trainer.spec["heads"]:
        return
    encoded = [(s, rows, trainer.encode(s.customers, rows)) for s, rows in
               ((s, s.customers.known()) for s in trainer.data.days("heads"))]
    optimiser = torch.optim.Adam(trainer.model.heads.parameters(), lr=c["fit.head_rate"])
    for epoch in range(c["fit.head_epochs"]):
        parts = [(i, part) for i, (_, rows, _) in enumerate(encoded) for part in
                 np.array_split(trainer.rng.permutation(len(rows)),
                                max(1, len(rows) // c["fit.batch"]))]
        sums, progress = {}, Progress(f"heads, epoch {epoch + 1}/{c['fit.head_epochs']}")
        for n, at in enumerate(trainer.rng.permutation(len(parts))):
            i, part = parts[at]
            snapshot, rows, (x_RD, z_VD) = encoded[i]
            total = 0.0
            for head in trainer.spec["heads"]:
                loss = trainer.head_loss(head, snapshot, rows[part], x_RD[part], z_VD, 0)
                total = total + loss
                sums[head["name"]] = sums.get(head["name"], 0.0) + float(loss.detach())
            optimiser.zero_grad(set_to_none=True)
            total.backward()
            optimiser.step()
            progress.show(n + 1, len(parts), {k: s / (n + 1) for k, s in sums.items()})
        progress.end({k: s / len(parts) for k, s in sums.items()})
    if c["fit.weights"] == "F16":
        trainer.model.round_to(torch.float16)
