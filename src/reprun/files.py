"""Files written whole or not at all, and the refusals of a disk as sentences."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reprun.errors import StorageError


@contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn the operating system's refusals below `place` into a sentence with a next step."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageError(
                f"the disk is full while writing {error.filename or place}",
                place=str(place),
                hint=f"df -h {place}   # and free some space there",
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR):
            raise StorageError(
                f"cannot write {error.filename or place}: {error.strerror}",
                place=str(place),
                hint=f"ls -ld {place}   # a directory that you may write is needed",
            ) from error
        raise


def make_directory(path: Path) -> None:
    """Make a directory and those above it; say what stands in the way if that cannot be."""
    with storage_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, FileNotFoundError) as error:
            raise StorageError(
                f"cannot make the directory {path}: {error.strerror}",
                place=str(path),
                hint=f"ls -ld {path.parent}",
            ) from error


def write_atomically(target: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old bytes or the new ones, never a part.

    Raises StorageError when the disk refuses; `target` is then as it was.
    """
    with storage_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
            temporary.chmod(0o644)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
