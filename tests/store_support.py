"""What the tests put into a store."""

from __future__ import annotations

import os
from pathlib import Path

from reprun.digests import sha256_bytes
from reprun.files import mark
from reprun.store.store import Store

DATA = b"some bytes"
DIGEST = sha256_bytes(DATA)
ONE, TWO = sha256_bytes(b"one"), sha256_bytes(b"two")


def with_two_files(root: Path) -> Store:
    """Return a store with two data files, `ONE` and `TWO`."""
    store = Store(root)
    for data in (b"one", b"two"):
        store.note_origin(store.add_bytes(data), "https://portal.example/a")
    return store


def of_a_killed_process(prefix: str = "") -> str:
    """Return a name as a process of this machine gave it that is gone."""
    place, _, _ = mark().split("-")
    return f"{prefix}{place}-1-1.abcd"


def rot(path: Path) -> None:
    """Flip a bit as a failing disk does: size and time stay."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    mode = status.st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
