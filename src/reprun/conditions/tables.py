"""Tables of numbers that scale an analysis: normalisation of simulated samples, by row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.errors import SpecificationError, did_you_mean

PB_IN_FB = 1000.0

Row = Mapping[str, str]


def read_table(path: Path, key: str) -> dict[str, Row]:
    """Read a CSV table; rows by the value of their key column. Raises SpecificationError."""
    return rows_of(io.StringIO(text_of(path, limits.TEXT_BYTES), newline=""), key, str(path))


def rows_of(stream: Iterable[str], key: str, place: str) -> dict[str, Row]:
    """Return the rows of a CSV table by the value of their key column; `place` is what it is
    called in errors.

    Raises SpecificationError for a table without that column, and for a row that is not right.
    """
    reader = csv.DictReader(stream)
    rows: dict[str, Row] = {}
    try:
        if key not in (reader.fieldnames or ()):
            raise SpecificationError(
                f"{place.rpartition('/')[2]} has no column '{key}'"
                + did_you_mean(key, reader.fieldnames or ()),
                place=f"{place}:1",
            )
        for row in reader:
            if row[key] in rows:
                raise SpecificationError(
                    f"{key} {row[key]} is duplicated", place=f"{place}:{reader.line_num}"
                )
            if None in row or None in row.values():
                raise SpecificationError(
                    f"the row of {key} {row[key]} has a different number of columns",
                    place=f"{place}:{reader.line_num}",
                )
            rows[row[key]] = row
    except csv.Error as error:
        raise SpecificationError(
            f"not a table: {error}", place=f"{place}:{reader.line_num}"
        ) from error
    return rows


def sample_weight(row: Row, luminosity_per_fb: float) -> float:
    """Return the weight of one simulated event of unit generator weight.

    w = sigma * k * eff * L / sum of weights, with the columns of the ATLAS open-data metadata
    table (cross-section in pb, luminosity in 1/fb), as the collaboration's example notebooks
    write it.
    """
    try:
        sigma, k = float(row["crossSection_pb"]), float(row["kFactor"])
        efficiency, weights = float(row["genFiltEff"]), float(row["sumOfWeights"])
    except (KeyError, ValueError) as error:
        raise SpecificationError(f"this is not a row of a metadata table: {error}") from error
    if weights == 0:
        raise SpecificationError("the sum of weights of the row is 0")
    return sigma * k * efficiency * luminosity_per_fb * PB_IN_FB / weights


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table that is no longer what it was; None stands for no row."""

    row: str
    column: str
    before: str | None
    now: str | None

    def __str__(self) -> str:
        """Name the cell and both values."""
        if self.before is None:
            return f"metadata: row {self.row} is new"
        if self.now is None:
            return f"metadata: row {self.row} is gone"
        return f"metadata: row {self.row}: {self.column} {self.before} → {self.now}"


def changed_cells(before: Mapping[str, Row], now: Mapping[str, Row]) -> list[Cell]:
    """Return what differs between two tables, row by row."""
    cells: list[Cell] = []
    for name in sorted(before.keys() | now.keys()):
        if name not in now:
            cells.append(Cell(name, "", "", None))
        elif name not in before:
            cells.append(Cell(name, "", None, ""))
        else:
            old, new = before[name], now[name]
            cells += [
                Cell(name, column, old.get(column, "-"), new.get(column, "-"))
                for column in dict.fromkeys([*old, *new])
                if old.get(column) != new.get(column)
            ]
    return cells
