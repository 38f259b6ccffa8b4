"""CSV tables of events: a row is an event, which columns of it name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reprun.digests import canonical_json, sha256_bytes
from reprun.histograms.csv_rows import read_rows, unreadable_table
from reprun.histograms.events import (
    ENTRIES,
    NUMBER,
    TEXT,
    Column,
    canonical_values,
    event_names,
)
from reprun.histograms.facts import is_exact, is_number
from reprun.histograms.model import Unread, printable
from reprun.histograms.tables import ABOUT

CLASS_NAME = "table of events"
INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
LARGEST_INTEGER = 2**63


@dataclass(frozen=True, slots=True)
class EventTable:
    """A table of events that was read whole."""

    held: Mapping[str, Column]
    entries: int

    @property
    def columns(self) -> Sequence[str]:
        """The columns, in the order of the file."""
        return list(self.held)

    def opened(self) -> AbstractContextManager[EventTable]:
        """Return the table itself."""
        return nullcontext(self)

    def column(self, name: str) -> Column:
        """Return one column."""
        return self.held[name]


def is_event_table(path: Path, text: str) -> bool:
    """Say whether the columns that name an event are more than the one that names the row."""
    if text.startswith(ABOUT):
        return False
    _, heading = next(read_rows(path, text), ("", []))
    columns = [cell.strip() for cell in heading]
    names = event_names(columns)
    return len(names) > 1 and columns[0] in names


def read_event_table(path: Path, text: str) -> Unread:
    """Read a table of events from the text of a CSV file.

    A column is of numbers, where an empty cell is NaN, or of text. Raises OutputMissingError that
    names file and line of the first fault.
    """
    rows = read_rows(path, text)
    _, heading = next(rows)
    names = [printable(cell.strip()) for cell in heading]
    if len({*names, ENTRIES}) != len(names) + 1:
        raise unreadable_table(path, "a column heading is duplicated", str(path))
    cells = [tuple(cell.strip() for cell in row) for _, row in rows]
    columns = {name: _column([row[number] for row in cells]) for number, name in enumerate(names)}
    parts = {name: _digest(column) for name, column in columns.items()}
    parts[ENTRIES] = str(len(cells))
    return Unread(CLASS_NAME, parts, events=EventTable(columns, len(cells)))


def _column(cells: Sequence[str]) -> Column:
    """Return a column by its values: `5.0` and `5` are one number."""
    if all(INTEGER.fullmatch(cell) and abs(int(cell)) < LARGEST_INTEGER for cell in cells):
        return Column(NUMBER, np.array([int(cell) for cell in cells], dtype=np.int64))
    if all((is_number(cell) or not cell) and is_exact(cell) for cell in cells):
        values = np.array([float(cell or "nan") for cell in cells], dtype=np.float64)
        whole = bool((values == np.round(values)).all() and (np.abs(values) < 2**53).all())
        return Column(NUMBER, values.astype(np.int64) if whole else values)
    return Column(TEXT, np.array([printable(cell) for cell in cells], dtype=object))


def _digest(column: Column) -> str:
    if column.type == TEXT:
        return sha256_bytes(canonical_json(column.values.tolist()))
    kind = canonical_json(column.values.dtype.kind)
    return sha256_bytes(b"".join([kind, canonical_values(column.values)]))
