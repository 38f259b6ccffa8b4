"""One layer out of its tar: planned from its headers, then written in parallel.

The plan (see `plan`) is made in the calling thread and settles every name, link and conflict in
memory. Then directories are made, contents are copied by the pool in batches, each file hashed
on the way, so that a layer that is larger than all others together does not keep one core busy
and the other waiting. Links come last, when what they point to is there.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path

from reprun.digests import CHUNK
from reprun.errors import IntegrityError
from reprun.images.archives.tarmembers import members
from reprun.images.archives.tree import Kind, Listed
from reprun.images.bounds import shown
from reprun.images.rootfs.plan import WHOLE, Bound, Node, Plan
from reprun.images.rootfs.sealed import EPOCH_NS, Changes, seal

BATCH_BYTES = 4 * CHUNK
BATCH_FILES = 64
TINY_BATCH = 128 << 10
_ZEROS = bytes(CHUNK)


def extract(blob: Path, partial: Path, name: str, pool: Executor, bound: Bound = WHOLE) -> None:
    """Unpack one layer and seal it; whiteouts are only listed, for who lays layers over others.

    Raises IntegrityError for what is not a tar, for what is cut short, and for members that would
    reach out of the tree, meet where they must not, or exceed a bound: all of it before anything
    is written.
    """
    with blob.open("rb") as source:
        plan = Plan(name, blob.stat().st_size, bound)
        plan.fill(members(source.fileno(), name))
        layer = _Extraction(partial / "root", plan, source.fileno(), pool)
        try:
            layer.write()
        finally:
            layer.stop()
    implicit = [path for path, node in plan.nodes.sorted() if node.implicit]
    changes = Changes(list(plan.hidden), implicit, plan.below, list(plan.notes()))
    seal(partial, {path: _listed(node) for path, node in plan.nodes.sorted()}, changes)


def _listed(node: Node) -> Listed:
    return Listed(node.kind, node.mode, node.sha256 if node.kind is Kind.FILE else node.target)


def link(source: str, target: str) -> None:
    """Make a hard link, or a copy where a file has as many names as its file system allows."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        with Path(source).open("rb") as old, Path(target).open("xb") as new:
            while data := old.read(CHUNK):
                new.write(data)
            os.fchmod(new.fileno(), os.fstat(old.fileno()).st_mode)
        os.utime(target, ns=EPOCH_NS)


@dataclass(slots=True)
class _Extraction:
    """A layer on its way to disk."""

    root: Path
    plan: Plan
    descriptor: int
    pool: Executor
    _copies: list[Future[None]] = field(default_factory=list)

    def write(self) -> None:
        """Make directories, then files, then links."""
        first: dict[int, str] = {}
        links: list[tuple[str, Node]] = []
        batch: list[tuple[str, Node]] = []
        size = 0
        for path, node in self.plan.nodes.sorted():
            if node.kind is Kind.DIRECTORY:
                (self.root / path).mkdir()
            elif node.kind is Kind.SYMLINK or id(node) in first:
                links.append((path, node))
            else:
                first[id(node)] = path
                batch.append((path, node))
                size += node.size
                if len(batch) >= BATCH_FILES or size >= BATCH_BYTES:
                    self._submit(batch, size)
                    batch, size = [], 0
        self._submit(batch, size)
        for copy in self._copies:
            copy.result()
        for path, node in links:
            if node.kind is Kind.SYMLINK:
                (self.root / path).symlink_to(node.target)
                os.utime(self.root / path, ns=EPOCH_NS, follow_symlinks=False)
            else:
                link(f"{self.root}/{first[id(node)]}", f"{self.root}/{path}")

    def stop(self) -> None:
        """Let no copy go on: what is half-done is about to be removed."""
        for copy in self._copies:
            copy.cancel()
        wait(self._copies)

    def _submit(self, batch: list[tuple[str, Node]], size: int) -> None:
        if size < TINY_BATCH:  # threads would only wait for each other
            self._copy_batch(batch)
        else:
            self._copies.append(self.pool.submit(self._copy_batch, batch))

    def _copy_batch(self, batch: list[tuple[str, Node]]) -> None:
        for path, node in batch:
            self._copy(path, node)

    def _copy(self, path: str, node: Node) -> None:
        sha256 = hashlib.sha256()
        target = os.open(f"{self.root}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            for chunk in self._contents(path, node):
                sha256.update(chunk)
                _write_all(target, chunk)
            os.fchmod(target, node.mode)
            os.utime(target, ns=EPOCH_NS)
        finally:
            os.close(target)
        node.sha256 = sha256.hexdigest()

    def _contents(self, path: str, node: Node) -> Iterator[bytes]:
        """Yield a file's bytes, zeros for the holes of a sparse one."""
        reached = 0
        for segment in node.segments:
            yield from _zeros(segment.start - reached)
            offset, left = segment.offset, segment.length
            while left:
                chunk = os.pread(self.descriptor, min(CHUNK, left), offset)
                if not chunk:
                    raise IntegrityError(f"{self.plan.name}: {shown(path)} is truncated")
                yield chunk
                offset += len(chunk)
                left -= len(chunk)
            reached = segment.start + segment.length
        yield from _zeros(node.size - reached)


def _zeros(size: int) -> Iterator[bytes]:
    while size:
        yield _ZEROS[:size]
        size -= min(size, CHUNK)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
