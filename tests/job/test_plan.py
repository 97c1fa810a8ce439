#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`plan --window`: the fewest ranks for a window, by a given rate (20 units of 100 customers, so
that it can be said in the head), by the file system's, and by the rate timed here."""
import re
import sys
import tempfile
from pathlib import Path

from job_files import call, run, write_job


def enough(text):
    return int(re.search(r"enough for .* (\d+) ranks", text)[1])


def table(text):
    """{ranks: (seconds, what limits)}"""
    rows = re.findall(r"^ +(\d+) +([\d.]+) +[\d.]+ +[\d.]+%  (.*)$", text, re.M)
    return {int(n): (float(s), why) for n, s, why in rows}


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("generate", "-o", folder / "data", "--customers", 2000, "--items", 300, "--dim", 16)
        job = folder / "job.json"
        write_job(job, input={"customers": "data/customers.h5", "catalogue": "data/catalogue.h5",
                              "model": "data/model"},
                  output={"path": "run"}, run={"unit_customers": 100})
        plan = ["plan", job, "--rate", 1]  # a unit takes 100 s
        for window, ranks in (("2000s", 2), ("2010s", 1), ("510s", 4), ("8min30s", 4), ("410s", 5),
                              ("110s", 20)):
            assert enough(run(*plan, "--window", window)) == ranks, window
        rows = table(run(*plan, "--window", "1h"))
        assert list(rows) == [2 ** i for i in range(11)], rows
        assert 500 <= rows[4][0] < 510, rows  # 5 rounds of 100 s, and opening
        assert rows[4][1] == "ranks" and rows[32][1].startswith("units"), rows
        code, out, err = call(*plan, "--window", "110s", "--gpus", 19)
        assert code == 10 and "19 ranks take 20" in err and "enough" not in out, (code, err)
        size = (folder / "data" / "customers.h5").stat().st_size
        rows = table(run(*plan, "--window", "1h", "--read-rate", size / 1000))
        assert rows[1][1] == "ranks" and rows[4][1] == "reading", rows
        assert 2000 <= rows[4][0] < 2010, rows  # hashed, then read
        text = run("plan", job, "--window", "1h")
        assert enough(text) == 1 and "as this process did" in text, text
        for words in (["--window", "2d"], ["--window", "0s"], ["--window", "1h", "--fast"]):
            assert call("plan", job, *words)[0] == 2, words
    print("ok  plan --window")


if __name__ == "__main__":
    sys.exit(main())
