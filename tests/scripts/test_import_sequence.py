# SPDX-License-Identifier: Apache-2.0
"""Importers of sequence encoders: small checkpoints that RecBole and pmixer's code wrote, against
what these libraries computed (tests/scripts/imports, by make_import_files.py); the engine replays
the golden files. A wrong statement is caught, an unsupported file is refused with what is missing.
Run by ctest as `python3 -m pytest tests/scripts/test_import_sequence.py`; needs no PyTorch."""
import json
import shutil
import zipfile

import pytest

h5py = pytest.importorskip("h5py")
np = pytest.importorskip("numpy")

import import_case as case  # noqa: E402
import bundle_writer  # noqa: E402
from importers import checkpoint  # noqa: E402

FILES = case.FILES
PMIXER = ("a", "b", "c-post", "c-pre")


def recorded(name):
    return np.load(FILES / f"{name}.npz")


def pmixer(variant, out, *more):
    return ("pmixer-sasrec", FILES / f"pmixer_{variant}.pth", "--variant", variant, "--heads", 2,
            "-o", out, *more)


def golden_lists(folder):
    with h5py.File(folder / "golden.h5") as file:
        return file["/list/item"][:]


def bare(tmp_path, name, drop=(), **extra):
    """The tensors of a checkpoint alone, changed."""
    tensors, _ = checkpoint.read(FILES / f"{name}.pth")
    for key in drop:
        del tensors[key]
    bundle_writer.write_safetensors(tmp_path / "bare.safetensors", tensors | extra)
    return tmp_path / "bare.safetensors"


@pytest.mark.parametrize("name", ["sasrec", "gru4rec"])
def test_recbole(tmp_path, name):
    base = f"recbole_{name}"
    out = tmp_path / "model"
    case.accept(f"recbole-{name}", FILES / f"{base}.pth", "--item-keys", FILES / f"{base}.txt",
                "--golden-by", FILES / f"{base}.npz", "-o", out)
    assert np.array_equal(golden_lists(out), recorded(base)["best"])
    case.replay(out)
    with h5py.File(out / "vocabulary.h5") as file:
        keys = file["/catalogue/key"][:]
    assert keys[0] == b"" and keys[1].startswith(b"sku-") and len(set(keys)) == 25
    assert sorted(p.name for p in out.iterdir()) == [
        "catalogue.h5", "golden.h5", "model.json", "vocabulary.h5", "weights.safetensors"]


@pytest.mark.parametrize("variant", PMIXER)
def test_pmixer(tmp_path, variant):
    out = tmp_path / "model"
    case.accept(*pmixer(variant, out, "--golden-by", FILES / f"pmixer_{variant}.npz"))
    assert np.array_equal(golden_lists(out), recorded(f"pmixer_{variant}")["best"])
    case.replay(out)


@pytest.mark.parametrize("is_one", [True, False])
def test_own_forward_pass(tmp_path, is_one):
    """Without a framework: 64 histories through NumPy, and it says so."""
    name, words = ("pmixer", pmixer("c-pre", tmp_path / "m", "--golden-by", "numpy")) if is_one \
        else ("recbole", ("recbole-gru4rec", FILES / "recbole_gru4rec.pth", "--golden-by", "numpy",
                          "-o", tmp_path / "m"))
    text = case.accept(*words)
    assert "own forward pass" in text and ("not the variant" in text) == (name == "pmixer")
    with h5py.File(tmp_path / "m" / "golden.h5") as file:
        assert file["/vector"].shape[0] == 64 and file["/list/item"].shape == (64, 10)
        assert b"NumPy" in file.attrs["source"]
    case.replay(tmp_path / "m")


@pytest.mark.parametrize("stated", ["b", "c-post", "c-pre"])
@pytest.mark.parametrize("real", ["b", "c-post", "c-pre"])
def test_wrong_variant(tmp_path, stated, real):
    """The importer names the variant that fits; a bundle that states the wrong one fails replay."""
    vectors = ("--golden-by", FILES / f"pmixer_{real}.npz")
    if stated != real:
        words = ("pmixer-sasrec", FILES / f"pmixer_{real}.pth", "--variant", stated, "--heads", 2,
                 *vectors, "-o", tmp_path / "model")
        text = case.refuse(2, *words)
        assert f"pmixer_{real.replace('-', '_')} agrees" in text
    case.accept(*pmixer(real, tmp_path / "good", *vectors))
    path = tmp_path / "good" / "model.json"
    model = json.loads(path.read_text())
    model["modalities"][0]["encoder"]["variant"] = "pmixer_" + stated.replace("-", "_")
    path.write_text(json.dumps(model))
    code, text = case.verify(tmp_path / "good")
    assert code == (0 if stated == real else 6), text
    assert stated == real or ("row 0" in text and "found" in text and "expected" in text)


