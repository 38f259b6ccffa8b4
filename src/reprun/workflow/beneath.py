"""The workspace seen from outside: nothing in it is opened by a name that a step may have swapped.

A step can put a link, a pipe or a device in the place of anything it can write, also while
another step runs. So a path is walked one directory at a time from an open descriptor of the
workspace, and no link on it is followed, which is what openat2(2) calls RESOLVE_BENEATH and
RESOLVE_NO_SYMLINKS; the walk also works on kernels and under seccomp filters that lack the call.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Self

from reprun.digests import CHUNK, PREFIX
from reprun.errors import OutputMissingError, StorageError
from reprun.files import remove_tree, sync, temporary_directory
from reprun.wording import shortened, visible

MOST_HOLES = 100
"""How many times longer than what it holds on disk a file may say it is."""
LARGE = 1 << 30
"""Files that say they are shorter are read whatever they hold."""
DEEPEST = 200
GONE = ".gone-"
"""Begins the name of a directory that holds what is being removed."""
MOST_ENTRIES = 100_000
"""Entries of a directory, with all below it, that are handed to a step as its input."""
LONGEST_TARGET = 200
"""Characters that are shown of where a link leads."""
UNKNOWN = "an unknown kind of file"

_KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISREG, "a file"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


class Beneath:
    """A directory that steps write; everything below it is reached without following a link.

    Paths are relative and as a declaration gives them. `root` itself must not be writable by a
    step. Raises OutputMissingError for what is not of the kind that is wanted, and
    StorageError where the disk refuses.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)

    def __enter__(self) -> Self:
        """Return it; the descriptor is closed with the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    def kind(self, path: str) -> str:
        """Return what lies at a path, as one says it: `a file`, `a symbolic link to /etc`."""
        try:
            with self._parent(path) as (parent, name):
                return _kind_at(parent, name)
        except FileNotFoundError:  # a step may take anything away at any time
            return UNKNOWN

    def status(self, path: str) -> os.stat_result | None:
        """Return the status of what lies at a path, also of a link; None where nothing does."""
        try:
            with self._parent(path) as (parent, name):
                return os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None

    @contextmanager
    def open(self, path: str) -> Iterator[io.BufferedReader]:
        """Open a regular file for reading."""
        try:
            with self._parent(path) as (parent, name):
                # Opened by its descriptor once its kind is known: to open a pipe would wait,
                # to open a device may do anything.
                found = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=parent)
        except FileNotFoundError as error:
            raise OutputMissingError(f"{path} does not exist", place=self._place(path)) from error
        try:
            self._refuse_other_than_file(path, found)
            readable = os.open(f"/proc/self/fd/{found}", os.O_RDONLY)
        except OSError as error:
            raise OutputMissingError(
                f"cannot read {path}: {error.strerror}", place=self._place(path)
            ) from error
        finally:
            os.close(found)
        with os.fdopen(readable, "rb") as stream:
            yield stream

    def digest(self, path: str) -> str:
        """Return `sha256:<hex>` of a regular file."""
        with self.open(path) as stream:
            return self._read(path, stream, lambda _: None)

    def copy(self, path: str, target: Path) -> str:
        """Copy a regular file to a place of ours; return `sha256:<hex>` of what was copied."""
        with self.open(path) as stream, target.open("wb") as copy:
            digest = self._read(path, stream, copy.write)
        sync(target)
        return digest

    def _read(self, path: str, stream: io.BufferedReader, take: Callable[[bytes], object]) -> str:
        """Read a file once, no further than it was long when it was opened; return its digest."""
        left = os.fstat(stream.fileno()).st_size
        digest = hashlib.sha256()
        while data := stream.read(CHUNK):
            left -= len(data)
            if left < 0:
                raise OutputMissingError(f"{path} grows while it is read", place=self._place(path))
            digest.update(data)
            take(data)
        return PREFIX + digest.hexdigest()

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file whole or not at all; what lay in its place is replaced, not followed."""
        self._replace(path, mode, lambda stream: stream.write(data))

    def put(self, path: str, source: Path, mode: int = 0o644) -> None:
        """Copy a file of ours to a path, with its time; as `write` does."""

        def fill(stream: io.BufferedWriter) -> None:
            with source.open("rb") as opened:
                shutil.copyfileobj(opened, stream, CHUNK)
            stream.flush()
            found = source.stat()
            os.utime(stream.fileno(), ns=(found.st_atime_ns, found.st_mtime_ns))

        self._replace(path, mode, fill)

    def _replace(self, path: str, mode: int, fill: Callable[[io.BufferedWriter], object]) -> None:
        with self._parent(path, make=True) as (parent, name):
            temporary = f".{uuid.uuid4().hex}.part"
            made = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode, dir_fd=parent
            )
            try:
                with os.fdopen(made, "wb") as stream:
                    os.fchmod(stream.fileno(), mode)
                    fill(stream)
                os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            except OSError as error:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=parent)
                if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
                    raise self._wrong_kind(path, "a directory") from error
                raise

    def make_directory(self, path: str) -> None:
        """Make a directory and those above it, where they are not there."""
        with self._parent(f"{path}/.", make=True):
            pass

    def clear_way(self, path: str) -> None:
        """Remove what stands in the place of a directory on the way to a path."""
        parts = PurePosixPath(path).parts
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            found = self.status(above)
            if found is not None and not stat.S_ISDIR(found.st_mode):
                self.remove(above)

    def remove(self, path: str) -> None:
        """Remove a file, a link, or a directory with all below it; nothing where nothing is."""
        try:
            with self._parent(path) as (parent, name):
                self._remove(parent, name)
        except FileNotFoundError:
            pass

    def present(self, path: str) -> bool:
        """Tell whether a regular file or a directory lies at a path."""
        try:
            found = self.status(path)
        except OutputMissingError:
            return False
        return found is not None and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))

    def mirror(self, path: str, target: Path) -> None:
        """Give a file or directory a second name at `target`, out of the reach of steps.

        By hard links, and by copies where the file system has none. Directories are made anew,
        and links stay links: whoever mounts `target` sees what lay at `path` at this moment,
        whatever a step does to the names meanwhile.
        """
        self._take(_second_name, path, target)

    def duplicate(self, path: str, target: Path) -> None:
        """Copy a directory to `target`, which shares no file with it; links stay links."""
        self._take(_copy, path, target)

    def _take(self, give: Callable[[int, str, Path], None], path: str, target: Path) -> None:
        try:
            with self._parent(path) as (parent, name):
                _Mirror(give).take(parent, name, target)
        except FileNotFoundError as error:
            raise OutputMissingError(f"{path} does not exist", place=self._place(path)) from error
        except _OddKindError as error:
            raise self._wrong_kind(path, error.kind) from error

    @contextmanager
    def _parent(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """Yield a descriptor of the directory that holds a path, and the last name of it."""
        pure = PurePosixPath(path)
        parts = path.split("/") if path.endswith("/.") else list(pure.parts)
        if pure.is_absolute() or ".." in parts or not parts:
            raise OutputMissingError(f"'{path}' leads out of the workspace")
        held = os.dup(self._descriptor)
        try:
            for depth, part in enumerate(parts[:-1], 1):
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, 0o755, dir_fd=held)
                try:
                    below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held)
                except NotADirectoryError as error:
                    so_far = "/".join(parts[:depth])
                    raise OutputMissingError(
                        f"{path}: {so_far} is {_kind_at(held, part)}, not a directory",
                        place=self._place(so_far),
                    ) from error
                os.close(held)
                held = below
            yield held, parts[-1]
        finally:
            os.close(held)

    def _remove(self, parent: int, name: str) -> None:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if not stat.S_ISDIR(mode):
            os.unlink(name, dir_fd=parent)
            return
        # Out of the reach of steps first: then it may be as deep, and of such modes, as it will.
        gone = temporary_directory(self.root.parent, GONE)
        try:
            os.rename(name, gone / "tree", src_dir_fd=parent)
        finally:
            remove_tree(gone)

    def _refuse_other_than_file(self, path: str, descriptor: int) -> None:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise self._wrong_kind(path, _kind_of(descriptor))
        if found.st_size > LARGE and found.st_size > MOST_HOLES * found.st_blocks * 512:
            raise OutputMissingError(
                f"{path} says it is {found.st_size} bytes long and holds "
                f"{found.st_blocks * 512}: the rest is holes, and is not read",
                place=self._place(path),
            )

    def _wrong_kind(self, path: str, kind: str) -> OutputMissingError:
        return OutputMissingError(f"{path} is {kind}, not a regular file", place=self._place(path))

    def _place(self, path: str) -> str:
        return str(self.root / path)


