# SPDX-License-Identifier: Apache-2.0
"""The demo's model in PyTorch, the same function that the engine computes (docs/FORMATS.md).

Modules are named so that state_dict() gives the tensor names of the model bundle; only the item
table is written out as a sum (`item_table()`): a product's vector is its own embedding plus those
of its department, category, type, manufacturer and brand, so that products bought once have a
sensible place too. Its last column is 1: a head can give each customer a rate of their own with it,
and it cancels out of a ranking. Used by train_demo.py, once per training run.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

MAX_LENGTH = {"purchase": 50, "habit": 200, "mailing": 20, "redemption": 50}
HALF_LIFE_S = {"habit": 180 * 86400, "redemption": 60 * 86400}


class Layer(nn.Module):
    """One block of RecBole's SASRec: post-norm attention, then feed-forward."""

    def __init__(self, dim, n_heads, inner, dropout):
        super().__init__()
        self.n_heads, self.drop = n_heads, nn.Dropout(dropout)
        self.multi_head_attention = nn.ModuleDict(
            {name: nn.Linear(dim, dim) for name in ("query", "key", "value", "dense")})
        self.multi_head_attention["LayerNorm"] = nn.LayerNorm(dim, eps=1e-12)
        self.feed_forward = nn.ModuleDict(
            {"dense_1": nn.Linear(dim, inner), "dense_2": nn.Linear(inner, dim),
             "LayerNorm": nn.LayerNorm(dim, eps=1e-12)})
        for name in ("value", "dense"):
            nn.init.eye_(self.multi_head_attention[name].weight)

    def forward(self, x_BQD, all_BTD, open_B1QT):
        """The states of the events x_BQD, each looking at those of all_BTD open to it."""
        att, ffn = self.multi_head_attention, self.feed_forward
        n_rows, _, dim = all_BTD.shape

        def heads(name, y):
            return att[name](y).view(n_rows, -1, self.n_heads, dim // self.n_heads).transpose(1, 2)

        logit = heads("query", x_BQD) @ heads("key", all_BTD).transpose(2, 3)
        logit = (logit / math.sqrt(dim / self.n_heads)).masked_fill(~open_B1QT, -1e4)
        mixed = (torch.softmax(logit, dim=-1) @ heads("value", all_BTD)).transpose(1, 2)
        x_BQD = att["LayerNorm"](x_BQD + att["dense"](mixed.reshape(n_rows, -1, dim)))
        inner = ffn["dense_2"](F.gelu(ffn["dense_1"](self.drop(x_BQD))))
        return ffn["LayerNorm"](x_BQD + inner)


class Attention(nn.Module):
    """RecBole's SASRec over vectors of events: right padding, positions from the start."""

    def __init__(self, dim, n_layers, n_heads, inner, dropout):
        super().__init__()
        self.position_embedding = nn.Embedding(MAX_LENGTH["purchase"], dim)
        self.LayerNorm = nn.LayerNorm(dim, eps=1e-12)
        self.drop = nn.Dropout(dropout)
        self.trm_encoder = nn.ModuleDict({"layer": nn.ModuleList(
            [Layer(dim, n_heads, inner, dropout) for _ in range(n_layers)])})
        nn.init.normal_(self.position_embedding.weight, std=0.02)

    def forward(self, event_BTD, length_B):
        n_steps = event_BTD.shape[1]
        place, last_B = torch.arange(n_steps), (length_B - 1).clamp(min=0)
        row = torch.arange(len(length_B))
        x_BTD = self.drop(self.LayerNorm(event_BTD + self.position_embedding(place)))
        open_BTT = (place[None, :] <= place[:, None])[None] & (place < length_B[:, None])[:, None]
        layers = self.trm_encoder["layer"]
        for layer in layers[:-1]:
            x_BTD = layer(x_BTD, x_BTD, open_BTT[:, None])
        # Only the last event's state is wanted, so the last layer computes nothing else.
        x_B1D = x_BTD[row, last_B][:, None]
        return layers[-1](x_B1D, x_BTD, open_BTT[row, last_B][:, None, None])[:, 0]


class Gru(nn.Module):
    """RecBole's GRU4Rec without its last dense layer; the state after the last event."""

    def __init__(self, n_tokens, dim):
        super().__init__()
        self.item_embedding = nn.Embedding(n_tokens, dim)
        self.gru_layers = nn.GRU(dim, dim, batch_first=True)

    def forward(self, token_BT, length_B, _time_BT):
        state_BTD, _ = self.gru_layers(self.item_embedding(token_BT))
        return state_BTD[torch.arange(len(length_B)), (length_B - 1).clamp(min=0)]


def decay_pool(event_BTD, length_B, time_BT, half_life_s):
    """Mean of event vectors, an event half_life_s older than the newest counting half of it."""
    last_B1 = time_BT.gather(1, (length_B - 1).clamp(min=0)[:, None])
    weight_BT = torch.exp2((time_BT - last_B1).clamp(max=0).float() / half_life_s)
    weight_BT = weight_BT * (torch.arange(event_BTD.shape[1]) < length_B[:, None])
    total_BD = (weight_BT[:, :, None] * event_BTD).sum(1)
    return total_BD / (weight_BT.sum(1, keepdim=True) + 1e-6)


class Decay(nn.Module):
    def __init__(self, n_tokens, dim, half_life_s):
        super().__init__()
        self.half_life_s = half_life_s
        self.item_embedding = nn.Embedding(n_tokens, dim)

    def forward(self, token_BT, length_B, time_BT):
        return decay_pool(self.item_embedding(token_BT), length_B, time_BT, self.half_life_s)


class Fusion(nn.Module):
    """Gated attention over the modalities a customer has, statics and aggregates beside it."""

    def __init__(self, widths, dim, static_dim, n_aggregates):
        super().__init__()
        total = sum(widths.values()) + len(widths)
        self.names = list(widths)
        for name, width in widths.items():
            self.add_module(name, nn.ModuleDict({"g": nn.Linear(width, dim),
                                                 "z": nn.Linear(total, dim)}))
        self.attention = nn.Parameter(torch.randn(dim) * 0.1)
        self.default = nn.Parameter(torch.zeros(dim))
        self.static = nn.Linear(static_dim, dim, bias=False)
        self.aggregate = nn.Linear(2 * n_aggregates, dim, bias=False)
        self.LayerNorm = nn.LayerNorm(dim, eps=1e-5)
        # Start as "a customer is the mean of what they bought": gates open, g near the identity.
        for name, width in widths.items():
            nn.init.constant_(getattr(self, name)["z"].bias, 2.0)
        with torch.no_grad():
            for name, scale in (("purchase", 0.05), ("habit", 30.0)):
                getattr(self, name)["g"].weight.copy_(torch.eye(dim) * scale)
        for table in (self.static, self.aggregate):
            nn.init.normal_(table.weight, std=0.005)

    def forward(self, states, present_BM, static_BC, aggregate_BA):
        state_BS = torch.cat([s * present_BM[:, m:m + 1] for m, s in enumerate(states)]
                             + [present_BM], dim=1)
        g_BMD = torch.stack([torch.tanh(getattr(self, name)["g"](s))
                             for name, s in zip(self.names, states)], dim=1)
        z_BMD = torch.stack([torch.sigmoid(getattr(self, name)["z"](state_BS))
                             for name in self.names], dim=1)
        some_B1 = present_BM.amax(1, keepdim=True) > 0
        logit_BM = (g_BMD @ self.attention).masked_fill(present_BM == 0, -1e9)
        alpha_BM = torch.softmax(logit_BM, dim=1) * present_BM
        mixed_BD = (alpha_BM[:, :, None] * z_BMD * g_BMD).sum(1)
        mixed_BD = torch.where(some_B1, mixed_BD, self.default.expand_as(mixed_BD))
        missing_BA = torch.isnan(aggregate_BA)
        seen_BA = torch.where(missing_BA, torch.zeros_like(aggregate_BA), aggregate_BA)
        seen_BA = torch.cat([seen_BA, missing_BA.float()], dim=1)
        return self.LayerNorm(mixed_BD + self.static(static_BC) + self.aggregate(seen_BA))


class Head(nn.Module):
    """logit = (W x) . z_i + b_i + c"""

    def __init__(self, dim, n_items, rate):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(dim) * 0.1)
        self.bias = nn.Parameter(torch.zeros(1))
        self.item_bias = nn.Parameter(rate.clone())
        assert self.item_bias.shape == (n_items,)


