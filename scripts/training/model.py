# SPDX-License-Identifier: Apache-2.0
"""The whole model of docs/MODELS.md in PyTorch: events -> states -> fusion -> x_u, item vectors
z_i, heads. tensors() and describe() give what the engine reads. Built once per training run.

`spec` is model.json (docs/FORMATS.md) with every default filled in; customers of a batch are
    events {modality: see encoders.py}, static [B, C] i64 rows of the static tables,
    aggregate [B, A] f32 raw values, NaN missing"""
import numpy as np
import torch
from torch import nn

import reference
from training import encoders


class Named(nn.Module):
    """Modules by name; unlike nn.ModuleDict it takes any name ("type", "a.b")."""

    def __init__(self, modules):
        super().__init__()
        self.names, self.modules_ = list(modules), nn.ModuleList(modules.values())

    def __getitem__(self, name):
        return self.modules_[self.names.index(name)]

    def __contains__(self, name):
        return name in self.names

    def __len__(self):
        return len(self.names)

    def items(self):
        return zip(self.names, self.modules_)

    def values(self):
        return iter(self.modules_)

    def tensors(self, prefix=""):
        return {f"{prefix}{name}.{k}": v for name, module in self.items()
                for k, v in module.state_dict().items()}


class Items(nn.Module):
    """z_i and b_i, row 0 the padding: an item's own vector, shrunk towards 0 where there is little
    to learn it from, plus those of its groups, plus a linear map of its values and features."""

    def __init__(self, item, dim, features):
        """features: "count" [V] f32 events per item, "groups" {name: row [V] i64, 0 none},
        "dense" [V, F] f32 standardised."""
        super().__init__()
        n_rows = len(features["count"])
        self.is_constant = item.get("constant", False)
        width = dim - self.is_constant
        prior = item.get("id_prior", 0.0)
        count = features["count"].clone()
        self.register_buffer("known_V1", torch.sqrt(count / (count + prior) if prior else
                                                    torch.ones(n_rows))[:, None])
        self.known_V1[0] = 0
        self.own = nn.Embedding(n_rows, width)
        nn.init.normal_(self.own.weight, std=item.get("start", 0.02))
        self.group_row = features["groups"]
        self.groups = Named({name: nn.Embedding(int(row_V.max()) + 1, width, padding_idx=0)
                             for name, row_V in features["groups"].items()})
        for table in self.groups.values():
            nn.init.normal_(table.weight, std=0.03)
            table.weight.data[0] = 0
        self.fixed_VD = None
        self.dense = None
        if features["dense"].shape[1]:
            self.register_buffer("dense_VF", features["dense"])
            self.dense = nn.Linear(features["dense"].shape[1], width, bias=False)
            nn.init.normal_(self.dense.weight, std=0.01)
        self.bias = None
        if item.get("bias"):
            self.bias = nn.Parameter(torch.log(count + 0.1))
            self.bias.data[0] = 0

    def table(self):
        """z, [V, D]; with `constant` the last column is 1."""
        if self.fixed_VD is not None:
            return self.fixed_VD
        z_VD = self.own.weight * self.known_V1
        for name, table in self.groups.items():
            z_VD = z_VD + table(self.group_row[name])
        if self.dense is not None:
            z_VD = z_VD + self.dense(self.dense_VF)
        if self.is_constant:
            z_VD = torch.cat([z_VD, (torch.arange(len(z_VD)) > 0).float()[:, None]], dim=1)
        return z_VD


