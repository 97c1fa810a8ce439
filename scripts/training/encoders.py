# SPDX-License-Identifier: Apache-2.0
"""Sequence encoders (eq. 1) in PyTorch: attention (RecBole's and pmixer's SASRec), gru, decay. They
compute what models/ computes; module names give the tensor names of docs/FORMATS.md. Called once
per modality and batch.

`events` is one modality of a batch, padded on the right with row 0:
    item [B, T] i64 rows of the embedding table, time [B, T] i64 s, type [B, T] i64,
    weight [B, T] f32 in (0, 1], length [B] i64
An encoder gives the states [B, S]; of a customer without events they mean nothing."""
import math

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "tanh": torch.tanh, "sigmoid": torch.sigmoid,
               "swish": F.silu, "none": lambda x: x}
MASKED = -1e4  # a logit that softmax makes 0, as RecBole has it


def last_of(x_BTD, length_B):
    """The row of each customer's last event, [B, D]."""
    return x_BTD[torch.arange(len(x_BTD)), (length_B - 1).clamp(min=0)]


def split_heads(x_BTD, n_heads):
    n_rows, n_steps, dim = x_BTD.shape
    return x_BTD.view(n_rows, n_steps, n_heads, dim // n_heads).transpose(1, 2)


def attend(q_BQD, k_BTD, v_BTD, bias_BQT, n_heads):
    """Scaled dot products per head; bias is added to the logits (masks and ln w)."""
    q, k, v = (split_heads(x, n_heads) for x in (q_BQD, k_BTD, v_BTD))
    logit = (q / math.sqrt(q.shape[-1])) @ k.transpose(2, 3) + bias_BQT[:, None]
    mixed = torch.softmax(logit, dim=-1) @ v
    return mixed.transpose(1, 2).reshape(q_BQD.shape)


def causal(n_steps):
    return torch.ones(n_steps, n_steps, dtype=torch.bool).tril()


class SideTables(nn.Module):
    """What an event is beside its item: the gap before it, its type, its modality."""

    def __init__(self, encoder):
        super().__init__()
        self.n_gaps = encoder.get("gaps", 0)
        for name, n_rows in (("gap", self.n_gaps), ("type", encoder.get("types", 0)),
                             ("modality", int(encoder.get("modality_embedding", False)))):
            if n_rows:
                table = nn.Embedding(n_rows, encoder["dim"])
                nn.init.normal_(table.weight, std=0.02)
                self.add_module(f"{name}_embedding", table)

    def add_to(self, event_BTD, events):
        if hasattr(self, "gap_embedding"):
            time = events["time"]
            gap = torch.cat([torch.zeros_like(time[:, :1]), time[:, 1:] - time[:, :-1]], dim=1)
            row = torch.log2(1 + gap.clamp(min=0).double()).floor().long()
            event_BTD = event_BTD + self.gap_embedding(row.clamp(max=self.n_gaps - 1))
        if hasattr(self, "type_embedding"):
            event_BTD = event_BTD + self.type_embedding(events["type"])
        if hasattr(self, "modality_embedding"):
            event_BTD = event_BTD + self.modality_embedding.weight[0]
        return event_BTD


class RecboleLayer(nn.Module):
    """Attention, add, norm; feed-forward, add, norm."""

    def __init__(self, encoder, dropout):
        super().__init__()
        dim, inner, eps = encoder["dim"], encoder["inner"], encoder.get("eps", 1e-12)
        self.n_heads, self.drop = encoder["heads"], nn.Dropout(dropout)
        self.act = ACTIVATIONS[encoder["activation"]]
        self.multi_head_attention = nn.ModuleDict(
            {name: nn.Linear(dim, dim) for name in ("query", "key", "value", "dense")})
        self.multi_head_attention["LayerNorm"] = nn.LayerNorm(dim, eps=eps)
        self.feed_forward = nn.ModuleDict({
            "dense_1": nn.Linear(dim, inner), "dense_2": nn.Linear(inner, dim),
            "LayerNorm": nn.LayerNorm(dim, eps=eps)})

    def forward(self, x_BQD, all_BTD, bias_BQT):
        att, ffn = self.multi_head_attention, self.feed_forward
        mixed = attend(att["query"](x_BQD), att["key"](all_BTD), att["value"](all_BTD), bias_BQT,
                       self.n_heads)
        x_BQD = att["LayerNorm"](x_BQD + self.drop(att["dense"](mixed)))
        inner = self.act(ffn["dense_1"](x_BQD))
        return ffn["LayerNorm"](x_BQD + self.drop(ffn["dense_2"](inner)))


class Recbole(SideTables):
    """Right padding, positions from the oldest kept event, pads masked."""

    def __init__(self, encoder, dropout=0.0):
        super().__init__(encoder)
        dim = encoder["dim"]
        self.position_embedding = nn.Embedding(encoder["max_length"], dim)
        nn.init.normal_(self.position_embedding.weight, std=0.02)
        self.LayerNorm = nn.LayerNorm(dim, eps=encoder.get("eps", 1e-12))
        self.drop = nn.Dropout(dropout)
        self.trm_encoder = nn.ModuleDict({"layer": nn.ModuleList(
            [RecboleLayer(encoder, dropout) for _ in range(encoder["layers"])])})

    def all_states(self, event_BTD, events):
        """The state after every event, [B, T, D]."""
        x, bias = self.begin(event_BTD, events)
        for layer in self.trm_encoder["layer"]:
            x = layer(x, x, bias)
        return x

    def forward(self, event_BTD, events):
        x, bias = self.begin(event_BTD, events)
        layers, last = self.trm_encoder["layer"], (events["length"] - 1).clamp(min=0)
        for layer in layers[:-1]:
            x = layer(x, x, bias)
        row = torch.arange(len(x))  # the last layer is asked for the last event's state alone
        return layers[-1](x[row, last][:, None], x, bias[row, last][:, None])[:, 0]

    def begin(self, event_BTD, events):
        n_steps = event_BTD.shape[1]
        place = torch.arange(n_steps)
        x = self.add_to(event_BTD, events) + self.position_embedding(place)
        is_open = causal(n_steps)[None] & (place < events["length"][:, None])[:, None]
        bias = torch.where(is_open, torch.log(events["weight"])[:, None], torch.tensor(MASKED))
        return self.drop(self.LayerNorm(x)), bias


class Pmixer(SideTables):
    """Left padding to max_length; pads are real keys (zeroed after each layer in variant a)."""

    def __init__(self, encoder, dropout=0.0):
        super().__init__(encoder)
        dim, n_layers = encoder["dim"], encoder["layers"]
        eps, self.variant = encoder.get("eps", 1e-8), encoder["variant"]
        self.max_length, self.n_heads = encoder["max_length"], encoder["heads"]
        self.drop, self.scale = nn.Dropout(dropout), math.sqrt(dim)
        self.pos_emb = nn.Embedding(self.max_length + (self.variant != "pmixer_a"), dim)
        nn.init.normal_(self.pos_emb.weight, std=0.02)

        def each(make):
            return nn.ModuleList([make() for _ in range(n_layers)])

        self.attention_layernorms = each(lambda: nn.LayerNorm(dim, eps=eps))
        self.attention_layers = each(lambda: nn.MultiheadAttention(dim, self.n_heads))
        self.forward_layernorms = each(lambda: nn.LayerNorm(dim, eps=eps))
        self.forward_layers = each(lambda: nn.ModuleDict(
            {"conv1": nn.Conv1d(dim, dim, 1), "conv2": nn.Conv1d(dim, dim, 1)}))
        self.last_layernorm = nn.LayerNorm(dim, eps=eps)

    def forward(self, event_BTD, events, pad_D=None):
        return self.left_states(event_BTD, events, pad_D)[0][:, -1]

    def all_states(self, event_BTD, events, pad_D=None):
        """The state after every event, [B, T, D], T as in event_BTD."""
        x, index = self.left_states(event_BTD, events, pad_D)
        return x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))

    def left_states(self, event_BTD, events, pad_D):
        """States on the left-padded steps, and the step of each event. pad_D is the table's row
        0."""
        n_rows, n_steps, dim = event_BTD.shape
        n_pads = self.max_length - events["length"]
        event_BTD = self.add_to(event_BTD * self.scale, events)
        step = torch.arange(self.max_length)[None] - n_pads[:, None]
        is_pad, step = step < 0, step.clamp(min=0, max=n_steps - 1)
        x = event_BTD.gather(1, step[:, :, None].expand(-1, -1, dim))
        pad = torch.zeros(dim) if pad_D is None else pad_D * self.scale
        place = torch.arange(self.max_length)
        if self.variant != "pmixer_a":
            place = torch.where(is_pad, torch.tensor(0), place + 1)
        x = torch.where(is_pad[:, :, None], pad, x) + self.pos_emb(place)
        x = self.zeroed(self.drop(x), is_pad)
        weight = torch.where(is_pad, torch.tensor(1.0), events["weight"].gather(1, step))
        bias = torch.where(causal(self.max_length)[None], torch.log(weight)[:, None],
                           torch.tensor(-torch.inf))
        for i in range(len(self.attention_layers)):
            x = self.zeroed(self.layer(i, x, bias), is_pad)
        index = (torch.arange(n_steps)[None] + n_pads[:, None]).clamp(max=self.max_length - 1)
        return self.last_layernorm(x), index

    def zeroed(self, x, is_pad):
        return x.masked_fill(is_pad[:, :, None], 0.0) if self.variant == "pmixer_a" else x

    def layer(self, i, x, bias):
        norm1, norm2 = self.attention_layernorms[i], self.forward_layernorms[i]
        if self.variant == "pmixer_c_pre":
            y = norm1(x)
            x = x + self.mix(i, y, y, bias)
            return x + self.feed(i, norm2(x))
        if self.variant == "pmixer_c_post":
            x = norm1(x + self.mix(i, x, x, bias))
            return norm2(x + self.feed(i, x))
        q = norm1(x)
        x = norm2(q + self.mix(i, q, x, bias))
        return x + self.feed(i, x)

    def mix(self, i, q, kv, bias):
        att = self.attention_layers[i]
        w, b = att.in_proj_weight.chunk(3), att.in_proj_bias.chunk(3)
        q, k, v = (F.linear(y, w[j], b[j]) for j, y in enumerate((q, kv, kv)))
        return att.out_proj(attend(q, k, v, bias, self.n_heads))

    def feed(self, i, x):
        ffn = self.forward_layers[i]

        def pointwise(name, y):
            return F.linear(y, ffn[name].weight[:, :, 0], ffn[name].bias)

        return self.drop(pointwise("conv2", F.relu(self.drop(pointwise("conv1", x)))))