class DemoModel(nn.Module):
    def __init__(self, spec, dim=48, small=16, layers=1, heads=2, inner=96, dropout=0.2,
                 event_dropout=0.1):
        super().__init__()
        n_items = len(spec["popularity"])
        self.dim, self.small, self.inner = dim, small, inner
        self.layers, self.n_heads = layers, heads
        self.event_dropout = event_dropout
        self.own = nn.Embedding(n_items, dim - 1)
        self.shared = nn.ModuleList([nn.Embedding(int(c.max()) + 2, dim - 1)
                                     for c in spec["item_codes"]])
        # A product's own vector counts for as much as its sales can teach: rare ones stay near 0.
        self.known_N1 = torch.sqrt(spec["popularity"] / (spec["popularity"] + 30))[:, None]
        with torch.no_grad():
            self.own.weight.normal_(std=0.25)
            for table in self.shared:
                table.weight.normal_(std=0.03)
        self.item_codes = [torch.as_tensor(c, dtype=torch.int64) + 1 for c in spec["item_codes"]]
        self.item_bias = nn.Parameter(torch.log(spec["popularity"] + 0.1))
        self.purchase = Attention(dim, layers, heads, inner, dropout)
        self.mailing = Gru(spec["n_campaigns"], small)
        self.redemption = Decay(spec["n_campaigns"], small, HALF_LIFE_S["redemption"])
        self.static = nn.ModuleDict({name: nn.Embedding(rows, 4)
                                     for name, rows in spec["static_rows"].items()})
        self.fusion = Fusion({"purchase": dim, "habit": dim, "mailing": small,
                              "redemption": small}, dim,
                             4 * len(self.static), spec["n_aggregates"])
        self.head = nn.ModuleDict({name: Head(dim, n_items, rate)
                                   for name, rate in spec["head_rates"].items()})

    def item_table(self):
        """z_i, [N, D]; the last column is 1."""
        shared_ND = sum(t(c) for t, c in zip(self.shared, self.item_codes))
        own_ND = self.own.weight * self.known_N1
        return torch.cat([own_ND + shared_ND, torch.ones(len(own_ND), 1)], dim=1)

    def forget(self, event_BTD):
        """Training: whole events left out at random, so that no single one is learnt by heart."""
        if not self.training:
            return event_BTD
        keep_BT1 = torch.rand(*event_BTD.shape[:2], 1) >= self.event_dropout
        return event_BTD * keep_BT1

    def forward(self, batch, item_ND):
        """x_u, [B, D]."""
        token, length, time = (batch[k] for k in ("item", "length", "time"))
        states = [self.purchase(item_ND[token["purchase"]], length["purchase"]),
                  decay_pool(self.forget(item_ND[token["habit"]]), length["habit"], time["habit"],
                             HALF_LIFE_S["habit"])]
        states += [getattr(self, m)(token[m], length[m], time[m])
                   for m in ("mailing", "redemption")]
        present = torch.stack([length[m] > 0 for m in token], dim=1).float()
        static = torch.cat([table(batch["static"][:, i])
                            for i, table in enumerate(self.static.values())], dim=1)
        return self.fusion(states, present, static, batch["aggregate"])

    def head_logits(self, name, x_BD, item_ND):
        head = self.head[name]
        return x_BD @ head.weight.t() @ item_ND.t() + head.item_bias + head.bias

    def tensors(self):
        """{name: tensor} of the model bundle."""
        with torch.no_grad():
            out = {name: value.clone() for name, value in self.state_dict().items()
                   if not name.startswith(("own.", "shared."))}
            out["item_embedding.weight"] = self.item_table()
        return out
