# SPDX-License-Identifier: Apache-2.0
"""What training minimises: ranking losses over the catalogue (eq. 4), the heads' losses (eq. 6 and
9), survival (eq. 17), objectives on logged propensities (eq. 11 and 14). Called once per step.

Shapes: x [R, D] queries, `row` [P] and `item` [P] the positives (query, table row), weight [P]."""
import torch
from torch.nn import functional as F

BLOCK = 1 << 21  # scores that full_softmax holds at a time


def draw(share_V, n, generator):
    """n table rows, drawn with replacement by their share."""
    return torch.multinomial(share_V, n, replacement=True, generator=generator)


def weighted_mean(loss_P, weight_P):
    return (loss_P * weight_P).sum() / weight_P.sum().clamp(min=1e-12)


class FullSoftmax(torch.autograd.Function):
    """sum over positives of w (log-sum-exp of the query's scores - its score), gradients made on
    the way: a block of score rows is touched while it is in the cache, and never kept."""

    @staticmethod
    def forward(ctx, x_RD, z_ND, bias_N, row, item, weight):
        order = torch.argsort(row, stable=True)
        row, item, weight = row[order], item[order], weight[order]
        total_R = torch.zeros(len(x_RD)).index_add(0, row, weight)
        x_grad, z_grad = torch.empty_like(x_RD), torch.zeros_like(z_ND)
        bias_grad, loss = torch.zeros_like(bias_N), torch.zeros((), dtype=torch.float64)
        n = max(1, BLOCK // len(z_ND))
        edges = torch.searchsorted(row, torch.arange(0, len(x_RD) + n, n))
        for i, begin in enumerate(range(0, len(x_RD), n)):
            x = x_RD[begin:begin + n]
            mine = slice(edges[i], edges[i + 1])
            at, to, w = row[mine] - begin, item[mine], weight[mine]
            score = torch.addmm(bias_N, x, z_ND.t())
            top = score.amax(1, keepdim=True)
            loss += ((top[at, 0] - score[at, to]) * w).double().sum()
            p = score.sub_(top).exp_()
            sums = p.sum(1, keepdim=True)
            loss += (torch.log(sums[at, 0]) * w).double().sum()
            p.mul_(total_R[begin:begin + len(x), None] / sums)
            p.index_put_((at, to), -w, accumulate=True)
            torch.mm(p, z_ND, out=x_grad[begin:begin + len(x)])
            z_grad.addmm_(p.t(), x)
            bias_grad += p.sum(0)
        ctx.save_for_backward(x_grad, z_grad, bias_grad)
        return loss.float()

    @staticmethod
    def backward(ctx, grad):
        x_grad, z_grad, bias_grad = ctx.saved_tensors
        return grad * x_grad, grad * z_grad, grad * bias_grad, None, None, None


def full_softmax(model, x_RD, z_VD, row, item, weight):
    """-log softmax over the whole catalogue, the padding row left out."""
    bias_N = torch.zeros(len(z_VD) - 1) if model.items.bias is None else model.items.bias[1:]
    total = FullSoftmax.apply(x_RD, z_VD[1:], bias_N, row, item - 1, weight)
    return total / weight.sum().clamp(min=1e-12)


def sampled_softmax(model, x_RD, z_VD, row, item, weight, share_V, n_negatives, generator):
    """Softmax over the positives of the batch and n_negatives drawn rows; logits are corrected by
    log P(row is a candidate) (logQ, Yi et al. 2019), so the optimum is the full softmax's."""
    drawn = draw(share_V, n_negatives, generator)
    candidate, place = torch.unique(torch.cat([item, drawn]), return_inverse=True)
    n_draws = n_negatives + len(item)
    log_q = torch.log(-torch.expm1(n_draws * torch.log1p(-share_V[candidate].clamp(max=0.999999)))
                      + 1e-12)
    score = model.scores(x_RD, z_VD[candidate], candidate) - log_q
    loss = torch.logsumexp(score, dim=1)[row] - score[row, place[:len(item)]]
    return weighted_mean(loss, weight)


def contrast(model, x_RD, z_VD, row, item, weight, share_V, n_negatives, generator):
    """Softmax of each positive against n_negatives drawn rows, the same for the whole batch and
    not corrected for: what ranking among drawn negatives asks for."""
    drawn = draw(share_V, n_negatives, generator)
    negative = torch.logsumexp(model.scores(x_RD, z_VD[drawn], drawn), dim=1)[row]
    return weighted_mean(F.softplus(negative - positives(model, x_RD, z_VD, row, item)), weight)


def positives(model, x_RD, z_VD, row, item):
    score = (x_RD[row] * z_VD[item]).sum(1)
    return score if model.items.bias is None else score + model.items.bias[item]


def binary(model, x_RD, z_VD, row, item, weight, share_V, n_negatives, generator):
    """Logistic loss of each positive and of n_negatives drawn rows beside it (SASRec's own)."""
    drawn = draw(share_V, len(item) * n_negatives, generator).view(len(item), n_negatives)
    negative = (x_RD[row][:, None] * z_VD[drawn]).sum(2)
    if model.items.bias is not None:
        negative = negative + model.items.bias[drawn]
    loss = F.softplus(-positives(model, x_RD, z_VD, row, item)) + F.softplus(negative).sum(1)
    return weighted_mean(loss, weight)


SAMPLED = {"sampled_softmax": sampled_softmax, "contrast": contrast, "binary": binary}


def ranking(kind, model, x_RD, z_VD, events, share_V, n_negatives, generator):
    """events: the positives' (row, item, weight)."""
    if kind == "full_softmax":
        return full_softmax(model, x_RD, z_VD, *events)
    return SAMPLED[kind](model, x_RD, z_VD, *events, share_V, n_negatives, generator)


def item_head(model, name, x_BD, z_VD, row, item, share_V, n_negatives, generator):
    """Logistic loss per customer over the catalogue: whole with n_negatives 0, else an unbiased
    estimate from the positives and drawn rows weighted by 1 / (n share)."""
    if n_negatives == 0:
        logit = model.head_logits(name, x_BD, z_VD)[:, 1:]
        return (F.softplus(logit).sum() - logit[row, item - 1].sum()) / len(x_BD)
    drawn = draw(share_V, n_negatives, generator)
    candidate, place = torch.unique(torch.cat([item, drawn]), return_inverse=True)
    logit = model.head_logits(name, x_BD, z_VD[candidate], candidate)
    every = F.softplus(logit[:, place[len(item):]]) / (n_negatives * share_V[drawn])
    return (every.sum() - logit[row, place[:len(item)]].sum()) / len(x_BD)


def survival(model, name, x_BD, period_B):
    """-log likelihood of the first event's period; period P: none in time (right-censored)."""
    logit = model.hazard_logits(name, x_BD)
    step = torch.arange(logit.shape[1])
    at_risk = step <= period_B[:, None]
    event = (step == period_B[:, None]).float()
    loss = F.binary_cross_entropy_with_logits(logit, event, reduction="none")
    return (loss * at_risk).sum() / len(x_BD)


def inverse_propensity(log_propensity, reward, clip):
    """Weights of logged positives: reward / propensity, at most `clip`."""
    return reward * torch.exp(-log_propensity).clamp(max=clip)


def policy_gradient(model, x_BD, z_VD, logged, temperature, clip, baseline):
    """-mean of min(pi / mu, clip) (G - baseline) over the log: the value of the softmax policy pi
    at a temperature (eq. 11), by clipped importance weights. Rewards G may be discounted sums."""
    row, item, reward, log_propensity = logged
    score = model.scores(x_BD, z_VD)[:, 1:] / temperature
    log_pi = score[row, item - 1] - torch.logsumexp(score, dim=1)[row]
    ratio = torch.exp((log_pi - log_propensity).clamp(max=20)).clamp(max=clip)
    return -(ratio * (reward - baseline)).mean()


class TaskWeights(torch.nn.Module):
    """Weights of the tasks (eq. 10). A dense task with little signal has a large loss that hardly
    falls; `rate` divides each loss by that of its base rate, so that all start at 1, `uncertainty`
    learns them (Kendall et al. 2018), `fixed` takes the configured ones alone."""

    def __init__(self, kind, names, configured):
        super().__init__()
        self.kind, self.configured = kind, configured
        self.first = {}
        if kind == "uncertainty":
            self.log_variance = torch.nn.ParameterDict(
                {name: torch.nn.Parameter(torch.zeros(())) for name in names})

    def forward(self, losses):
        total = 0.0
        for name, loss in losses.items():
            weight = self.configured.get(name, 1.0)
            if self.kind == "rate":
                first = self.first.setdefault(name, max(abs(float(loss.detach())), 1e-6))
                weight = weight / first
            if self.kind == "uncertainty":
                s = self.log_variance[name]
                loss = torch.exp(-s) * loss + 0.5 * s
            total = total + weight * loss
        return total
