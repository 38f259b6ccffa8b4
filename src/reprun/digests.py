"""Digests of bytes, files and trees: what reprun means by "the same"."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
PREFIX = "sha256:"

_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def sha256_bytes(data: bytes) -> str:
    """Return `sha256:<hex>` of `data`."""
    return PREFIX + hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Return `sha256:<hex>` of a file's bytes; memory use does not grow with its size."""
    with path.open("rb") as stream:
        return PREFIX + hashlib.file_digest(stream, "sha256").hexdigest()


def adler32_file(path: Path) -> str:
    """Return the Adler-32 checksum as eight hex digits, as the CERN Open Data portal writes it."""
    value = 1
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            value = zlib.adler32(chunk, value)
    return f"{value & 0xFFFFFFFF:08x}"


def canonical_json(document: Any) -> bytes:
    """Serialise to the one JSON text that equal documents share (sorted keys, no spaces)."""
    return _CANONICAL.encode(document).encode()


def digest_of_mapping(files: Mapping[str, str]) -> str:
    """Return one digest for a set of named digests, whatever their order."""
    return sha256_bytes(canonical_json(dict(files)))


def sha256_tree(root: Path, *, skip: Iterable[str] = ()) -> dict[str, str]:
    """Return `{path relative to root: sha256}` of every file below `root`, sorted by path.

    Directories named in `skip` (by their name at any depth) are left out. A symbolic link
    counts as its target's text, so a tree cannot change unseen through a link.
    """
    skipped = set(skip)
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if skipped.intersection(relative.parts):
            continue
        if path.is_symlink():
            found[relative.as_posix()] = sha256_bytes(b"link:" + str(path.readlink()).encode())
        elif path.is_file():
            found[relative.as_posix()] = sha256_file(path)
    return found


def short(digest: str, length: int = 12) -> str:
    """Return the first hex digits of a digest, for people."""
    return digest.removeprefix(PREFIX)[:length]


def digest_change(before: str | None, now: str | None) -> str:
    """Return how people are told of what has another digest now; None where it is not there."""
    if before is None:
        return f"is new ({short(now or '')})"
    if now is None:
        return f"is gone (was {short(before)})"
    return f"changed ({short(before)} → {short(now)})"