class Fusion(nn.Module):
    """Gated attention over the modalities a customer has (eq. 3), statics and aggregates, LN."""

    def __init__(self, spec, widths, start):
        super().__init__()
        dim, gates = spec["dim"], {}
        total = sum(widths.values()) + len(widths)
        self.eps = spec["fusion"].get("eps", 1e-5)
        is_even = spec["fusion"].get("train_as", "gated") == "concatenation"
        for name, width in widths.items():
            gate = nn.ModuleDict({"g": nn.Linear(width, dim), "z": nn.Linear(total, dim)})
            # Start as "a customer is what they did": gates open, g near the identity.
            nn.init.constant_(gate["z"].bias, 2.0)
            if start.get(name) == 0:
                gate["g"].weight.data.zero_()
                gate["g"].bias.data.zero_()
            elif width == dim and name in start:
                gate["g"].weight.data = torch.eye(dim) * start[name]
                if spec["item"].get("constant"):  # else the 1 would drown the rest in LN
                    gate["g"].weight.data[-1, -1] = 0
            if is_even:  # gates open and attention even: the modalities' maps added up
                gate["z"].weight.data.zero_()
                nn.init.constant_(gate["z"].bias, 20.0)
                gate["z"].requires_grad_(False)
            gates[name] = gate
        self.gates = Named(gates)
        self.attention = nn.Parameter(torch.randn(dim) * 0.1 * (not is_even),
                                      requires_grad=not is_even)
        self.default = nn.Parameter(torch.zeros(dim))
        n_static = sum(c["dim"] for c in spec["static"])
        if n_static:
            self.static = nn.Linear(n_static, dim, bias=False)
            nn.init.normal_(self.static.weight, std=0.005)
        if spec["aggregate"]:
            self.aggregate = nn.Linear(2 * len(spec["aggregate"]), dim, bias=False)
            nn.init.normal_(self.aggregate.weight, std=0.005)
        self.LayerNorm = nn.LayerNorm(dim, eps=self.eps)

    def forward(self, states, present_BM, confidence_BM, static_BC, aggregate_BF):
        """x_u before h, and alpha [B, M]."""
        on_BM = present_BM.float()
        gate_BI = torch.cat([torch.where(present_BM[:, m:m + 1], s, torch.tensor(0.0))
                             for m, s in enumerate(states)] + [on_BM], dim=1)
        cut, g, z = 0, [], []
        for gate, state in zip(self.gates.values(), states):
            width = state.shape[1]
            g.append(torch.tanh(gate["g"](gate_BI[:, cut:cut + width])))
            z.append(torch.sigmoid(gate["z"](gate_BI)))
            cut += width
        g_BMD, z_BMD = torch.stack(g, dim=1), torch.stack(z, dim=1)
        logit_BM = (g_BMD @ self.attention + torch.log(confidence_BM)).masked_fill(
            ~present_BM, -torch.inf)
        any_B1 = present_BM.any(1, keepdim=True)
        alpha_BM = torch.softmax(torch.where(any_B1, logit_BM, torch.tensor(0.0)), dim=1) * on_BM
        mixed_BD = torch.where(any_B1, torch.einsum("bm,bmd->bd", alpha_BM, z_BMD * g_BMD),
                               self.default)
        if static_BC is not None:
            mixed_BD = mixed_BD + self.static(static_BC)
        if aggregate_BF is not None:
            mixed_BD = mixed_BD + self.aggregate(aggregate_BF)
        return self.LayerNorm(mixed_BD), alpha_BM


    def tensors(self):
        own = {f"fusion.{k}": v for k, v in self.state_dict().items()
               if not k.startswith("gates.")}
        return own | self.gates.tensors("fusion.")


class ItemHead(nn.Module):
    """logit = (W x) . z_i + b_i + c (eq. 6)."""

    def __init__(self, head, dim, n_rows):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(dim) * 0.1)
        self.bias = nn.Parameter(torch.zeros(1))
        if head.get("item_bias", False):
            self.item_bias = nn.Parameter(torch.zeros(n_rows))


class SurvivalHead(nn.Module):
    """Hazard of each period (eq. 17): sigmoid(w_p . x + b_p)."""

    def __init__(self, head, dim, n_rows):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(head["periods"], dim))
        self.bias = nn.Parameter(torch.full((head["periods"],), -1.0))


def is_survival(head):
    return head.get("type", "item") == "survival"


