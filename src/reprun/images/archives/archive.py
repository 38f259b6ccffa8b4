"""Reading the archives an image is made of: Debian packages (ar of tars) and wheels (zip).

Only members are read here, one after the other and never as a whole; what may lie where is
decided in `tree`, what a package becomes in `debian` and `wheels`.
"""

from __future__ import annotations

import base64
import csv
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reprun.bounded import limits
from reprun.digests import CHUNK
from reprun.errors import IntegrityError, SpecificationError
from reprun.wording import size_of

AR_MAGIC = b"!<arch>\n"
AR_HEADER = 60


class Section(io.RawIOBase):
    """A part of a file, read as if it were a file of its own."""

    def __init__(self, stream: IO[bytes], offset: int, size: int) -> None:
        super().__init__()
        self._stream = stream
        self._start = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` from the section."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        wanted = min(len(view), self._size - self._position)
        self._stream.seek(self._start + self._position)
        data = self._stream.read(wanted)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


@dataclass(frozen=True, slots=True)
class ArMember:
    """Where a member of an ar archive lies."""

    name: str
    offset: int
    size: int


def ar_members(stream: IO[bytes], archive: str) -> list[ArMember]:
    """Return the members of an ar archive; raise IntegrityError when it is cut short."""
    stream.seek(0, io.SEEK_END)
    end = stream.tell()
    stream.seek(0)
    if stream.read(len(AR_MAGIC)) != AR_MAGIC:
        raise IntegrityError(f"{archive} is not a Debian package: it is not an ar archive")
    members = []
    offset = len(AR_MAGIC)
    while offset < end:
        stream.seek(offset)
        header = stream.read(AR_HEADER)
        size_text = header[48:58].strip()
        if len(header) < AR_HEADER or header[58:] != b"`\n" or not size_text.isdigit():
            raise IntegrityError(f"{archive} is damaged at byte {offset}: no ar header")
        size = int(size_text)
        if offset + AR_HEADER + size > end:
            raise IntegrityError(f"{archive} is truncated")
        name = header[:16].decode("ascii", "replace").rstrip().rstrip("/")
        members.append(ArMember(name, offset + AR_HEADER, size))
        offset += AR_HEADER + size + (size & 1)
    return members


@contextmanager
def deb_tar(stream: IO[bytes], part: str, archive: str) -> Iterator[tarfile.TarFile]:
    """Open the `control` or `data` tar of a Debian package for reading in one pass."""
    found = [each for each in ar_members(stream, archive) if each.name.startswith(f"{part}.tar")]
    if len(found) != 1:
        raise IntegrityError(f"{archive} has {len(found)} {part} members, a package has one")
    member = found[0]
    section = io.BufferedReader(Section(stream, member.offset, member.size), 1 << 17)
    suffix = member.name.removeprefix(f"{part}.tar")
    if suffix not in ("", ".gz", ".xz"):
        raise SpecificationError(
            f"{archive} is compressed as '{suffix}', which reprun's builder format does not read "
            "(Debian's own packages use xz or gzip)",
        )
    try:
        if suffix == ".xz":
            with (
                lzma.open(section) as plain,
                tarfile.open(fileobj=plain, mode="r|") as tar,
            ):
                yield tar
                while plain.read(CHUNK):  # its end holds the checksum
                    pass
        else:
            mode: str = "r|gz" if suffix else "r|"
            with tarfile.open(fileobj=section, mode=mode) as tar:  # type: ignore[call-overload]
                yield tar
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError) as error:
        raise IntegrityError(f"{archive} cannot be unpacked: {error}") from error


def tar_reader(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[int], bytes]:
    """Return the `read` of a regular file in a tar."""
    stream = tar.extractfile(member)
    assert stream is not None, "only regular files are read"
    return stream.read


@dataclass(frozen=True, slots=True)
class WheelMember:
    """One file of a wheel, with the digest its RECORD promises."""

    name: str
    executable: bool
    set_id_bits: int
    """What the zip asks for and no image gets."""
    sha256: str
    size: int


