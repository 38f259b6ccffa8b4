"""Structures of Thrift in its compact protocol, as the footer and the pages of Parquet are written.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any

DEEPEST = 20
"""Structures in each other; those of Parquet are no deeper than six."""


class BrokenError(ValueError):
    """What should be Parquet is something else; the message is the end of a sentence."""


def structure(data: memoryview, at: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Return a structure of Thrift as values by the numbers of its fields, and where it ends.

    Raises BrokenError.
    """
    if depth > DEEPEST:
        raise BrokenError("its structures are nested too deeply")
    found: dict[int, Any] = {}
    field = 0
    try:
        while (head := data[at]) != 0:
            at += 1
            field += head >> 4
            if not head >> 4:
                number, at = _integer(data, at)
                field = number
            found[field], at = _value(data, at, head & 15, depth)
    except (IndexError, struct.error) as error:
        raise BrokenError("a structure ends after the file") from error
    return found, at + 1


def _value(data: memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in (1, 2):
        return kind == 1, at
    if kind in READERS:
        return READERS[kind](data, at)
    if kind in (9, 10):
        return _list(data, at, depth)
    if kind == 12:
        return structure(data, at, depth + 1)
    raise BrokenError(f"a field of the unknown type {kind}")


def _byte(data: memoryview, at: int) -> tuple[int, int]:
    return data[at], at + 1


def _float(data: memoryview, at: int) -> tuple[float, int]:
    return struct.unpack_from("<d", data, at)[0], at + 8


def _string(data: memoryview, at: int) -> tuple[bytes, int]:
    size, at = _varint(data, at)
    if at + size > len(data):
        raise BrokenError("a string ends after the file")
    return bytes(data[at : at + size]), at + size


def _list(data: memoryview, at: int, depth: int) -> tuple[list[Any], int]:
    head = data[at]
    at += 1
    size = head >> 4
    if size == 15:
        size, at = _varint(data, at)
    if size > len(data) - at:
        raise BrokenError("a list ends after the file")
    items = []
    for _ in range(size):
        # Of a list a truth value is a byte of its own.
        item, at = _value(data, at, 3 if head & 15 in (1, 2) else head & 15, depth)
        items.append(item)
    return items, at


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise BrokenError("a number of more than 64 bits")


def _integer(data: memoryview, at: int) -> tuple[int, int]:
    value, at = _varint(data, at)
    return (value >> 1) ^ -(value & 1), at


READERS: Mapping[int, Callable[[memoryview, int], tuple[Any, int]]] = {
    3: _byte,
    **dict.fromkeys((4, 5, 6), _integer),
    7: _float,
    8: _string,
}
"""What reads a value by the number of its type."""
