"""The files of an image that others wrote, wherever they are: a directory, a tar, a packed tar."""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from reprun.digests import CHUNK
from reprun.errors import IntegrityError, SpecificationError
from reprun.images.archives.archive import Section
from reprun.images.archives.compression import COMPRESSED, write_plain
from reprun.images.archives.tarmembers import BLOCK, Member, MemberKind, members
from reprun.images.bounds import LARGEST_DOCUMENT, MOST_FILES, Allowance, shown
from reprun.progress import SilentTask
from reprun.store.store import Store

SAVE_HINT = "docker save IMAGE -o FILE   # writes a file that can be imported"
MOST_LINKS = 40
"""Links followed to a file, as Linux does."""


class Files(Protocol):
    """The files of an image by their names."""

    allowance: Allowance
    """What their layers may become."""
    arrives: bool
    """Whether what is read of a layer is as it came, not unpacked once already."""

    def has(self, name: str) -> bool: ...
    def open(self, name: str) -> AbstractContextManager[IO[bytes]]: ...


def document(files: Files, name: str) -> bytes:
    """Return a small file, one byte more than the largest that is read at most."""
    with files.open(name) as stream:
        return stream.read(LARGEST_DOCUMENT + 1)


@contextmanager
def files_at(path: Path, store: Store) -> Iterator[Files]:
    """Open a directory or archive; raise an error for what is neither."""
    if not path.exists():
        raise SpecificationError(
            "there is no such file or directory", place=str(path), hint=SAVE_HINT
        )
    if path.is_dir():
        yield _Directory(path)
        return
    if not path.is_file():
        raise SpecificationError(
            "this is neither a file nor a directory", place=str(path), hint=SAVE_HINT
        )
    try:
        stream = path.open("rb")
    except OSError as error:
        raise SpecificationError(
            f"the archive cannot be opened: {error.strerror or error}", place=str(path)
        ) from error
    with stream:
        first = stream.read(BLOCK)
        stream.seek(0)
        if not first.startswith(COMPRESSED):
            yield _Tar(stream, path, Allowance(), arrives=True)
            return
        with store.incoming() as plain:
            packed = Allowance(
                hint="gunzip FILE   # or xz -d, zstd -d, bunzip2: what it is packed with"
            )
            write_plain(stream, plain, store, "the archive", SilentTask(), packed)
            plain.flush()
            with plain.path.open("rb") as unpacked:
                yield _Tar(unpacked, path, Allowance(packed.arrived), arrives=False)


class _Directory:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.allowance = Allowance()
        self.arrives = True

    def has(self, name: str) -> bool:
        return _is_inside(name) and (self._root / name).is_file()

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with (self._root / name).open("rb") as stream:
            yield stream


class _Tar:
    """Files by name; one of two members with one name is the last, and links are followed."""

    def __init__(
        self, stream: IO[bytes], path: Path, allowance: Allowance, *, arrives: bool
    ) -> None:
        self._stream = stream
        self._members: dict[str, Member] = {}
        self.allowance = allowance
        self.arrives = arrives
        try:
            self._read(stream)
        except IntegrityError as error:
            if not self._members:
                raise SpecificationError(
                    "this is not a tar archive", place=str(path), hint=SAVE_HINT
                ) from error
            raise IntegrityError(
                f"the archive cannot be read: {error.message.removeprefix('the archive ')}",
                place=str(path),
                hint=SAVE_HINT,
            ) from error

    def _read(self, stream: IO[bytes]) -> None:
        for count, member in enumerate(members(stream.fileno(), "the archive"), start=1):
            self._members[_normal(member.name)] = member
            if count > MOST_FILES:
                raise IntegrityError(
                    f"the archive has more than {MOST_FILES:,} files, the most that is read"
                )

    def has(self, name: str) -> bool:
        return self._find(name) is not None

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        member = self._find(name)
        if member is None:
            raise IntegrityError(f"it lacks {shown(name)}")
        start = member.segments[0].offset if member.segments else 0
        with io.BufferedReader(Section(self._stream, start, member.size), CHUNK) as stream:
            yield stream

    def _find(self, name: str) -> Member | None:
        """Return the file of a name; `docker save` and podman write a layer once, and link it."""
        name = _normal(name)
        for _ in range(MOST_LINKS):
            member = self._members.get(name)
            if member is None:
                return None
            if member.kind is MemberKind.SYMLINK:
                name = _normal(posixpath.join(posixpath.dirname(name), member.target))
            elif member.kind is MemberKind.HARDLINK:
                name = _normal(member.target)
            else:
                is_whole = sum(each.length for each in member.segments) == member.size
                is_file = member.kind is MemberKind.FILE and is_whole
                return member if is_file and len(member.segments) < 2 else None
        return None


def _normal(name: str) -> str:
    return posixpath.normpath(f"/{name}").lstrip("/")


def _is_inside(name: str) -> bool:
    """Tell whether a name is one below the directory: what it names was chosen by others."""
    return not name.startswith("/") and ".." not in name.split("/") and "\0" not in name
