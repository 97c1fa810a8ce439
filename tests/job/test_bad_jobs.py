#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The bad-input catalogue of the whole binary: command lines, configurations, files that do not
fit together, run directories. Each case says what is done to a job that runs, the exit code, and
what the message must say; nothing may be published."""
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

import test_run_model
from job_files import BATCHRANK, call, run

USAGE, INPUT, SYSTEM = 2, 3, 4
CASES = []


def case(name, code, *says, words=("run", "job.json"), **job):
    """`change(folder)` breaks the files; keyword section=value sets part of the job file."""
    def add(change):
        CASES.append((name, code, says, words, job, change))
        return change
    return add


def plain(name, code, *says, words=("run", "job.json"), **job):
    case(name, code, *says, words=words, **job)(lambda folder: None)


def set_key(name, code, key, value, *says):
    plain(name, code, *says, words=("run", "job.json", "--set", f"{key}={value}"))


def command_lines():
    plain("no verb", USAGE, "a verb is missing", words=())
    plain("unknown verb", USAGE, "unknown verb 'runs', did you mean run", words=("runs",))
    plain("no config", USAGE, "CONFIG", words=("run",))
    plain("two configs", USAGE, "job.json", words=("run", "job.json", "job.json"))
    plain("unknown option", USAGE, "--thread", "--threads",
          words=("run", "job.json", "--thread", "2"))
    plain("option without value", USAGE, "--threads", words=("run", "job.json", "--threads"))
    plain("threads no number", USAGE, "--threads", "two",
          words=("run", "job.json", "--threads", "two"))
    plain("threads negative", USAGE, "threads", "-1", words=("run", "job.json", "--threads", "-1"))
    plain("threads beyond 2^63", USAGE, "threads",
          words=("run", "job.json", "--threads", "99999999999999999999"))
    plain("log level", USAGE, "level", "loud", words=("run", "job.json", "--log-level", "loud"))
    plain("set without value", USAGE, "list.k", "KEY=VALUE",
          words=("run", "job.json", "--set", "list.k"))
    plain("encode without out", USAGE, "--out", words=("encode", "job.json"))
    plain("topk without items", USAGE, "--items",
          words=("topk", "--customers", "x.npy", "-o", "o.h5"))
    plain("topk k 0", USAGE, "-k", words=("topk", "--customers", "x.npy", "--items", "z.npy",
                                         "-k", "0", "-o", "o.h5"))
    plain("topk k 1025", USAGE, "1024", words=("topk", "--customers", "x.npy", "--items", "z.npy",
                                              "-k", "1025", "-o", "o.h5"))
    plain("topk no file", SYSTEM, "x.npy", words=("topk", "--customers", "x.npy", "--items",
                                                 "z.npy", "-o", "o.h5"))
    plain("topk no dataset", INPUT, "customers.h5", "/vectors",
          words=("topk", "--customers", "customers.h5:/vectors", "--items", "z.npy", "-o", "o.h5"))
    plain("evaluate without truth", USAGE, "--truth", words=("evaluate", "--run", "run"))
    plain("evaluate run and config", USAGE, "--run and --config are both given",
          words=("evaluate", "--run", "r", "--config", "job.json", "--truth", "customers.h5"))
    sets = ("evaluate", "--config", "job.json", "--truth", "customers.h5", "--modality", "none")
    plain("evaluate with 64 keys", INPUT, "/timeline/none is missing",
          words=sets + ("--set", "list.k=3") * 64)
    plain("evaluate with 65 keys", USAGE, "--set is given more than 64 times",
          words=sets + ("--set", "list.k=3") * 65)
    plain("help of no verb", USAGE, "unknown verb 'evaluat', did you mean evaluate",
          words=("help", "evaluat"))
    plain("evaluate no run", SYSTEM, "nothing-here",
          words=("evaluate", "--run", "nothing-here", "--truth", "customers.h5"))
    plain("verify no run", SYSTEM, "nothing-here", words=("verify", "nothing-here"))
    plain("info no file", SYSTEM, "nothing-here", words=("info", "nothing-here"))
    plain("generate no items", USAGE, "--items",
          words=("generate", "-o", "new", "--items", "0"))


def config_files():
    @case("config missing", SYSTEM, "absent.json", words=("run", "absent.json"))
    def _(folder):
        pass

    def text(name, code, content, *says):
        case(name, code, "job.json", *says)(
            lambda folder: (folder / "job.json").write_bytes(content))
    text("config empty", USAGE, b"", "empty")
    text("config trailing text", USAGE, b"{} {}", ":1:4:")
    text("config cut", USAGE, b'{"input": {"customers"', ":1:")
    text("config duplicate key", USAGE, b'{"input": {}, "input": {}}', ":1:16:", "twice")
    text("config number 007", USAGE, b'{"list": {"k": 007}}', ":1:")
    text("config number 0x10", USAGE, b'{"list": {"k": 0x10}}', ":1:")
    text("config number 1e999", USAGE, b'{"list": {"k": 1e999}}', ":1:")
    text("config NaN", USAGE, b'{"list": {"k": NaN}}', ":1:16:")
    text("config comment", USAGE, b'{"list": {} // ten\n}', ":1:")
    text("config bad UTF-8", USAGE, b'{"list": {"channel": "\xff"}}', "UTF-8")
    text("config BOM", USAGE, b"\xef\xbb\xbf{}", "byte order mark")
    text("config NUL", USAGE, b'{"list": {"channel": "a\\u0000"}}', ":1:")
    text("config deep", USAGE, b"[" * 5000, "deep")
    text("config of 1 MiB", USAGE, b" " * (1 << 20) + b"{}", "1048576")
    text("config of 10,001 values", USAGE, b'{"a": [' + b"1," * 10000 + b"1]}", "too many")

    @case("config folder", SYSTEM, "job.json")
    def _(folder):
        (folder / "job.json").unlink()
        (folder / "job.json").mkdir()

    @case("config unreadable kind", SYSTEM, "job.json")
    def _(folder):
        (folder / "job.json").unlink()
        os.mkfifo(folder / "job.json")

    plain("all problems at once", USAGE, "list.k: found 0", "run.threads: found -2",
          "lst: unknown key", list={"k": 0}, run={"threads": -2}, lst={})
    set_key("set unknown key", USAGE, "list.kk", "3", "list.kk", "list.k")
    set_key("k of kernel limit", USAGE, "list.k", "1025", "list.k: found 1025", "[1, 1024]")
    set_key("k no whole number", USAGE, "list.k", "2.5", "list.k: found 2.5")
    set_key("k beyond 2^53", USAGE, "list.k", "9007199254740993", "list.k: found 9007199254740992")
    set_key("as_of no date", USAGE, "run.as_of", "2017-02-30", "run.as_of")
    set_key("output inside input", USAGE, "output.path", "model/run", "one inside the other")
    set_key("output equals input", USAGE, "output.path", "customers.h5", "one inside the other")


def joins():
    """Files that are good one by one and do not fit together."""
    set_key("no such head", USAGE, "list.heads", '["buy"]', "list.heads", "'buy'")
    set_key("no such channel", INPUT, "list.channel", "phone", "/consent/phone is missing")
    set_key("no such history", INPUT, "list.exclude_history", '["web"]', "/timeline/web",
            "missing")
    set_key("history of no items", INPUT, "list.exclude_history", '["mail"]', "/timeline/mail",
            "no catalogue items")
    set_key("no such fallback", INPUT, "list.fallback_modality", "mail", "/timeline/mail")
    set_key("no model, no vectors", INPUT, "input.model", "", "/vector is missing",
            "input.model")
    set_key("memory limit", SYSTEM, "run.memory_limit_bytes", "1000", "memory_limit_bytes")

    @case("no items in common", INPUT, "/timeline/browse: none of its 90 tokens has a row")
    def _(folder):
        with h5py.File(folder / "catalogue.h5", "r+") as f:
            f["/item/key"][:] = [b"x%d" % i for i in range(90)]

    @case("keys of another kind", INPUT, "catalogue.h5: /item/key has u64 numbers", "are bytes",
          "model: vocabulary catalogue")
    def _(folder):
        with h5py.File(folder / "catalogue.h5", "r+") as f:
            del f["/item/key"]
            f["/item/key"] = np.arange(90, dtype=np.uint64)

    @case("no tokens in common", INPUT, "/timeline/mail", "none of its 5 tokens")
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            f["/vocabulary/campaign/key"][:] = [b"z%d" % i for i in range(5)]

    @case("nothing valid", INPUT, "10 have no vector", "80 are not valid at run.as_of")
    def _(folder):
        with h5py.File(folder / "catalogue.h5", "r+") as f:
            f["/item/valid"] = np.zeros((90, 2), np.int64)

    @case("a static is missing", INPUT, "/static/age is missing")
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            del f["/static"], f["/static_key"]

    @case("an aggregate is missing", INPUT, "/aggregate has no column 'spend'")
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            names = f["/aggregate"].attrs["names"]
            names[2] = b"spent"
            f["/aggregate"].attrs["names"] = names

    @case("segments of items only", INPUT, "/segment is missing", "/item/segment")
    def _(folder):
        with h5py.File(folder / "catalogue.h5", "r+") as f:
            f["/item/segment"] = np.ones(90, np.uint64)

    @case("item row beyond the catalogue", INPUT, "/timeline/browse/item", "row ", "90")
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            f["/timeline/browse/item"][0] = 90

    @case("no events of one modality's vocabulary", INPUT, "/timeline/mail", "vocabulary")
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            f["/timeline/mail"].attrs["vocabulary"] = np.bytes_("campaigns")

    @case("type beyond the table", INPUT, "/timeline/browse/type: row ", "type 3; expected 0 to 2")
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            f["/timeline/browse/type"][:] = 3

    for name in ("customers.h5", "catalogue.h5", "model/model.json", "model/weights.safetensors",
                 "model/vocabulary.h5"):
        case("missing " + name, SYSTEM, name)(lambda folder, n=name: (folder / n).unlink())
        case("empty " + name, INPUT, name)(lambda folder, n=name: (folder / n).write_bytes(b""))
        case("cut " + name, INPUT, name)(lambda folder, n=name: os.truncate(
            folder / n, (folder / n).stat().st_size * 2 // 3))


def huge_weights():
    """Each weight is finite; what the model makes of them is not."""
    def scale(part, factor):
        def change(folder):
            path = folder / "model" / "weights.safetensors"
            writer = test_run_model.model_case.bundle_writer
            tensors = writer.read_safetensors(path)
            writer.write_safetensors(path, {
                name: value * np.float32(factor) if part in name else value
                for name, value in tensors.items()})
        return change

    case("encode with huge weights", INPUT, "model: the vector of customer c0",
         "is not finite", words=("encode", "job.json", "-o", "x.h5"))(scale("query", 1e38))
    case("run with huge weights", INPUT, "customer", "does not fit float32")(scale("query", 1e38))

    @case("vectors of 1e38", INPUT, "customer c0000 (row 0) and item", "does not fit float32",
          words=("run", "job.json", "--set", "input.model="))
    def _(folder):
        for name, path, n in (("customers", "/vector", 300), ("catalogue", "/item/vector", 90)):
            with h5py.File(folder / f"{name}.h5", "r+") as f:
                f[path] = np.full((n, 4), 1e38, np.float32)


def late_faults():
    """Found only when the customers are read, in the second of five units."""
    unit = {"run": {"unit_customers": 64, "as_of": str(test_run_model.AS_OF)}}

    @case("late NaN weight", INPUT, "/timeline/browse/weight", "customer 'c0", **unit)
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            f["/timeline/browse/weight"][f["/timeline/browse/offset"][100]:] = np.nan

    @case("late disorder of times", INPUT, "/timeline/buy/time", "after", **unit)
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            f["/timeline/buy/time"][:] = f["/timeline/buy/time"][:][::-1]

    @case("late infinite aggregate", INPUT, "/aggregate", "row 299", "customer 'c0299'", **unit)
    def _(folder):
        with h5py.File(folder / "customers.h5", "r+") as f:
            f["/aggregate"][299, 2] = np.inf


def run_directories():
    @case("output is a file", USAGE, "run", "is no folder")
    def _(folder):
        (folder / "run").write_text("mine\n")

    @case("output holds something else", USAGE, "thesis.txt")
    def _(folder):
        (folder / "run").mkdir()
        (folder / "run" / "thesis.txt").write_text("mine\n")

    @case("output holds another run", USAGE, "holds another run", "list.k")
    def _(folder):
        run("run", folder / "job.json", "--set", "list.k=3", "--log-level", "error")

    @case("output holds a run of other input", USAGE, "holds another run", "customers")
    def _(folder):
        run("run", folder / "job.json", "--log-level", "error")
        with h5py.File(folder / "customers.h5", "r+") as f:
            f["/static/age"][0] = 1 - f["/static/age"][0] % 2

    @case("evaluate a run that is not complete", INPUT, "run: the run is not complete",
          words=("evaluate", "--run", "run", "--truth", "customers.h5", "--modality", "buy"))
    def _(folder):
        run("run", folder / "job.json", "--log-level", "error")
        (folder / "run" / "manifest.json").unlink()

    @case("changed part", INPUT, "part-00000.h5", words=("verify", "run"))
    def _(folder):
        run("run", folder / "job.json", "--log-level", "error")
        path = folder / "run" / "parts" / "part-00000.h5"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)


def outputs():
    """Places that cannot take the output, or hold an input: said before the work."""
    @case("encode into a folder that is not there", SYSTEM, "absent",
          words=("encode", "job.json", "-o", "absent/x.h5"))
    def _(folder):
        pass

    def topk(name, code, out, *says):
        words = ("topk", "--customers", "x.npy", "--items", "z.h5:/z", "-o", out)

        @case(name, code, *says, words=words)
        def _(folder):
            np.save(folder / "x.npy", np.ones((3, 4), np.float32))
            with h5py.File(folder / "z.h5", "w") as f:
                f["z"] = np.ones((5, 4), np.float32)
            os.symlink("x.npy", folder / "link.npy")
            os.mkfifo(folder / "pipe")

    @case("topk with an item key twice", INPUT, "keys.txt: key 'b' is in rows 1 and 3",
          words=("topk", "--customers", "x.npy", "--items", "x.npy", "--item-keys", "keys.txt",
                 "-o", "o.h5"))
    def _(folder):
        np.save(folder / "x.npy", np.ones((4, 2), np.float32))
        (folder / "keys.txt").write_text("a\nb\nc\nb\n")

    topk("topk over its customers", USAGE, "./x.npy", "is also the input x.npy")
    topk("topk over its items", USAGE, "z.h5", "is also the input z.h5")
    topk("topk over a link to its customers", USAGE, "link.npy", "is also the input x.npy")
    topk("topk over a pipe", USAGE, "pipe", "pipe: is a pipe or device")
    topk("topk over a folder", USAGE, "model", "model: is a folder")
    topk("topk into a file", SYSTEM, "x.npy/o.h5", "x.npy is no folder")
    topk("topk into a folder that is not there", SYSTEM, "absent/o.h5", "its folder absent")
    for name in ("customers.h5", "catalogue.h5", "model/vocabulary.h5"):
        plain("encode over " + name, USAGE, "is also the input", name,
              words=("encode", "job.json", "-o", name))


def check_threads(base):
    """--threads 0 is every core, whatever the configuration says."""
    n_cores = len(os.sched_getaffinity(0))
    found, out, err = call("plan", "job.json", "--fast", "--set", f"run.threads={n_cores + 1}",
                           "--threads", 0, cwd=base)
    assert found == 0 and f"{n_cores} of {n_cores} cores" in out, out + err


def check_file_limit(folder, base):
    """A file that may not grow is an I/O error, not the signal SIGXFSZ."""
    shutil.copytree(base, folder)
    for words in (("run", "job.json"), ("encode", "job.json", "-o", "x.h5")):
        done = subprocess.run([BATCHRANK, *words], cwd=folder, capture_output=True, text=True,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                                    (8192, 8192)))
        assert done.returncode == SYSTEM and "File too large" in done.stderr, done
        assert not [p for p in folder.rglob("*.tmp-*")] and not (folder / "x.h5").exists()


def published(folder):
    """{file: bytes} of everything that counts as output."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*")
            if p.is_file() and p.name in ("manifest.json", "lists.h5", "o.h5", "x.h5", "x.npy",
                                             "z.h5", "customers.h5", "catalogue.h5")}


