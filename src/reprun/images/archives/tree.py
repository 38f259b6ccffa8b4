"""A file tree in the making: what the archives put where, and what is not allowed to meet.

The tree of a layer knows paths, modes and digests; contents lie in a `Spool` on disk, so
memory does not grow with the image. Rules, all of which say what they did or refuse:

* absolute paths, `..`, device nodes and hard links to anything outside are refused;
* set-user-ID and set-group-ID bits are dropped and reported in `Tree.dropped`;
* the same path twice is fine when both bring the same thing, and refused otherwise;
* nothing is ever put below a symbolic link or a file.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from reprun.digests import CHUNK, PREFIX
from reprun.errors import IntegrityError, SpecificationError
from reprun.files import storage_errors

SET_ID_BITS = 0o6000
RUNTIME_FILES = frozenset(
    {
        *(".dockerenv", "dev/console", "dev/pts", "dev/shm"),
        *("etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"),
    }
)
"""Files an engine puts into a container by itself; no part of a tree's identity."""


class Kind(StrEnum):
    """What lies at a path."""

    DIRECTORY = "directory"
    FILE = "file"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes in a spool."""

    offset: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a tree."""

    kind: Kind
    mode: int
    origin: str
    """Which package or rule brought it; empty for a directory nobody asked for by name."""
    target: str = ""
    content: Content | None = None


def inner_path(name: str, *, archive: str) -> str:
    """Return an archive member's path relative to the root, or refuse it.

    `./usr/bin/x` and `usr/bin/x/` are `usr/bin/x`; the root itself is the empty string.
    Raises IntegrityError for absolute paths, `..`, NUL and newline.
    """
    if name.startswith("/"):
        raise IntegrityError(f"{archive} has a member with an absolute path: {name}")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise IntegrityError(f"{archive} has a member that leaves the tree: {name}")
    if "\0" in name or "\n" in name:
        raise IntegrityError(f"{archive} has a member with a control character: {name!r}")
    return "/".join(parts)


def kept_mode(kind: Kind, mode: int) -> int:
    """Return the mode that a file or directory of an image gets.

    No set-ID bits, the sticky bit on directories alone, and the owner may always read: the store
    of an ordinary user holds `/etc/shadow`, which some distributions give no bit at all.
    """
    return mode & 0o1777 | 0o500 if kind is Kind.DIRECTORY else mode & 0o777 | 0o400


