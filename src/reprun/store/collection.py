"""Care of the store: find rot, hold what runs, let go of data that nothing names any more."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reprun import files
from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.texts import read_text
from reprun.digests import PREFIX
from reprun.errors import IntegrityError, StorageError
from reprun.files import locked, storage_errors, take_lock, temporary_file, write_atomically
from reprun.progress import Progress
from reprun.store.space import freed
from reprun.store.store import Store
from reprun.wording import count_of

LEFTOVER_SECONDS = 2 * 24 * 3600
"""A part of a file that nobody has gone on with for so long is not waited for."""

HEXADECIMAL = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True, slots=True)
class Verification:
    """What hashing every byte found."""

    checked: int
    size: int
    corrupt: tuple[str, ...]
    """Digests of files whose bytes no longer match; they were moved to quarantine."""
    absent: tuple[str, ...]


def stored(store: Store) -> list[str]:
    """Return the digest of every file of the store."""
    blobs = (store.root / "blobs" / "sha256").glob("*/*")
    return sorted(PREFIX + path.name for path in blobs)


def verify(
    store: Store, digests: Sequence[str], progress: Progress, *, jobs: int | None = None
) -> Verification:
    """Hash files of the store from the first byte to the last, several at a time.

    What is corrupt is moved to `quarantine/`, so that nothing can use it and the next fetch or
    build brings it again.
    """
    sizes = {digest: _size(store.blob_path(digest)) for digest in digests}
    present = {digest: size for digest, size in sizes.items() if size is not None}
    total = sum(present.values())
    corrupt: list[str] = []

    def check(digest: str) -> None:
        try:
            store.verify(digest)
        except IntegrityError:
            store.quarantine(digest)
            corrupt.append(digest)
        task.advance(present[digest])

    label = f"verifying {count_of(len(present), 'file')}"
    with (
        progress.task(label, total) as task,
        ThreadPoolExecutor(jobs or len(os.sched_getaffinity(0))) as pool,
    ):
        # The largest first, so that no single one is left to the end.
        list(pool.map(check, sorted(present, key=lambda digest: -present[digest])))
    absent = tuple(digest for digest in digests if digest not in present)
    return Verification(len(present), total, tuple(sorted(corrupt)), absent)


def _size(path: Path) -> int | None:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return None


# -- what is in use -----------------------------------------------------------------------------


def register(store: Store, user: Path) -> None:
    """Note who uses the store, wherever it is on this machine, until it is gone.

    That is a lock or bundle list, a project, or a directory of results. What they name is kept.
    """
    path = str(user.resolve())
    name = hashlib.sha256(path.encode()).hexdigest()[:32]
    write_atomically(store.root / "roots" / name, f"{path}\n".encode())


@contextmanager
def hold(store: Store, digests: Iterable[str]) -> Iterator[None]:
    """Hold files while the block runs: no collection takes them; a kill lets go."""
    directory = store.directory("holds")
    with _collecting(store, shared=True), storage_errors(store.root):
        stream, path = temporary_file(directory)
        with stream:
            stream.write(json.dumps(sorted(digests)).encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _held(store: Store) -> set[str]:
    """Return what running processes hold; remove what dead ones have left."""
    directory = store.directory("holds")
    files.sweep(directory)
    held: set[str] = set()
    for path in directory.iterdir():
        with suppress(FileNotFoundError):
            held.update(json.loads(path.read_text()))
    return held


@contextmanager
def _collecting(store: Store, *, shared: bool) -> Iterator[None]:
    """Let holding and collecting exclude each other."""
    path = store.directory("holds").parent / ".collecting"
    with storage_errors(store.root), locked(path, shared=shared):
        yield


# -- what is not --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection removed, or would remove."""

    removed: tuple[str, ...]
    size: int
    """Bytes of the disk that this frees: none for a file that a run directory holds as well."""
    kept: int
    forgotten: tuple[str, ...]
    """Locks, projects and results that are gone: what only they named is not kept any more."""
    leftovers: int


def collect(store: Store, documents: Iterable[Path], *, dry_run: bool = False) -> Collection:
    """Remove data files that no document names and no running process holds.

    A document (lock, manifest, snapshot) names every sha256 in its text. Files of images are
    never touched: only what was fetched as data carries a note of its origin.
    """
    with _collecting(store, shared=False):
        registered, forgotten = _registered(store, forget=not dry_run)
        kept = _held(store)
        for document in (*documents, *(path for path in registered if path.is_file())):
            kept |= named_in(document)
        data = {PREFIX + path.name for path in store.directory("origins").iterdir()}
        removed = sorted(digest for digest in data - kept if store.has(digest))
        size = sum(freed([store.blob_path(digest) for digest in removed]).values())
        if not dry_run:
            for digest in removed:
                store.remove(digest)
    leftovers = 0 if dry_run else sweep(store)
    return Collection(tuple(removed), size, len(data) - len(removed), tuple(forgotten), leftovers)


def users(store: Store) -> list[Path]:
    """Return the projects and directories of results that used a store and are still there."""
    return [path for path in _registered(store, forget=False)[0] if path.is_dir()]


def _registered(store: Store, *, forget: bool) -> tuple[list[Path], list[str]]:
    found, gone = [], []
    for root in store.directory("roots").iterdir():
        document = Path(root.read_text().strip())
        if document.exists():
            found.append(document)
            continue
        gone.append(str(document))
        if forget:
            root.unlink()
    return found, sorted(gone)


def named_in(document: Path) -> set[str]:
    """Return every sha256 in the text of a document."""
    try:
        text = read_text(document, limits.WRITTEN_BYTES)
    except (OSError, UnicodeDecodeError, LimitError) as error:
        raise StorageError(
            f"cannot read what {document.name} keeps: {error}; nothing was removed",
            place=str(document),
        ) from error
    return {PREFIX + name for name in HEXADECIMAL.findall(text)}


def sweep(store: Store) -> int:
    """Remove what killed processes left half-way, and parts of files that nobody waits for."""
    swept = len(store.sweep())
    before = time.time() - LEFTOVER_SECONDS
    for path in store.directory("incoming").glob("*.part"):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                with path.open() as stream:
                    if take_lock(stream, wait=False):
                        path.unlink()
                        swept += 1
    return swept