def problem_of(folder, base, case_):
    _, code, says, words, job, change = case_
    shutil.copytree(base, folder)
    if job:
        text = json.loads((folder / "job.json").read_text())
        (folder / "job.json").write_text(json.dumps({**text, **job}))
    change(folder)
    before = published(folder)
    found, out, err = call(*words, cwd=folder)
    if found != code:
        return f"exit {found}, expected {code}: {err}{out}"
    lacks = [s for s in says if s not in err]
    if lacks:
        return f"the message lacks {lacks}: {err}"
    if published(folder) != before:
        return "something was published"
    return None


def main():
    for table in (command_lines, config_files, joins, huge_weights, late_faults, run_directories,
                  outputs):
        table()
    n_bad = 0
    assert len({c[0] for c in CASES}) == len(CASES), "two cases have one name"
    with tempfile.TemporaryDirectory() as name:
        base = Path(name) / "base"
        base.mkdir()
        test_run_model.make(base, np.random.default_rng(1))
        run("check", base / "job.json")
        check_threads(base)
        check_file_limit(Path(name) / "limit", base)
        for i, one in enumerate(CASES):
            problem = problem_of(Path(name) / str(i), base, one)
            if problem:
                n_bad += 1
                print(f"{one[0]}: {problem}")
            shutil.rmtree(Path(name) / str(i))
    print(f"{len(CASES)} cases, {n_bad} failed")
    return 1 if n_bad else 0


if __name__ == "__main__":
    sys.exit(main())
