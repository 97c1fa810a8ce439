#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Policies that draw, through the whole binary, on ready-made vectors: every logged propensity
against float64 on the canonical scores, with rules, penalties, strata and quotas; draws follow
their law; the same bits for any unit and thread count; the diversity guard; what is refused."""
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from job_files import (BATCHRANK, call, canonical_scores, open_file, read_parts, run, write_csr,
                       write_job)

IS_EMULATED = "emulated" in str(BATCHRANK)  # a device without speed: fewer customers and nights
IS_FEW = "--few" in sys.argv  # the sanitizers' builds are slow
SEED, U, N, DIM, K = 20261129, 60 if IS_EMULATED else 600, 150, 6, 5
AS_OF, DAY = 1_700_000_000, 86400


def make(folder):
    rng = np.random.default_rng(SEED)
    print("seed", SEED)
    d = {"x": rng.standard_normal((U, DIM)).astype(np.float32),
         "z": rng.standard_normal((N, DIM)).astype(np.float32),
         "bias": rng.standard_normal(N).astype(np.float32),
         "age": np.where(rng.random(U) < 0.1, np.nan, rng.uniform(10, 70, U)).astype(np.float32),
         "price": rng.uniform(1, 60, N).astype(np.float32)}
    d["contact"] = [sorted((int(t), int(i)) for t, i in zip(rng.integers(AS_OF - 9 * DAY, AS_OF, n),
                                                            rng.integers(0, N, n)))
                    for n in rng.integers(0, 5, U)]
    d["never"] = [sorted(set(rng.integers(0, N, n).tolist())) for n in rng.integers(0, 20, U)]
    d["never"][3] = list(range(3, N))  # three items are left
    d["brand"] = rng.integers(-1, 7, N).astype(np.int32)
    d["kind"] = np.where(rng.random(N) < 0.9, rng.integers(0, 3, N), -1).astype(np.int32)
    d["few"] = (np.arange(N) % 2).astype(np.int32)
    with open_file(folder / "customers.h5", "customers") as f:
        f["/customer/key"] = np.arange(U, dtype=np.uint64) * 7 + 5
        f["/vector"], f["/aggregate"] = d["x"], d["age"][:, None]
        f["/aggregate"].attrs["names"] = np.array([b"age"])
        write_csr(f.create_group("exclude"), d["never"])
        contact = f.create_group("contact")
        write_csr(contact, [[i for _, i in row] for row in d["contact"]])
        contact["time"] = np.array([t for row in d["contact"] for t, _ in row], np.int64)
    with open_file(folder / "catalogue.h5", "catalogue") as f:
        f["/item/key"] = np.array([f"i{i}" for i in range(N)], "S6")
        f["/item/vector"], f["/item/bias"], f["/item/value/price"] = d["z"], d["bias"], d["price"]
        for name in ("brand", "kind", "few"):
            f[f"/item/group/{name}"] = d[name]
    return d


RULES = {"items": [{"name": "dear", "when": "age < 25", "never": "price > 40"}]}
TIRED = {"name": "tired", "type": "repetition", "weight": 1.5, "half_life_days": 2}
QUOTAS = {"": [], "quotas": [("brand", 1), ("kind", 2)], "few": [("few", 1), ("brand", 2)]}
YOUNG = {"name": "young", "when": "age < 30", "temperature": 0.3, "epsilon": 0.5}


def job(folder, name, policy, **more):
    write_job(folder / f"{name}.json",
              input={"customers": "customers.h5", "catalogue": "catalogue.h5"},
              output={"path": name}, list={"k": K}, run={"as_of": str(AS_OF)}, rules=RULES,
              objective={"penalties": [TIRED]}, policy=policy, **more)
    return folder / f"{name}.json"


def scores(d):
    """Canonical scores less the penalties, rounded once; -inf where a rule or a list forbids."""
    exact = np.zeros((U, N))
    for chain in range(8):
        part = np.zeros((U, N))
        for i in range(chain, DIM, 8):
            part += d["x"][:, i, None].astype(float) * d["z"][None, :, i].astype(float)
        exact += part
    out = canonical_scores(d["x"], d["z"], d["bias"]).astype(float)
    for u, row in enumerate(d["contact"]):
        for i in {i for _, i in row}:
            penalty = sum(1.5 * 2.0 ** (-(AS_OF - t) / (2 * DAY)) for t, j in row if j == i)
            total = exact[u, i] + float(d["bias"][i]) - float(np.float32(penalty))
            out[u, i] = float(np.float32(total))
        out[u, d["never"][u]] = -np.inf
    out[np.ix_(d["age"] < 25, d["price"] > 40)] = -np.inf
    return out


def shape(quotas):
    return {"shape": {"quotas": [{"name": f"{most} of a {group}", "group": group, "max": most}
                                 for group, most in quotas]}} if quotas else {}


def shut_out(d, quotas, listed):
    """Items whose groups have no more room beside those listed, True."""
    full = np.zeros(N, bool)
    for group, most in quotas:
        held, n = np.unique(d[group][listed], return_counts=True)
        full |= np.isin(d[group], held[(n >= most) & (held >= 0)])
    return full


def log_sum_exp(y):
    most = y.max()
    return most + np.log(np.exp(y - most).sum()) if np.isfinite(most) else -np.inf


def check_plackett_luce(d, lists, s_UN, quotas, most=N):
    worst = 0.0
    for u in range(U):
        T = 0.3 if d["age"][u] < 30 else 2.0
        y, n = s_UN[u] / np.float64(np.float32(T)), lists["customer/n"][u]
        y[np.lexsort((np.arange(N), -y))[most:]] = -np.inf
        wanted = [log_sum_exp(y)]
        for j in range(n):
            i = lists["list/item"][u, j]
            assert np.isfinite(y[i]) and lists["list/score"][u, j] == np.float32(s_UN[u, i]), (u, j)
            p = y[i] - log_sum_exp(y)
            off = abs(lists["logging/log_propensity"][u, j] - p) / max(1, abs(p))
            worst = max(worst, off)
            y[i] = -np.inf
            y[shut_out(d, quotas, lists["list/item"][u, :j + 1])] = -np.inf
        assert n == K or not np.isfinite(y).any(), u
        wanted.append(log_sum_exp(y))
        for name, w in zip(("log_normaliser", "log_remaining"), wanted):
            found = lists["logging/" + name][u]
            assert found == w or abs(found - w) <= 1e-5 * max(1, abs(w)), (u, name, found, w)
    assert worst <= 1e-5, worst
    print(f"ok  plackett_luce, quotas {quotas}: propensities within {worst:.1e}")


def check_epsilon(d, lists, s_UN, quotas):
    worst = 0.0
    for u in range(U):
        e, s = (0.5 if d["age"][u] < 30 else 0.2), s_UN[u].copy()
        e = float(np.float32(e))
        for j in range(lists["customer/n"][u]):
            i, left = lists["list/item"][u, j], np.isfinite(s).sum()
            best = np.lexsort((np.arange(N), -s))[0]
            p = np.log((1 - e) * (i == best) + e / left)
            worst = max(worst, abs(lists["logging/log_propensity"][u, j] - p) / max(1, abs(p)))
            assert np.isfinite(s[i]), (u, j)
            s[i] = -np.inf
            s[shut_out(d, quotas, lists["list/item"][u, :j + 1])] = -np.inf
        with np.errstate(divide="ignore"):
            left = np.log(np.isfinite(s).sum())
        assert abs(np.exp(lists["logging/log_remaining"][u]) - np.exp(left)) < 1e-3, u
        assert lists["customer/n"][u] == K or left == -np.inf, u
    assert worst <= 1e-5, worst
    print(f"ok  epsilon, quotas {quotas}: propensities within {worst:.1e}")


def check_flags(d, lists, s_UN):
    """Short for want of room (1024) where eligible items are left out, and only there."""
    more = np.isfinite(s_UN).sum(1) > lists["customer/n"]
    assert ((lists["customer/flags"] & 1024 != 0) == (more & (lists["customer/n"] < K))).all()


def check_law(folder, d, s_UN):
    """The first items of many nights against their probabilities: a chi-square per customer."""
    nights, chosen = 60 if IS_EMULATED or IS_FEW else 300, np.zeros((U, N))
    path = job(folder, "law", {"type": "plackett_luce", "temperature": 2.0})
    for seed in range(nights):
        run("run", path, "--set", f"output.path={folder / 'night'}", "--set",
            f"policy.seed={seed}", "--set", "list.k=1", "--set", "detect.golden=0", "--set",
            "detect.samples=0")
        chosen[np.arange(U), read_parts(folder / "night")["list/item"][:, 0]] += 1
        for part in sorted((folder / "night").rglob("*"), reverse=True):
            part.rmdir() if part.is_dir() else part.unlink()
        (folder / "night").rmdir()
    y = s_UN / 2.0
    p = np.exp(y - y.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    z = ((chosen - nights * p) ** 2).sum() - (nights * p * (1 - p)).sum()
    spread = np.sqrt(2 * (nights * p * (1 - p)).sum() ** 2 / U)
    assert abs(z) < 6 * spread, (z, spread)
    heavy = p > 0.02
    off = (chosen[heavy] - nights * p[heavy]) / np.sqrt(nights * p[heavy] * (1 - p[heavy]))
    found = (off.mean(), off.std())
    assert abs(found[0]) < 5 / np.sqrt(off.size) and 0.9 < found[1] < 1.1, found
    print(f"ok  {nights} nights follow the law: {off.size} pairs, mean {off.mean():.3f}, "
          f"deviation {off.std():.3f}")


def check_kinds(folder, d, s_UN):
    checks = {"plackett_luce": check_plackett_luce, "epsilon": check_epsilon}
    for kind, quotas in ((k + q, QUOTAS[q]) for q in QUOTAS for k in checks):
        check = checks["epsilon" if kind.startswith("epsilon") else "plackett_luce"]
        policy = {"type": check.__name__[6:], "temperature": 2.0, "epsilon": 0.2, "seed": 11,
                  "strata": [YOUNG]}
        path = job(folder, kind, policy, **shape(quotas))
        run("check", path)
        run("run", path)
        lists = read_parts(folder / kind)
        check(d, lists, s_UN, quotas)
        check_flags(d, lists, s_UN)
        if IS_EMULATED:
            run("run", path, "--backend", "cpu", "--set", f"output.path={folder / (kind + 'c')}")
            again = read_parts(folder / (kind + "c"))
            assert all(again[c].tobytes() == lists[c].tobytes() for c in lists
                       if c.startswith("list/")), "cpu"
        for name, words in {"u": ["--set", "run.unit_customers=41"],
                            "t": ["--threads", "5"]}.items():
            run("run", path, "--set", f"output.path={folder / (kind + name)}", *words)
            again = read_parts(folder / (kind + name))
            assert all(again[c].tobytes() == lists[c].tobytes() for c in lists), name
        run("verify", folder / kind, "--samples", U)
        stats = json.loads((folder / kind / "stats.json").read_text())["policy"]["strata"]
        assert sum(s["customers"] for s in stats.values()) == U and set(stats) == {"", "young"}
        drawn = -np.expm1(lists["logging/log_propensity"][:, 0].astype(float))
        young = d["age"] < 30
        assert abs(stats["young"]["diversity"] - drawn[young].mean()) < 1e-5
        other = run("run", path, "--set", f"output.path={folder / (kind + 's')}", "--set",
                    "policy.seed=12") or read_parts(folder / (kind + "s"))
        filled = lists["list/item"] >= 0
        assert (other["list/item"] != lists["list/item"])[filled].mean() > 0.2
    print("ok  the same bits for any unit and thread count, others for another seed")


def check_shortlist(folder, d, s_UN):
    policy = {"type": "plackett_luce", "temperature": 2.0, "shortlist": 9, "strata": [YOUNG]}
    quotas = QUOTAS["quotas"]
    run("run", job(folder, "shortlist", policy, **shape(quotas)))
    check_plackett_luce(d, read_parts(folder / "shortlist"), s_UN, quotas, most=9)


def check_explained(folder, d, s_UN):
    """A short list is explained by its quotas, a full one by chance."""
    lists = read_parts(folder / "plackett_lucefew")
    left = np.isfinite(s_UN) & ~(np.arange(N) == lists["list/item"][:, :, None]).any(1)
    u = int(np.flatnonzero((lists["customer/n"] == 2) & left.any(1))[0])
    said = run("explain", folder / "plackett_lucefew", "--customer", u * 7 + 5, "--item",
               f"i{np.flatnonzero(left[u])[0]}", "--why-not")
    assert "quota '1 of a few' has no more room for its group" in said, said
    said = run("explain", folder / "plackett_lucequotas", "--customer", "12", "--item", "i1",
               "--why-not")
    print("ok  explain:", said.strip().splitlines()[-1][:90])


def check_guard(folder):
    policy = {"type": "plackett_luce", "temperature": 0.01, "min_diversity": 0.3}
    code, _, log = call("run", job(folder, "guard", policy))
    assert code == 10 and "policy.min_diversity: two draws of the first item differ" in log, log
    assert (folder / "guard" / "manifest.json").exists()
    print("ok  the guard warns with code 10 and the run is complete")


def check_refusals(folder):
    lottery = {"type": "plackett_luce"}
    cases = [({"type": "greedy", "strata": [YOUNG]}, "policy.strata: is set, but"),
             ({"type": "greedy", "min_diversity": 0.1}, "policy.min_diversity: is set, but"),
             ({"type": "epsilon", "shortlist": 9}, "policy.shortlist: is set, but"),
             ({**lottery, "shortlist": 4}, "expected at least list.k = 5"),
             ({**lottery, "temperature": 0}, "policy.temperature: found 0"),
             ({**lottery, "strata": [{**YOUNG, "when": "agee < 3"}]}, "did you mean")]
    cases = [(policy, {}, wanted) for policy, wanted in cases]
    pins = {"pins": [{"name": "p", "item": "i1", "slot": 1}], **shape(QUOTAS["few"])["shape"]}
    cases += [(lottery, {"shape": pins}, "pins and diversity go with policy.type greedy only"),
              (lottery, {"shape": {"diversity": 0.2}}, "pins and diversity go with"),
              (lottery, {"shape": {"quotas": [{"name": "q", "group": "colour", "max": 1}]}},
               "has no /item/group/colour")]
    for policy, more, wanted in cases:
        code, _, log = call("check", job(folder, "bad", policy, **more))
        assert code == 2 and wanted in log, (policy, code, log)
    print(f"ok  {len(cases)} policies refused")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        d = make(folder)
        s_UN = scores(d)
        check_kinds(folder, d, s_UN)
        check_shortlist(folder, d, s_UN)
        check_explained(folder, d, s_UN)
        check_law(folder, d, s_UN)
        check_guard(folder)
        check_refusals(folder)


if __name__ == "__main__":
    sys.exit(main())
