#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Importers beside PyTorch (skipped, 77, without it): what torch.save writes reads back bit by bit
without it; golden files by a model's own source, by RecBole and by implicit, the latter two where
they are installed. Run by ctest: test_import_torch.py."""
import sys

try:
    import torch
except ImportError:
    if __name__ != "__main__":
        raise
    print("skipped: PyTorch is not installed")
    sys.exit(77)

import h5py
import numpy as np
import pytest

import import_case as case
import bundle_writer
from importers import checkpoint
from importers.refusal import Refusal

FILES = case.FILES
SASREC = '''
import numpy as np
import torch


class Inner(torch.nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv1 = torch.nn.Conv1d(dim, dim, 1)
        self.conv2 = torch.nn.Conv1d(dim, dim, 1)

    def forward(self, x):
        return self.conv2(torch.relu(self.conv1(x.transpose(1, 2)))).transpose(1, 2)


class SASRec(torch.nn.Module):
    def __init__(self, user_num, item_num, args):
        super().__init__()
        dim = args.hidden_units
        self.norm_first = args.norm_first
        self.item_emb = torch.nn.Embedding(item_num + 1, dim)
        self.pos_emb = torch.nn.Embedding(args.maxlen + 1, dim)
        for name in ("attention_layernorms", "forward_layernorms"):
            setattr(self, name, torch.nn.ModuleList(
                [torch.nn.LayerNorm(dim, eps=1e-8) for _ in range(args.num_blocks)]))
        self.attention_layers = torch.nn.ModuleList(
            [torch.nn.MultiheadAttention(dim, args.num_heads) for _ in range(args.num_blocks)])
        self.forward_layers = torch.nn.ModuleList([Inner(dim) for _ in range(args.num_blocks)])
        self.last_layernorm = torch.nn.LayerNorm(dim, eps=1e-8)

    def attend(self, layer, x):
        x, n = x.transpose(0, 1), x.shape[1]
        mask = ~torch.tril(torch.ones(n, n, dtype=torch.bool))
        return layer(x, x, x, attn_mask=mask)[0].transpose(0, 1)

    def log2feats(self, log_seqs):
        item = torch.as_tensor(log_seqs)
        place = torch.arange(1, item.shape[1] + 1) * (item != 0)
        x = self.item_emb(item) * self.item_emb.embedding_dim ** 0.5 + self.pos_emb(place)
        for n1, n2, layer, inner in zip(self.attention_layernorms, self.forward_layernorms,
                                        self.attention_layers, self.forward_layers):
            if self.norm_first:
                x = x + self.attend(layer, n1(x))
                x = x + inner(n2(x))
            else:
                x = n1(x + self.attend(layer, x))
                x = n2(x + inner(x))
        return self.last_layernorm(x)

    def predict(self, user_ids, log_seqs, item_indices):
        return self.log2feats(log_seqs)[:, -1] @ self.item_emb.weight[item_indices].T
'''


def save(tmp_path, value):
    torch.save(value, tmp_path / "saved.pth")
    return tmp_path / "saved.pth"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_checkpoints_read_back(tmp_path, dtype):
    torch.manual_seed(1)
    whole = torch.randn(5, 7, 3).to(dtype)
    state = {"plain": whole, "turned": whole[1].t(), "part": whole[2:4, ::2], "one": whole[0, 0, 0],
             "grown": whole[0, :1].expand(4, 3), "empty": whole[:0],
             "parameter": torch.nn.Parameter(whole[3])}
    tensors, config = checkpoint.read(save(tmp_path, state))
    assert config == {} and list(tensors) == list(state)
    for name, values in tensors.items():
        wanted = state[name].detach()
        wanted = (wanted.float() if dtype == torch.bfloat16 else wanted).numpy()
        assert values.shape == wanted.shape and np.array_equal(values, wanted), name


def test_wrappings(tmp_path):
    layer = torch.nn.Linear(2, 3)
    wrapped = {"module." + name: values for name, values in layer.state_dict().items()}
    tensors, _ = checkpoint.read(save(tmp_path, {"state_dict": wrapped, "config": {"model": "X"},
                                                 "optimizer": torch.optim.Adam(
                                                     layer.parameters()).state_dict()}))
    assert sorted(tensors) == ["bias", "weight"]
    with pytest.raises(Refusal, match="whole Linear"):
        checkpoint.read(save(tmp_path, layer))
    torch.save(layer.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(Refusal, match="Save an older one again"):
        checkpoint.read(tmp_path / "old.pth")


@pytest.mark.parametrize("variant,other", [("c-post", "c-pre"), ("c-pre", "c-post")])
def test_the_models_own_source(tmp_path, variant, other):
    """pmixer's class from a file; args.txt tells pre from post, and the source the rest."""
    (tmp_path / "model.py").write_text(SASREC)
    (tmp_path / "args.txt").write_text(f"num_heads,2\nnorm_first,{variant == 'c-pre'}")
    words = ["pmixer-sasrec", FILES / f"pmixer_{variant}.pth", "--args", tmp_path / "args.txt",
             "--golden-by", tmp_path / "model.py", "-o", tmp_path / "m", "--variant"]
    assert "norm_first" in case.refuse(2, *words, other)
    assert "pmixer_c_post agrees" in case.refuse(2, *without_args(words), "b")
    assert "SASRec of model.py" in case.accept(*words, variant)
    case.replay(tmp_path / "m")


def without_args(words):
    """Heads stated instead. The source then takes norm_first from the variant: b means post."""
    at = words.index("--args")
    return words[:at] + ["--heads", 2] + words[at + 2:]


@pytest.mark.parametrize("name", ["sasrec", "gru4rec"])
def test_recbole_itself(tmp_path, name):
    pytest.importorskip("recbole.model.sequential_recommender")
    text = case.accept(f"recbole-{name}", FILES / f"recbole_{name}.pth", "-o", tmp_path / "m",
                       "--golden-by", "framework")
    assert "RecBole" in text
    case.replay(tmp_path / "m")


@pytest.mark.parametrize("act", ["gelu", "relu", "swish", "tanh", "sigmoid"])
def test_recbole_activations(tmp_path, act):
    pytest.importorskip("recbole.model.sequential_recommender")
    tensors, _ = checkpoint.read(FILES / "recbole_sasrec.pth")
    bundle_writer.write_safetensors(tmp_path / "bare.safetensors", tensors)
    case.accept("recbole-sasrec", tmp_path / "bare.safetensors", "--heads", 2, "--activation", act,
                "--golden-by", "framework", "-o", tmp_path / "m")
    case.replay(tmp_path / "m")


@pytest.mark.parametrize("name", ["als", "bpr"])
def test_implicit_itself(tmp_path, name):
    pytest.importorskip("implicit")
    text = case.accept("implicit", FILES / f"implicit_{name}.npz", "--golden-by", "framework",
                       "-o", tmp_path / "m")
    assert "recommend()" in text
    case.replay(tmp_path / "m")
    with h5py.File(tmp_path / "m" / "golden.h5") as file:
        assert file["/list/item"].shape == (30, 10)


if __name__ == "__main__":
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", __file__]))