class Model(nn.Module):
    def __init__(self, spec, n_rows, features, dropout=0.0, start=None, item_dropout=0.0):
        """n_rows: {vocabulary: rows of its tables, row 0 the padding}; features: see Items; start:
        {modality: what its g begins with, times the identity, 0 for a modality that says nothing
        at first}; item_dropout: of event vectors."""
        super().__init__()
        self.spec, dim = spec, spec["dim"]
        self.items = Items(spec["item"], dim, features)
        self.item_drop = nn.Dropout(item_dropout)
        self.encoders = Named({m["name"]: encoders.build(m["encoder"], dropout)
                               for m in spec["modalities"]})
        self.tables = Named({
            m["name"]: nn.Embedding(n_rows[m["vocabulary"]], m["encoder"]["dim"], padding_idx=0)
            for m in spec["modalities"] if not self.reads_items(m)})
        self.statics = Named({c["name"]: nn.Embedding(c["rows"], c["dim"])
                              for c in spec["static"]})
        for table in (*self.tables.values(), *self.statics.values()):
            nn.init.normal_(table.weight, std=0.1)
        for table in self.tables.values():
            table.weight.data[0] = 0
        for part in ("mean", "std"):
            values = [a[part] for a in spec["aggregate"]]
            self.register_buffer(f"{part}_A", torch.tensor(values, dtype=torch.float64))
        self.fusion = None
        if spec["fusion"]["type"] == "gated":
            widths = {m["name"]: reference.out_dim(m) for m in spec["modalities"]}
            self.fusion = Fusion(spec, widths, start or {})
        n_mlp = spec["fusion"].get("mlp_layers", 0)
        self.h = nn.ModuleList([nn.Linear(dim, dim) for _ in range(n_mlp)])
        for layer in self.h:
            layer.weight.data += torch.eye(dim)
        self.heads = Named({
            head["name"]: (SurvivalHead if is_survival(head) else ItemHead)(
                head, dim, len(features["count"])) for head in spec["heads"]})

    @torch.no_grad()
    def round_to(self, dtype):
        """All weights become what dtype can hold; z_i is fixed from here on."""
        self.items.fixed_VD = self.items.table().to(dtype).float()
        for p in self.parameters():
            p.data = p.data.to(dtype).float()

    def reads_items(self, modality):
        return modality.get("item_table") == self.spec["item"]["table"]

    def vectors(self, modality, events, z_VD):
        """The events' rows of the embedding table, [B, T, D], and the table's row 0."""
        table = z_VD if self.reads_items(modality) else self.tables[modality["name"]].weight
        return self.item_drop(nn.functional.embedding(events["item"], table)), table[0]

    def state(self, modality, events, z_VD):
        """s_u, [B, S]."""
        event_BTD, pad_D = self.vectors(modality, events, z_VD)
        encoder = self.encoders[modality["name"]]
        if isinstance(encoder, encoders.Pmixer):
            return encoder(event_BTD, events, pad_D)
        return encoder(event_BTD, events)

    def forward(self, batch, z_VD):
        """x_u, [B, D]."""
        return self.explain(batch, z_VD)[0]

    def explain(self, batch, z_VD):
        """x_u and alpha [B, M] (None without fusion)."""
        modalities = self.spec["modalities"]
        events = [batch["events"][m["name"]] for m in modalities]
        states = [self.state(m, e, z_VD) for m, e in zip(modalities, events)]
        if self.fusion is None:
            return torch.where(events[0]["length"][:, None] > 0, states[0], torch.tensor(0.0)), None
        present = torch.stack([e["length"] > 0 for e in events], dim=1)
        confidence = torch.stack([mean_weight(e) for e in events], dim=1)
        x_BD, alpha = self.fusion(states, present, confidence, self.static_input(batch),
                                  self.aggregate_input(batch))
        act = encoders.ACTIVATIONS[self.spec["fusion"].get("mlp_activation", "gelu")]
        for i, layer in enumerate(self.h):
            x_BD = layer(x_BD) if i + 1 == len(self.h) else act(layer(x_BD))
        return self.band(x_BD), alpha

    def band(self, x_BD):
        band = self.spec["fusion"].get("band")
        if band is None:
            return x_BD
        norm = x_BD.double().norm(dim=1, keepdim=True).clamp(min=1e-30)
        return (x_BD * (norm.clamp(band["lo"], band["hi"]) / norm)).float()

    def static_input(self, batch):
        if not len(self.statics):
            return None
        return torch.cat([table(batch["static"][:, i])
                          for i, table in enumerate(self.statics.values())], dim=1)

    def aggregate_input(self, batch):
        if not self.spec["aggregate"]:
            return None
        is_missing = torch.isnan(batch["aggregate"])
        value = ((batch["aggregate"].double() - self.mean_A) / self.std_A).float()
        return torch.cat([torch.where(is_missing, torch.tensor(0.0), value), is_missing.float()],
                         dim=1)

    def after_every_event(self, batch, z_VD):
        """x after each event, [B, T, D]; for models of one modality without fusion."""
        modality = self.spec["modalities"][0]
        events = batch["events"][modality["name"]]
        event_BTD, pad_D = self.vectors(modality, events, z_VD)
        encoder = self.encoders[modality["name"]]
        if isinstance(encoder, encoders.Pmixer):
            return encoder.all_states(event_BTD, events, pad_D)
        return encoder.all_states(event_BTD, events)

    def scores(self, x_BD, z_ND, rows=slice(None)):
        """s(u, i) of items `rows` of the table, whose vectors are z_ND (eq. 4)."""
        score = x_BD @ z_ND.t()
        return score if self.items.bias is None else score + self.items.bias[rows]

    def head_logits(self, name, x_BD, z_ND, rows=slice(None)):
        """logit_k of an item head, [B, N]."""
        head = self.heads[name]
        logit = x_BD @ head.weight.t() @ z_ND.t() + head.bias
        return logit + head.item_bias[rows] if hasattr(head, "item_bias") else logit

    def hazard_logits(self, name, x_BD):
        """Of a survival head, [B, P]."""
        head = self.heads[name]
        return x_BD @ head.weight.t() + head.bias

    def side_parts(self, start):
        """What reads statics, aggregates and the modalities that start silent."""
        silent = [m["name"] for m in self.spec["modalities"] if start.get(m["name"]) == 0]
        parts = [self.statics]
        for name in silent:
            parts += [self.encoders[name]] + ([self.tables[name]] if name in self.tables else [])
        if self.fusion is not None:
            parts += [self.fusion.gates[name]["g"] for name in silent]
            parts += [getattr(self.fusion, side) for side in ("static", "aggregate")
                      if hasattr(self.fusion, side)]
        return parts

    def own_tensors(self):
        """{name: tensor} of everything but the items, as docs/FORMATS.md names them."""
        out = {}
        for m in self.spec["modalities"]:
            prefix = m.get("prefix", "")
            out |= {prefix + k: v for k, v in self.encoders[m["name"]].state_dict().items()}
            if m["name"] in self.tables:
                out[reference.item_table(m)] = self.tables[m["name"]].weight
        out |= self.statics.tensors("static.") | self.heads.tensors("head.")
        if self.fusion is not None:
            out |= self.fusion.tensors()
        return out | {"h." + k: v for k, v in self.h.state_dict().items()}

    @torch.no_grad()
    def tensors(self):
        """{name: f32 array} of the bundle."""
        item, out = self.spec["item"], self.own_tensors()
        out[item["table"]] = self.items.table()
        if self.items.bias is not None:
            out[item["bias"]] = self.items.bias
        return {name: value.detach().numpy() for name, value in out.items()}

    @torch.no_grad()
    def load(self, tensors):
        """Takes the weights of a bundle of the same spec, whose items are their own vectors."""
        item, own = self.spec["item"], self.own_tensors()
        if len(self.items.groups) or self.items.dense is not None or self.items.is_constant:
            raise ValueError("fit.begin: only for items without groups, values, features, constant")
        own[item["table"]] = self.items.own.weight
        if self.items.bias is not None:
            own[item["bias"]] = self.items.bias
        for name, value in own.items():
            found = np.shape(tensors[name]) if name in tensors else "none"
            if found != tuple(value.shape):
                raise ValueError(f"fit.begin: tensor {name} has shape {found}, expected "
                                 f"{tuple(value.shape)}")
            value.copy_(torch.from_numpy(tensors[name]))


def mean_weight(events):
    """Mean identity weight of the kept events, 1 where there are none, [B]."""
    is_event = torch.arange(events["weight"].shape[1]) < events["length"][:, None]
    total = (events["weight"] * is_event).sum(1)
    return torch.where(events["length"] > 0, total / events["length"].clamp(min=1),
                       torch.tensor(1.0))
