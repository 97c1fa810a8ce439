# SPDX-License-Identifier: Apache-2.0
"""The files of an output folder: what has its final name, what is temporary, and the audit logs."""
import hashlib
import json
import os

SKIPPED_NAMES = {".lock", "audit.jsonl"}  # times and processes


def is_temporary(name):
    return name.startswith(".") and ".tmp-" in name


def walk(folder):
    """(path relative to the folder, path) of all that is no folder."""
    for base, folders, names in os.walk(folder):
        for name in names + [f for f in folders if os.path.islink(os.path.join(base, f))]:
            path = os.path.join(base, name)
            yield os.path.relpath(path, folder), path


def read_final(path):
    """Bytes, or where a link points; None when it is gone by now."""
    try:
        if os.path.islink(path):
            return b"-> " + os.readlink(path).encode()
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def files_of(folder):
    """{name: bytes} of every file and link that has its final name."""
    found = {name: read_final(path) for name, path in walk(folder)
             if not is_temporary(os.path.basename(name))
             and os.path.basename(name) not in SKIPPED_NAMES}
    return {name: data for name, data in found.items() if data is not None}


def temporaries_of(folder):
    return [name for name, _ in walk(folder) if is_temporary(os.path.basename(name))]


def finished_parts(folder):
    """{part: (inode, time)} of parts that have a receipt, in any run below the folder."""
    found = {}
    for name, path in walk(folder):
        parts = name.split("/")
        if len(parts) < 3 or parts[-2] != "parts" or is_temporary(parts[-1]):
            continue
        receipt = os.path.join(folder, *parts[:-2], "receipts", parts[-1][5:10] + ".json")
        if os.path.exists(receipt):
            about = os.stat(path)
            found[name] = (about.st_ino, about.st_mtime_ns)
    return found


def check_audit(path, what):
    """Every line is chained to the one before; a torn line is vouched for by the next."""
    previous = "0" * 64
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    assert lines.pop() == b"", f"{what}: {path} ends in the middle of a line"
    for at, line in enumerate(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            assert at + 1 < len(lines), f"{what}: torn last line"
        else:
            assert entry["prev"] == previous, f"{what}: audit line {at + 1}"
            body = line[:line.rindex(b',"hash":"')]
            assert entry["hash"] == hashlib.sha256(body).hexdigest(), f"{what}: audit line {at + 1}"
        previous = hashlib.sha256(line).hexdigest()


def check_audits(folder, what):
    for name, path in walk(folder):
        if os.path.basename(name) == "audit.jsonl":
            check_audit(path, what)
