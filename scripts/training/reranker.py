# SPDX-License-Identifier: Apache-2.0
"""A pair_mlp head (q_psi, eq. 5) on frozen x_u and z_i: the candidates of a day as the engine
listed them, the network, its training. Called once per run of scripts/train_reranker.py.

Shapes: U customers, M candidates, x [U, D], z [V, D], `row` [U, M] rows of the item table, 0 where
a slot is empty (is_there [U, M])."""
import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from measure_heads import timeline
from measure_lists import MeasureError, opened, row_in
from training.progress import Progress

MODEL = 1  # /list/source: listed by the model
CHUNK = 64  # customers whose candidates are all scored at a time


class Candidates:
    """One day: lists.h5 of a run with output.vectors, and what its customers did afterwards."""

    def __init__(self, lists_path, labels_path, label, row_of_key):
        """row_of_key: {catalogue key: row of the item table}"""
        with opened(lists_path) as lists, opened(labels_path) as labels:
            for name in ("/vector", "/list/item", "/list/source", "/item/key"):
                if name not in lists:
                    raise MeasureError(f"{lists_path}: {name} is not there; expected lists of a "
                                       "run with output.vectors")
            key = lists["/item/key"][:].tolist()
            item, source = lists["/list/item"][:].astype(np.int64), lists["/list/source"][:]
            x = lists["/vector"][:]
            row = row_in(labels["/customer/key"][:], lists["/customer/key"][:], labels_path)
            offset, done, _ = timeline(labels, labels_path, label)
        use = (source == MODEL).any(1)
        item, is_there, row, x = item[use], (source == MODEL)[use], row[use], x[use]
        unknown = [key[i] for i in np.unique(item[is_there]) if key[i] not in row_of_key]
        if unknown:
            raise MeasureError(f"{lists_path}: item {unknown[0]} is not in the model's vocabulary")
        n_items = max(len(key), int(done.max(initial=0)) + 1)
        did = np.unique(np.repeat(np.arange(len(offset) - 1), np.diff(offset)) * n_items + done)
        to_row = np.array([row_of_key.get(k, 0) for k in key] + [0])
        self.x = torch.from_numpy(x)
        self.is_there = torch.from_numpy(is_there)
        self.row = torch.from_numpy(np.where(is_there, to_row[item], 0))
        self.did = torch.from_numpy(np.isin(row[:, None] * n_items + item, did) & is_there)
        self.n_taken = np.bincount(did // n_items, minlength=len(offset) - 1)[row]  # or not listed
        if not self.did.any():
            raise MeasureError(f"{labels_path}: /timeline/{label} has none of the candidates of "
                               f"{lists_path}")

    def of(self, customers):
        """The day for some of its customers alone."""
        part = copy.copy(self)
        for name in ("x", "is_there", "row", "did", "n_taken"):
            setattr(part, name, getattr(self, name)[customers])
        return part


def held_out(days, share, seed):
    """(days, held-out days): a share of each day's customers, drawn."""
    rng, kept, held = np.random.default_rng(seed), [], []
    for day in days:
        order = rng.permutation(len(day.x))
        n = int(share * len(order))
        held.append(day.of(np.sort(order[:n])))
        kept.append(day.of(np.sort(order[n:])))
    return kept, held


class PairHead(nn.Module):
    """logit = w . h_L + b + b_i, h_1 = relu(W_1 [x; z; x z] + b_1), ... It starts as the score
    x . z + b_i, carried by two units of each layer, so that what it learns is what the score does
    not say."""

    def __init__(self, z_VD, item_bias_V, hidden):
        super().__init__()
        dim = z_VD.shape[1]
        self.register_buffer("z_VD", z_VD)
        self.item_bias_V = item_bias_V  # None, or the score's own
        widths = [3 * dim, *hidden, 1]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(widths, widths[1:]))
        with torch.no_grad():
            for layer in self.layers:
                layer.bias.zero_()
            for sign, unit in ((1.0, 0), (-1.0, 1)):
                self.layers[0].weight[unit] = 0
                self.layers[0].weight[unit, 2 * dim:] = sign
                for layer in self.layers[1:-1]:
                    layer.weight[unit] = 0
                    layer.weight[unit, unit] = 1
            self.layers[-1].weight.zero_()
            self.layers[-1].weight[0, :2] = torch.tensor([1.0, -1.0])
        self.start = [p.detach().clone() for p in self.parameters()]

    def forward(self, x_BD, row_BC):
        """[B, C] logits of the items in these rows of the table."""
        z = self.z_VD[row_BC]
        x = x_BD[:, None].expand_as(z)
        h = torch.cat([x, z, x * z], dim=2)
        for layer in self.layers[:-1]:
            h = torch.relu(layer(h))
        logit = self.layers[-1](h)[..., 0]
        return logit if self.item_bias_V is None else logit + self.item_bias_V[row_BC]

    @torch.no_grad()
    def decay(self, share):
        """Pulls the weights back to where they began."""
        for p, start in zip(self.parameters(), self.start):
            p.add_(start - p, alpha=share)

    def tensors(self, name):
        out = {f"head.{name}.{l}.{k}": v.detach().numpy() for l, layer in enumerate(self.layers)
               for k, v in (("weight", layer.weight), ("bias", layer.bias))}
        if self.item_bias_V is not None:
            out[f"head.{name}.item_bias"] = self.item_bias_V.numpy()
        return out


