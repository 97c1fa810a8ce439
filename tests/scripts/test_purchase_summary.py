# SPDX-License-Identifier: Apache-2.0
"""scripts/purchase_summary.py on purchases made here, and against the published summary of the
CDNOW sample where the local copy of the data is.
Run by ctest as `python3 -m pytest tests/scripts/test_purchase_summary.py`."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy")

ROOT = Path(__file__).resolve().parents[2]
CDNOW = Path(os.environ.get("BR_TEST_DATA", ROOT.parent / "shared/data")) / "cdnow"
PURCHASES = """ 00007 0001 19970901  1   10.00
 00007 0001 19970908  2   12.00
 00007 0001 19970908  1    3.00
 00007 0001 19970922  1    5.00
 00007 0001 19971001  1   99.00
 00009 0002 19970923  1    4.00
 00009 0002 19970923  1    4.00
 00011 0003 19971002  1    4.00
"""
SUMMARY = "ID,x,t_x,T,zbar\n1,2,3.00,4.14,10.00\n2,0,0.00,1.00,0.00\n"


def run(*arguments):
    return subprocess.run([sys.executable, str(ROOT / "scripts/purchase_summary.py"),
                           *map(str, arguments)], capture_output=True, text=True, timeout=120)


@pytest.fixture
def purchases(tmp_path):
    path = tmp_path / "purchases.txt"
    path.write_text(PURCHASES)
    return path


def test_days_of_one_customer(purchases, tmp_path):
    done = run("--purchases", purchases)
    assert done.returncode == 0 and done.stdout == SUMMARY
    (tmp_path / "summary.csv").write_text(SUMMARY)
    done = run("--purchases", purchases, "--check", tmp_path / "summary.csv")
    assert done.returncode == 0 and "2 customers, all figures agree" in done.stdout


def test_differences_are_named(purchases, tmp_path):
    (tmp_path / "summary.csv").write_text(SUMMARY.replace("4.14", "4.16"))
    done = run("--purchases", purchases, "--check", tmp_path / "summary.csv")
    assert done.returncode == 6 and "customer 1, T: found 4.1429, expected 4.16" in done.stdout


def test_broken_lines(purchases, tmp_path):
    purchases.write_text(PURCHASES + " 1 2 3\n")
    done = run("--purchases", purchases)
    assert done.returncode == 3 and "line 9: found 3 fields, expected 5" in done.stderr
    purchases.write_text(PURCHASES.replace("19970922", "19973322"))
    assert run("--purchases", purchases).returncode == 3


@pytest.mark.skipif(not CDNOW.exists(), reason="no local copy of cdnow")
def test_published_summary():
    done = run("--purchases", CDNOW / "CDNOW_sample.txt.zst",
               "--check", CDNOW / "cdnow_customers_summary.csv")
    assert done.returncode == 0 and "2357 customers, all figures agree" in done.stdout
