"""The keys of a ROOT file: which objects lie where. Reads bytes, decodes no object.

The layout is that of ROOT's own description, root.cern/doc/master/classTFile.html and
classTKey.html: big-endian, seek positions of 8 bytes where a version is above 1000.
"""

from __future__ import annotations

import lzma
import mmap
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from reprun.bounded import limits
from reprun.histograms.model import printable
from reprun.wording import size_of

Bytes: TypeAlias = "bytes | mmap.mmap"
LARGE = 1000
LARGE_FILE = 1_000_000
BLOCK_HEADER = 9
KEY_HEADER = 18
"""Bytes of a key before its two seek positions."""
SHORTEST_KEY = 29
DIRECTORIES = frozenset({"TDirectory", "TDirectoryFile"})
"""Classes that hold keys, which are read, and nothing else."""


class ForeignError(Exception):
    """Bytes that this reader does not know; uproot may."""


class BrokenError(Exception):
    """Bytes that contradict each other, or ask for too much: no reader may go on with them."""


@dataclass(frozen=True, slots=True)
class Key:
    """One object of the file, by its path without cycle."""

    path: str
    class_name: str
    cycle: int
    start: int
    size: int
    length: int
    """Of the object once it is decompressed; `size` is what it takes in the file."""
    directory: int = 0
    """Where the list of keys is that it is in."""
    header: int = 0
    """Bytes of the key before the object: references in the object count from its start."""
    ambiguous: bool = False
    """Another directory has an object of the same path: `a/b` beside `b` in `a`."""


def newest_keys(data: Bytes) -> dict[str, Key]:
    """Return the newest cycle of every object in all directories, by path, in file order.

    Raises BrokenError for keys that overlap, lead in circles or out of the file.
    """
    try:
        version, begin = struct.unpack_from(">ii", data, 4)
        (name_length,) = struct.unpack_from(">i", data, _header_end(version) + 4)
        found: dict[str, Key] = {}
        for key in _Directories(data).keys_of(begin + name_length, "", 0):
            name = printable(key.path)
            other = found.get(name)
            if other is not None and key.directory != other.directory:
                found[name] = replace(key, ambiguous=True)
            elif other is None or key.cycle > other.cycle:
                found[name] = key
    except (struct.error, IndexError) as error:
        raise BrokenError("its keys end early") from error
    return found


def streamers(data: Bytes) -> Key | None:
    """Return the key of the descriptions of classes, which uproot reads; None without any.

    Raises BrokenError for one that is not there.
    """
    try:
        (version,) = struct.unpack_from(">i", data, 4)
        at = _header_end(version) + 4 + 4 + 1 + 4
        (seek,) = struct.unpack_from(">q" if version >= LARGE_FILE else ">i", data, at)
        return _key_at(data, seek, "")[0] if seek else None
    except (struct.error, IndexError) as error:
        raise BrokenError("its descriptions of classes are missing") from error


def object_bytes(data: Bytes, key: Key) -> bytes:
    """Return the bytes of an object, decompressed.

    Raises BrokenError for one that is not all there, is longer than it says, or says more than
    `limits` allow for what it takes in the file.
    """
    if key.start < 0 or key.size < 0 or key.length < 0 or key.start + key.size > len(data):
        raise BrokenError("its bytes are not in the file")
    if key.size == key.length:
        return data[key.start : key.start + key.size]
    if key.length > limits.FREE_OBJECT.value + limits.OBJECT_RATIO * key.size:
        raise BrokenError(
            f"it has {size_of(key.length)} once decompressed, of {size_of(key.size)} in the file"
        )
    raw = data[key.start : key.start + key.size]
    parts, at, length = [], 0, 0
    while length < key.length:
        head = raw[at : at + BLOCK_HEADER]
        if len(head) < BLOCK_HEADER:
            raise BrokenError("compressed bytes end early")
        packed = int.from_bytes(head[3:6], "little")
        full = int.from_bytes(head[6:9], "little")
        length += full
        if not full or length > key.length:
            raise BrokenError("a block decompresses to another size")
        part = _unpacked(head[:2], raw[at + BLOCK_HEADER : at + BLOCK_HEADER + packed], full)
        if len(part) != full:
            raise BrokenError("a block decompresses to another size")
        parts.append(part)
        at += BLOCK_HEADER + packed
    return parts[0] if len(parts) == 1 else b"".join(parts)


