# SPDX-License-Identifier: Apache-2.0
"""Cases for a program and its answers: see case_file.h."""
import subprocess
import tempfile
from pathlib import Path

import numpy as np


class Cases:
    """What is put is padded to 8 bytes; `run` gives the reader of the answers."""

    def __init__(self):
        self.parts = []

    def put(self, values, dtype="<i8"):
        data = np.ascontiguousarray(values, dtype).tobytes()
        self.parts.append(data + bytes(-len(data) % 8))

    def run(self, program, *words):
        with tempfile.TemporaryDirectory() as folder:
            given, found = Path(folder) / "in", Path(folder) / "out"
            given.write_bytes(b"".join(self.parts))
            subprocess.run([program, *words, str(given), str(found)], check=True)
            return Answers(found.read_bytes())


class Answers:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n, dtype="<i8"):
        values = np.frombuffer(self.data, dtype, n, self.at)
        self.at += -(-values.nbytes // 8) * 8
        return values

    def close(self):
        assert self.at == len(self.data), f"{len(self.data) - self.at} bytes of answers too many"
