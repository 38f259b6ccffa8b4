"""The members of a tar that others made: read strictly, in one pass, without recursion.

Python's tarfile follows extended headers by recursion, takes sizes it has not checked, and keeps
every header; an archive of some kilobytes can use that. Here a size is compared with the file
before it is believed, and what a member may carry is bounded (`reprun.images.bounds`).

Read are ustar, v7, pax (POSIX.1-2008) and GNU: long names, sparse files of all four forms. Like
Go's archive/tar, which most builders use: links, directories and devices have no contents,
global pax headers change nothing, and an archive may end without its blocks of zeros.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from reprun.errors import IntegrityError
from reprun.images.bounds import LARGEST_HEADER, MOST_HEADERS, MOST_SEGMENTS, shown
from reprun.wording import size_of

BLOCK = 512
_ZEROS = bytes(BLOCK)
_SPARSE_ENTRY = 24
_IN_HEADER = 4
_IN_EXTENSION = 21
_LONGEST_DIGITS = 20


class MemberKind(StrEnum):
    """What a member is, in the words of a message."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"
    DEVICE = "device node"
    PIPE = "named pipe"


class Segment(NamedTuple):
    """A piece of a file's contents: where it belongs, and where in the archive it is."""

    start: int
    offset: int
    length: int


class Member(NamedTuple):
    """One member; contents are given by their place in the archive."""

    name: str
    kind: MemberKind
    mode: int
    target: str
    size: int
    segments: tuple[Segment, ...]
    """All of a file but its holes, which are zeros."""


_KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"S": MemberKind.FILE,
    b"1": MemberKind.HARDLINK,
    b"2": MemberKind.SYMLINK,
    b"3": MemberKind.DEVICE,
    b"4": MemberKind.DEVICE,
    b"5": MemberKind.DIRECTORY,
    b"6": MemberKind.PIPE,
}
_PAX = (b"x", b"X")
_PAX_GLOBAL = b"g"
_GNU_NAME, _GNU_LINK = b"L", b"K"


@dataclass(slots=True)
class _Extended:
    """What extended headers say of the member that follows."""

    count: int = 0
    name: str | None = None
    target: str | None = None
    records: dict[str, bytes] = field(default_factory=dict)
    sparse: list[int] = field(default_factory=list)
    """Offsets and lengths of the pax form 0.0, whose keys are repeated."""


def members(descriptor: int, archive: str) -> Iterator[Member]:
    """Yield the members of an open tar; `archive` names it in a message.

    Raises IntegrityError for what is not a tar, is cut short, or breaks a bound.
    """
    return _Reader(descriptor, archive).members()