def text_at(data: Bytes, at: int) -> tuple[str, int]:
    """Return a TString and the position after it."""
    length = data[at]
    at += 1
    if length == 255:
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
    if not 0 <= length <= len(data) - at:
        raise IndexError("a string that ends behind the bytes")
    return data[at : at + length].decode("utf-8", "surrogateescape"), at + length


def _header_end(version: int) -> int:
    """Return the position of the number of free segments in the header of a file."""
    return 8 + (8 + 8 + 4 + 4 if version >= LARGE_FILE else 4 + 4 + 4 + 4)


class _Directories:
    """The directories of one file, each of which is read once."""

    def __init__(self, data: Bytes) -> None:
        self._data = data
        self._seen: set[int] = set()
        # Keys that do not overlap: a file has no more than fit into it.
        self._left = len(data) // SHORTEST_KEY

    def keys_of(self, at: int, path: str, depth: int) -> Iterator[Key]:
        """Yield the keys of a directory and of those in it."""
        data = self._data
        if depth > limits.ROOT_NESTING.value:
            raise BrokenError(f"its directories are more than {limits.ROOT_NESTING.words} deep")
        (version,) = struct.unpack_from(">h", data, _inside(data, at))
        seeks = at + 2 + 4 + 4 + 4 + 4
        (keys_at,) = (
            struct.unpack_from(">q", data, seeks + 16)
            if version > LARGE
            else struct.unpack_from(">i", data, seeks + 8)
        )
        if not keys_at and depth:
            return
        if not keys_at:
            raise BrokenError(
                "it was never closed, so it has no list of what is in it; open it with ROOT, which "
                "recovers what was written, and write it again"
            )
        if keys_at in self._seen:
            raise BrokenError("a directory is in itself, or in two others")
        self._seen.add(keys_at)
        at = keys_at + struct.unpack_from(">h", data, _inside(data, keys_at) + 14)[0]
        (number,) = struct.unpack_from(">i", data, _inside(data, at))
        at += 4
        self._left -= max(number, 0)
        if number < 0 or self._left < 0:
            raise BrokenError("it has more keys than fit into it")
        for _ in range(number):
            key, at = _key_at(data, at, path, keys_at)
            if len(key.path) > limits.ROOT_PATH.value:
                raise BrokenError(f"a path has more than {limits.ROOT_PATH.words}")
            yield key
            if key.class_name in DIRECTORIES:
                yield from self.keys_of(key.start, f"{key.path}/", depth + 1)


def _key_at(data: Bytes, at: int, path: str, directory: int = 0) -> tuple[Key, int]:
    """Return the key at a position, of a list of keys, and the position after it."""
    size, version, length, _, key_length, cycle = struct.unpack_from(
        ">ihiIhh", data, _inside(data, at)
    )
    end = at + key_length
    (start,) = struct.unpack_from(">q" if version > LARGE else ">i", data, at + KEY_HEADER)
    class_name, names = text_at(data, at + KEY_HEADER + (16 if version > LARGE else 8))
    name, names = text_at(data, names)
    if not names < end <= len(data):
        raise BrokenError("a key is shorter than its names, or ends behind the file")
    key = Key(
        path + name,
        sys.intern(class_name),
        cycle,
        start + key_length,
        size - key_length,
        length,
        directory,
        key_length,
    )
    return key, end


def _inside(data: Bytes, at: int) -> int:
    """Return a position; struct would count a negative one from the end."""
    if not 0 <= at < len(data):
        raise BrokenError("a position is behind its end")
    return at


def _unpacked(algorithm: bytes, packed: bytes, full: int) -> bytes:
    """Return at most `full + 1` bytes: more is another size than the block says, at no cost."""
    try:
        if algorithm == b"CS":  # ROOT 3 and 4: deflate without a header
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, full + 1)
        if algorithm == b"ZL":
            return zlib.decompressobj().decompress(packed, full + 1)
        if algorithm == b"XZ":
            unpacker = lzma.LZMADecompressor(memlimit=limits.DICTIONARY.value)
            return unpacker.decompress(packed, full + 1)
        import cramjam  # noqa: PLC0415 - uproot's own choice; most files need none

        room = bytearray(full)
        if algorithm == b"L4":
            return bytes(cramjam.lz4.decompress_block(packed[8:], output_len=full))
        if algorithm == b"ZS":
            return bytes(room[: cramjam.zstd.decompress_into(packed, room)])
    # Each of the four libraries has errors of its own for broken bytes.
    except Exception as error:
        raise BrokenError(f"broken {algorithm!r} bytes: {error}") from error
    raise BrokenError(f"compression {algorithm!r} is not supported")
