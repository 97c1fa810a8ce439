#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the trainer minimises: the fused full softmax against plain PyTorch, value and gradients,
over block borders; the optimum of the sampled softmax and of the logistic loss, where it is known;
heads against sums over the catalogue; survival by hand and on known hazards; weights of tasks."""
import math
from types import SimpleNamespace

import train_case as case

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from training import objectives
from training.model import Model


class Scorer:
    """The part of a model that losses ask."""
    scores, head_logits, hazard_logits = Model.scores, Model.head_logits, Model.hazard_logits

    def __init__(self, bias=None, **heads):
        self.items, self.heads = SimpleNamespace(bias=bias), heads


def seeded(seed=1):
    return torch.Generator().manual_seed(seed)


def shares(n_rows, power=0.75):
    """Popularity of rows 1.., as the trainer draws by; row 0 is never drawn."""
    share_V = torch.arange(n_rows).float() ** power
    return share_V / share_V.sum()


# ---- the whole catalogue

def positives(rng, n_rows, n_items, n):
    """Several per query in no order, one of them twice, one query without any."""
    row = rng.integers(1, n_rows, n)
    item = rng.integers(1, n_items + 1, n)
    row[1], item[1] = row[0], item[0]
    weight = rng.uniform(0.1, 3, n)
    return (torch.from_numpy(a) for a in (row, item, weight.astype(np.float32)))


def plain(x_RD, z_VD, bias_V, row, item, weight):
    score = x_RD @ z_VD[1:].t() + (0 if bias_V is None else bias_V[1:])
    loss = torch.logsumexp(score, dim=1)[row] - score[row, item - 1]
    return (loss * weight).sum() / weight.sum()


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("block", [1, 3 * 17, 4 * 17 + 5, 1 << 21])
@pytest.mark.parametrize("n_rows", [1 + 1, 11, 12])
def test_full_softmax(monkeypatch, block, has_bias, n_rows):
    """Blocks of 1, 3, 4 and all queries; the same value and gradients as plain float64."""
    monkeypatch.setattr(objectives, "BLOCK", block)
    rng, n_items, dim = np.random.default_rng(n_rows), 17, 5
    row, item, weight = positives(rng, n_rows, n_items, 25)
    leaves = [3 * rng.standard_normal((n_rows, dim)), rng.standard_normal((n_items + 1, dim)),
              rng.standard_normal(n_items + 1)]
    single = [torch.tensor(a, dtype=torch.float32, requires_grad=True) for a in leaves]
    double = [s.detach().double().requires_grad_() for s in single]
    bias = [part[2] if has_bias else None for part in (single, double)]
    found = objectives.full_softmax(Scorer(bias[0]), *single[:2], row, item, weight)
    wanted = plain(*double[:2], bias[1], row, item, weight.double())
    case.close(found.detach(), wanted.detach())
    (found * 2.5).backward()
    (wanted * 2.5).backward()
    for s, d in list(zip(single, double))[:3 if has_bias else 2]:
        case.close(s.grad, d.grad, 2e-6)
    assert not single[1].grad[0].any()  # the padding row takes no part


def test_full_softmax_of_large_scores():
    x, z = torch.tensor([[300.0], [-300.0]]), torch.tensor([[0.0], [1.0], [-1.0]])
    row, item = torch.tensor([0, 1]), torch.tensor([1, 1])
    loss = objectives.full_softmax(Scorer(), x, z, row, item, torch.ones(2))
    assert float(loss) == pytest.approx(300.0)


# ---- drawn rows

def test_rows_are_drawn_by_their_share():
    share_V = shares(6)
    count = torch.bincount(objectives.draw(share_V, 40000, seeded()), minlength=6) / 40000
    assert count[0] == 0
    case.close(count, share_V, 0.01)


def test_sampled_softmax_with_every_row_is_the_full_one():
    rng = np.random.default_rng(2)
    x_RD, z_VD = (torch.from_numpy(rng.standard_normal(s).astype(np.float32)).requires_grad_()
                  for s in ((6, 4), (9, 4)))
    bias_V = torch.from_numpy(rng.standard_normal(9).astype(np.float32))
    row, item, weight = positives(rng, 6, 8, 12)
    share_V = torch.cat([torch.zeros(1), torch.ones(8) / 8])
    found = objectives.sampled_softmax(Scorer(bias_V), x_RD, z_VD, row, item, weight, share_V, 900,
                                       seeded())
    wanted = plain(x_RD, z_VD, bias_V, row, item, weight)
    case.close(found.detach(), wanted.detach(), 1e-5)
    for a, b in zip(torch.autograd.grad(found, (x_RD, z_VD)),
                    torch.autograd.grad(wanted, (x_RD, z_VD))):
        case.close(a, b, 1e-5)


def learn(loss_of, n_items, n_steps=1500, rate=0.05):
    """Biases of the items, by Adam, the rate falling to 0; the mean over the last third."""
    bias_V = torch.zeros(n_items + 1, requires_grad=True)
    optimiser = torch.optim.Adam([bias_V], lr=rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: 1 - s / n_steps)
    mean, n = torch.zeros(n_items + 1), 0
    for step in range(n_steps):
        optimiser.zero_grad()
        loss_of(Scorer(bias_V)).backward()
        optimiser.step()
        schedule.step()
        if step >= 2 * n_steps // 3:
            mean, n = mean + bias_V.detach(), n + 1
    return mean[1:] / n


def popular(n_items=30):
    """How often each item is bought: a law of powers, as shops have it."""
    p = 1 / torch.arange(1, n_items + 1).float()
    return p / p.sum()


def bought(p_N, n, generator):
    return torch.multinomial(p_N, n, replacement=True, generator=generator) + 1


def uncorrected(model, item, drawn):
    """A softmax over the candidates as if they were drawn evenly."""
    candidate, place = torch.unique(torch.cat([item, drawn]), return_inverse=True)
    return F.cross_entropy(model.items.bias[candidate].expand(len(item), -1), place[:len(item)])


@pytest.mark.parametrize("power", [0.75, 1.0])
def test_optimum_of_the_sampled_softmax(power):
    """Biases become log popularity, as the full softmax's do, though popular rows are drawn more:
    that is what logQ is for; without it the optimum lies elsewhere."""
    p_N, generator, n = popular(), seeded(), 64
    share_V = torch.cat([torch.zeros(1), p_N ** power])
    share_V /= share_V.sum()
    nothing = torch.zeros(n, 1), torch.zeros(len(p_N) + 1, 1)

    def corrected(model):
        return objectives.sampled_softmax(
            model, *nothing, torch.arange(n), bought(p_N, n, generator), torch.ones(n), share_V, 12,
            generator)

    def plainly(model):
        return uncorrected(model, bought(p_N, n, generator),
                           objectives.draw(share_V, 12, generator))

    apart = []
    for loss in (corrected, plainly):
        found = torch.softmax(learn(loss, len(p_N), 1000), dim=0)
        apart.append(float((found * torch.log(found / p_N)).sum()))
    assert apart[0] < 0.01 and apart[1] > 5 * apart[0], apart


def test_optimum_of_the_logistic_loss():
    """log(p / (n q)): n rows drawn by q beside each positive."""
    p_N, generator, n = popular(12), seeded(), 256
    q_V = torch.cat([torch.zeros(1), torch.full((12,), 1 / 12)])
    nothing = torch.zeros(n, 1), torch.zeros(13, 1)

    def loss(model):
        return objectives.binary(model, *nothing, torch.arange(n), bought(p_N, n, generator),
                                 torch.ones(n), q_V, 3, generator)

    case.close(learn(loss, 12, 600, 0.1), torch.log(p_N / (3 * q_V[1:])), 0.05)


def test_logistic_loss_by_hand():
    rng = np.random.default_rng(4)
    x_RD, z_VD = (torch.from_numpy(rng.standard_normal(s).astype(np.float32))
                  for s in ((3, 4), (9, 4)))
    bias_V = torch.arange(9).float()
    row, item = torch.tensor([2, 0]), torch.tensor([5, 8])
    weight, share_V = torch.tensor([1.0, 3.0]), shares(9)
    found = objectives.binary(Scorer(bias_V), x_RD, z_VD, row, item, weight, share_V, 2, seeded(7))
    drawn = objectives.draw(share_V, 4, seeded(7)).view(2, 2)
    score = x_RD @ z_VD.t() + bias_V
    each = [-F.logsigmoid(score[r, i]) - sum(F.logsigmoid(-score[r, j]) for j in others)
            for r, i, others in zip(row, item, drawn)]
    case.close(found, (each[0] + 3 * each[1]) / 4, 1e-6)


# ---- heads

def head(rng, n_items, dim):
    return SimpleNamespace(weight=torch.from_numpy(rng.standard_normal((dim, dim))).float(),
                           bias=torch.tensor([-1.0]),
                           item_bias=torch.from_numpy(rng.standard_normal(n_items + 1)).float())


def test_item_head():
    """Logistic loss of the whole catalogue; drawn rows estimate it without bias."""
    rng, n_items = np.random.default_rng(5), 12
    model = Scorer(None, click=head(rng, n_items, 3))
    x_BD = torch.from_numpy(rng.standard_normal((6, 3))).float().requires_grad_()
    z_VD = torch.from_numpy(rng.standard_normal((n_items + 1, 3))).float()
    row, item = torch.tensor([0, 0, 4, 5]), torch.tensor([3, 9, 9, 1])
    did = torch.zeros(6, n_items)
    did[row, item - 1] = 1
    logit = model.head_logits("click", x_BD, z_VD)[:, 1:]
    wanted = F.binary_cross_entropy_with_logits(logit, did, reduction="sum") / 6
    gradient = torch.autograd.grad(wanted, x_BD)[0]
    whole = objectives.item_head(model, "click", x_BD, z_VD, row, item, None, 0, None)
    case.close(whole.detach(), wanted.detach(), 1e-6)
    generator, losses, gradients = seeded(), [], []
    for _ in range(2000):
        loss = objectives.item_head(model, "click", x_BD, z_VD, row, item, shares(n_items + 1), 8,
                                    generator)
        gradients.append(torch.autograd.grad(loss, x_BD)[0])
        losses.append(float(loss.detach()))
    error = np.std(losses) / math.sqrt(len(losses))
    assert abs(np.mean(losses) - float(wanted.detach())) < 4 * error
    case.close(torch.stack(gradients).mean(0), gradient, 0.05)


def hazards(logits):
    """A survival head that says the same of everybody."""
    return Scorer(None, lapse=SimpleNamespace(weight=torch.zeros(len(logits), 1), bias=logits))


def test_survival_by_hand():
    """Hazards 0.2, 0.5, 0.9: an event in period 1, none in three periods, one in period 0."""
    h = torch.tensor([0.2, 0.5, 0.9])
    found = objectives.survival(hazards(torch.logit(h)), "lapse", torch.zeros(3, 1),
                                torch.tensor([1, 3, 0]))
    likelihood = (0.8 * 0.5) * (0.8 * 0.5 * 0.1) * 0.2
    assert float(found) == pytest.approx(-math.log(likelihood) / 3, rel=1e-5)


def test_survival_finds_the_hazards():
    """Customers of two kinds, whose hazards are known, and whom nobody watches beyond period 4."""
    rng, n, p = np.random.default_rng(6), 4000, 4
    true = np.array([[0.1, 0.3, 0.2, 0.5], [0.4, 0.05, 0.3, 0.1]])
    kind = rng.integers(0, 2, n)
    happens = rng.random((n, p)) < true[kind]
    period = np.where(happens.any(1), happens.argmax(1), p)
    x_BD = torch.from_numpy(np.eye(2, dtype=np.float32)[kind])
    lapse = SimpleNamespace(weight=torch.zeros(p, 2, requires_grad=True),
                            bias=torch.zeros(p, requires_grad=True))
    optimiser = torch.optim.Adam([lapse.weight, lapse.bias], lr=0.1)
    for _ in range(200):
        loss = objectives.survival(Scorer(None, lapse=lapse), "lapse", x_BD,
                                   torch.from_numpy(period))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = torch.sigmoid(torch.eye(2) @ lapse.weight.t() + lapse.bias).detach()
    case.close(found, true, 0.05)


# ---- balance of tasks

def test_weights_of_tasks():
    losses = {"ranking": torch.tensor(8.0), "click": torch.tensor(0.02)}
    fixed = objectives.TaskWeights("fixed", list(losses), {"click": 3.0})
    assert float(fixed(losses)) == pytest.approx(8.06)
    rate = objectives.TaskWeights("rate", list(losses), {"click": 3.0})
    assert float(rate(losses)) == pytest.approx(1 + 3)
    halved = {"ranking": torch.tensor(4.0), "click": torch.tensor(0.02)}
    assert float(rate(halved)) == pytest.approx(0.5 + 3)  # by what each was at first


def test_uncertainty_learns_weights():
    """s of each task comes to log 2 L, where all tasks weigh the same: exp(-s) L = 1/2."""
    losses = {"ranking": torch.tensor(8.0), "click": torch.tensor(0.02)}
    tasks = objectives.TaskWeights("uncertainty", list(losses), {})
    assert float(tasks(losses).detach()) == pytest.approx(8.02)
    optimiser = torch.optim.Adam(tasks.parameters(), lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        tasks(losses).backward()
        optimiser.step()
    for name, loss in losses.items():
        assert float(tasks.log_variance[name]) == pytest.approx(math.log(2 * loss), abs=1e-2)


if __name__ == "__main__":
    case.main(__file__)