def test_wrong_heads(tmp_path):
    words = pmixer("b", tmp_path / "m", "--golden-by", FILES / "pmixer_b.npz")
    words = [4 if word == 2 else word for word in words]
    assert "check variant, heads" in case.refuse(2, *words)


def test_statements_needed(tmp_path):
    out = ("-o", tmp_path / "m")
    text = case.refuse(2, "pmixer-sasrec", FILES / "pmixer_b.pth", "--heads", 2, *out)
    assert "--variant" in text and "norm_first" in text
    assert "--heads" in case.refuse(2, "pmixer-sasrec", FILES / "pmixer_b.pth", "--variant", "b",
                                    *out)
    file = bare(tmp_path, "recbole_sasrec")
    assert "--activation" in case.refuse(2, "recbole-sasrec", file, "--heads", 2, *out)
    assert "--heads" in case.refuse(2, "recbole-sasrec", file, "--activation", "gelu", *out)
    assert "expected one of gelu" in case.refuse(3, "recbole-sasrec", file, "--heads", 2,
                                                 "--activation", "leakyrelu", *out)
    file = bare(tmp_path, "recbole_gru4rec")
    assert "--max-length" in case.refuse(2, "recbole-gru4rec", file, *out)


def test_statements_that_differ(tmp_path):
    out = ("-o", tmp_path / "m")
    words = ("recbole-sasrec", FILES / "recbole_sasrec.pth", *out)
    assert "the configuration says 2" in case.refuse(2, *words, "--heads", 4)
    assert "--max-length says 50" in case.refuse(2, *words, "--max-length", 50)
    assert "is of RecBole's SASRec" in case.refuse(2, "recbole-gru4rec", *words[1:])
    named = tmp_path / "SASRec.epoch=2.head=2.hidden=8.maxlen=7.pth"
    shutil.copy(FILES / "pmixer_c-post.pth", named)
    assert "pmixer_a says 8" in case.refuse(2, "pmixer-sasrec", named, "--variant", "a", *out)
    (tmp_path / "args.txt").write_text("maxlen,7\nnorm_first,False\nnum_heads,2")
    assert "norm_first = False" in case.refuse(2, "pmixer-sasrec", named, "--variant", "c-pre",
                                               *out)
    case.accept("pmixer-sasrec", named, "--variant", "c-post", "--golden-by",
                FILES / "pmixer_c-post.npz", *out)


def test_tensors_that_do_not_fit(tmp_path):
    out = ("--golden-by", "numpy", "-o", tmp_path / "m")
    words = ("recbole-sasrec", tmp_path / "bare.safetensors", "--heads", 2, "--activation", "gelu",
             *out)
    bare(tmp_path, "recbole_sasrec", feature_embed=np.ones((3, 8)))
    assert "feature_embed" in case.refuse(3, *words)
    bare(tmp_path, "recbole_sasrec", drop=["LayerNorm.bias"])
    assert "LayerNorm.bias" in case.refuse(3, *words)
    name = "trm_encoder.layer.1.feed_forward.dense_2.weight"
    bare(tmp_path, "recbole_sasrec", **{name: np.ones((8, 21))})
    assert "found shape [8, 21], expected [8, 20]" in case.refuse(3, *words)
    bare(tmp_path, "recbole_sasrec", **{"LayerNorm.bias": np.full(8, np.nan)})
    assert "row 0: found nan" in case.refuse(3, *words)
    bare(tmp_path, "recbole_sasrec")
    assert "3 heads" in case.refuse(3, *[3 if word == 2 else word for word in words])
    case.accept(*words)
    case.replay(tmp_path / "m")


