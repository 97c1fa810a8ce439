# SPDX-License-Identifier: Apache-2.0
"""What a folder may look like after the power went, by the trace of break_trace.c.

The model, at any moment of the trace:
- bytes of a file that a later, completed fsync of it covers are there; of those written since, any
  write may be there, lost, cut, or lost in blocks of 512 bytes (which then read as zeros);
- names in a folder that a later, completed fsync of the folder covers are there; of those made,
  moved or removed since, for each file a first part of what happened to its names is there, files
  independently of each other;
- a folder whose name is lost is lost with all that is in it;
- a change of one name (a rename) is there or not, never half; what is in memory survives kills of
  processes, so one trace may hold several of them."""
import os
from pathlib import Path

SECTOR = 512


class File:
    """Bytes as a list of (sequence, offset, data) since the beginning; data None: cut to offset."""

    def __init__(self, data=b""):
        self.writes = [(-1, 0, data)] if data else []
        self.synced = -1  # all writes up to this sequence are on disk
        self.syncs = []   # (sequence) of every fsync


class Folder:
    def __init__(self):
        self.changes = []  # (sequence, node, removed names, added names)
        self.syncs = []


class Link:
    def __init__(self, target):
        self.target = target


class Trace:
    """The changes of one or several processes under a folder that began as the folder `before`."""

    def __init__(self, root, before, lines_path):
        self.root, self.n = str(root), 0
        self.nodes = {}  # path now -> node
        self.top = self._load(Path(before), self.root)
        data = Path(str(lines_path) + ".data")
        self.data = data.read_bytes() if data.exists() else b""
        self.fds = {}
        for line in Path(lines_path).read_text().splitlines():
            process, what, *words = line.split("\t")
            self._apply(process, what,
                        [os.path.normpath(w) if w.startswith("/") else w for w in words])
            self.n += 1

    def _load(self, real, path):
        node = Link(os.readlink(real)) if real.is_symlink() else \
            Folder() if real.is_dir() else File(real.read_bytes())
        self.nodes[path] = node
        if isinstance(node, Folder):
            for child in sorted(real.iterdir()):
                inner = self._load(child, f"{path}/{child.name}")
                node.changes.append((-1, inner, [], [child.name]))
        return node

    def _parent(self, path):
        return self.nodes[path.rsplit("/", 1)[0]], path.rsplit("/", 1)[1]

    def _add(self, path, node):
        folder, name = self._parent(path)
        folder.changes.append((self.n, node, [], [name]))
        self.nodes[path] = node

    def _apply(self, process, what, words):
        if what == "open":
            path = words[1]
            if words[2] == "new":
                self._add(path, File())
            self.fds[process, words[0]] = self.nodes[path]
        elif what == "write":
            offset, n, at = map(int, words[1:])
            self.fds[process, words[0]].writes.append((self.n, offset, self.data[at:at + n]))
        elif what == "truncate":
            self.fds[process, words[0]].writes.append((self.n, int(words[1]), None))
        elif what == "fsync":
            self.fds[process, words[0]].syncs.append(self.n)
        elif what == "mkdir":
            self._add(words[0], Folder())
        elif what == "symlink":
            self._add(words[1], Link(words[0]))
        elif what == "link":
            self._add(words[1], self.nodes[words[0]])
        elif what == "unlink":
            folder, name = self._parent(words[0])
            folder.changes.append((self.n, self.nodes.pop(words[0]), [name], []))
        elif what == "rename":
            self._rename(words[0], words[1])
        else:
            raise ValueError(f"trace: {what}")

    def _rename(self, old, new):
        folder, old_name = self._parent(old)
        other, new_name = self._parent(new)
        assert folder is other, f"{old} moved to another folder: the model has no such case"
        node = self.nodes.pop(old)
        folder.changes.append((self.n, node, [old_name], [new_name]))
        self.nodes[new] = node


def last_sync(node, moment):
    return max((s for s in node.syncs if s < moment), default=-1)


def bytes_after(file, moment, rng):
    """Bytes of a file when the power goes before step `moment`."""
    synced, data = last_sync(file, moment), bytearray()
    for at, offset, new in file.writes:
        if at >= moment:
            break
        if new is None:
            if at <= synced or rng.random() < 0.5:
                data = data[:offset]
            continue
        if at > synced:
            new = damaged(new, rng)
        if new:
            data.extend(b"\0" * (offset + len(new) - len(data)))
            data[offset:offset + len(new)] = new
    return bytes(data)


def damaged(new, rng):
    """What is there of a write that no fsync covers."""
    fate = rng.choice(("whole", "lost", "cut", "blocks", "size"))
    if fate == "whole":
        return new
    if fate == "lost":
        return b""
    if fate == "cut":
        return new[:rng.randrange(len(new) + 1)]
    if fate == "size":
        return b"\0" * len(new)
    return b"".join(new[i:i + SECTOR] if rng.random() < 0.5 else b"\0" * len(new[i:i + SECTOR])
                    for i in range(0, len(new), SECTOR))


def names_after(folder, moment, rng):
    """{name: node} of a folder when the power goes before step `moment`."""
    synced, names = last_sync(folder, moment), {}
    keep = {}  # node -> how many of its changes since the last fsync are there
    pending = {}
    for at, node, *_ in folder.changes:
        if synced < at < moment:
            pending[id(node)] = pending.get(id(node), 0) + 1
    for key, n in pending.items():
        keep[key] = rng.randrange(n + 1)
    for at, node, removed, added in folder.changes:
        if at >= moment:
            break
        if at > synced:
            keep[id(node)] -= 1
            if keep[id(node)] < 0:
                continue
        for name in removed:
            if names.get(name) is node:
                del names[name]
        for name in added:
            names[name] = node
    return names


def state(trace, moment, rng):
    """{path: bytes, Link or None for a folder} of one state that the model allows."""
    found = {}

    def visit(folder, path):
        for name, node in sorted(names_after(folder, moment, rng).items()):
            inner = f"{path}/{name}" if path else name
            if isinstance(node, Folder):
                found[inner] = None
                visit(node, inner)
            else:
                found[inner] = node if isinstance(node, Link) else bytes_after(node, moment, rng)

    visit(trace.top, "")
    return found


def materialise(found, folder):
    for name, data in found.items():
        path = Path(folder) / name
        if data is None:
            path.mkdir()
        elif isinstance(data, Link):
            path.symlink_to(data.target)
        else:
            path.write_bytes(data)
