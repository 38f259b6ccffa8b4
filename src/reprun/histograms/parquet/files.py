"""Parquet files: a table whose rows are events, as a tree is: by the digests of its columns."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from reprun.bounded.limits import LimitError
from reprun.errors import OutputMissingError
from reprun.histograms.events import ENTRIES, STORED, Events
from reprun.histograms.facts import as_annotations
from reprun.histograms.model import Objects, Unread
from reprun.histograms.parquet.thrift import BrokenError
from reprun.wording import shortened

if TYPE_CHECKING:
    from reprun.histograms.parquet.table import ParquetTable

CLASS_NAME = "Parquet table"


def read_parquet(path: Path, name: str) -> Objects:
    """Read a table, called `name`, and what its writer has noted beside the numbers.

    Raises OutputMissingError for a file that is truncated, damaged or beyond the limits, and where
    pyarrow is not installed.
    """
    with opened_parquet(path) as table:
        digests = list(table.digests())
        parts = {
            name if decoded else name + STORED: digest for name, decoded, digest in digests
        } | {ENTRIES: str(table.entries)}
        columns = [name for name, decoded, _ in digests if decoded]
        events = ParquetEvents(path, table.entries, columns)
        notes = as_annotations(name, table.facts())
    return Objects(notes, {name: Unread(CLASS_NAME, parts, events=events)})


@dataclass(frozen=True, slots=True)
class ParquetEvents:
    """The rows of a table in a file."""

    path: Path
    entries: int
    columns: Sequence[str]
    """Those that are decoded."""

    @contextmanager
    def opened(self) -> Iterator[Events]:
        """Yield the events to read. Raises OutputMissingError if the file has changed since."""
        with opened_parquet(self.path) as table:
            table.columns = self.columns
            yield table


@contextmanager
def opened_parquet(path: Path) -> Iterator[ParquetTable]:
    """Yield the table of a file whose pages are within the limits.

    Raises OutputMissingError as `read_parquet` does.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise OutputMissingError(
            f"cannot read {path.name}: Parquet needs pyarrow, which is not installed",
            place=str(path),
            hint="pip install 'reprun[parquet]'",
        ) from error
    from reprun.histograms.parquet.table import ParquetTable  # noqa: PLC0415 - needs pyarrow

    if not path.stat().st_size:
        raise _unreadable(path, "it is empty")
    try:
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ) as mapped,
            memoryview(mapped) as data,
            ParquetTable(path, data) as table,
        ):
            yield table
    except (pa.ArrowException, BrokenError, LimitError, OSError, UnicodeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, what: object) -> OutputMissingError:
    lines = str(what).splitlines() or [type(what).__name__]
    return OutputMissingError(
        f"{path.name} is not a readable Parquet file: {shortened(lines[0])}", place=str(path)
    )