def test_keys(tmp_path):
    words = pmixer("b", tmp_path / "m", "--golden-by", "numpy", "--item-keys", tmp_path / "keys")
    lines = [f"k{i}" for i in range(24)]
    for text, complaint in (("\n".join(lines[:-1]) + "\n", "found 23 keys, expected 24"),
                            ("\n".join(lines[:-1] + ["k3"]) + "\n", "as in line 4"),
                            ("\n".join(lines[:5] + [""] + lines[6:]) + "\n", "line 6")):
        (tmp_path / "keys").write_text(text)
        assert complaint in case.refuse(3, *words)
    (tmp_path / "keys").write_text("\n".join([""] + lines))
    case.accept(*words)


def test_files_that_are_no_checkpoints(tmp_path):
    out = ("--variant", "b", "--heads", 2, "-o", tmp_path / "m")
    (tmp_path / "old.pth").write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
    assert "Save an older one again" in case.refuse(3, "pmixer-sasrec", tmp_path / "old.pth", *out)
    assert "no such file" in case.refuse(3, "pmixer-sasrec", tmp_path / "none.pth", *out)
    with zipfile.ZipFile(FILES / "pmixer_b.pth") as whole, \
            zipfile.ZipFile(tmp_path / "cut.pth", "w") as cut:
        for name in whole.namelist():
            data = whole.read(name)
            cut.writestr(name, data[:40] if name.endswith("data.pkl") else data)
    assert "cannot be read" in case.refuse(3, "pmixer-sasrec", tmp_path / "cut.pth", *out)
    (tmp_path / "cut.safetensors").write_bytes(b"\x09\0\0\0\0\0\0\0{")
    assert "safetensors" in case.refuse(3, "pmixer-sasrec", tmp_path / "cut.safetensors", *out)
    (tmp_path / "m").mkdir()
    code, _, err = case.call("pmixer-sasrec", FILES / "pmixer_b.pth", *out)
    assert code == 2 and "exists already" in err


def test_a_pickle_runs_nothing(tmp_path):
    """A checkpoint that calls os.system when PyTorch unpickles it."""
    mark = tmp_path / "ran"
    with zipfile.ZipFile(tmp_path / "evil.pth", "w") as file:
        file.writestr("evil/data.pkl", b"cposix\nsystem\n(S'touch " + str(mark).encode()
                      + b"'\ntR.")
    text = case.refuse(3, "recbole-sasrec", tmp_path / "evil.pth", "-o", tmp_path / "m")
    assert "state_dict" in text and not mark.exists()


@pytest.mark.parametrize("edit,complaint", [
    (lambda f: f["/vector"].__setitem__((1, 0), f["/vector"][1, 0] + 1), "row 1: x_u[0]"),
    (lambda f: f["/list/item"].__setitem__((2, 0), f["/list/item"][2, 9]), "row 2, place 0"),
    (lambda f: f["/list/score"].__setitem__((3, 4), 9.0), "row 3, place 4")])
def test_replay_finds_a_difference(tmp_path, edit, complaint):
    case.accept(*pmixer("b", tmp_path / "m", "--golden-by", "numpy"))
    with h5py.File(tmp_path / "m" / "golden.h5", "r+") as file:
        edit(file)
    code, text = case.verify(tmp_path / "m")
    assert code == 6 and complaint in text and "found" in text and "expected" in text, text


@pytest.mark.parametrize("edit,complaint", [
    (lambda f: f["/timeline/item"].__setitem__(0, 99), "found row 99, expected 0 to 24"),
    (lambda f: f["/timeline/offset"].__setitem__(1, 200), "row 2: found"),
    (lambda f: f["/list/item"].__setitem__((0, 0), 25), "found item 25"),
    (lambda f: f["/vector"].__setitem__((5, 2), np.nan), "row 5, column 2"),
    (lambda f: f.__delitem__("/timeline"), "found no events"),
    (lambda f: f.create_dataset("/other", data=[1.0]), "/other"),
    (lambda f: f.attrs.__delitem__("source"), "source")])
def test_broken_golden_files(tmp_path, edit, complaint):
    case.accept(*pmixer("b", tmp_path / "m", "--golden-by", "numpy"))
    with h5py.File(tmp_path / "m" / "golden.h5", "r+") as file:
        edit(file)
    code, text = case.verify(tmp_path / "m")
    assert code == 3 and complaint in text, text


def test_verify_wants_one_of_two():
    for words in ([], ["run", "--golden", "model"], ["run", "--backend", "cpu"]):
        done = case.subprocess.run([case.BATCHRANK, "verify", *words], capture_output=True,
                                   text=True)
        assert done.returncode == 2 and "golden" in done.stderr, done.stderr
