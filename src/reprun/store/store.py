"""The content-addressed store: every byte reprun trusts lies here under its sha256.

Layout below the root (`REPRUN_STORE`, else `$XDG_CACHE_HOME/reprun`, else `~/.cache/reprun`):

    blobs/sha256/<two hex>/<hex>   files, read-only, named by their digest
    stamps/<hex>                   size, mtime and inode at the last time the blob was hashed
    incoming/                      files on their way in; only a verified one is renamed out
    holds/ roots/                  what running processes use, which locks name blobs
    origins/<hex>                  where a data file came from
    quarantine/<hex>               what a verification found corrupt

A blob is hashed when it arrives and again whenever its size, mtime or inode is no longer the
one stamped, so a changed byte is noticed without hashing gigabytes at each run. Silent rot
that leaves the mtime alone is found by a full verification (`Store.verify(digest)`).
Several processes may share one store: arrival is an atomic rename of a verified file.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE
from typing import IO

from reprun.digests import CHUNK, PREFIX, sha256_file, short
from reprun.errors import IntegrityError, SpecificationError, StorageError
from reprun.files import (
    make_directory,
    settle,
    storage_errors,
    sweep,
    sync,
    take_lock,
    temporary_file,
    write_atomically,
)
from reprun.store.incoming import IncomingFile, PartialFile
from reprun.wording import quoted

LOCKED_SECONDS = 0.1
HALF_MADE = (
    *("incoming", "holds", "roots", "projects", "stamps", "origins", "quarantine"),
    "references",
    *("unpacked", "unpacked/bytecode", "runc/self-check", "runc/roots"),
)
"""Directories in which files and directories are made before they get their name."""
FICLONE = 0x40049409
"""The request that makes one file share another's blocks (linux/fs.h), on XFS and Btrfs."""