class Spool:
    """File contents waiting for their layer, one after the other in a temporary file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        with storage_errors(directory):
            self._stream = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - owned by self
        self._end = 0

    def __enter__(self) -> Self:
        """Return the spool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop all contents."""
        self._stream.close()

    def add(self, read: Callable[[int], bytes]) -> Content:
        """Take in a stream, given by its `read`, to its end."""
        sha256 = hashlib.sha256()
        offset = self._end
        with storage_errors(self._directory):
            while chunk := read(CHUNK):
                sha256.update(chunk)
                self._stream.write(chunk)
                self._end += len(chunk)
        return Content(offset, self._end - offset, sha256.hexdigest())

    def add_bytes(self, data: bytes) -> Content:
        """Take in bytes."""
        with storage_errors(self._directory):
            self._stream.write(data)
        offset, self._end = self._end, self._end + len(data)
        return Content(offset, len(data), hashlib.sha256(data).hexdigest())

    def flush(self) -> None:
        """Make all that was added readable, and a full disk visible."""
        with storage_errors(self._directory):
            self._stream.flush()

    def chunks(self, content: Content) -> Iterator[bytes]:
        """Yield the bytes of a content; `flush` comes first."""
        offset, left = content.offset, content.size
        while left:
            chunk = os.pread(self._stream.fileno(), min(left, CHUNK), offset)
            if not chunk:
                raise IntegrityError("a temporary file of the build was truncated")
            yield chunk
            offset += len(chunk)
            left -= len(chunk)


@dataclass(slots=True)
class Tree:
    """Entries by path; see the module for what may meet."""

    spool: Spool
    entries: dict[str, Entry] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    """What was left out by rule, as sentences for people."""

    def add_directory(self, path: str, mode: int = 0o755, *, origin: str) -> None:
        """Put a directory; the first one asked for by name decides its mode."""
        present = self.entries.get(path)
        if present is not None and present.kind is Kind.DIRECTORY and present.origin:
            return
        kept = kept_mode(Kind.DIRECTORY, self._mode(path, mode, origin))
        self._put(path, Entry(Kind.DIRECTORY, kept, origin))

    def add_symlink(self, path: str, target: str, *, origin: str) -> None:
        """Put a symbolic link; its text is kept as it is."""
        if not target or "\0" in target or "\n" in target:
            raise IntegrityError(f"{origin} has a symbolic link without a proper target: {path}")
        self._put(path, Entry(Kind.SYMLINK, 0o777, origin, target=target))

    def add_hardlink(self, path: str, target: str, *, origin: str) -> None:
        """Put a hard link to a file of this tree; `close` refuses it if there is none."""
        self._put(path, Entry(Kind.HARDLINK, 0o644, origin, target=target))

    def add_content(self, path: str, content: Content, mode: int, *, origin: str) -> None:
        """Put a file whose bytes are in the spool already."""
        kept = kept_mode(Kind.FILE, self._mode(path, mode, origin))
        self._put(path, Entry(Kind.FILE, kept, origin, content=content))

    def add_file(self, path: str, data: bytes | str, mode: int = 0o644, *, origin: str) -> None:
        """Put a small file."""
        content = self.spool.add_bytes(data.encode() if isinstance(data, str) else data)
        self.add_content(path, content, mode, origin=origin)

    def remove(self, path: str) -> None:
        """Take a path out again, if it is there."""
        self.entries.pop(path, None)

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a small file of the tree, or None."""
        entry = self.entries.get(path)
        if entry is None or entry.content is None:
            return None
        self.spool.flush()
        return b"".join(self.spool.chunks(entry.content))

    def close(self) -> None:
        """Check what can only be checked at the end: every hard link has its file."""
        self.spool.flush()
        for path, entry in self.entries.items():
            if entry.kind is not Kind.HARDLINK:
                continue
            target = self.entries.get(entry.target)
            if target is None or target.kind is not Kind.FILE:
                raise IntegrityError(
                    f"{entry.origin} has a hard link out of the tree: {path} -> {entry.target}"
                )
            self.entries[path] = replace(entry, mode=target.mode, content=target.content)

    def _mode(self, path: str, mode: int, origin: str) -> int:
        if mode & SET_ID_BITS:
            self.dropped.append(f"set-ID bit of {path} ({origin})")
        return mode & ~SET_ID_BITS & 0o7777

    def _put(self, path: str, entry: Entry) -> None:
        present = self.entries.get(path)
        if present is None:
            self._parents(path, entry.origin)
        elif not self._same(present, entry):
            raise SpecificationError(
                f"{present.origin or 'a directory'} and {entry.origin} both bring {path}, "
                "with different contents",
                hint="drop one of the two from image.toml and lock the image again",
            )
        self.entries[path] = entry

    def _parents(self, path: str, origin: str) -> None:
        parent = path.rpartition("/")[0]
        while parent:
            present = self.entries.get(parent)
            if present is not None:
                if present.kind is Kind.DIRECTORY:
                    return
                raise SpecificationError(
                    f"{origin} brings {path}, but {parent} is a {present.kind} of {present.origin}",
                    hint="drop one of the two from image.toml and lock the image again",
                )
            self.entries[parent] = Entry(Kind.DIRECTORY, 0o755, "")
            parent = parent.rpartition("/")[0]

    @staticmethod
    def _same(present: Entry, entry: Entry) -> bool:
        if present.kind is not entry.kind:
            return False
        if present.kind is Kind.DIRECTORY:
            return not present.origin or present.mode == entry.mode
        if present.kind is Kind.FILE:
            assert present.content is not None
            assert entry.content is not None
            return (present.content.sha256, present.mode) == (entry.content.sha256, entry.mode)
        return present.target == entry.target


@dataclass(frozen=True, slots=True)
class Listed:
    """One path of a finished tree: what its identity is made of."""

    kind: Kind
    mode: int
    what: str
    """sha256 of a file, target of a symbolic link, empty for a directory."""


def listing(layers: Iterable[Tree]) -> dict[str, Listed]:
    """Return the entries of layers laid over each other; a hard link counts as its file."""
    merged: dict[str, Listed] = {}
    for tree in layers:
        for path, entry in tree.entries.items():
            if entry.kind is Kind.DIRECTORY:
                merged[path] = Listed(Kind.DIRECTORY, entry.mode, "")
            elif entry.kind is Kind.SYMLINK:
                merged[path] = Listed(Kind.SYMLINK, entry.mode, entry.target)
            else:
                assert entry.content is not None
                merged[path] = Listed(Kind.FILE, entry.mode, entry.content.sha256)
    return merged


def tree_digest(entries: Mapping[str, Listed]) -> str:
    """Return the file-tree digest: the same for the same files, whatever builder made them.

    It covers path, mode, owner (always root), and link target or file digest; not the time
    stamps, and not the files that engines write into a container (`RUNTIME_FILES`).
    """
    sha256 = hashlib.sha256()
    for path in sorted(entries):
        if path in RUNTIME_FILES:
            continue
        entry = entries[path]
        sha256.update(f"{path}\0{entry.mode:04o}\0{entry.kind}\0{entry.what}\n".encode())
    return PREFIX + sha256.hexdigest()