@dataclass(slots=True)
class _Reader:
    descriptor: int
    archive: str
    end: int = 0
    position: int = 0

    def members(self) -> Iterator[Member]:
        self.end = os.fstat(self.descriptor).st_size
        extended = _Extended()
        while self.position < self.end:
            start = self.position
            block = self._take(BLOCK)
            if block == _ZEROS:
                break
            self._check_sum(block, start)
            kind = block[156:157]
            if kind in (*_PAX, _PAX_GLOBAL, _GNU_NAME, _GNU_LINK):
                self._extend(extended, kind, block)
                continue
            yield self._member(block, kind, extended)
            extended = _Extended()
        if extended.count:
            raise self._error("is truncated: its last header belongs to no member")

    def _error(self, fault: str) -> IntegrityError:
        return IntegrityError(f"{self.archive} {fault}")

    def _take(self, size: int) -> bytes:
        """Read bytes that must be there."""
        if size > self.end - self.position:
            raise self._error("is truncated")
        data = os.pread(self.descriptor, size, self.position)
        if len(data) != size:
            raise self._error("is truncated")
        self.position += size
        return data

    def _check_sum(self, block: bytes, start: int) -> None:
        wanted = self._number(block[148:156], "checksum")
        found = sum(block) - sum(block[148:156]) + 8 * 0x20
        if wanted == found:
            return
        signed = found - 256 * sum(each > 127 for each in block[:148] + block[156:])
        if wanted != signed:  # some old programs added signed characters
            raise self._error(
                f"is damaged at byte {start:,}: a header has a wrong checksum"
                if start
                else "is not a tar archive"
            )

    def _number(self, text: bytes, what: str) -> int:
        """Read a number: octal digits, or a binary one with its first bit set (GNU, star)."""
        if text[0] & 0x80:
            value = int.from_bytes(bytes([text[0] & 0x7F]) + text[1:], "big")
            if text[0] & 0x40 or value > 1 << 62:
                raise self._error(f"has a header whose {what} is out of range")
            return value
        digits = text.split(b"\0", 1)[0].strip()
        if not digits:
            return 0
        if digits.strip(b"01234567"):
            raise self._error(
                f"has a header whose {what} is not a number"
                if self.position > BLOCK
                else "is not a tar archive"
            )
        return int(digits, 8)

    def _extend(self, extended: _Extended, kind: bytes, block: bytes) -> None:
        size = self._number(block[124:136], "size")
        if size > LARGEST_HEADER:
            raise self._error(
                f"has an extended header of {size_of(size)}; "
                f"more than {size_of(LARGEST_HEADER)} is not read"
            )
        extended.count += 1
        if extended.count > MOST_HEADERS:
            raise self._error(f"has more than {MOST_HEADERS} extended headers before one member")
        data = self._take(_padded(size))[:size]
        if kind in _PAX:
            self._pax(extended, data)
        elif kind == _GNU_NAME:
            extended.name = _text(data)
        elif kind == _GNU_LINK:
            extended.target = _text(data)

    def _pax(self, extended: _Extended, data: bytes) -> None:
        """Read records `LENGTH KEY=VALUE\\n`, LENGTH being that of the whole record."""
        position = 0
        while position < len(data):
            space = data.find(b" ", position, position + _LONGEST_DIGITS)
            digits = data[position:space] if space > 0 else b""
            end = position + (int(digits) if digits.isdigit() else 0)
            key, equals, value = data[space + 1 : end - 1].partition(b"=")
            if not (space < end <= len(data)) or data[end - 1 : end] != b"\n" or not equals:
                raise self._error("has a malformed pax header")
            position = end
            if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
                extended.sparse.append(self._decimal(value))
            else:
                extended.records[key.decode("utf-8", "surrogateescape")] = value

    def _decimal(self, value: bytes) -> int:
        if not value.isdigit() or len(value) >= _LONGEST_DIGITS:
            raise self._error(f"has a pax header with a bad number: {_text(value[:40])}")
        return int(value)

    def _member(self, block: bytes, letter: bytes, extended: _Extended) -> Member:
        records = extended.records
        name, target = _name(block), _text(block[157:257])
        name = extended.name if extended.name is not None else name
        target = extended.target if extended.target is not None else target
        # An empty value says that the header's own counts.
        name = _value(records.get("GNU.sparse.name") or records.get("path")) or name
        target = _value(records.get("linkpath")) or target
        kind = _KINDS.get(letter)
        if kind is None:
            raise self._error(
                f"has a member of the tar type {_text(letter)!r}, which no layer holds: "
                f"{shown(name)}"
            )
        mode = self._number(block[100:108], "mode")
        if kind is not MemberKind.FILE:
            return Member(name, kind, mode, target, 0, ())
        stored = self._number(block[124:136], "size")
        if records.get("size"):
            stored = self._decimal(records["size"])
        size, segments = self._contents(block, letter, extended, stored, name)
        if letter != b"S" and name.endswith("/"):
            # As tar wrote directories in 1979; what it brings all the same is passed over.
            return Member(name, MemberKind.DIRECTORY, mode, target, 0, ())
        return Member(name, kind, mode, "", size, segments)

    def _contents(
        self, block: bytes, letter: bytes, extended: _Extended, stored: int, name: str
    ) -> tuple[int, tuple[Segment, ...]]:
        """Return size and pieces of a file, and go to the member after it."""
        records = extended.records
        pieces: list[int] | None = None
        size = stored
        if letter == b"S":
            pieces, size = self._old_sparse(block)
        elif "GNU.sparse.map" in records:
            numbers = records["GNU.sparse.map"].split(b",")
            pieces = [self._decimal(each) for each in numbers if each]
        elif records.get("GNU.sparse.major") == b"1":
            before = self.position
            pieces = self._sparse_map(stored)
            stored -= self.position - before
        elif "GNU.sparse.size" in records:
            pieces = extended.sparse
        if letter != b"S" and pieces is not None:
            real = records.get("GNU.sparse.realsize") or records.get("GNU.sparse.size")
            size = self._decimal(real or b"")
        offset = self.position
        if stored > self.end - offset:
            raise self._error(f"is truncated in {shown(name)}")
        # The last member's padding may be missing.
        self.position = min(offset + _padded(stored), self.end)
        if pieces is None:
            return size, (Segment(0, offset, size),) if size else ()
        return size, self._segments(pieces, offset, stored, size, name)

    def _segments(
        self, pieces: list[int], offset: int, stored: int, size: int, name: str
    ) -> tuple[Segment, ...]:
        segments, reached, read = [], 0, 0
        for start, length in zip(pieces[::2], pieces[1::2], strict=False):
            if start < reached or start + length > size or read + length > stored:
                raise self._error(f"has a sparse file with a map that does not fit: {shown(name)}")
            if length:
                segments.append(Segment(start, offset + read, length))
            reached, read = start + length, read + length
        if len(pieces) % 2 or read != stored:
            raise self._error(f"has a sparse file with a map that does not fit: {shown(name)}")
        return tuple(segments)

    def _old_sparse(self, block: bytes) -> tuple[list[int], int]:
        """Read the map of GNU's own type `S`: in the header, and in blocks after it."""
        size = self._number(block[483:495], "size")
        pieces = self._sparse_entries(block[386:], _IN_HEADER)
        more = block[482]
        while more:
            block = self._take(BLOCK)
            pieces += self._sparse_entries(block, _IN_EXTENSION)
            more = block[504]
            self._check_pieces(len(pieces) // 2)
        return pieces, size

    def _sparse_entries(self, data: bytes, count: int) -> list[int]:
        pieces = []
        for at in range(0, count * _SPARSE_ENTRY, _SPARSE_ENTRY):
            start, length = data[at : at + 12], data[at + 12 : at + _SPARSE_ENTRY]
            if not start.strip(b"\0") and not length.strip(b"\0"):
                break
            pieces += [self._number(start, "sparse map"), self._number(length, "sparse map")]
        return pieces

    def _sparse_map(self, stored: int) -> list[int]:
        """Read the map of the pax form 1.0: decimal lines before the contents, in whole blocks."""
        limit = min(self.end, self.position + stored)
        data = b""
        lines: list[bytes] = []
        wanted = 1
        while len(lines) < wanted:
            if self.position + BLOCK > limit:
                raise self._error("is truncated in the map of a sparse file")
            *whole, data = (data + self._take(BLOCK)).split(b"\n")
            if lines == [] and whole:
                count = self._decimal(whole[0])
                self._check_pieces(count)
                wanted = 1 + 2 * count
            if len(data) > _LONGEST_DIGITS and len(lines) + len(whole) < wanted:
                raise self._error("has a sparse file whose map is malformed")
            lines += whole
        return [self._decimal(each) for each in lines[1:wanted]]

    def _check_pieces(self, count: int) -> None:
        if count > MOST_SEGMENTS:
            raise self._error(
                f"has a sparse file in more than {MOST_SEGMENTS:,} pieces, the most that is read"
            )


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _value(data: bytes | None) -> str:
    """Return a pax value, NUL included: what has one is refused as a name."""
    return (data or b"").decode("utf-8", "surrogateescape")


def _name(block: bytes) -> str:
    """Return the name in a header, which ustar and star put into two fields."""
    name = _text(block[:100])
    prefix = b""
    if block[257:263] == b"ustar\0":
        prefix = block[345:476] if block[508:512] == b"tar\0" else block[345:500]
    before = _text(prefix)
    return f"{before}/{name}" if before else name
