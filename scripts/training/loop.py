# SPDX-License-Identifier: Apache-2.0
"""The training loop: steps, epochs, validation, early stopping, checkpoints. Called once per run.

Same seed, configuration, machine and number of threads: the same bits, resumed or not."""
import os
from pathlib import Path

import numpy as np
import torch

import bundle_writer
from training import heads, objectives, ranks, regularisers
from training.progress import Progress

DAY_S = 86400
N_DRAWN = 100  # rows that drawn_hr ranks a held-out item among
CHUNK = 512  # customers encoded at a time where nothing is learnt


class Trainer:
    def __init__(self, assembly):
        self.data, self.config, self.spec = assembly, assembly.config, assembly.spec
        c = self.config
        self.model = assembly.model()
        heads.start(self.model, assembly)
        if c["fit.begin"]:
            self.model.load(bundle_writer.read_safetensors(
                Path(c["fit.begin"]) / "weights.safetensors"))
        self.rng = np.random.default_rng(c["seed"])
        self.generator = torch.Generator().manual_seed(c["seed"])
        names = [h["name"] for h in self.spec["heads"]]
        self.tasks = objectives.TaskWeights(c["tasks.weighting"], ["ranking", *names],
                                            c["tasks.weights"])
        count = self.model.items.get_buffer("known_V1").new_tensor(
            np.concatenate([[0], assembly.count_N])) + 0.4
        count[0] = 0
        power = c["objective.popularity_power"]
        self.share_V = count ** power * (count > 0)
        self.share_V /= self.share_V.sum()
        self.optimiser = torch.optim.AdamW(self.groups(), lr=c["fit.rate"], betas=(0.9, 0.98))
        self.epoch, self.best, self.best_epoch, self.history = 0, -1.0, 0, []
        self.best_state, self.n_steps = None, 0
        self.mean = [p.detach().clone() for p in self.model.parameters()]
        total = c["fit.epochs"] * len(self.batches(shuffle=False))
        self.schedule = self.make_schedule(total)

    def groups(self):
        """Parameters by how they are learnt: item vectors, what reads modalities that start silent
        and sides (slowly, fit.side_rate), everything else."""
        c, items = self.config, self.model.items
        own = [items.own.weight, *(t.weight for t in items.groups.values())]
        side = [p for part in self.model.side_parts(c["fit.start"]) for p in part.parameters()]
        taken = {id(p) for p in [*own, *side]}
        if not c["tasks.joint"]:
            taken |= {id(p) for p in self.model.heads.parameters()}
        rest = [p for p in self.model.parameters() if id(p) not in taken]
        return [{"params": own, "weight_decay": c["fit.item_decay"]},
                {"params": rest + list(self.tasks.parameters()), "weight_decay": c["fit.decay"]},
                {"params": side, "weight_decay": c["fit.decay"],
                 "lr": c["fit.rate"] * c["fit.side_rate"]}]

    def make_schedule(self, total):
        c = self.config
        if c["fit.schedule"] == "one_cycle":
            return torch.optim.lr_scheduler.OneCycleLR(
                self.optimiser, [g["lr"] for g in self.optimiser.param_groups], pct_start=0.1,
                total_steps=total + 1)
        warm = c["fit.warmup_steps"]
        return torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: min(1.0, (step + 1) / warm) if warm else 1.0)

    def batches(self, shuffle=True):
        """[(snapshot or None, customers)]: a batch is of one snapshot."""
        c, out = self.config, []
        if self.data.customers is not None:
            timeline = next(iter(self.data.customers.timeline.values()))
            parts = [(None, np.flatnonzero(np.diff(timeline.offset) > 2))]
        else:
            parts = [(s, self.learners(s)) for s in self.data.days("train")]
        for snapshot, customers in parts:
            customers = self.rng.permutation(customers) if shuffle else customers
            n = max(1, round(len(customers) / c["fit.batch"]))
            out += [(snapshot, part) for part in np.array_split(customers, n)]
        if not shuffle:
            return out
        return [out[i] for i in self.rng.permutation(len(out))]

    def learners(self, snapshot):
        """Customers of a snapshot that teach something: those with a label, or all for heads."""
        if self.config["objective.type"] == "logged":
            return np.flatnonzero(np.diff(snapshot.labels.log["offset"].astype(np.int64)) > 0)
        if self.config["tasks.joint"] and self.spec["heads"]:
            return snapshot.customers.known()
        return np.flatnonzero(np.diff(
            snapshot.labels.events(self.config["data.label"]).offset) > 0)

    # ---- one step

    def inputs(self, snapshot, customers):
        """A batch with what augmentation does to it."""
        c, before = self.config, None
        if c["augment.delay_days"] and snapshot.labels.as_of is not None:
            delay = self.rng.random(len(customers)) * c["augment.delay_days"] * DAY_S
            is_late = self.rng.random(len(customers)) < c["augment.delay_share"]
            before = snapshot.labels.as_of - (delay * is_late).astype(np.int64)
        batch = snapshot.customers.batch(customers, self.spec, before)
        return self.thin(batch, c["augment.event_dropout"])

    def thin(self, batch, p):
        if not p:
            return batch
        events = {name: regularisers.thinned(e, p, self.generator)
                  for name, e in batch["events"].items()}
        return {**batch, "events": events}

    def losses(self, snapshot, customers):
        """{task: loss} and regularisers' sum of one batch."""
        if snapshot is None:
            return {"ranking": self.next_event(customers)}, 0.0
        z_VD = self.model.items.table()
        batch = self.inputs(snapshot, customers)
        x_BD = self.model(batch, z_VD)
        out = {"ranking": self.rank_loss(snapshot, customers, x_BD, z_VD)}
        if self.config["tasks.joint"]:
            for head in self.spec["heads"]:
                out[head["name"]] = self.head_loss(head, snapshot, customers, x_BD, z_VD)
        return out, self.regularise(batch, x_BD, z_VD)

    def rank_loss(self, snapshot, customers, x_BD, z_VD):
        c = self.config
        if c["objective.type"] == "logged":
            logged = snapshot.labels.logged(customers)
            if c["objective.logged"] == "policy_gradient":
                return c["objective.gradient_weight"] * objectives.policy_gradient(
                    self.model, x_BD, z_VD, logged, c["objective.temperature"],
                    c["objective.clip"], c["objective.baseline"])
            row, item, reward, log_propensity = logged
            weight = objectives.inverse_propensity(log_propensity, reward, c["objective.clip"])
        else:
            row, item = snapshot.labels.items(c["data.label"], customers)
            weight = torch.ones(len(item))
            if c["objective.recall"]:
                row, item, weight = self.with_history(snapshot, customers, row, item)
        return objectives.ranking(c["objective.loss"], self.model, x_BD, z_VD,
                                  (row, item, weight), self.share_V, c["objective.negatives"],
                                  self.generator)

    def with_history(self, snapshot, customers, row, item):
        """The positives with the history's events beside them, whose weights add up to
        objective.recall per customer."""
        timeline = snapshot.customers.timeline[self.config["objective.recall_modality"]]
        past, place = timeline.pairs(customers)
        share = self.config["objective.recall"] / np.bincount(past, minlength=len(customers))[past]
        return (torch.cat([row, torch.from_numpy(past)]),
                torch.cat([item, torch.from_numpy(timeline.item[place])]),
                torch.cat([torch.ones(len(item)), torch.from_numpy(share).float()]))

    def next_event(self, customers):
        """Each event predicts the one after it; the last event of all validates."""
        c, m = self.config, self.spec["modalities"][0]
        length = m["encoder"]["max_length"] + 1
        timeline = self.data.customers.timeline[m["name"]]
        n_held = 1 + self.shift(timeline, customers, length)
        events = timeline.batch(customers, length, n_held=n_held)
        target = events["item"][:, 1:]
        past = {k: v[:, :-1] for k, v in events.items() if k != "length"}
        past["length"] = (events["length"] - 1).clamp(min=0)
        z_VD = self.model.items.table()
        x_BTD = self.model.after_every_event({"events": {m["name"]: past}}, z_VD)
        is_event = torch.arange(x_BTD.shape[1]) < past["length"][:, None]
        x_RD, item = x_BTD[is_event], target[is_event]
        return objectives.ranking(c["objective.loss"], self.model, x_RD, z_VD,
                                  (torch.arange(len(item)), item, torch.ones(len(item))),
                                  self.share_V, c["objective.negatives"], self.generator)

    def shift(self, timeline, customers, length):
        """How many of the last events each customer's window leaves out: for augment.shift of the
        histories that are longer than it, a window anywhere instead of the last one."""
        share = self.config["augment.shift"]
        if not share:
            return 0
        spare = np.diff(timeline.offset)[customers] - 1 - length
        drawn = (self.rng.random(len(customers)) * (spare + 1)).astype(np.int64)
        return np.where((spare > 0) & (self.rng.random(len(customers)) < share), drawn, 0)

    def head_loss(self, head, snapshot, customers, x_BD, z_VD, n_negatives=None):
        c, name = self.config, head["name"]
        label = self.data.label_of(head)
        if head.get("type", "item") == "survival":
            period = snapshot.labels.first_period(label, customers, head["periods"],
                                                  head["period_s"])
            return objectives.survival(self.model, name, x_BD, period)
        n_negatives = c["tasks.negatives"] if n_negatives is None else n_negatives
        row, item = snapshot.labels.items(label, customers)
        return objectives.item_head(self.model, name, x_BD, z_VD, row, item, self.share_V,
                                    n_negatives, self.generator)

    def regularise(self, batch, x_BD, z_VD):
        c, total = self.config, 0.0
        if c["regularisers.smoothness"]:
            total = total + c["regularisers.smoothness"] * regularisers.smoothness(
                x_BD, self.histogram(batch, len(z_VD)))
        if c["regularisers.density"]:
            sparse = self.thin(batch, c["regularisers.density_drop"])
            total = total + c["regularisers.density"] * regularisers.density(
                x_BD, self.model(sparse, z_VD))
        if c["regularisers.norm_band"]:
            total = total + c["regularisers.norm_band"] * regularisers.norm_band(
                x_BD, c["regularisers.norm_lo"], c["regularisers.norm_hi"])
        if c["regularisers.exposure"] or c["regularisers.margin"]:
            score_BN = self.model.scores(x_BD, z_VD)[:, 1:]
            if c["regularisers.exposure"]:
                group = self.model.items.group_row[c["regularisers.exposure_group"]][1:]
                total = total + c["regularisers.exposure"] * regularisers.exposure(
                    score_BN, group, int(group.max()) + 1)
            if c["regularisers.margin"]:
                total = total + c["regularisers.margin"] * regularisers.margin_floor(
                    score_BN, self.data.catalogue.value(c["regularisers.margin_value"]),
                    c["regularisers.margin_floor"])
        return total

    def histogram(self, batch, n_rows):
        """Item counts of each customer's history, [B, V]."""
        m = next(m for m in self.spec["modalities"] if m["vocabulary"] == "catalogue")
        item = batch["events"][m["name"]]["item"]
        out = torch.zeros(len(item), n_rows).scatter_add_(1, item, torch.ones(item.shape))
        out[:, 0] = 0
        return out

    def step(self, snapshot, customers):
        losses, penalty = self.losses(snapshot, customers)
        total = self.tasks(losses) + penalty
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        if self.config["fit.clip_norm"]:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config["fit.clip_norm"])
        self.optimiser.step()
        self.schedule.step()
        if self.config["fit.average"]:
            self.add_to_mean()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    @torch.no_grad()
    def add_to_mean(self):
        """Running mean of the weights; early steps count less, as there are few of them."""
        self.n_steps += 1
        keep = min(self.config["fit.average"], self.n_steps / (self.n_steps + 10))
        for mean, p in zip(self.mean, self.model.parameters()):
            mean.mul_(keep).add_(p, alpha=1 - keep)

    @torch.no_grad()
    def swap_mean(self):
        """The model takes the mean weights, and back."""
        if self.config["fit.average"]:
            for mean, p in zip(self.mean, self.model.parameters()):
                held = p.detach().clone()
                p.copy_(mean)
                mean.copy_(held)

    # ---- epochs

    def fit(self, checkpoint=None):
        c = self.config
        while self.epoch < c["fit.epochs"] and self.epoch - self.best_epoch < c["fit.patience"]:
            sums, progress = {}, Progress(f"epoch {self.epoch + 1}/{c['fit.epochs']}")
            self.model.train()
            batches = self.batches()
            for i, (snapshot, customers) in enumerate(batches):
                for name, loss in self.step(snapshot, customers).items():
                    sums[name] = sums.get(name, 0.0) + loss
                progress.show(i + 1, len(batches), {n: s / (i + 1) for n, s in sums.items()})
            self.epoch += 1
            self.swap_mean()
            measured = self.validate()
            better = measured[c["fit.metric"]] > self.best
            if better:
                self.best, self.best_epoch = measured[c["fit.metric"]], self.epoch
                self.best_state = {k: v.clone() for k, v in self.model.state_dict().items()}
            self.swap_mean()
            self.history.append({"epoch": self.epoch, **{f"loss_{n}": s / len(batches)
                                                         for n, s in sums.items()}, **measured})
            progress.end({n: s / len(batches) for n, s in sums.items()}, measured, better)
            if checkpoint:
                self.save(checkpoint)
        if self.best_state is None:
            raise ValueError("validation gave no number in any epoch: training diverged")
        self.model.load_state_dict(self.best_state)

    @torch.no_grad()
    def encode(self, customers_file, rows, before=None):
        """x_u of these customers of a file, [R, D], and the item table."""
        self.model.eval()
        z_VD = self.model.items.table()
        parts = [self.model(customers_file.batch(
            part, self.spec, None if before is None else np.full(len(part), before)), z_VD)
            for part in np.array_split(rows, max(1, -(-len(rows) // CHUNK)))]
        return torch.cat(parts), z_VD

    @torch.no_grad()
    def validate(self):
        """HR and NDCG at fit.at over the full catalogue, each held-out (customer, item) a case."""
        c = self.config
        if self.data.customers is not None:
            return self.validate_next()
        cases = []
        for snapshot in self.data.days("validate"):
            timeline = snapshot.labels.events(c["data.label"])
            rows = np.flatnonzero(np.diff(timeline.offset) > 0)
            x_RD, z_VD = self.encode(snapshot.customers, rows)
            top = ranks.best(self.model, x_RD, z_VD, c["fit.at"])
            row, item = snapshot.labels.items(c["data.label"], rows)
            cases.append(ranks.places(top, row, item))
        return ranks.measures(torch.cat(cases), c["fit.at"])

    def validate_next(self):
        c, m = self.config, self.spec["modalities"][0]
        timeline = self.data.customers.timeline[m["name"]]
        rows = np.flatnonzero(np.diff(timeline.offset) > 1)
        self.model.eval()
        z_VD, places, drawn = self.model.items.table(), [], []
        for part in np.array_split(rows, -(-len(rows) // CHUNK)):
            batch = self.data.customers.batch(part, self.spec, n_held=1)
            x_BD = self.model(batch, z_VD)
            target = torch.from_numpy(timeline.item[timeline.offset[part + 1] - 1])
            seen = [timeline.item[a:b - 1] for a, b in
                    zip(timeline.offset[part], timeline.offset[part + 1])]
            top = ranks.best(self.model, x_BD, z_VD, c["fit.at"], seen)
            places.append(ranks.places(top, torch.arange(len(part)), target))
            drawn.append(ranks.place_among(self.model, x_BD, z_VD, target,
                                           self.drawn_rows(part, len(z_VD))))
        return {**ranks.measures(torch.cat(places), c["fit.at"]),
                "drawn_hr": ranks.measures(torch.cat(drawn), c["fit.at"])["hr"]}

    def drawn_rows(self, customers, n_rows):
        """N_DRAWN table rows per customer, the same in every epoch, [B, N_DRAWN]."""
        rng = np.random.default_rng([self.config["seed"], int(customers[0])])
        return torch.from_numpy(rng.integers(1, n_rows, (len(customers), N_DRAWN)))

    # ---- checkpoints

    def save(self, path):
        state = {"config": self.config, "model": self.model.state_dict(),
                 "tasks": (self.tasks.state_dict(), self.tasks.first),
                 "optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict(),
                 "random": (self.rng.bit_generator.state, self.generator.get_state(),
                            torch.get_rng_state()),
                 "mean": (self.mean, self.n_steps),
                 "progress": (self.epoch, self.best, self.best_epoch, self.history,
                              self.best_state)}
        torch.save(state, f"{path}.tmp")
        os.replace(f"{path}.tmp", path)

    def resume(self, path):
        """Goes on where save() left off; False when there is nothing to go on from."""
        if not os.path.exists(path):
            return False
        try:
            state = torch.load(path)
        except Exception as error:  # whatever a damaged file makes of unpickling
            raise ValueError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
        differs = [k for k, v in self.config.items() if state["config"].get(k) != v
                   and k not in ("fit.epochs", "fit.patience")]
        if differs:
            raise ValueError(f"{path}: was made with another {differs[0]}: found "
                             f"{state['config'].get(differs[0])}, now {self.config[differs[0]]}")
        self.model.load_state_dict(state["model"])
        self.tasks.load_state_dict(state["tasks"][0])
        self.tasks.first = state["tasks"][1]
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.mean, self.n_steps = state["mean"]
        numpy_state, own, torch_state = state["random"]
        self.rng.bit_generator.state = numpy_state
        self.generator.set_state(own)
        torch.set_rng_state(torch_state)
        (self.epoch, self.best, self.best_epoch, self.history, self.best_state) = state["progress"]
        return True
