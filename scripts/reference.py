# SPDX-License-Identifier: Apache-2.0
"""Every encoder, fusion and head in float64 NumPy, transcribed from where the models come from: one
padded sequence at a time, pads as real tokens on the left (pmixer) or masked on the right
(RecBole). None of the engine's shortcuts (packing, virtual pad key, absorbed last layer) is used,
so that agreement means something. Imported by the tests of models and by importers, whose golden
files it makes where a model's own framework is absent.

A sequence is a dict: item, time, type, weight (arrays of one length, type and weight may be None);
`t` is {tensor name: float64 array}; `e` is an element of `modalities` in model.json."""
import math

import numpy as np

erf = np.vectorize(math.erf)
ACTIVATIONS = {
    "none": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
}
sigmoid = ACTIVATIONS["sigmoid"]


def layer_norm(x, t, name, eps):
    mean = x.mean(-1, keepdims=True)
    var = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(var + eps) * t[name + ".weight"] + t[name + ".bias"]


def softmax(x):
    y = np.exp(x - x.max(-1, keepdims=True))
    return y / y.sum(-1, keepdims=True)


def linear(x, t, name):
    return x @ t[name + ".weight"].T + t[name + ".bias"]


def multi_head(q, k, v, bias_QK, n_heads):
    """bias_QK is added to the logits: masks and ln w."""
    width = q.shape[1] // n_heads
    out = []
    for h in range(n_heads):
        cols = slice(h * width, (h + 1) * width)
        out.append(softmax(q[:, cols] @ k[:, cols].T / math.sqrt(width) + bias_QK) @ v[:, cols])
    return np.concatenate(out, axis=1)


def side_tables(s, e, t):
    """What gap, type and modality tables add to each event."""
    enc, prefix = e["encoder"], e.get("prefix", "")
    out = np.zeros((len(s["item"]), enc["dim"]))
    if enc.get("gaps"):
        gap = np.diff(s["time"], prepend=s["time"][:1])
        row = np.minimum(np.floor(np.log2(1 + gap)).astype(int), enc["gaps"] - 1)
        out += t[prefix + "gap_embedding.weight"][row]
    if enc.get("types"):
        kind = s["type"] if s["type"] is not None else np.zeros(len(s["item"]), int)
        out += t[prefix + "type_embedding.weight"][kind]
    if enc.get("modality_embedding"):
        out += t[prefix + "modality_embedding.weight"]
    return out


def log_weights(s):
    return np.zeros(len(s["item"])) if s["weight"] is None else np.log(s["weight"].astype(float))


def recbole(s, e, t):
    enc, p, n = e["encoder"], e["encoder"]["max_length"], len(s["item"])
    pre, eps = e.get("prefix", ""), enc.get("eps", 1e-12)
    items = np.concatenate([s["item"], np.zeros(p - n, int)])
    x = t[item_table(e)][items] + t[pre + "position_embedding.weight"][np.arange(p)]
    x[:n] += side_tables(s, e, t)
    x = layer_norm(x, t, pre + "LayerNorm", eps)
    real = np.arange(p) < n
    allowed = np.tril(np.ones((p, p), bool)) & real[None, :]
    bias = np.where(allowed, 0.0, -10000.0)
    bias[:, :n] += log_weights(s)
    for layer in range(enc["layers"]):
        name = f"{pre}trm_encoder.layer.{layer}."
        att, ffn = name + "multi_head_attention.", name + "feed_forward."
        q, k, v = (linear(x, t, att + part) for part in ("query", "key", "value"))
        mixed = linear(multi_head(q, k, v, bias, enc["heads"]), t, att + "dense")
        x = layer_norm(mixed + x, t, att + "LayerNorm", eps)
        inner = ACTIVATIONS[enc["activation"]](linear(x, t, ffn + "dense_1"))
        x = layer_norm(linear(inner, t, ffn + "dense_2") + x, t, ffn + "LayerNorm", eps)
    return x[n - 1]


def pmixer_attention(q, kv, bias, t, name, n_heads):
    """torch.nn.MultiheadAttention: in_proj rows are query, key, value."""
    w, b, dim = t[name + ".in_proj_weight"], t[name + ".in_proj_bias"], q.shape[1]
    q, k, v = (x @ w[i * dim:(i + 1) * dim].T + b[i * dim:(i + 1) * dim]
               for i, x in enumerate((q, kv, kv)))
    return linear(multi_head(q, k, v, bias, n_heads), t, name + ".out_proj")