class Store:
    """A directory of verified blobs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def default(cls) -> Store:
        """Return the store that the environment names, swept of what killed processes left."""
        found = cls._named()
        found.sweep()
        return found

    @classmethod
    def _named(cls) -> Store:
        if named := os.environ.get("REPRUN_STORE"):
            return cls(Path(named).expanduser().resolve())
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        # A home or a cache that is a link elsewhere is the rule on clusters; runc refuses one.
        return cls((Path(cache).expanduser() / "reprun").resolve())

    def sweep(self) -> list[Path]:
        """Remove what processes that are gone left half-made, here and among temporary files."""
        return sweep(*(self.root / name for name in HALF_MADE), Path(tempfile.gettempdir()))

    def directory(self, name: str) -> Path:
        """Return (and make) a sub-directory that another module keeps its things in."""
        path = self.root / name
        make_directory(path)
        return path

    def blob_path(self, digest: str) -> Path:
        """Return where the blob of `digest` lies or would lie."""
        hexadecimal = digest.removeprefix(PREFIX)
        return self.root / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal

    def has(self, digest: str) -> bool:
        """Tell whether a blob is here (not whether its bytes are right: see `verified`)."""
        return self.blob_path(digest).is_file()

    def verified(self, digest: str) -> Path:
        """Return the path of a blob whose bytes are right.

        Raises IntegrityError when they are not and StorageError when the blob is absent.
        """
        path = self._present(digest)
        if self._stamp_of(path) != self._read_stamp(digest):
            self.verify(digest)
        return path

    def verify(self, digest: str) -> Path:
        """Hash a blob from its first byte to its last and stamp it; raises as `verified` does."""
        path = self._present(digest)
        found = sha256_file(path)
        if found != digest:
            raise IntegrityError(
                f"{path.name[:12]}… in the store is corrupt: sha256 {short(found)}, "
                f"expected {short(digest)}",
                place=str(path),
                hint=f"rm {quoted(path)}   # and run again: it is fetched or built again",
            )
        with suppress(StorageError):  # a store that takes no stamp is still good to read
            self._write_stamp(digest, path)
        return path

    def _present(self, digest: str) -> Path:
        path = self.blob_path(digest)
        if not path.is_file():
            raise StorageError(f"{digest} is not in the store", place=str(path))
        return path

    @contextmanager
    def incoming(self) -> Iterator[IncomingFile]:
        """Open a file to write; pass it to `commit`, or it is removed on leaving the block."""
        with storage_errors(self.root):
            directory = self.directory("incoming")
            stream, path = temporary_file(directory)
            try:
                with stream:
                    yield IncomingFile(stream, path)
            finally:
                path.unlink(missing_ok=True)

    @contextmanager
    def partial(self, name: str, waiting: Callable[[], None]) -> Iterator[PartialFile]:
        """Open what has arrived of a file so far, to go on with it; pass it to `commit`.

        One process at a time has it; `waiting` is called while another one does, and may raise.
        """
        with storage_errors(self.root):
            path = self.directory("incoming") / f"{name.replace(':', '-')}.part"
            stream = _locked(path, waiting)
        with stream:
            part = PartialFile(stream, path)
            try:
                yield part
            finally:
                if part.size == 0:
                    path.unlink(missing_ok=True)

    def commit(self, incoming: IncomingFile, *, expected: str | None = None) -> str:
        """Move a finished file into the store under its digest; refuse other bytes."""
        if expected is not None and incoming.digest != expected:
            raise IntegrityError(
                f"the bytes have sha256 {short(incoming.digest)}…, expected {short(expected)}…"
            )
        with storage_errors(self.root):
            incoming.flush()
            self._settle(incoming.path, incoming.digest)
        return incoming.digest

    def add_bytes(self, data: bytes) -> str:
        """Store `data`; return its digest."""
        with self.incoming() as incoming:
            incoming.write(data)
            return self.commit(incoming)

    def add_file(self, source: Path, *, expected: str | None = None) -> str:
        """Copy a file into the store, hashing it on the way; return its digest."""
        if expected is not None and self.has(expected):
            self.verified(expected)
            return expected
        with source.open("rb") as stream, self.incoming() as incoming:
            while chunk := stream.read(CHUNK):
                incoming.write(chunk)
            return self.commit(incoming, expected=expected)

    def adopt(self, source: Path) -> str:
        """Make a file a blob without a second copy of its bytes; return its digest.

        File and blob are names of the same bytes, read-only from before they are hashed. Raises
        SpecificationError where no hard link can be made; the file is then as it was.
        """
        with storage_errors(self.root):
            before = source.stat()
            source.chmod(0o444)
            digest = sha256_file(source)
            target = self.blob_path(digest)
            if self.has(digest):
                self.verified(digest)
                return digest
            make_directory(target.parent)
            if not _hard_linked(source.resolve(), target):
                source.chmod(S_IMODE(before.st_mode))
                apart = before.st_dev != target.parent.stat().st_dev
                raise SpecificationError(
                    f"{source} cannot be linked into the store: "
                    + ("it is on another file system" if apart else "hard links are refused here")
                    + ". Nothing was copied",
                    place=str(self.root),
                    hint="export REPRUN_STORE=DIRECTORY   # on the file system of the data; "
                    "without --link a file is copied",
                )
            sync(target.parent)
            self._write_stamp(digest, target)
        return digest

    def place(self, digest: str, target: Path, *, linked: bool = True) -> None:
        """Put a blob, hashed now, at `target`, read-only: a hard link, a reflink or a copy.

        The first that works: hard links end at a file system, a mount and a Btrfs subvolume,
        reflinks at a file system, and only some have them; a copy can always be made. Where people
        may edit what lies there it is not `linked`: nothing that they do there reaches the store.

        The file gets the time of now, as a copy would: who goes by time stamps must see that
        something new arrived. The blob shares the time of its links, so it is stamped again.
        """
        source = self.verify(digest)  # a stamp would not show rot that kept the times
        with storage_errors(target.parent):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            if linked and _hard_linked(source, target):
                os.utime(target)
                self._write_stamp(digest, source)
            else:
                if not _reflinked(source, target):
                    shutil.copyfile(source, target)
                target.chmod(0o444)

    def quarantine(self, digest: str) -> Path:
        """Put a blob whose bytes are wrong where nothing uses it; return where that is."""
        target = self.directory("quarantine") / self.blob_path(digest).name
        with storage_errors(self.root):
            # Without its stamp first: if the move is lost, what lies there is hashed again.
            self._stamp_path(digest).unlink(missing_ok=True)
            settle(self.blob_path(digest), target)
        return target

    def remove(self, digest: str) -> None:
        """Remove a blob and what is noted of it."""
        with storage_errors(self.root):
            for path in (self.blob_path(digest), self._stamp_path(digest)):
                path.unlink(missing_ok=True)
            self.origin_path(digest).unlink(missing_ok=True)

    def note_origin(self, digest: str, source: str) -> None:
        """Write down where a blob came from: it is a data file, and can be fetched again there."""
        write_atomically(self.origin_path(digest), f"{source}\n".encode())

    def origin_path(self, digest: str) -> Path:
        """Return where the origin of a blob is or would be written down."""
        return self.root / "origins" / digest.removeprefix(PREFIX)

    def _settle(self, path: Path, digest: str) -> None:
        target = self.blob_path(digest)
        make_directory(target.parent)
        path.chmod(0o444)
        settle(path, target)
        self._write_stamp(digest, target)

    def _stamp_path(self, digest: str) -> Path:
        return self.root / "stamps" / digest.removeprefix(PREFIX)

    @staticmethod
    def _stamp_of(path: Path) -> list[int]:
        status = path.stat()
        return [status.st_size, status.st_mtime_ns, status.st_ino]

    def _read_stamp(self, digest: str) -> list[int] | None:
        with suppress(OSError, ValueError):
            stamp: list[int] = json.loads(self._stamp_path(digest).read_text())
            return stamp
        return None

    def _write_stamp(self, digest: str, path: Path) -> None:
        stamp = self._stamp_path(digest)
        with storage_errors(self.root):
            # One that is lost is made again, by hashing: no reason to wait for the disk.
            text = json.dumps(self._stamp_of(path)).encode()
            write_atomically(stamp, text, lasting=False)


def _hard_linked(source: Path, target: Path) -> bool:
    """Let `target` be another name of `source`; tell whether the file system can."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        return False
    return True


def _reflinked(source: Path, target: Path) -> bool:
    """Let `target` share the blocks of `source`; tell whether the file system can."""
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new, FICLONE, old.fileno())
        except OSError:
            return False
    return True


def _locked(path: Path, waiting: Callable[[], None]) -> IO[bytes]:
    """Open a file that no other process has open in this way."""
    while True:
        stream = path.open("a+b", buffering=0)
        try:
            if not take_lock(stream, wait=False):
                waiting()
                time.sleep(LOCKED_SECONDS)
            elif path.exists() and os.path.samestat(path.stat(), os.fstat(stream.fileno())):
                return stream
        except BaseException:
            stream.close()
            raise
        stream.close()
