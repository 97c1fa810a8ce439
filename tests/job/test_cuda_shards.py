#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A catalogue in shards on an emulated GPU for each rank: as many as its memory asks for, by the
plan, and the same parts, byte for byte, of lists that are drawn too; how many bytes are wanting
where no number fits."""
import json
import re
import tempfile
from pathlib import Path

import ranks_case as case
from job_files import run

DRAWN = ["type=plackett_luce temperature=0.5", "type=epsilon epsilon=0.5",
         "type=plackett_luce temperature=0.5 shortlist=40"]


def parts(folder):
    return [p.read_bytes() for p in sorted((folder / "parts").iterdir())]


def main():
    case.skip_without_mpi()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("generate", "-o", folder, "--dim", "16", "--customers", "40", "--items", "8000")
        (folder / "job.json").write_text(json.dumps(
            {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
             "output": {"path": "one"}, "list": {"k": 10}, "run": {"unit_customers": 25}}))
        run("run", folder / "job.json")
        words = ["run", folder / "job.json", "--set", f"output.path={folder / 'two'}",
                 "--set", "run.catalogue_shards=0"]
        said = case.ranks(1, *words, expect=4, env={"BATCHRANK_CUDA_BYTES": "1000000"})[1]
        need = re.search(r"in 1 shard of the catalogue, a rank needs about (\d+) bytes of device "
                         r"memory \((\d+) of them for weights and catalogue\)", said)
        assert need and 1000 * 1000 < int(need[2]) < int(need[1]), said
        said = case.ranks(2, *words, env={"BATCHRANK_CUDA_BYTES": need[1],
                                             "BATCHRANK_CUDA_DEVICES": "2"})[1]
        assert "the catalogue in 2 shards: 4000 of 8000 items" in said, said
        assert "backend cuda" in said and parts(folder / "two") == parts(folder / "one"), said
        print(f"ok  two shards with {int(need[1]) - 1} bytes of device memory: the same parts")
        for policy in DRAWN:
            drawn = [x for word in policy.split() for x in ("--set", f"policy.{word}")]
            run("run", folder / "job.json", "--set", f"output.path={folder / policy}", *drawn)
            path = folder / f"two {policy}"
            case.ranks(2, "run", folder / "job.json", "--set", f"output.path={path}", "--set",
                       "run.catalogue_shards=2", *drawn, env={"BATCHRANK_CUDA_DEVICES": "2"})
            assert parts(path) == parts(folder / policy), policy
            print(f"ok  two shards, {policy}: the same parts")


if __name__ == "__main__":
    main()
