"""Files written whole or not at all, locks, and the refusals of a disk as sentences."""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from reprun.errors import StorageError
from reprun.wording import quoted

LONGEST_HOLDER = 200
"""Bytes shown of the command that holds a lock."""


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
                hint=f"df -h {quoted(place)}   # and free some space there",
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR):
            raise StorageError(
                f"cannot write {error.filename or place}: {error.strerror}",
                place=str(place),
                hint=f"ls -ld {quoted(place)}   # a directory that you may write is needed",
            ) from error
        raise


def is_in_git(path: Path) -> bool:
    """Tell whether a path lies in a working tree of git, from where a file can be restored."""
    resolved = path.resolve()
    return any((parent / ".git").exists() for parent in (resolved, *resolved.parents))


def restoring(path: Path, *, otherwise: str) -> str:
    """Return the command that restores a committed file; `otherwise` where there is no git."""
    return f"git checkout -- {quoted(path)}" if is_in_git(path) else otherwise


def make_directory(path: Path) -> None:
    """Make a directory and those above it; say what stands in the way if that cannot be."""
    with storage_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, FileNotFoundError) as error:
            raise StorageError(
                f"cannot make the directory {path}: {error.strerror}",
                place=str(path),
                hint=f"ls -ld {quoted(path.parent)}",
            ) from error


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `target` when the block ends without an error.

    A reader sees the old bytes or the new ones, never a part. Raises StorageError when the disk
    refuses; `target` is then as it was.
    """
    make_directory(target.parent)
    prefix = f".{target.name}."
    with storage_errors(target.parent), _naming(target, prefix):
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=prefix)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w+b") as stream:
                yield stream
            temporary.chmod(0o644)
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def _naming(target: Path, prefix: str) -> Iterator[None]:
    """Let an error about the temporary file name the file that it stands for."""
    try:
        yield
    except OSError as error:
        if Path(error.filename or "").name.startswith(prefix):
            error.filename = str(target)
        raise


def write_atomically(target: Path, data: bytes) -> None:
    """Write a file at once, as `replacing` does."""
    with replacing(target) as stream:
        stream.write(data)


def take_lock(stream: IO[Any], *, wait: bool = True, shared: bool = False) -> bool:
    """Lock an open file until it is closed or its process is gone; tell whether it is ours.

    Without `wait` it is not ours while another process has it.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(stream, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def locked(
    path: Path, *, shared: bool = False, busy: str | None = None, hint: str | None = None
) -> Iterator[int]:
    """Hold a lock file while the block runs; a process that is killed lets go of it.

    Yields its descriptor: a process that is started with it open holds the lock as well.

    Waits while another process has it. With `busy`, a sentence, it does not wait: it raises
    StorageError with that sentence, who has it and `hint`.
    """
    with path.open("a+b", buffering=0) as stream:
        if not take_lock(stream, wait=busy is None, shared=shared):
            raise StorageError(f"{busy}{_holder(stream)}", place=str(path.parent), hint=hint)
        if shared:
            yield stream.fileno()
            return
        stream.truncate(0)
        with suppress(OSError):  # who has it is for people; the lock holds on a full disk too
            stream.write(_this_process().encode())
        try:
            yield stream.fileno()
        finally:
            stream.truncate(0)


def _this_process() -> str:
    program = Path(sys.argv[0] or "python").name
    return f"process {os.getpid()}: {shlex.join([program, *sys.argv[1:]])}"


def _holder(stream: IO[bytes]) -> str:
    stream.seek(0)
    said = stream.read(LONGEST_HOLDER).decode(errors="replace")
    return f" ({said})" if said else ""