def pmixer_forward(x, t, name):
    w1, w2 = t[name + ".conv1.weight"][:, :, 0], t[name + ".conv2.weight"][:, :, 0]
    return np.maximum(x @ w1.T + t[name + ".conv1.bias"], 0) @ w2.T + t[name + ".conv2.bias"]


def pmixer(s, e, t):
    enc, p, n = e["encoder"], e["encoder"]["max_length"], len(s["item"])
    pre, eps, variant = e.get("prefix", ""), enc.get("eps", 1e-8), enc["variant"]
    is_pad = np.arange(p) < p - n
    items = np.concatenate([np.zeros(p - n, int), s["item"]])
    x = t[item_table(e)][items] * math.sqrt(enc["dim"])
    if variant == "pmixer_a":
        x = x + t[pre + "pos_emb.weight"][np.arange(p)]
    else:
        x = x + t[pre + "pos_emb.weight"][np.where(is_pad, 0, np.arange(1, p + 1))]
    x[p - n:] += side_tables(s, e, t)
    if variant == "pmixer_a":
        x[is_pad] = 0
    bias = np.where(np.tril(np.ones((p, p), bool)), 0.0, -np.inf)
    bias[:, p - n:] += log_weights(s)
    for i in range(enc["layers"]):
        att, ffn = f"{pre}attention_layers.{i}", f"{pre}forward_layers.{i}"
        norm1, norm2 = f"{pre}attention_layernorms.{i}", f"{pre}forward_layernorms.{i}"
        if variant == "pmixer_c_pre":
            y = layer_norm(x, t, norm1, eps)
            x = x + pmixer_attention(y, y, bias, t, att, enc["heads"])
            x = x + pmixer_forward(layer_norm(x, t, norm2, eps), t, ffn)
        elif variant == "pmixer_c_post":
            x = layer_norm(x + pmixer_attention(x, x, bias, t, att, enc["heads"]), t, norm1, eps)
            x = layer_norm(x + pmixer_forward(x, t, ffn), t, norm2, eps)
        else:
            q = layer_norm(x, t, norm1, eps)
            x = q + pmixer_attention(q, x, bias, t, att, enc["heads"])
            x = layer_norm(x, t, norm2, eps)
            x = x + pmixer_forward(x, t, ffn)
        if variant == "pmixer_a":
            x[is_pad] = 0
    return layer_norm(x[-1], t, pre + "last_layernorm", eps)


def gru(s, e, t):
    enc, pre, size = e["encoder"], e.get("prefix", ""), e["encoder"]["hidden"]
    w = np.ones(len(s["item"])) if s["weight"] is None else s["weight"].astype(float)
    x = t[item_table(e)][s["item"]] + side_tables(s, e, t)
    for layer in range(enc["layers"]):
        name = f"{pre}gru_layers."
        w_ih, w_hh = t[f"{name}weight_ih_l{layer}"], t[f"{name}weight_hh_l{layer}"]
        b_ih = t[f"{name}bias_ih_l{layer}"] if enc["bias"] else np.zeros(3 * size)
        b_hh = t[f"{name}bias_hh_l{layer}"] if enc["bias"] else np.zeros(3 * size)
        h, states = np.zeros(size), []
        for step, x_t in enumerate(x):
            i_r, i_z, i_n = np.split(w_ih @ x_t + b_ih, 3)
            h_r, h_z, h_n = np.split(w_hh @ h + b_hh, 3)
            r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
            new = np.tanh(i_n + r * h_n)
            h = h + w[step] * ((1 - z) * new + z * h - h)
            states.append(h)
        x = np.array(states)
    return linear(x[-1], t, pre + "dense") if enc["dense"] else x[-1]


def decay(s, e, t):
    out = []
    for tau in e["encoder"]["half_lives_s"]:
        age = (s["time"][-1] - s["time"]).astype(float)
        w = 2.0 ** (-age / tau) * (1 if s["weight"] is None else s["weight"].astype(float))
        # The engine guards each division with 1e-6, whatever the age of the newest event.
        out.append((w[:, None] * t[item_table(e)][s["item"]]).sum(0) / (w.sum() + 1e-6))
    return np.concatenate(out)


