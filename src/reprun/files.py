"""Files written whole or not at all, what is half-made and by whom, locks, and a disk's refusals.

What is half-made carries a mark of its process in its name, so that there is no moment at which
it has no owner; `sweep` removes what nobody alive owns. What is finished gets its name by
`settle`: the bytes are on the disk before the name is, and a power loss leaves both or neither.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from reprun.errors import StorageError
from reprun.wording import quoted

LONGEST_HOLDER = 200
"""Bytes shown of the command that holds a lock."""
LONGEST_PREFIX = 150
"""Characters of a file's name in that of the temporary file beside it."""
LONGEST_WALKED = 2048
"""Bytes of a path above which a directory is moved up before it is removed."""
PREFIX = "reprun-"
"""Begins the names of what lies among other programs' files."""
MARK = re.compile(r"[0-9a-f]{16}-[0-9]+-[0-9]+")
"""Machine, boot, space of process numbers; process; when it started."""
MARKED = re.compile(rf"(?:^|[.-])(?P<mark>{MARK.pattern})\.[0-9a-z_]+$")
AT_FDCWD = -100
RENAME_EXCHANGE = 2
"""The flag of renameat2(2) (linux/fs.h)."""
NOT_SYNCED = (errno.EINVAL, errno.ENOTSUP, errno.EROFS)
"""What file systems answer that have nothing to be written, or no such call."""


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


def git_root(path: Path) -> Path | None:
    """Return the working tree of git that a path is in, None where there is none."""
    resolved = path.resolve()
    above = (resolved, *resolved.parents)
    return next((parent for parent in above if (parent / ".git").exists()), None)


def leads_to(path: Path) -> Path:
    """Return what a path leads to by all links; of links in a circle, one of them."""
    return Path(os.path.realpath(path))  # Path.resolve raises RuntimeError for a circle


def is_in_git(path: Path) -> bool:
    """Tell whether a path lies in a working tree of git, from where a file can be restored."""
    return git_root(path) is not None


def restoring(path: Path, *, otherwise: str) -> str:
    """Return the command that restores a committed file; `otherwise` where there is no git."""
    return f"git checkout -- {quoted(path)}" if is_in_git(path) else otherwise


def make_directory(path: Path) -> None:
    """Make a directory and those above it; say what stands in the way if that cannot be."""
    with storage_errors(path):
        missing = [each for each in (path, *path.parents) if not each.exists()]
        try:
            path.mkdir(parents=True, exist_ok=True)
            for made in missing:
                sync(made.parent)
        except (FileExistsError, FileNotFoundError) as error:
            raise StorageError(
                f"cannot make the directory {path}: {error.strerror}",
                place=str(path),
                hint=f"ls -ld {quoted(path.parent)}",
            ) from error


# -- what is half-made, and by whom --------------------------------------------------------------


@cache
def _machine() -> str:
    with suppress(OSError):
        return hashlib.sha256(Path("/etc/machine-id").read_bytes()).hexdigest()[:6]
    return hashlib.sha256(os.uname().nodename.encode()).hexdigest()[:6]


@cache
def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:6]
    return "0" * 6


def _processes() -> str:
    """Return what tells this space of process numbers from that of a container."""
    with suppress(OSError):
        return f"{Path('/proc/self/ns/pid').stat().st_ino & 0xFFFF:04x}"
    return "0" * 4


def start_time(pid: int | str) -> str | None:
    """Return the start time of a process in clock ticks since boot, or None if it is gone.

    Field 22 of /proc/PID/stat; the command name before it may hold blanks and brackets.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def mark() -> str:
    """Return what names this process among all that ever ran, for the name of a file."""
    pid = os.getpid()
    return f"{_machine()}{_boot()}{_processes()}-{pid}-{start_time(pid) or 0}"


def is_gone(owner: str) -> bool:
    """Tell whether the process with that mark has ended.

    Of another machine that shares the directory, or of another space of process numbers, nothing
    can be told: then it has not. What is not a mark is nobody's.
    """
    if MARK.fullmatch(owner) is None:
        return True
    place, pid, started = owner.split("-")
    machine, boot, processes = place[:6], place[6:12], place[12:]
    if machine != _machine():
        return False
    if boot != _boot():
        return True
    return processes == _processes() and start_time(pid) != started


def temporary_directory(parent: Path | None, prefix: str = PREFIX) -> Path:
    """Make a directory that is swept once this process is gone; None is the system's place."""
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{mark()}.", dir=parent))


def temporary_file(parent: Path, prefix: str = "") -> tuple[IO[bytes], Path]:
    """Make a file, open to be written and read, that is swept once this process is gone."""
    descriptor, name = tempfile.mkstemp(prefix=f"{prefix}{mark()}.", dir=parent)
    return os.fdopen(descriptor, "w+b"), Path(name)


