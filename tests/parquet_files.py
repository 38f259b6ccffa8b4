# ruff: noqa: E501 - a row a case
"""Parquet files for tests: a table of every type, and files that no honest writer makes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KEYS = {"run": pa.array([1, 1, 2], pa.int32()), "event": pa.array([1, 2, 1], pa.int64())}
TYPES: Mapping[str, Any] = {
    "number": pa.array([1.5, float("nan"), -0.0]),
    "number or none": pa.array([1.5, None, 2.5]),
    "half": pa.array(np.array([1, 2, 3], np.float16)),
    "unsigned": pa.array([1, 2**64 - 1, 0], pa.uint64()),
    "truth": pa.array([True, False, None]),
    "string": pa.array(["a", None, "null"]),
    "bytes": pa.array([b"\xff", b"", None]),
    "words": pa.array(["x", "y", "x"]).dictionary_encode(),
    "codes": pa.array([5, 6, 5]).dictionary_encode(),
    "list": pa.array([[1.0, 2.0], [], [3.0]]),
    "list or none": pa.array([[1.0], [], None]),
    "list of none": pa.array([[1.0, None], [], [2.0]]),
    "list of strings": pa.array([["a", "b"], [], ["a"]]),
    "list of lists": pa.array([[["a"], []], [], None]),
    "pairs": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int16(), 2)),
    "record": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}]),
    "list of records": pa.array([[{"pt": 1.0, "q": None}], [], [{"pt": 2.0, "q": "s"}]]),
    "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int32())),
    "decimal": pa.array([None, "1.25", "2.50"]).cast(pa.decimal128(10, 2)),
    "time": pa.array([1, 2, None], pa.timestamp("ns", tz="UTC")),
    "times": pa.array([[1], [2, 3], []], pa.list_(pa.timestamp("ns"))),
    "day": pa.array([1, 2, 3], pa.date32()),
    "hour": pa.array([1, 2, 3], pa.time64("us")),
    "duration": pa.array([1, 2, 3], pa.duration("s")),
    "uuid": pa.array([bytes(range(n, n + 16)) for n in range(3)], pa.uuid()),
    "document": pa.array(["1", "2", "3"], pa.json_()),
    "nothing": pa.nulls(3),
}
"""A column of three values of each type."""


def parquet(
    columns: Mapping[str, Any], notes: Mapping[str, str] | None = None, **how: Any
) -> bytes:
    """Return a file as pyarrow writes it."""
    stream = BytesIO()
    table = pa.table(dict(columns))
    pq.write_table(table.replace_schema_metadata(notes) if notes else table, stream, **how)
    return stream.getvalue()


# -- by hand --------------------------------------------------------------------------------------

PLAIN, BY_DICTIONARY = 0, 8
INT64, STRING = 2, 6
NONE, ZSTD = 0, 6


class Long(int):
    """An integer of 64 bits; the others are of 32."""


Field: TypeAlias = "int | bytes | list[Any] | dict[int, Any]"


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def thrift(fields: Mapping[int, Field]) -> bytes:
    """Return a structure in the compact protocol."""
    found = bytearray()
    for number, value in fields.items():
        kind, data = _thrift_value(value)
        found += bytes([kind]) + varint(number << 1) + data
    return bytes(found) + b"\x00"


def _thrift_value(value: Field) -> tuple[int, bytes]:
    match value:
        case int():
            return 6 if isinstance(value, Long) else 5, varint(
                value << 1 if value >= 0 else ~(value << 1)
            )
        case bytes():
            return 8, varint(len(value)) + value
        case dict():
            return 12, thrift(value)
        case list():
            kinds = {_thrift_value(one)[0] for one in value} or {5}
            items = b"".join(_thrift_value(one)[1] for one in value)
            return 9, bytes([0xF0 | kinds.pop()]) + varint(len(value)) + items


def page(
    data: bytes, values: int, *, full: int | None = None, encoding: int = PLAIN, first: bool = False
) -> bytes:
    """Return a page, of the dictionary if it is the `first`, that says what it is told to."""
    described: Field = {1: values, 2: encoding} if first else {1: values, 2: encoding, 3: 3, 4: 3}
    kind, where = (2, 7) if first else (0, 5)
    size = len(data) if full is None else full
    return thrift({1: kind, 2: size, 3: len(data), where: described}) + data


def by_hand(
    pages: Sequence[bytes],
    rows: int,
    *,
    physical: int = INT64,
    codec: int = NONE,
    dictionary: bool = False,
    columns: int = 1,
    inner: int = 0,
    **changed: int,
) -> bytes:
    """Return a file of columns that all have the same pages.

    With `inner` its rows are lists of that many values in all; `changed` are fields of the columns.
    """  # fmt: skip
    data = b"".join(pages)
    start = 4
    after = 4 + len(pages[0]) if dictionary else start
    schema: list[Field] = [{4: b"schema", 5: columns}]
    stored: list[Field] = []
    for number in range(columns):
        name = f"c{number}".encode()
        path: list[Any] = [name]
        if inner:
            path += [b"list", b"element"]
            schema += [{3: 0, 4: name, 5: 1, 6: 3}, {3: 2, 4: b"list", 5: 1}]
            schema += [{1: physical, 3: 0, 4: b"element"}]
        else:
            schema += [{1: physical, 3: 0, 4: name}]
        values = changed.get("values", inner or rows)
        about: dict[int, Field] = {
            1: physical, 2: [0], 3: path, 4: codec, 5: Long(values), 6: Long(len(data)),
            7: Long(changed.get("size", len(data))), 9: Long(changed.get("start", after)),
        }  # fmt: skip
        stored.append({2: Long(0), 3: about | ({11: Long(start)} if dictionary else {})})
    groups: list[Field] = [{1: stored, 2: Long(len(data)), 3: Long(rows)}]
    footer = thrift({1: 1, 2: schema, 3: Long(rows), 4: groups})
    return b"PAR1" + data + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def text(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def run_of(index: int, times: int) -> bytes:
    """Return levels or places in a dictionary: one, many times."""
    return varint(times << 1) + bytes([index])


def hostile() -> dict[str, bytes]:
    """Return files that must end with an error, or be read at once."""
    zeros = pa.compress(bytes(64_000_000), codec="zstd", asbytes=True) * 20  # of 1.3 GB
    honest = parquet({**KEYS, **TYPES})
    footer = honest[-8:-4]
    two = struct.pack("<2q", 1, 2)
    long = text(b"x" * 1_000_000)
    many = 15_000_000
    same = b"\x01" + run_of(0, many)
    runs = run_of(0, 1) + run_of(1, many - 1), run_of(1, many)
    levels = [struct.pack("<I", len(run)) + run for run in runs]
    return {
        "nothing": b"",
        "only the magic": b"PAR1",
        "the magic twice": b"PAR1PAR1",
        "a footer that is longer than the file": honest[:-8] + b"\xff\xff\xff\x7f" + b"PAR1",
        "a footer of no bytes": honest[:-8] + bytes(4) + b"PAR1",
        "encrypted": b"PARE" + honest[4:-4] + b"PARE",
        "cut in half": honest[: len(honest) // 2],
        "cut in half, with its footer": honest[:500] + honest[-8 - int.from_bytes(footer, "little") :],
        "a gigabyte of zeros, which the page says": by_hand(
            [page(zeros, 160_000_000, full=1_280_000_000)], 160_000_000, codec=ZSTD),
        "a gigabyte of zeros, of which nobody says": by_hand(
            [page(zeros, 2, full=16)], 2, codec=ZSTD),
        "a gigabyte of zeros, and two values": by_hand(
            [page(zeros, 2, full=1_280_000_000)], 2, codec=ZSTD),
        "a page of two gigabytes that is not there": by_hand([page(two, 2, full=2**31 - 1)], 2, codec=ZSTD),
        "a page of a negative size": by_hand([page(two, 2, full=-5)], 2, codec=ZSTD),
        "a trillion rows": by_hand([page(two, 2)], 10**12),
        "a trillion rows of no column": by_hand([page(two, 2)], 10**12, columns=0),
        "as many rows as there may be, and no values": by_hand([page(two, 2)], 19_000_000),
        "more values than rows": by_hand([page(two, 2)], 1, values=2),
        "fewer values than rows": by_hand([page(two, 2)], 2, values=1),
        "a negative number of rows": by_hand([page(two, 2)], -2),
        "a page of more values than the column": by_hand([page(two, 2**31 - 1)], 2),
        "a column that starts before the file": by_hand([page(two, 2)], 2, start=-5),
        "a column that ends after the file": by_hand([page(two, 2)], 2, size=10**9),
        "a column of no page": by_hand([page(two, 2)], 2, size=0),
        "very many columns of one page": by_hand([page(two, 2)], 2, columns=5_000),
        "a string of a megabyte, fifteen million times": by_hand(
            [page(long, 1, first=True), page(same, many, encoding=BY_DICTIONARY)],
            many, physical=STRING, dictionary=True),
        "a string of a megabyte, a thousand times": by_hand(
            [page(long, 1, first=True), page(b"\x01" + run_of(0, 1000), 1000, encoding=BY_DICTIONARY)],
            1000, physical=STRING, dictionary=True),
        "a list of fifteen million strings of a megabyte": by_hand(
            [page(long, 1, first=True),
             page(b"".join(levels) + same, many, encoding=BY_DICTIONARY)],
            1, physical=STRING, dictionary=True, inner=many),
        "a list of fifteen million numbers": by_hand(
            [page(struct.pack("<q", 1), 1, first=True),
             page(b"".join(levels) + same, many, encoding=BY_DICTIONARY)],
            1, dictionary=True, inner=many),
        "a place that is not in the dictionary": by_hand(
            [page(two, 2, first=True), page(b"\x08" + run_of(200, 2), 2, encoding=BY_DICTIONARY)],
            2, dictionary=True),
        "a dictionary that says to have more": by_hand(
            [page(two, 10**9, first=True), page(b"\x01" + run_of(0, 2), 2, encoding=BY_DICTIONARY)],
            2, dictionary=True),
        "structures in each other": b"PAR1" + b"\x1c" * 100_000 + (100_000).to_bytes(4, "little") + b"PAR1",
        "a list of two billion": b"PAR1\x19\xfc\xff\xff\xff\xff\x07\x00" + (7).to_bytes(4, "little") + b"PAR1",
    }  # fmt: skip