def item_table(e):
    name = "item_emb.weight" if e["encoder"].get("variant", "").startswith("pmixer") else \
        "item_embedding.weight"
    return e.get("item_table", e.get("prefix", "") + name)


def out_dim(e):
    enc = e["encoder"]
    if enc["type"] == "decay":
        return enc["dim"] * len(enc["half_lives_s"])
    return enc["hidden"] if enc["type"] == "gru" and not enc["dense"] else enc["dim"]


def encode(s, e, t):
    """s_u of one sequence; zeros for an empty one."""
    enc = e["encoder"]
    if len(s["item"]) == 0:
        return np.zeros(out_dim(e))
    if enc["type"] == "attention":
        return (recbole if enc["variant"] == "recbole" else pmixer)(s, e, t)
    return (gru if enc["type"] == "gru" else decay)(s, e, t)


def fuse(model, t, state, present, confidence, static, aggregate):
    """x_u, alpha, mean gate of one customer; state is a list of arrays, one per modality."""
    names = [m["name"] for m in model["modalities"]]
    m = present.astype(float)
    masked = np.concatenate([s * on for s, on in zip(state, m)] + [m])
    g = [np.tanh(linear(s, t, f"fusion.{n}.g")) for n, s in zip(names, state)]
    z = [on * sigmoid(linear(masked, t, f"fusion.{n}.z")) for n, on in zip(names, m)]
    alpha, mixed = np.zeros(len(names)), t["fusion.default"]
    if m.any():
        on = np.flatnonzero(m)
        alpha[on] = softmax(np.array([t["fusion.attention"] @ g[k] + math.log(confidence[k])
                                      for k in on]))
        mixed = sum(alpha[k] * z[k] * g[k] for k in on)
    if model.get("static"):
        rows = [t[f"static.{c['name']}.weight"][r] for c, r in zip(model["static"], static)]
        mixed = mixed + t["fusion.static.weight"] @ np.concatenate(rows)
    if model.get("aggregate"):
        scale = [(a["mean"], a["std"]) for a in model["aggregate"]]
        value = [0.0 if np.isnan(v) else (v - mean) / std
                 for v, (mean, std) in zip(aggregate.astype(float), scale)]
        flags = np.isnan(aggregate).astype(float)
        mixed = mixed + t["fusion.aggregate.weight"] @ np.concatenate([value, flags])
    fusion = model["fusion"]
    x = layer_norm(mixed, t, "fusion.LayerNorm", fusion.get("eps", 1e-5))
    for layer in range(fusion.get("mlp_layers", 0)):
        x = linear(x, t, f"h.{layer}")
        if layer + 1 < fusion["mlp_layers"]:
            x = ACTIVATIONS[fusion.get("mlp_activation", "gelu")](x)
    if "band" in fusion and np.linalg.norm(x) > 0:
        norm = np.linalg.norm(x)
        x = x * (min(max(norm, fusion["band"]["lo"]), fusion["band"]["hi"]) / norm)
    return x, alpha, np.array([gate.mean() for gate in z])


def calibrate(head, y):
    """A head's probability (or value) from its whole logit."""
    calibration = head.get("calibration", {"type": "none"})
    if calibration["type"] == "platt":
        y = calibration["a"] * y + calibration["b"]
    if head.get("link", "logistic") == "logistic":
        y = sigmoid(y)
    if calibration["type"] == "isotonic":
        points = np.array(calibration["points"])
        y = np.interp(y, points[:, 0], points[:, 1])
    return y


def probability(head, t, logit):
    return calibrate(head, logit.astype(float) + t[f"head.{head['name']}.bias"][0])


def pair_logits(head, t, x, z):
    """q_psi (eq. 5) of a pair_mlp head, whole but for the item's bias: x [..., D] and z [..., D] of
    pairs (shapes that broadcast) -> [...]"""
    x, z = np.broadcast_arrays(x, z)
    h, n_hidden = np.concatenate([x, z, x * z], axis=-1), len(head["hidden"])
    for layer in range(n_hidden):
        h = np.maximum(linear(h, t, f"head.{head['name']}.{layer}"), 0)
    return linear(h, t, f"head.{head['name']}.{n_hidden}")[..., 0]


def survival(head, t, x):
    """S at the end of each period, [U, P], of x_u [U, D]: nothing happened in any period so far."""
    return np.cumprod(1 - calibrate(head, linear(x, t, "head." + head["name"])), axis=1)
