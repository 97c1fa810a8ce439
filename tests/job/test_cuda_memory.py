#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`run` on an emulated GPU whose memory is short: less at a time, by the model of its memory and
when an allocation fails all the same; the same parts, byte for byte; an error that names the device
where nothing helps."""
import json
import tempfile
from pathlib import Path

from job_files import call, run

MiB = 1 << 20


def run_with(folder, name, bytes_there):
    """(exit code, log, what the parts hold)"""
    code, _, log = call("run", folder / "job.json", "--set", f"output.path={folder / name}",
                        env={"BATCHRANK_CUDA_BYTES": str(bytes_there)})
    parts = sorted((folder / name / "parts").glob("part-*.h5")) if code == 0 else []
    return code, log, [p.read_bytes() for p in parts]


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("generate", "-o", folder, "--dim", "16", "--customers", "100", "--items", "200")
        (folder / "job.json").write_text(json.dumps(
            {"input": {"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
             "output": {"path": "run"}, "list": {"k": 10}, "run": {"unit_customers": 70}}))
        code, log, wanted = run_with(folder, "plenty", 2048 * MiB)
        assert code == 0 and "memory is short" not in log, log
        assert "backend cuda" in log and len(wanted) == 2, log
        n_failed = n_halved = 0
        for at in (200, 15, 13, 12, 11.4, 11, 9, 7):
            code, log, parts = run_with(folder, f"with-{at}", int(at * MiB))
            if code != 0:
                assert code == 4 and "cuda device 0" in log and "out of memory" in log, log
                n_failed += 1
                continue
            assert "memory is short" in log, log
            assert parts == wanted, f"{at} MiB: other lists"
            n_halved += "done by halves" in log
            print(f"ok  {at} MiB: the same bytes" + ", by halves" * ("done by halves" in log))
        assert 0 < n_failed < 6, f"{n_failed} of 8 sizes were too small"
        assert n_halved > 0, "no allocation failed that halves could mend"
        print(f"ok  {n_failed} sizes too small: exit 4, the device named")


if __name__ == "__main__":
    main()
