# SPDX-License-Identifier: Apache-2.0
"""Opens every file that has a final name, again and again, until SIGTERM: watch.py FOLDER GOOD,
GOOD a JSON file {name: [SHA-256, ...]}. Prints "watching" when it has begun, then the number of
files seen, and those that were not as they must be; exit code 1 when there were any. Called by
loop_kills.py."""
import hashlib
import json
import os
import signal
import sys
import time

from run_tree import SKIPPED_NAMES, is_temporary, read_final, walk


class Watch:
    def __init__(self, folder, good):
        self.folder, self.good = folder, good
        self.n_seen, self.bad, self.is_over = 0, [], False

    def stop(self, *_):
        self.is_over = True

    def look(self):
        for name, path in walk(self.folder):
            base = os.path.basename(name)
            if is_temporary(base) or base in SKIPPED_NAMES:
                continue
            data = read_final(path)
            if data is None:
                continue
            self.n_seen += 1
            if hashlib.sha256(data).hexdigest() not in self.good.get(name, []) and \
                    not name.startswith("old/"):  # copied anew by the test itself
                self.bad.append(f"{name}: {len(data)} bytes")


def main():
    with open(sys.argv[2], encoding="ascii") as file:
        watch = Watch(sys.argv[1], json.load(file))
    signal.signal(signal.SIGTERM, watch.stop)
    parent = os.getppid()
    print("watching", flush=True)
    while not watch.is_over and os.getppid() == parent:
        watch.look()
        time.sleep(0.001)
    print(watch.n_seen)
    print("\n".join(watch.bad))
    return 1 if watch.bad else 0


if __name__ == "__main__":
    sys.exit(main())
