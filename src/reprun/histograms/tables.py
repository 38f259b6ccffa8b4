"""CSV tables: the first column names the row, every other column holds numbers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from reprun.errors import OutputMissingError
from reprun.histograms.model import Table, number


def read_table(path: Path, text: str) -> Table:
    """Read a table, called by the file's stem, from the text of a CSV file.

    Lines that start with `#` are remarks. An empty cell is NaN. Raises OutputMissingError
    that names file, line and column of the first fault.
    """
    lines = ["" if line.startswith("#") else line for line in text.splitlines()]
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    rows: dict[str, list[float]] = {}
    try:
        for cells in reader:
            if not cells:
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                continue
            place = f"{path}:{reader.line_num}"
            if len(cells) != len(header):
                raise _fault(path, f"{len(cells)} cells, the heading has {len(header)}", place)
            row = cells[0].strip()
            if row in rows:
                raise _fault(path, f"the row '{row}' stands twice", place)
            rows[row] = [
                _cell(path, cell, column, place)
                for cell, column in zip(cells[1:], header[1:], strict=True)
            ]
    except csv.Error as error:
        raise _fault(path, str(error), f"{path}:{reader.line_num}") from error
    if header is None:
        raise _fault(path, "it is empty", str(path))
    if len(set(header[1:])) != len(header) - 1:
        raise _fault(path, "a column heading stands twice", str(path))
    values = np.array(list(rows.values()), dtype=np.float64)
    shape = (len(rows), len(header) - 1)
    return Table(path.stem, tuple(rows), tuple(header[1:]), values.reshape(shape), header[0])


def table_text(table: Table) -> str:
    """Return the CSV text of a table; reading it gives the same numbers, bit for bit."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([table.corner, *table.columns])
    for row, values in zip(table.rows, table.values.tolist(), strict=True):
        writer.writerow([row, *(repr(number(value)) for value in values)])
    return out.getvalue()


def _cell(path: Path, cell: str, column: str, place: str) -> float:
    text = cell.strip()
    if not text:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise _fault(path, f"'{text}' in column '{column}' is not a number", place) from None


def _fault(path: Path, what: str, place: str) -> OutputMissingError:
    return OutputMissingError(f"{path.name} is not a readable table: {what}", place=place)