@contextmanager
def scratch(parent: Path | None = None, prefix: str = PREFIX) -> Iterator[Path]:
    """Give a directory that is removed on leaving the block; see `temporary_directory`."""
    made = temporary_directory(parent, prefix)
    try:
        yield made
    finally:
        remove_tree(made)


def leftovers(directory: Path) -> list[Path]:
    """Return what lies half-made in a directory and belongs to this user and nobody alive."""
    found = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        for entry in entries:
            named = MARKED.search(entry.name)
            if named is not None and is_gone(named["mark"]) and _is_ours(entry):
                found.append(Path(entry.path))
    return sorted(found)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Tell whether this user made it: /tmp is everybody's."""
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_uid == os.geteuid()
    return False


def sweep(*directories: Path) -> list[Path]:
    """Remove what processes that are gone left half-made in directories; return what went."""
    swept = []
    for directory in directories:
        with suppress(PermissionError):
            for path in leftovers(directory):
                with suppress(OSError):  # it is in nobody's way; another process may sweep as well
                    remove(path)
                    swept.append(path)
    return swept


def remove(path: Path) -> None:
    """Remove a file, a link, or a directory with all below it."""
    if stat.S_ISDIR(path.lstat().st_mode):
        remove_tree(path)
    else:
        path.unlink()


def remove_tree(path: Path) -> None:
    """Remove a directory whatever the modes of the directories in it, and however deep it is.

    A link in its place is removed, and not what it leads to. It may be gone already: what is
    interrupted just after it has got its name has no other.
    """
    if path.is_symlink() or not path.exists():
        path.unlink(missing_ok=True)
        return
    found = [str(path)]
    for directory in found:  # grows while it is walked
        Path(directory).chmod(0o700)
        with os.scandir(directory) as listed_there:
            entries = list(listed_there)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                Path(entry.path).unlink()
                continue
            inner = entry.path
            if len(os.fsencode(inner)) > LONGEST_WALKED:  # soon no call would take its path
                Path(inner).chmod(0o700)
                higher = tempfile.mkdtemp(dir=path)
                inner = str(Path(inner).rename(higher))
            found.append(inner)
    for directory in reversed(found):
        Path(directory).rmdir()


# -- what is finished ----------------------------------------------------------------------------


def sync(path: Path) -> None:
    """Wait until the bytes of a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_SYNCED:
            raise
    finally:
        os.close(descriptor)


def sync_all(path: Path) -> None:
    """Wait until all that was written to a file system is on the disk: for trees of many files."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _libc().syncfs(descriptor) != 0 and ctypes.get_errno() not in NOT_SYNCED:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(descriptor)


def settle(made: Path, target: Path) -> None:
    """Give a finished file or directory its name, in the place of the file that had it.

    A power loss at any moment leaves what was there before, or the new one whole; after this
    returns, the new one.
    """
    (sync_all if made.is_dir() else sync)(made)
    made.replace(target)
    sync(target.parent)


def exchange(made: Path, place: Path) -> None:
    """Let a finished directory and the one in its place exchange their names, in one step.

    A file system that cannot do so (NFS) takes two: there a kill in between leaves what was in
    the place beside it, under `aside_of`.
    """
    sync_all(made)
    names = os.fsencode(made), os.fsencode(place)
    if _libc().renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(place))
        aside = aside_of(place)
        place.rename(aside)
        made.rename(place)
        aside.rename(made)
    sync(place.parent)


def aside_of(place: Path) -> Path:
    """Return where a directory is for the moment in which another takes its place."""
    return place.with_name(f"{place.name}.old")


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


@contextmanager
def replacing(target: Path, *, lasting: bool = True) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `target` when the block ends without an error.

    A reader sees the old bytes or the new ones, never a part. What need not outlive a power loss,
    because it can be told when it did not, is not `lasting` and waits for no disk. Raises
    StorageError when the disk refuses; `target` is then as it was.
    """
    make_directory(target.parent)
    prefix = f".{target.name[:LONGEST_PREFIX]}."
    with storage_errors(target.parent), _naming(target, prefix):
        stream, temporary = temporary_file(target.parent, prefix)
        try:
            with stream:
                yield stream
            temporary.chmod(0o644)
            if lasting:
                settle(temporary, target)
            else:
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


def write_atomically(target: Path, data: bytes, *, lasting: bool = True) -> None:
    """Write a file at once, as `replacing` does."""
    with replacing(target, lasting=lasting) as stream:
        stream.write(data)


# -- locks ---------------------------------------------------------------------------------------


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
