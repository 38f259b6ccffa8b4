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
from dataclasses import dataclass
from typing import TypeAlias

Bytes: TypeAlias = "bytes | mmap.mmap"
LARGE = 1000
LARGE_FILE = 1_000_000
BLOCK_HEADER = 9
DEEPEST = 100


class ForeignError(Exception):
    """Bytes that this reader does not know; uproot may."""


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


def newest_keys(data: Bytes) -> dict[str, Key]:
    """Return the newest cycle of every object in all directories, by path, in file order."""
    if data[:4] != b"root":
        raise ForeignError("no ROOT file")
    version, begin = struct.unpack_from(">ii", data, 4)
    name_at = 8 + (8 + 8 + 4 + 4 if version >= LARGE_FILE else 4 + 4 + 4 + 4)
    (name_length,) = struct.unpack_from(">i", data, name_at + 4)
    found: dict[str, Key] = {}
    for key in _directory(data, begin + name_length, "", 0):
        if key.path not in found or key.cycle > found[key.path].cycle:
            found[key.path] = key
    return found


def object_bytes(data: Bytes, key: Key) -> bytes:
    """Return the bytes of an object, decompressed."""
    raw = data[key.start : key.start + key.size]
    if key.size == key.length:
        return raw
    parts, at, length = [], 0, 0
    while length < key.length:
        head = raw[at : at + BLOCK_HEADER]
        if len(head) < BLOCK_HEADER:
            raise ForeignError("compressed bytes end early")
        packed = int.from_bytes(head[3:6], "little")
        full = int.from_bytes(head[6:9], "little")
        part = _unpacked(head[:2], raw[at + BLOCK_HEADER : at + BLOCK_HEADER + packed], full)
        if len(part) != full:
            raise ForeignError("a block decompresses to another size")
        parts.append(part)
        at += BLOCK_HEADER + packed
        length += full
    return parts[0] if len(parts) == 1 else b"".join(parts)


def text_at(data: Bytes, at: int) -> tuple[str, int]:
    """Return a TString and the position after it."""
    length = data[at]
    at += 1
    if length == 255:
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
    return data[at : at + length].decode("utf-8", "surrogateescape"), at + length


def _directory(data: Bytes, at: int, path: str, depth: int) -> Iterator[Key]:
    if depth > DEEPEST:
        raise ForeignError("directories are nested in each other")
    (version,) = struct.unpack_from(">h", data, at)
    seeks = at + 2 + 4 + 4 + 4 + 4
    (keys_at,) = (
        struct.unpack_from(">q", data, seeks + 16)
        if version > LARGE
        else struct.unpack_from(">i", data, seeks + 8)
    )
    if not keys_at:
        return
    at = keys_at + struct.unpack_from(">h", data, keys_at + 14)[0]
    (number,) = struct.unpack_from(">i", data, at)
    at += 4
    for _ in range(number):
        size, version, length, _, key_length, cycle = struct.unpack_from(">ihiIhh", data, at)
        names = at + 18 + (16 if version > LARGE else 8)
        (start,) = struct.unpack_from(">q" if version > LARGE else ">i", data, at + 18)
        class_name, names = text_at(data, names)
        name, names = text_at(data, names)
        key = Key(
            path + name,
            sys.intern(class_name),
            cycle,
            start + key_length,
            size - key_length,
            length,
        )
        yield key
        if class_name in ("TDirectory", "TDirectoryFile"):
            yield from _directory(data, key.start, f"{key.path}/", depth + 1)
        at += key_length


def _unpacked(algorithm: bytes, packed: bytes, full: int) -> bytes:
    try:
        if algorithm == b"ZL":
            return zlib.decompress(packed, bufsize=full)
        if algorithm == b"XZ":
            return lzma.decompress(packed)
        import cramjam  # noqa: PLC0415 - uproot's own choice; most files need none

        if algorithm == b"L4":
            return bytes(cramjam.lz4.decompress_block(packed[8:], output_len=full))
        if algorithm == b"ZS":
            return bytes(cramjam.zstd.decompress(packed, output_len=full))
    # Each of the four libraries has errors of its own for broken bytes.
    except Exception as error:
        raise ForeignError(f"broken {algorithm!r} bytes: {error}") from error
    raise ForeignError(f"compression {algorithm!r}")
