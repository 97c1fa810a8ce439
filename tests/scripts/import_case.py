# SPDX-License-Identifier: Apache-2.0
"""Calls of import_model.py and of `verify --golden`, for the tests of importers."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = ROOT / "tests/scripts/imports"
BATCHRANK = os.environ.get("BATCHRANK", str(ROOT / "build" / "cpu" / "batchrank"))
sys.path.insert(0, str(ROOT / "scripts"))


def call(*words):
    """(exit code, stdout, stderr) of import_model.py."""
    done = subprocess.run([sys.executable, str(ROOT / "scripts/import_model.py"),
                           *map(str, words)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def accept(*words):
    code, out, err = call(*words)
    assert code == 0, err
    return out + err


def refuse(code, *words):
    """The sentence of a refusal; nothing is left behind."""
    found, out, err = call(*words)
    assert found == code, (found, out, err)
    folder = Path(words[words.index("-o") + 1])
    assert not folder.exists() and not list(folder.parent.glob(f".{folder.name}*"))
    assert "Traceback" not in err, err
    return err


def verify(folder, *words):
    """(exit code, output) of `batchrank verify --golden`."""
    done = subprocess.run([BATCHRANK, "verify", "--golden", str(folder), *words],
                          capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def replay(folder):
    """The golden file holds on every backend that is always there."""
    for backend in ("ref", "cpu"):
        code, text = verify(folder, "--backend", backend)
        assert code == 0 and "\nok\n" in text, text


def run(*words):
    done = subprocess.run([BATCHRANK, *map(str, words)], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout
