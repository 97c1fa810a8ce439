# SPDX-License-Identifier: Apache-2.0
"""Regularisers Omega_m (eq. 10; the paper's section 3 names them), each 0 where there is nothing to
punish. Called once per step for those with a weight in the configuration."""
import torch


def smoothness(x_BD, histogram_BV):
    """Customers with similar histories have near x: mean squared distance of x / |x| over pairs,
    weighted by the cosine of their item counts."""
    count = torch.nn.functional.normalize(histogram_BV, dim=1)
    near_BB = (count @ count.t()).triu(1)
    x = torch.nn.functional.normalize(x_BD, dim=1)
    distance_BB = 2 - 2 * x @ x.t()
    return (near_BB * distance_BB).sum() / near_BB.sum().clamp(min=1e-12)


def density(x_BD, sparse_BD):
    """x stays where it is when whole events are unseen: mean squared distance to x of the thinned
    history, relative to |x|^2."""
    return ((x_BD - sparse_BD) ** 2).sum(1).mean() / (x_BD ** 2).sum(1).mean().clamp(min=1e-12)


def norm_band(x_BD, lo, hi):
    """Mean squared excess of |x| over [lo, hi]."""
    norm = x_BD.norm(dim=1)
    return ((lo - norm).clamp(min=0) ** 2 + (norm - hi).clamp(min=0) ** 2).mean()


def exposure(score_BN, group_N, n_groups):
    """Variance over item groups of exposure relative to size: shares of a softmax over the
    catalogue, per group, divided by the group's share of the items."""
    share_N = torch.softmax(score_BN, dim=1).mean(0)
    ones = torch.ones_like(share_N)
    size = torch.zeros(n_groups).index_add(0, group_N, ones)
    got = torch.zeros(n_groups).index_add(0, group_N, share_N)
    used = size > 0
    return (got[used] / (size[used] / size.sum())).var(unbiased=False)


def margin_floor(score_BN, margin_N, floor):
    """How far the expected margin of what would be shown lies below the floor (squared)."""
    expected_B = torch.softmax(score_BN, dim=1) @ margin_N
    return ((floor - expected_B).clamp(min=0) ** 2).mean()


def thinned(events, p, generator):
    """Events with each one left out with probability p, the last kept; order stays."""
    length, n_steps = events["length"], events["item"].shape[1]
    step = torch.arange(n_steps)
    is_event = step < length[:, None]
    keep = torch.rand(is_event.shape, generator=generator) >= p
    keep = (keep | (step == length[:, None] - 1)) & is_event
    order = torch.argsort((~keep).long() * n_steps + step, dim=1)
    out = {name: events[name].gather(1, order) for name in ("item", "time", "type", "weight")}
    count = keep.sum(1)
    is_kept = step < count[:, None]
    last = out["time"].gather(1, (count - 1).clamp(min=0)[:, None])
    return {"item": torch.where(is_kept, out["item"], torch.tensor(0)),
            "time": torch.where(is_kept, out["time"], last),
            "type": torch.where(is_kept, out["type"], torch.tensor(0)),
            "weight": torch.where(is_kept, out["weight"], torch.tensor(1.0)), "length": count}
