#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A bundle made of this build tree, moved elsewhere and run with an empty environment: the demo
job, gpu_check.sh to its end without a GPU, and with broken programs in it. No library may come from
the build tree or the repository; glibc's and CUDA's alone may come from the system.

  tests/scripts/test_bundle.py BUILD    exit 77 without binutils, or where glibc is newer than 2.36
"""
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FROM_SYSTEM = re.compile(
    r"^(ld-linux-x86-64|lib(c|m|dl|rt|pthread|resolv|util|mvec|anl|nsl|nss_\w+)"
    r"|lib(cuda|cudart|cublas|cublasLt|nccl))\.so")
NO_GPU = {"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": ""}


def call(*words, env=None, expect=0):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd="/",
                          env={} if env is None else env)
    assert done.returncode == expect, \
        f"{words}: exit {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def make(build, folder):
    """The bundle, under a name that nothing was told of when it was made."""
    done = call(ROOT / "scripts" / "bundle.sh", "--cpu", "--build", build, "--out", folder / "made",
                env=os.environ)
    assert "size " in done and not (folder / "made.new").exists()
    (folder / "made").rename(folder / "moved")
    return folder / "moved"


def check_libraries(bundle):
    programs = [p for p in (bundle / "bin").iterdir() if os.access(p, os.X_OK)]
    libraries = list((bundle / "lib").glob("*.so*"))
    assert len(programs) >= 10 and libraries
    for path in programs + libraries:
        for line in call("/usr/bin/ldd", path).splitlines():
            words = line.split()
            if len(words) < 3 or words[1] != "=>":
                continue
            assert "not found" not in line, f"{path.name}: {line}"
            is_ours = Path(words[2]).resolve().is_relative_to(bundle.resolve())
            # a library's own needs are found by the program that loads it
            assert is_ours or FROM_SYSTEM.match(words[0]) or path in libraries, f"{path}: {line}"
            assert str(ROOT) not in line, f"{path.name}: {line}"
    for path in programs:
        rpath = re.search(r"\(RPATH\).*\[(.*)\]", call("/usr/bin/readelf", "-d", path)).group(1)
        assert rpath.split(":")[0] == "$ORIGIN/../lib" and str(ROOT) not in rpath, rpath
    glibc = re.search(r"glibc +([\d.]+)", (bundle / "BUNDLE.txt").read_text()).group(1)
    assert tuple(map(int, glibc.split("."))) <= (2, 36), glibc
    print(f"ok  {len(programs)} programs, {len(libraries)} libraries of their own, glibc {glibc}")


def check_job(bundle, folder):
    batchrank = bundle / "bin" / "batchrank"
    assert call(batchrank, "--version").startswith("batchrank ")
    call(batchrank, "run", bundle / "configs" / "demo" / "run.json", "--set",
         f"output.path={folder / 'run'}")
    assert "\nok\n" in call(batchrank, "verify", folder / "run", "--samples", "10")
    print("ok  the demo job, verified")


def check_env(bundle, folder):
    """env.sh is content when nothing is needed, and says what is missing."""
    package = folder / "site-packages" / "nvidia" / "cublas" / "lib"
    package.mkdir(parents=True)
    (package / "libnothing.so.99").touch()
    missing = {"PATH": "/usr/bin:/bin"}
    words = ["/bin/bash", "-c", ". ./env.sh && echo found $LD_LIBRARY_PATH"]
    (bundle / "lib" / "needed-from-cuda.txt").rename(folder / "needed")
    for needed, env, code, text in (
            ("", missing, 0, "found"), ("libnothing.so.99\n", missing, 1, "libnothing.so.99 is"),
            ("libnothing.so.99\n", {**missing, "CUDA_HOME": str(package)}, 1, "nowhere"),
            ("libnothing.so.99\n", {**missing, "LD_LIBRARY_PATH": str(package)}, 0, str(package)),
            ("libnothing.so.99\n", {**missing, "PYTHONPATH": str(package.parents[2])}, 0,
             f"found {package}")):
        (bundle / "lib" / "needed-from-cuda.txt").write_text(needed)
        done = subprocess.run(words, cwd=bundle, env=env, capture_output=True, text=True)
        assert done.returncode == code and text in done.stdout + done.stderr, done
    (folder / "needed").rename(bundle / "lib" / "needed-from-cuda.txt")
    print("ok  env.sh")


def gpu_check(bundle, out, *more, expect):
    text = call(bundle / "scripts" / "gpu_check.sh", out, *more, env=NO_GPU, expect=expect)
    results = json.loads((out / "results.json").read_text())
    assert results["complete"] and not results["has_gpu"], results
    return {step["step"]: step["result"] for step in results["steps"]}, text


def check_gpu_check(bundle, folder):
    steps, text = gpu_check(bundle, folder / "good", expect=77)
    odd = {name: word for name, word in steps.items() if word not in ("passed", "skipped")}
    assert not odd and steps["topk same x_u, same bytes"] == "passed", (odd, text)
    assert steps["peers"] == steps["sanitizer"] == "skipped" and "no GPU here" in text
    print(f"ok  gpu_check.sh without a GPU: {len(steps)} steps, exit 77")
    broken = bundle / "bin" / "test_ops_embed"
    broken.write_text("#!/bin/sh\necho 'a \"planted\" failure\\'\nexit 3\n")
    slow = bundle / "bin" / "test_score_pairs"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    steps, text = gpu_check(bundle, folder / "broken", "--budget", "40", expect=1)
    assert steps["tests test_ops_embed on cpu"] == "failed", text
    # skipped: where the machine is so busy that nothing was left for it
    assert steps["tests test_score_pairs on cpu"] in ("cut-off", "skipped"), text
    assert steps["demo cpu"] == "passed" and "planted" in text, text
    call(bundle / "scripts" / "gpu_check.sh", "--nonsense", env=NO_GPU, expect=2)
    assert "Exit code" in call(bundle / "scripts" / "gpu_check.sh", "--help", env=NO_GPU)
    print("ok  a failing and a hanging program are recorded, the others still run, exit 1")


def main():
    if not all(shutil.which(tool) for tool in ("objdump", "readelf", "ldd")):
        print("no binutils here")
        return 77
    if tuple(map(int, platform.libc_ver()[1].split(".")[:2])) > (2, 36):
        print("a newer glibc than bundles may need: bundle.sh refuses to make one here")
        return 77
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = make(Path(sys.argv[1]).resolve(), folder)
        check_libraries(bundle)
        check_job(bundle, folder)
        check_env(bundle, folder)
        check_gpu_check(bundle, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
