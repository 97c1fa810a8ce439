# SPDX-License-Identifier: Apache-2.0
"""The ablations' simulated identity noise and variants, and the plots. Run by ctest with pytest."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import ablate_demo  # noqa: E402
import ablation_data  # noqa: E402


def events(n=20000):
    rng = np.random.default_rng(1)
    return (np.sort(rng.integers(0, 500, n)), rng.integers(0, 5000, n),
            rng.integers(1_480_000_000, 1_510_000_000, n))


def test_noise_is_what_it_says():
    row, item, time = events()
    found, weight = ablation_data.noisy_items(row, item, time)
    assert 0.48 < (weight == 1).mean() < 0.52 and weight.min() >= 0.1
    unsure = weight < 1
    assert (found[~unsure] == item[~unsure]).all()
    wrong = (found != item)[unsure].mean()
    assert abs(wrong - (1 - weight[unsure]).mean()) < 0.02  # wrong as often as 1 - p says
    sure_half = weight[unsure] > 0.5
    assert (found != item)[unsure][sure_half].mean() < (found != item)[unsure][~sure_half].mean()


def test_an_event_keeps_its_fate_in_every_snapshot():
    row, item, time = events()
    early = time < np.median(time)
    _, weight = ablation_data.noisy_items(row, item, time)
    _, again = ablation_data.noisy_items(row[early], item[early], time[early])
    assert (weight[early] == again).all()


def test_every_variant_changes_something():
    model = json.loads((ROOT / "configs/demo/train.json").read_text())["model"]
    every = ablate_demo.variants(model)
    assert every["whole model"] == {}
    changes = [json.dumps(c, sort_keys=True) for c in every.values()]
    assert len(set(changes)) == len(every)
    names = [m["name"] for m in model["modalities"]]
    assert all(f"without {n}" in every for n in names)
    assert all(c["like"] in every for c in every.values() if "like" in c)


def test_plots_are_the_same_bytes_again(tmp_path):
    pytest.importorskip("matplotlib")
    metrics = ROOT / "configs/demo/model/metrics.json"
    for name in ("a", "b"):
        subprocess.run([sys.executable, ROOT / "scripts/plot_model.py", metrics, "-o",
                        tmp_path / name], check=True, capture_output=True)
    for name in ("model-reliability.png", "model-epochs.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_plot_of_something_else(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "metrics.json").write_text("{}")
    done = subprocess.run([sys.executable, ROOT / "scripts/plot_model.py",
                           tmp_path / "metrics.json", "-o", tmp_path], capture_output=True,
                          text=True)
    assert done.returncode == 3 and "metrics.json" in done.stderr
