# SPDX-License-Identifier: Apache-2.0
"""Full-catalogue ranking inside training: best rows, places of held-out items, HR and NDCG. What is
published is measured again by the engine."""
import torch


def best(model, x_RD, z_VD, k, seen=None):
    """The k best table rows of each query, [R, k], 0 where there are no more; seen: rows that are
    left out, per query."""
    out = []
    for i in range(0, len(x_RD), 512):
        score = model.scores(x_RD[i:i + 512], z_VD)
        score[:, 0] = -torch.inf
        for j in range(len(score) if seen is not None else 0):
            score[j, torch.as_tensor(seen[i + j])] = -torch.inf
        top = torch.topk(score, min(k, score.shape[1]), dim=1)
        row = top.indices.masked_fill(top.values == -torch.inf, 0)
        out.append(torch.nn.functional.pad(row, (0, k - row.shape[1])))
    return torch.cat(out)


def places(top_RK, row, item):
    """Place of each (row, item) in its list, from 0; K where it is not there."""
    hit = top_RK[row] == item[:, None]
    return torch.where(hit.any(1), hit.long().argmax(1), torch.tensor(top_RK.shape[1]))


def place_among(model, x_RD, z_VD, item, drawn_RN):
    """Place of each item among drawn rows, ties in the item's favour, [R]."""
    row_RM = torch.cat([item[:, None], drawn_RN], dim=1)
    score = torch.einsum("rd,rmd->rm", x_RD, z_VD[row_RM])
    if model.items.bias is not None:
        score = score + model.items.bias[row_RM]
    return (score[:, 1:] > score[:, :1]).sum(1)


def measures(place, k):
    """HR and NDCG at k, each place one case with one item to be found."""
    is_hit = (place < k).double()
    gain = is_hit / torch.log2(place.double() + 2)
    return {"hr": float(is_hit.mean()), "ndcg": float(gain.mean())}
