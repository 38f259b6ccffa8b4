"""One layer out of its tar: headers read one after the other, contents copied in parallel.

The tar is walked in the calling thread, which makes directories and symbolic links at once.
Contents are copied by the pool in batches, each file hashed on the way, so that a layer that is
larger than all others together does not keep one core busy and the other waiting. Hard links
come last, when what they point to is there.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from reprun.digests import CHUNK
from reprun.errors import IntegrityError
from reprun.images.archives.tree import Kind, Listed, inner_path
from reprun.images.rootfs.sealed import EPOCH_NS, seal

WHITEOUT = ".wh."
BATCH_BYTES = 4 * CHUNK
BATCH_FILES = 64
PENDING = "pending"
"""Stands for the digest of a file that is still being copied."""


def extract(blob: Path, partial: Path, name: str, pool: Executor) -> None:
    """Unpack one layer and seal it; whiteouts are only listed, for who lays layers over others.

    Raises IntegrityError for what is not a tar, for what is cut short, and for members that would
    reach out of the tree, meet where they must not, or are of a kind no layer holds.
    """
    with blob.open("rb") as source:
        layer = _Extraction(partial / "root", name, source.fileno(), pool)
        try:
            with tarfile.open(fileobj=source, mode="r:") as tar:
                for member in tar:
                    layer.take(member, tar)
            layer.finish()
        except tarfile.TarError as error:
            raise IntegrityError(f"{name} cannot be unpacked: {error}", place=str(blob)) from error
        finally:
            layer.stop()
    seal(partial, layer.entries, layer.hidden)


@dataclass(frozen=True, slots=True)
class _File:
    """A regular file: where its contents lie in the blob."""

    path: str
    offset: int
    size: int
    mode: int


@dataclass(slots=True)
class _Extraction:
    """A layer on its way to disk."""

    root: Path
    name: str
    descriptor: int
    pool: Executor
    entries: dict[str, Listed] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    _links: list[tuple[str, str]] = field(default_factory=list)
    _batch: list[_File] = field(default_factory=list)
    _copies: list[Future[dict[str, Listed]]] = field(default_factory=list)

    def take(self, member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        """Place one member, or note it for later."""
        path = inner_path(member.name, archive=self.name)
        if path.rpartition("/")[2].startswith(WHITEOUT):
            self.hidden.append(path)
        elif member.isdev() and path.startswith("dev/"):
            pass  # engines give every container a /dev of its own
        elif path:
            self._make_parents(path)
            self.entries[path] = self._place(path, member, tar)

    def finish(self) -> None:
        """Wait until all contents are there, then make the hard links."""
        self._submit()
        for copy in self._copies:
            self.entries.update(copy.result())
        for path, source in self._links:
            (self.root / path).hardlink_to(self.root / source)
            self.entries[path] = self.entries[source]

    def stop(self) -> None:
        """Let no copy go on: what is half-done is about to be removed."""
        for copy in self._copies:
            copy.cancel()
        wait(self._copies)

    def _make_parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        missing = []
        while parent and parent not in self.entries:
            missing.append(parent)
            parent = parent.rpartition("/")[0]
        if parent and self.entries[parent].kind is not Kind.DIRECTORY:
            raise IntegrityError(
                f"{self.name} puts {path} below {parent}, which is not a directory"
            )
        for each in reversed(missing):
            (self.root / each).mkdir()
            self.entries[each] = Listed(Kind.DIRECTORY, 0o755, "")

    def _place(self, path: str, member: tarfile.TarInfo, tar: tarfile.TarFile) -> Listed:
        target = self.root / path
        present = self.entries.get(path)
        mode = member.mode & 0o1777
        if present is not None and not (present.kind is Kind.DIRECTORY and member.isdir()):
            raise IntegrityError(f"{self.name} holds {path} twice")
        if member.isdir():
            target.mkdir(exist_ok=True)
            return Listed(Kind.DIRECTORY, mode, "")
        if member.issym():
            target.symlink_to(member.linkname)
            os.utime(target, ns=EPOCH_NS, follow_symlinks=False)
            return Listed(Kind.SYMLINK, 0o777, member.linkname)
        if member.islnk():
            return self._link(path, member.linkname)
        if not member.isfile():
            raise IntegrityError(
                f"{self.name} has a member that is not a file, directory or link: {path}"
            )
        if member.issparse():  # its contents do not lie in one piece
            stream = tar.extractfile(member)
            assert stream is not None, "a regular file has contents"
            return _copy(stream.read, target, member.size, mode, f"{self.name}: {path}")
        self._batch.append(_File(path, member.offset_data, member.size, mode))
        if len(self._batch) >= BATCH_FILES or sum(f.size for f in self._batch) >= BATCH_BYTES:
            self._submit()
        return Listed(Kind.FILE, mode, PENDING)

    def _link(self, path: str, linkname: str) -> Listed:
        source = inner_path(linkname, archive=self.name)
        linked = self.entries.get(source)
        if linked is None or linked.kind is not Kind.FILE:
            raise IntegrityError(f"{self.name} has a hard link out of the tree: {path} -> {source}")
        self._links.append((path, source))
        return linked

    def _submit(self) -> None:
        if self._batch:
            self._copies.append(self.pool.submit(self._copy_batch, tuple(self._batch)))
            self._batch.clear()

    def _copy_batch(self, batch: tuple[_File, ...]) -> dict[str, Listed]:
        return {
            file.path: _copy(
                _reader(self.descriptor, file.offset),
                self.root / file.path,
                file.size,
                file.mode,
                f"{self.name}: {file.path}",
            )
            for file in batch
        }


def _reader(descriptor: int, offset: int) -> Callable[[int], bytes]:
    """Return the `read` of a part of a file, which leaves the file's own position alone."""
    position = offset

    def read(size: int) -> bytes:
        nonlocal position
        data = os.pread(descriptor, size, position)
        position += len(data)
        return data

    return read


def _copy(read: Callable[[int], bytes], target: Path, size: int, mode: int, what: str) -> Listed:
    sha256 = hashlib.sha256()
    left = size
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        while left:
            chunk = read(min(CHUNK, left))
            if not chunk:
                raise IntegrityError(f"{what} is truncated")
            sha256.update(chunk)
            _write_all(descriptor, chunk)
            left -= len(chunk)
        os.fchmod(descriptor, mode)
        os.utime(descriptor, ns=EPOCH_NS)
    finally:
        os.close(descriptor)
    return Listed(Kind.FILE, mode, sha256.hexdigest())


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
