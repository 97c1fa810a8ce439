#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`publish --to resp` loaded into a real Redis by redis-cli --pipe: no errors, a reply per key,
values read back equal, keys expire, and the pointer flips last. Skips where there is no Redis."""
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from job_files import run
from run_files import LETTERS, World

SEED, N_WORLDS = 20260303, 6


def find_server(folder):
    """Debian's redis-tools has the server under another name: one program that goes by argv[0]."""
    server, same = shutil.which("redis-server"), shutil.which("redis-check-rdb")
    if server is None and same is not None:
        server = folder / "redis-server"
        server.symlink_to(same)
    return server


class Redis:
    """A server of its own on a socket in a folder, without a port."""

    def __init__(self, server, folder):
        self.socket = str(folder / "redis.sock")
        self.process = subprocess.Popen(
            [server, "--port", "0", "--unixsocket", self.socket, "--save", "",
             "--appendonly", "no", "--dir", str(folder), "--daemonize", "no"],
            stdout=subprocess.DEVNULL)

    def cli(self, *words, data=None):
        return subprocess.run(["redis-cli", "-s", self.socket, *words], input=data,
                              capture_output=True, check=True).stdout

    def wait(self):
        for _ in range(200):
            if Path(self.socket).exists() and self.cli("ping") == b"PONG\n":
                return
            assert self.process.poll() is None, "redis-server ended"
            time.sleep(0.05)
        raise AssertionError("redis-server does not answer")

    def load(self, path):
        """redis-cli's own count of replies, all of them good."""
        text = self.cli("--pipe", data=path.read_bytes()).decode()
        found = re.search(r"errors: (\d+), replies: (\d+)", text)
        assert found and found[1] == "0", text
        return int(found[2])

    def get(self, key):
        """Raw; redis-cli adds one newline."""
        return self.cli("get", key)[:-1]


def check_world(redis, world, folder, ttl, is_comma):
    version = world.run.name
    run("publish", world.run, "--to", "resp", "-o", folder, "--key-prefix", "feed", "--ttl", ttl,
        "--value", "comma" if is_comma else "json")
    listed = [c for c in world.customers() if c["n"] > 0 and not c["is_out"]]
    n_before = int(redis.cli("dbsize"))
    current = redis.get("feed:current")
    assert redis.load(folder / "lists.resp") == len(listed)
    assert redis.get("feed:current") == current, "the pointer moved before its time"
    assert redis.load(folder / "current.resp") == 1
    assert redis.get("feed:current") == version.encode()
    assert int(redis.cli("dbsize")) == n_before + len(listed) + (current == b"")
    for c in listed:
        key = f"feed:{version}:{c['customer']}"
        value = redis.get(key).decode()
        assert (value.split(",") if is_comma else json.loads(value)) == c["items"], (key, value)
        left = int(redis.cli("ttl", key))
        assert 0 < left <= ttl if ttl else left == -1, (key, left)
    return len(listed)


def check_changes(redis, folder):
    """The second night loads only what differs, under the same version."""
    old, new = (World(folder / f"night{i}", SEED + 50 + i, max_customers=80) for i in (0, 1))
    for world, extra in ((old, []), (new, ["--changed-since", old.run])):
        out = folder / f"delta-{world.run.name}"
        run("publish", world.run, "--to", "resp", "-o", out, "--run-id", "live", *extra)
        redis.load(out / "lists.resp")
    for c in new.customers():
        value = redis.get(f"batchrank:live:{c['customer']}")
        if c["n"] > 0 and not c["is_out"]:
            assert json.loads(value) == c["items"]
        else:
            assert value == b"", (c, value)


def check(server, folder):
    n_keys, redis = 0, Redis(server, folder)
    try:
        redis.wait()
        for w in range(N_WORLDS):
            world = World(folder / f"v{w}", SEED + w, [x for x in LETTERS if x != ","], 120)
            n_keys += check_world(redis, world, folder / f"out{w}", 3600 * (w % 2), w % 3 == 0)
        check_changes(redis, folder)
    finally:
        redis.process.terminate()
        redis.process.wait()
    print(f"ok  {N_WORLDS} versions, {n_keys} keys read back")


def main():
    print("seed", SEED)
    with tempfile.TemporaryDirectory() as name:
        server = find_server(Path(name))
        if server is None or not shutil.which("redis-cli"):
            print("skipped: redis-server and redis-cli (Debian: redis-tools) are missing")
            return 77
        check(server, Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