class WheelArchive:
    """A wheel whose RECORD has been read and agrees with its table of contents."""

    def __init__(self, path: Path, archive: str) -> None:
        self.archive = archive
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise IntegrityError(f"{archive} is not a wheel: {error}") from error
        try:
            self._open()
        except BaseException:
            self._zip.close()
            raise

    def _open(self) -> None:
        names = [info.filename for info in self._zip.infolist()]
        if len(names) != len(set(names)):
            raise IntegrityError(f"{self.archive} has a duplicate file")
        tops = {name.split("/", 1)[0] for name in names}
        infos = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(infos) != 1:
            raise IntegrityError(f"{self.archive} has {len(infos)} .dist-info directories, not one")
        self.dist_info = infos[0]
        self.data_prefix = self.dist_info.removesuffix(".dist-info") + ".data/"
        self.members = self._check_record(names)

    def _check_record(self, names: list[str]) -> tuple[WheelMember, ...]:
        record_name = f"{self.dist_info}/RECORD"
        if record_name not in names:
            raise IntegrityError(f"{self.archive} has no RECORD")
        unlisted = {record_name, f"{record_name}.jws", f"{record_name}.p7s"}
        rows = csv.reader(io.StringIO(self.read(record_name).decode("utf-8")))
        promised = {row[0]: row[1:] for row in rows if row}
        members = []
        for info in self._zip.infolist():
            if info.is_dir() or info.filename in unlisted:
                continue
            unix_mode = info.external_attr >> 16
            if stat.S_IFMT(unix_mode) not in (0, stat.S_IFREG):
                raise IntegrityError(
                    f"{self.archive} has a member that is not a plain file: {info.filename}"
                )
            row = promised.pop(info.filename, None)
            if row is None or len(row) < 2 or not row[0].startswith("sha256="):
                raise IntegrityError(f"RECORD of {self.archive} has no sha256 for {info.filename}")
            if row[1] and row[1] != str(info.file_size):
                raise IntegrityError(
                    f"RECORD of {self.archive} says {info.filename} has {row[1]} bytes, "
                    f"it has {info.file_size}"
                )
            members.append(
                WheelMember(
                    info.filename,
                    bool(unix_mode & 0o111),
                    unix_mode & (stat.S_ISUID | stat.S_ISGID),
                    _hex_of(row[0].removeprefix("sha256="), self.archive),
                    info.file_size,
                )
            )
        missing = sorted(set(promised) - unlisted)
        if missing:
            raise IntegrityError(f"{self.archive} lacks {missing[0]}, which its RECORD lists")
        return tuple(sorted(members, key=lambda member: member.name))

    @contextmanager
    def reader(self, member: WheelMember) -> Iterator[Callable[[int], bytes]]:
        """Give the `read` of one member; raise IntegrityError when the zip is damaged."""
        with self._damage(), self._zip.open(member.name) as stream:
            yield stream.read

    def read(self, name: str) -> bytes:
        """Return the bytes of a small member.

        Raises IntegrityError when they are damaged, or more than a document may have.
        """
        with self._damage():
            size = self._zip.getinfo(name).file_size
            if size > limits.JSON_BYTES.value:
                raise IntegrityError(
                    f"{name} in {self.archive} has {size_of(size)}, at most "
                    f"{limits.JSON_BYTES.words} are read"
                )
            return self._zip.read(name)

    def has(self, name: str) -> bool:
        """Tell whether the wheel has a member of that name."""
        return name in self._zip.NameToInfo

    def check(self, member: WheelMember, sha256: str) -> None:
        """Raise IntegrityError unless `sha256` is what RECORD promises."""
        if sha256 != member.sha256:
            raise IntegrityError(
                f"{member.name} in {self.archive} differs from its RECORD: "
                f"sha256 {sha256[:12]}…, expected {member.sha256[:12]}…"
            )

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise IntegrityError(f"{self.archive} cannot be unpacked: {error}") from error


def record_hash(data_sha256: str) -> str:
    """Return a hex sha256 as RECORD writes it (url-safe base64 without padding)."""
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(data_sha256)).rstrip(b"=").decode()


def _hex_of(encoded: str, archive: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError as error:
        raise IntegrityError(f"RECORD of {archive} has a malformed hash: {encoded}") from error
    return raw.hex()