class Gru(SideTables):
    """GRU4Rec's layers, h <- h + w (F(h, e) - h), and its dense layer where there is one."""

    def __init__(self, encoder, dropout=0.0):
        super().__init__(encoder)
        self.n_layers, self.has_bias = encoder["layers"], encoder.get("bias", True)
        self.drop = nn.Dropout(dropout)
        self.gru_layers = nn.GRU(encoder["dim"], encoder["hidden"], self.n_layers,
                                 bias=self.has_bias, batch_first=True)
        if encoder.get("dense", False):
            self.dense = nn.Linear(encoder["hidden"], encoder["dim"])

    def all_states(self, event_BTD, events):
        x = self.drop(self.add_to(event_BTD, events))
        if bool((events["weight"] == 1).all()):
            x = self.gru_layers(x)[0]
        else:
            for layer in range(self.n_layers):
                x = self.weighted(layer, x, events["weight"])
        return self.dense(x) if hasattr(self, "dense") else x

    def weighted(self, layer, x_BTE, weight_BT):
        """One layer, an event at a time, with identity weights."""
        def named(name):
            return getattr(self.gru_layers, f"{name}_l{layer}")

        w_hh, b_hh = named("weight_hh"), named("bias_hh") if self.has_bias else None
        in_BTG = F.linear(x_BTE, named("weight_ih"), named("bias_ih") if self.has_bias else None)
        h, states = torch.zeros(len(x_BTE), w_hh.shape[1]), []
        for t in range(x_BTE.shape[1]):
            i_r, i_z, i_n = in_BTG[:, t].chunk(3, dim=1)
            h_r, h_z, h_n = F.linear(h, w_hh, b_hh).chunk(3, dim=1)
            r, z = torch.sigmoid(i_r + h_r), torch.sigmoid(i_z + h_z)
            new = torch.tanh(i_n + r * h_n)
            h = h + weight_BT[:, t:t + 1] * ((1 - z) * new + z * h - h)
            states.append(h)
        return torch.stack(states, dim=1)

    def forward(self, event_BTD, events):
        return last_of(self.all_states(event_BTD, events), events["length"])


class Decay(nn.Module):
    """Per half-life the mean of the event vectors, an event that much older counting half."""

    def __init__(self, encoder, dropout=0.0):
        super().__init__()
        self.half_lives_s = encoder["half_lives_s"]
        self.drop = nn.Dropout(dropout)

    def forward(self, event_BTD, events):
        time, length = events["time"], events["length"]
        age = time - time.gather(1, (length - 1).clamp(min=0)[:, None])
        is_event = torch.arange(time.shape[1]) < length[:, None]
        event_BTD, out = self.drop(event_BTD), []
        for tau in self.half_lives_s:
            w = torch.exp2(age.clamp(max=0).double() / tau).float() * events["weight"] * is_event
            total = torch.einsum("bt,btd->bd", w, event_BTD)
            out.append(total / (w.sum(1, keepdim=True) + 1e-6))
        return torch.cat(out, dim=1)


def build(encoder, dropout=0.0):
    """The module of one `encoder` of model.json."""
    if encoder["type"] == "attention":
        return (Recbole if encoder["variant"] == "recbole" else Pmixer)(encoder, dropout)
    return (Gru if encoder["type"] == "gru" else Decay)(encoder, dropout)
