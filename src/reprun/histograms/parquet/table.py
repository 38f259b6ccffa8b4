"""The table of a Parquet file: columns by digest and by value, and what is noted beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reprun.bounded import limits
from reprun.digests import canonical_json, sha256_bytes
from reprun.histograms.events import ENTRIES, Column, Values
from reprun.histograms.facts import remember
from reprun.histograms.parquet.columns import (
    column_of,
    digest_of,
    is_string,
    leaf_numbers,
    leaves_of,
    number_leaves,
    type_name,
)
from reprun.histograms.parquet.footer import read_footer
from reprun.histograms.parquet.pages import check_pages
from reprun.histograms.parquet.strings import (
    ROWS_AT_A_TIME,
    may_stay_in_dictionary,
    rows_at_a_time,
)
from reprun.histograms.parquet.thrift import BrokenError

WRITERS = ("ARROW:schema", "pandas", "org.apache.", "parquet.avro.", "avro.", "writer.", "iceberg.")
"""How keys begin under which writers say what the table was in their memory."""
FIELD_ID = b"PARQUET:field_id"


class ParquetTable:
    """The table of a file, open while a `with` block runs.

    Raises pyarrow's errors for a file that is damaged, BrokenError and LimitError.
    """

    def __init__(self, path: Path, data: memoryview) -> None:
        footer = read_footer(data)
        check_pages(data, footer)
        self._data = data
        self._notes = footer.notes
        self._schema = pq.read_schema(path)
        self.entries = footer.rows
        self.columns: Sequence[str] = list(self._schema.names)
        if len({*self.columns, ENTRIES}) != len(self.columns) + 1:
            raise BrokenError("a column name is duplicated")
        leaves = iter(footer.leaves)
        self._leaves = {one.name: list(islice(leaves, leaves_of(one.type))) for one in self._schema}
        if next(leaves, None) is not None:
            raise BrokenError("its columns are not those of its schema")
        self._dictionaries = {
            one.name
            for one in self._schema
            if is_string(one.type) and may_stay_in_dictionary(data, self._leaves[one.name][0])
        }
        self._file = pq.ParquetFile(
            path,
            memory_map=True,
            pre_buffer=False,
            read_dictionary=sorted(self._dictionaries),
            page_checksum_verification=True,
        )

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def digests(self) -> Iterator[tuple[str, bool, str]]:
        """Yield each column, whether it is decoded, and the digest of its values or its bytes."""
        most = limits.FREE_STRINGS.value + limits.FILE_RATIO * len(self._data)
        for one in self._schema:
            rows = self._rows_at_a_time(one)
            if rows:
                try:
                    yield one.name, True, digest_of(one.type, self._arrays(one.name, rows), most)
                    continue
                except NotImplementedError:
                    pass  # pyarrow's, for what it knows and does not decode
            yield one.name, False, self._digest_of_bytes(one)

    def column(self, name: str) -> Column:
        """Read one column."""
        return column_of(self._file.read([name], use_threads=False)[name])

    def leaves(self) -> Iterator[tuple[tuple[str, ...], str | None]]:
        """Yield where numbers are, alone or in lists and records; of what is no number its type."""
        for one in self._schema:
            yield from number_leaves(one)

    def first(self, place: Sequence[str], rows: int) -> tuple[bool, Values]:
        """Return whether a leaf is in lists, and its numbers in the first rows that are there."""
        name, *inner = place
        for batch in self._file.iter_batches(rows, columns=[name], use_threads=False):
            return leaf_numbers(batch.column(name), inner)
        return False, np.array([])

    def facts(self) -> dict[str, str]:
        """Return what is noted beside the numbers: of the table and of its columns."""
        found: dict[str, str] = {}
        for key, value in self._notes:
            if not key.startswith(WRITERS):
                remember(found, key, value)
        for one in self._schema:
            found |= _facts_of(one, f"the column {one.name}")
        return found

    def _rows_at_a_time(self, one: Any) -> int:
        if one.name in self._dictionaries:
            return ROWS_AT_A_TIME
        return rows_at_a_time(self._data, self._leaves[one.name], flat=is_string(one.type))

    def _arrays(self, name: str, rows: int) -> Iterator[Any]:
        """Yield the values of a column. Raises BrokenError for more or fewer than declared."""
        left = self.entries
        for batch in self._file.iter_batches(rows, columns=[name], use_threads=False):
            left -= len(batch)
            yield batch.column(name)
        if left:
            raise BrokenError(f"the column {name} has another number of rows")

    def _digest_of_bytes(self, one: Any) -> str:
        """Return the digest of type and stored bytes of a column."""
        stored = hashlib.sha256()
        for leaf in self._leaves[one.name]:
            for chunk in leaf.chunks:
                stored.update(self._data[chunk.start : chunk.start + chunk.size])
        return sha256_bytes(canonical_json([type_name(one.type), stored.hexdigest()]))


def _facts_of(field: Any, called: str) -> dict[str, str]:
    """Return what is noted of a column, and of what is in it."""
    found = {
        f"{_text(key)} of {called}": _text(value)
        for key, value in (field.metadata or {}).items()
        if key != FIELD_ID
    }
    kind = field.type
    for n in range(kind.num_fields if pa.types.is_nested(kind) else 0):
        found |= _facts_of(kind.field(n), f"{called}.{kind.field(n).name}")
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