def sample(day, customers, n, generator):
    """Columns of candidates, [B, C]: all that the customers took, then others drawn at random; with
    is_there and did, and how many others each drawn one stands for, [B]."""
    is_there, did = day.is_there[customers], day.did[customers]
    order = torch.rand(did.shape, generator=generator)
    order[did] -= 1
    order[~is_there] += 1
    n_columns = min(did.shape[1], n + int(did.sum(1).max()))
    column = order.argsort(1)[:, :n_columns]
    is_there, did_BC = is_there.gather(1, column), did.gather(1, column)
    n_others = (day.is_there[customers] & ~did).sum(1)
    n_drawn = (is_there & ~did_BC).sum(1)
    return column, is_there, did_BC, n_others / n_drawn.clamp(min=1)


def loss_of(kind, logit, is_there, did, share):
    """softmax: each item taken against all that were not; logistic: of every candidate. Drawn
    candidates count for those that were not drawn."""
    other = is_there & ~did
    if kind == "logistic":
        return (F.softplus(-logit)[did].sum() + (F.softplus(logit) * other * share[:, None]).sum()
                ) / len(logit)
    rest = torch.logsumexp(logit.masked_fill(~other, -1e30), 1) + torch.log(share.clamp(min=1))
    return F.softplus(rest[:, None] - logit)[did].sum() / did.sum().clamp(min=1)


@torch.no_grad()
def logits(head, day):
    """[U, M]; -inf where a slot is empty."""
    out = torch.cat([head(x, row) for x, row in zip(day.x.split(CHUNK), day.row.split(CHUNK))])
    return out.masked_fill(~day.is_there, -torch.inf)


def measure(head, days, at):
    """HR and NDCG at `at`: every distinct item taken is a case, whether it is a candidate or not;
    ties as they were listed."""
    hits, gains, n = 0.0, 0.0, sum(int(day.n_taken.sum()) for day in days)
    for day in days:
        order = torch.argsort(logits(head, day), dim=1, descending=True, stable=True)
        hit = day.did.gather(1, order)[:, :at].double()
        hits += float(hit.sum())
        gains += float((hit / torch.log2(torch.arange(hit.shape[1]).double() + 2)).sum())
    return {"hr": hits / max(n, 1), "ndcg": gains / max(n, 1)}


def fit(head, days, validate, o):
    """validate: days. o: epochs, patience, batch, negatives, rate, decay, loss, at, seed. Leaves
    the best epoch by validation NDCG, 0 being the score itself; returns its number and the
    history."""
    rng, generator = np.random.default_rng(o.seed), torch.Generator().manual_seed(o.seed)
    optimiser = torch.optim.Adam(head.parameters(), lr=o.rate)
    history = [{"epoch": 0, **measure(head, validate, o.at)}]
    best, state = 0, {k: v.clone() for k, v in head.state_dict().items()}
    for epoch in range(1, o.epochs + 1):
        total, progress = 0.0, Progress(f"re-ranker, epoch {epoch}/{o.epochs}")
        parts = batches(days, o, rng)
        for i, (day, customers) in enumerate(parts):
            column, is_there, did, share = sample(day, customers, o.negatives, generator)
            logit = head(day.x[customers], day.row[customers].gather(1, column))
            loss = loss_of(o.loss, logit, is_there, did, share)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            head.decay(o.rate * o.decay)
            total += float(loss.detach())
            progress.show(i + 1, len(parts), {"loss": total / (i + 1)})
        measured = measure(head, validate, o.at)
        history.append({"epoch": epoch, "loss": total / len(parts), **measured})
        better = measured["ndcg"] > history[best]["ndcg"]
        progress.end({"loss": total / len(parts)}, measured, better)
        if better:
            best, state = epoch, {k: v.clone() for k, v in head.state_dict().items()}
        if epoch - best >= o.patience:
            break
    head.load_state_dict(state)
    return best, history


def batches(days, o, rng):
    """[(day, customers)]: those who took a candidate; with the logistic loss everybody."""
    out = []
    for day in days:
        use = day.did.any(1) if o.loss == "softmax" else day.is_there.any(1)
        customers = rng.permutation(np.flatnonzero(use.numpy()))
        out += [(day, torch.from_numpy(part)) for part in
                np.array_split(customers, max(1, round(len(customers) / o.batch)))]
    return [out[i] for i in rng.permutation(len(out))]


def best_pairs(head, days, n):
    """(logit, label) of each customer's n best, float64: what lists will hold."""
    parts = []
    for day in days:
        logit_UM = logits(head, day)
        top = torch.topk(logit_UM, min(n, logit_UM.shape[1]), dim=1).indices
        is_there = day.is_there.gather(1, top)
        parts.append([values.gather(1, top)[is_there].double().numpy()
                      for values in (logit_UM, day.did)])
    return [np.concatenate(part) for part in zip(*parts)]
