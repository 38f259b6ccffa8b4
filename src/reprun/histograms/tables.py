"""CSV tables: the first column names the row, every other column holds numbers."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any, get_args

import numpy as np

from reprun.bounded.parsing import BROKEN_VALUES, parse_json
from reprun.errors import OutputMissingError
from reprun.histograms.csv_rows import read_rows, unreadable_table
from reprun.histograms.facts import is_exact, remember
from reprun.histograms.model import Axis, AxisKind, Table, number, printable

ABOUT = "# reprun: "
"""Starts the remark that says what a table is when it is a profile, a graph or the like."""
ABOUT_FIELDS = ("name", "class_name", "axes", "entries", "title")
"""What it always says; `facts` beside it where there are some."""
AXIS_FIELDS = ("edges", "kind", "labels", "title", "underflow", "overflow")


def read_table(path: Path, name: str, text: str) -> Table:
    """Read a table, called `name` if it does not say its own, from the text of a CSV file.

    Lines that start with `#` are remarks. An empty cell is NaN. An integer that float64 does not
    hold is a fact. Raises OutputMissingError that names file, line and column of the first fault.
    """
    about = _about(path, text)
    facts: dict[str, str] = about.pop("facts", {})
    header: list[str] | None = None
    rows: dict[str, list[float]] = {}
    for place, cells in read_rows(path, text):
        if header is None:
            header = [cell.strip() for cell in cells]
            continue
        row = cells[0].strip()
        if row in rows:
            raise unreadable_table(path, f"the row '{row}' is duplicated", place)
        rows[row] = [
            _cell(path, cell, column, place)
            for cell, column in zip(cells[1:], header[1:], strict=True)
        ]
        for cell, column in zip(cells[1:], header[1:], strict=True):
            if not is_exact(cell):
                remember(facts, f"row '{row}', column '{column}'", cell.strip())
    if header is None:
        raise unreadable_table(path, "it is empty", str(path))
    if len(set(header[1:])) != len(header) - 1:
        raise unreadable_table(path, "a column heading is duplicated", str(path))
    values = np.array(list(rows.values()), dtype=np.float64)
    shape = (len(rows), len(header) - 1)
    name = str(about.pop("name", name))
    axes: tuple[Axis, ...] = about.get("axes", ())
    if axes and len(rows) != math.prod(axis.bins + 2 for axis in axes):
        what = f"{len(rows)} rows are not the bins of its first line"
        raise unreadable_table(path, what, f"{path}:1")
    return Table(
        name, tuple(rows), tuple(header[1:]), values.reshape(shape), header[0], facts=facts, **about
    )


def table_text(table: Table) -> str:
    """Return the CSV text of a table; reading it gives the same numbers, bit for bit."""
    out = io.StringIO()
    if table.class_name != "table" or table.facts:
        out.write(ABOUT + json.dumps(_described(table), ensure_ascii=False) + "\n")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([table.corner, *table.columns])
    for row, values in zip(table.rows, table.values.tolist(), strict=True):
        writer.writerow([row, *(repr(number(value)) for value in values)])
    return out.getvalue()


def _described(table: Table) -> dict[str, Any]:
    """Return what a table of bins or points is besides its numbers."""
    axes = [
        {
            "edges": axis.edges.tolist(),
            "kind": axis.kind,
            "labels": axis.labels,
            "title": axis.title,
            "underflow": axis.underflow,
            "overflow": axis.overflow,
        }
        for axis in table.axes
    ]
    return {
        "name": table.name,
        "class_name": table.class_name,
        "axes": axes,
        "entries": table.entries,
        "title": table.title,
        **({"facts": dict(table.facts)} if table.facts else {}),
    }


def table_name(path: Path, text: str) -> str:
    """Return what the table of a CSV text is called, without reading its cells.

    That is what its first line says, or the stem of its file. Raises OutputMissingError.
    """
    return str(_about(path, text).get("name", path.stem))


def _about(path: Path, text: str) -> dict[str, Any]:
    first = text.partition("\n")[0]
    if not first.startswith(ABOUT):
        return {}
    try:
        about: dict[str, Any] = parse_json(first.removeprefix(ABOUT))
        if unknown := sorted(about.keys() - {*ABOUT_FIELDS, "facts"}):
            raise ValueError(f"the field '{unknown[0]}' is not known")
        about["axes"] = tuple(map(_axis, about["axes"]))
        about |= {name: printable(str(about[name])) for name in ("name", "class_name", "title")}
        about["entries"] = None if about["entries"] is None else float(about["entries"])
        about["facts"] = {name: str(said) for name, said in about.get("facts", {}).items()}
    except BROKEN_VALUES as error:
        raise unreadable_table(path, f"its first line: {error}", f"{path}:1") from error
    return about


def _axis(content: dict[str, Any]) -> Axis:
    if unknown := sorted(content.keys() - set(AXIS_FIELDS)):
        raise ValueError(f"the field '{unknown[0]}' of an axis is not known")
    labels = content["labels"]
    return Axis(
        np.array(content["edges"], dtype=np.float64),
        content["kind"] if content["kind"] in get_args(AxisKind) else "variable",
        None if labels is None else tuple(map(str, labels)),
        str(content["title"]),
        bool(content["underflow"]),
        bool(content["overflow"]),
    )


def _cell(path: Path, cell: str, column: str, place: str) -> float:
    text = cell.strip()
    if not text:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise OutputMissingError(
            f"{path.name} is not a readable table: '{text[:40]}' in column '{column[:40]}' "
            "is not a number",
            place=place,
            hint="a table has the name of each row in its first column, and numbers in all others",
        ) from None
