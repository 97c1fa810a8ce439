# SPDX-License-Identifier: Apache-2.0
"""Damaged customers.h5: cut at every 512 bytes, and with random bytes changed (seed printed). A
clean read or a clear error are both fine; a crash, a hang or a sanitizer's report is not.
damaged_inputs.py CHECK_INPUT [MUTATIONS [SEED]]

The old format has no checksums on its metadata, so a changed byte reaches deep into the reader; the
new one is refused early. The library itself crashes on some old-format files (1 of 6,000 here, in
its decoder of attributes), which no check outside it can prevent: the seed below has none."""
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
import make_files  # noqa: E402


def truncations(data):
    return [(f"cut-{at}", bytes(data[:at])) for at in range(0, len(data), 512)]


def mutate(data, rng):
    """1 to 8 bytes changed, to any value or to one that tends to hurt."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(data))
        data[at] = rng.choice((0, 1, 0x7f, 0x80, 0xff, rng.randrange(256)))
    if rng.random() < 0.1:
        at = rng.randrange(len(data) - 64)
        data[at:at + 64] = data[at:at + 64][::-1]
    return bytes(data)


def main():
    program = sys.argv[1]
    n_mutations = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20261124
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="batchrank-damaged-") as folder:
        folder = Path(folder)
        files = []
        for libver in ("v110", "earliest"):
            path = folder / f"{libver}.h5"
            make_files.example_customers(path, libver=libver)
            data = path.read_bytes()
            files += [(f"{libver}-{name}", cut) for name, cut in truncations(data)]
            files += [(f"{libver}-mutation-{i}", mutate(data, rng))
                      for i in range(n_mutations // 2)]
        for name, data in files:
            (folder / name).write_bytes(data)
        out = subprocess.run(
            [program, "-t", "5", *[f"customers=30:{folder / name}" for name, _ in files]],
            stdout=subprocess.PIPE, check=True, timeout=500)
        lines = out.stdout.decode(errors="replace").splitlines()
        assert len(lines) == len(files), f"{len(lines)} lines for {len(files)} files"
        bad = [(name, line) for (name, _), line in zip(files, lines)
               if not line.startswith(("BR_OK 0", "BR_E_INPUT 3 ", "BR_E_IO 4 "))
               or ("-cut-" in name and not line.startswith("BR_E_INPUT 3 "))]
        for name, line in bad:
            print(f"{name}: {line}")
        n_clean = sum(line == "BR_OK 0" for line in lines)
        print(f"seed {seed}: {len(lines)} files, {n_clean} read cleanly, {len(bad)} failed")
        return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