def _kind_at(parent: int, name: str) -> str:
    """Return what has a name in an open directory, as one says it."""
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=parent)
    try:
        return _kind_of(found)
    finally:
        os.close(found)


def _kind_of(descriptor: int) -> str:
    """Return what a file is, as one says it: `a named pipe`, `a symbolic link to /etc`.

    What a link says is of whoever wrote it: it is cut, and no character of it controls a terminal.
    """
    mode = os.fstat(descriptor).st_mode
    kind = next((name for matches, name in _KINDS if matches(mode)), UNKNOWN)
    if not stat.S_ISLNK(mode):
        return kind
    target = visible(os.readlink("", dir_fd=descriptor)).replace("\n", "\\n")
    return f"{kind} to {shortened(target, LONGEST_TARGET)}"


class _OddKindError(Exception):
    """Neither a file, nor a directory, nor a link within one."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class _Mirror:
    """Gives each file below a name another place, up to a bound."""

    def __init__(self, give: Callable[[int, str, Path], None]) -> None:
        self._give = give
        self._left = MOST_ENTRIES

    def take(self, parent: int, name: str, target: Path, *, depth: int = 0) -> None:
        self._left -= 1
        if depth > DEEPEST:
            raise StorageError(
                f"a directory is more than {DEEPEST} directories deep",
                hint="declare the files, or an archive of them, as input",
            )
        if self._left < 0:
            raise StorageError(
                f"a directory has more than {MOST_ENTRIES} entries",
                hint="declare the files, or an archive of them, as input",
            )
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            self._give(parent, name, target)
        elif stat.S_ISDIR(mode):
            target.mkdir()
            with _opened(parent, name) as below:
                for entry in [each.name for each in os.scandir(below)]:
                    self.take(below, entry, target / entry, depth=depth + 1)
        elif depth and stat.S_ISLNK(mode):
            target.symlink_to(os.readlink(name, dir_fd=parent))
        elif not depth:
            raise _OddKindError(_kind_at(parent, name))


@contextmanager
def _opened(parent: int, name: str) -> Iterator[int]:
    """Open a directory for listing, never through a link."""
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _regular(parent: int, name: str) -> Iterator[tuple[str, int]]:
    """Yield a path of the open file and its mode; it is the same file whatever a step does."""
    found = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=parent)
    try:
        mode = os.fstat(found).st_mode
        if not stat.S_ISREG(mode):
            raise _OddKindError(_kind_of(found))
        yield f"/proc/self/fd/{found}", stat.S_IMODE(mode) & 0o777
    finally:
        os.close(found)


def _second_name(parent: int, name: str, target: Path) -> None:
    with _regular(parent, name) as (here, mode):
        try:
            # With a descriptor given Python calls linkat(2), which alone follows /proc/self/fd.
            os.link(here, target, src_dir_fd=parent, follow_symlinks=True)
        except OSError as error:
            # AFS links within one directory only; some file systems not at all.
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
            _write_copy(here, mode, target)


def _copy(parent: int, name: str, target: Path) -> None:
    with _regular(parent, name) as (here, mode):
        _write_copy(here, mode, target)


def _write_copy(here: str, mode: int, target: Path) -> None:
    with open(here, "rb") as stream, target.open("xb") as copy:  # noqa: PTH123
        shutil.copyfileobj(stream, copy, CHUNK)
    target.chmod(mode)
