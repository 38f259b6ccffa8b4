"""The footer of a Parquet file: where its columns are, and what is noted beside them.

pyarrow ends the process over some footers that are damaged when it is asked for their parts, so
they are read here. The numbers of the fields are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reprun.histograms.parquet.thrift import BrokenError, structure

MAGIC = b"PAR1"
BYTE_ARRAY = 6
"""The type of strings."""
REPEATED = 2
CODECS = {0: "", 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
"""What pyarrow calls them; no other is decompressed outside of it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The part of a leaf that is in one row group."""

    start: int
    size: int
    values: int
    """As the footer says, missing ones included."""
    codec: str | None
    """None for one that is not known."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column as it is stored: of numbers or strings."""

    is_string: bool
    in_lists: bool
    """Whether a row may have other than one value, or none that is missing."""
    chunks: Sequence[Chunk]


@dataclass(frozen=True, slots=True)
class Footer:
    """What the end of a file says."""

    rows: int
    leaves: Sequence[Leaf]
    """Depth first, as in the schema."""
    notes: Sequence[tuple[str, str]]
    """Keys and values of the table and of its columns, whoever wrote them."""


def read_footer(data: memoryview) -> Footer:
    """Return the footer of a file. Raises BrokenError."""
    if len(data) < 12 or data[:4] != MAGIC or data[-4:] != MAGIC:
        ends = "start" if data[:4] != MAGIC else "end"
        raise BrokenError(f"it does not {ends} with 'PAR1'")
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    if start < 4:
        raise BrokenError("its footer is longer than the file")
    try:
        return _footer(structure(data, start)[0])
    except BrokenError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BrokenError("its footer lacks a field") from error


def _footer(about: Mapping[int, Any]) -> Footer:
    kinds = list(_leaves(about[2]))
    groups = [group[1] for group in about[4]]
    if any(len(group) != len(kinds) for group in groups):
        raise BrokenError("a row group has other columns than the table")
    leaves = [
        Leaf(kind == BYTE_ARRAY, in_lists, [_chunk(group[number]) for group in groups])
        for number, (kind, in_lists) in enumerate(kinds)
    ]
    if any(sum(one.values for one in leaf.chunks) != about[3]
           for leaf in leaves if not leaf.in_lists):  # fmt: skip
        raise BrokenError("a column has another number of values than the table has rows")
    notes = [*_notes(about.get(5, ()))]
    for group in groups:
        for column in group:
            path = ".".join(_text(part) for part in column[3][3])
            for key, value in _notes(column[3].get(8, ())):
                notes.append((f"{key} of {path}", value))
    return Footer(int(about[3]), leaves, notes)


def _leaves(schema: Sequence[Mapping[int, Any]]) -> Iterator[tuple[int, bool]]:
    """Yield type and whether it is in lists of each leaf; a group is followed by what is in it."""
    open_groups = [[schema[0].get(5, 0), False]]
    for one in schema[1:]:
        while open_groups and not open_groups[-1][0]:
            open_groups.pop()
        open_groups[-1][0] -= 1
        in_lists = open_groups[-1][1] or one.get(3) == REPEATED
        if one.get(5):
            open_groups.append([one[5], in_lists])
        else:
            yield one[1], in_lists


def _chunk(column: Mapping[int, Any]) -> Chunk:
    if column.get(1):
        raise BrokenError("a column is in another file")
    about = column[3]
    start = int(about[9])
    if about.get(11):  # some writers say 0 where there is no dictionary
        start = min(start, int(about[11]))
    return Chunk(start, int(about[7]), int(about[5]), CODECS.get(about[4]))


def _notes(pairs: Sequence[Mapping[int, Any]]) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        yield _text(pair[1]), _text(pair.get(2, b""))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
