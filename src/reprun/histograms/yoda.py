"""YODA text, the format of Rivet: versions 1 (`_V1`, `_V2`) and 2 (`_V3`).

Histograms become histograms, everything else tables with the numbers of each bin or point.
Moments of x are not kept: they follow the fills and YODA writers round them on their own.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reprun.bounded.parsing import BROKEN_VALUES, parse_json
from reprun.errors import OutputMissingError, StorageError
from reprun.histograms.composites import GRAPH_COLUMNS, binned_table, points_table
from reprun.histograms.model import Axis, DataObject, Floats, Histogram, Objects, Table
from reprun.wording import shortened

_BEGIN = re.compile(r"^BEGIN YODA_(\w+?)(?:<([\w,]*)>)?(?:_V(\d{1,9}))? +(\S.*)$")
ROUNDING = 1e-9
SCATTERS = {
    "SCATTER1D": ("x", "x error low", "x error high"),
    "SCATTER2D": ("x", "x error low", "x error high", "y", "y error low", "y error high"),
    "SCATTER3D": (
        *("x", "x error low", "x error high", "y", "y error low", "y error high"),
        *("z", "z error low", "z error high"),
    ),
}


class _UnsupportedError(Exception):
    """This one object cannot be represented; the message says why."""


@dataclass(slots=True)
class _Block:
    kind: str
    version: int
    path: str
    line: int
    title: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    rows: list[list[str]] = field(default_factory=list)


def read_yoda(path: Path, text: str) -> Objects:
    """Read all objects by their YODA path without the leading slash.

    Raises OutputMissingError that names the line of the first fault.
    """
    found: dict[str, DataObject] = {}
    unsupported: dict[str, str] = {}
    for block in _blocks(path, text):
        name = block.path.lstrip("/")
        if name in found or name in unsupported:
            raise _fault(path, block.line, f"'{block.path}' is duplicated")
        try:
            found[name] = _object(name, block)
        except _UnsupportedError as reason:
            unsupported[name] = f"YODA {block.kind.title()}: {reason}"
        except BROKEN_VALUES as error:
            raise _fault(path, block.line, f"'{block.path}': {error}") from error
    if not (found or unsupported) and text.strip():
        raise _fault(path, 1, "no BEGIN YODA line")
    return Objects(found, unsupported)


def yoda_text(histograms: Iterable[Histogram]) -> str:
    """Return histograms of one axis as YODA_HISTO1D_V2, which YODA 1 and 2 read.

    Moments of x are those of bin centres. Raises StorageError for more axes or labels.
    """
    return "\n".join(_histo1d(one) for one in sorted(histograms, key=lambda one: one.name))


def _blocks(path: Path, text: str) -> Iterator[_Block]:
    block: _Block | None = None
    head = False
    for number, line in enumerate(text.splitlines(), start=1):
        if block is None:
            if begins := _BEGIN.match(line.rstrip()):
                kind, _, version, name = begins.groups()
                block, head = _Block(kind, int(version or 1), name, number), True
            elif line.strip() and not line.startswith("#"):
                raise _fault(path, number, f"'{line[:40]}' is outside an object")
        elif line.startswith("BEGIN YODA"):
            break
        elif line.startswith("END YODA"):
            yield block
            block = None
        elif head:
            head = line.strip() != "---"
            if line.startswith("Title:"):
                block.title = line.removeprefix("Title:").strip().strip('"')
        elif ":" in line and not line.startswith("#"):
            key, _, value = line.partition(":")
            block.settings[key.strip()] = value.strip()
        elif line.strip() and not line.startswith("#"):
            block.rows.append(line.split())
    if block is not None:
        raise _fault(path, block.line, f"'{block.path}' has no END")


def _object(name: str, block: _Block) -> DataObject:
    if block.kind in SCATTERS:
        return _scatter(name, block)
    if block.kind == "COUNTER":
        row = _numbers(block.rows)[:1, :3]
        columns = ("sumw", "sumw2", "entries")
        return points_table(name, "Counter", columns, row, block.title)
    if "ESTIMATE" in block.kind:
        return _estimate(name, block)
    if block.kind in ("HISTO1D", "HISTO2D", "PROFILE1D", "PROFILE2D"):
        axes, numbers = _axes(block) if block.version >= 3 else _old_axes(block)
        return _filled(name, block, axes, numbers)
    raise _UnsupportedError("this class cannot be compared")


def _filled(name: str, block: _Block, axes: tuple[Axis, ...], rows: Floats) -> DataObject:
    """Return a histogram, or a profile as a table; columns: sumw, sumw2, moments, entries.

    The bins of YODA 2 stand with x running fastest.
    """
    shape = tuple(axis.bins + 2 for axis in axes)
    if len(rows) != math.prod(shape):
        raise ValueError(f"{len(rows)} rows of numbers for {shape} bins with flow")
    cube = [column.reshape(shape[::-1]).T for column in rows.T]
    entries = float(rows[:, -1].sum())
    if block.kind.startswith("HISTO"):
        return Histogram(name, axes, cube[0], cube[1], entries=entries, title=block.title)
    at = 2 + 2 * len(axes)
    columns = {"sumw": cube[0], "sumw2": cube[1], "sumwy": cube[at], "sumwy2": cube[at + 1]}
    return binned_table(name, block.kind.title(), axes, columns, entries=entries, title=block.title)


def _axes(block: _Block) -> tuple[tuple[Axis, ...], Floats]:
    edges = [
        np.array(parse_json(value), dtype=np.float64)
        for key, value in block.settings.items()
        if key.startswith("Edges(")
    ]
    if "MaskedBins" in block.settings and parse_json(block.settings["MaskedBins"]):
        raise _UnsupportedError("masked bins")
    return tuple(Axis(one) for one in edges), _numbers(block.rows)


def _old_axes(block: _Block) -> tuple[tuple[Axis, ...], Floats]:
    """Return axes and rows with flow of YODA 1; gaps between bins cannot be represented."""
    if block.kind.endswith("2D"):
        return _old_plane(block)
    flow = {row[0]: _numbers([row[2:]]) for row in block.rows if row[0][0].isalpha()}
    table = _numbers([row for row in block.rows if not row[0][0].isalpha()])
    if not len(table):
        raise _UnsupportedError("no bins")
    low, high = table[:, 0], table[:, 1]
    if not np.array_equal(low[1:], high[:-1]):
        raise _UnsupportedError("gaps between bins")
    axis = Axis(np.append(low, high[-1]))
    return (axis,), np.vstack((flow["Underflow"], table[:, 2:], flow["Overflow"]))


def _old_plane(block: _Block) -> tuple[tuple[Axis, ...], Floats]:
    """Return two axes and rows with flow of YODA 1.

    It keeps no flow bins but the totals: what lies outside of the bins goes into the last
    corner, so that it is compared too.
    """
    listed = [row for row in block.rows if not row[0][0].isalpha()]
    widths = {"HISTO2D": 8, "PROFILE2D": 9}
    table = _numbers(listed)
    if not len(table) or table.shape[1] != 4 + widths[block.kind]:
        raise _UnsupportedError(f"{table.shape[-1] if len(table) else 0} columns of numbers")
    axes = []
    for low, high in (table[:, 0:2].T, table[:, 2:4].T):
        lows, highs = np.unique(low), np.unique(high)
        if not np.array_equal(lows[1:], highs[:-1]):
            raise _UnsupportedError("bins that form no grid")
        axes.append(Axis(np.append(lows, highs[-1])))
    shape = axes[0].bins, axes[1].bins
    places = [np.searchsorted(axis.edges, table[:, 2 * n]) + 1 for n, axis in enumerate(axes)]
    if len(table) != shape[0] * shape[1] or len(set(zip(*places, strict=True))) != len(table):
        raise _UnsupportedError("bins that form no grid")
    cube = np.zeros((shape[0] + 2, shape[1] + 2, table.shape[1] - 4))
    cube[places[0], places[1]] = table[:, 4:]
    total = next((_numbers([row[2:]])[0] for row in block.rows if row[0] == "Total"), None)
    if total is not None and len(total) == cube.shape[2]:
        outside = total - table[:, 4:].sum(axis=0)
        # Sums in another order differ in rounding; that is not an entry.
        outside[np.abs(outside) <= ROUNDING * np.abs(total)] = 0.0
        cube[-1, -1] = outside
    rows = cube.transpose(1, 0, 2).reshape(-1, cube.shape[2])
    return tuple(axes), rows


def _scatter(name: str, block: _Block) -> Table:
    columns = SCATTERS[block.kind]
    values = _numbers(block.rows).reshape(-1, len(columns))
    if block.kind == "SCATTER2D":
        values = values[:, [columns.index(column) for column in GRAPH_COLUMNS]]
        columns = GRAPH_COLUMNS
    return points_table(name, block.kind.title(), columns, values, block.title)


def _estimate(name: str, block: _Block) -> Table:
    """Return values with their errors by source; edges may be numbers, whole ones or words."""
    labels = parse_json(block.settings.get("ErrorLabels", "[]"))
    values = _numbers(block.rows)
    sources = labels or [""] * ((values.shape[1] - 1) // 2)
    columns = ["value"]
    for source in sources:
        columns += [f"{source} error low".strip(), f"{source} error high".strip()]
    listed = [
        parse_json(value) for key, value in block.settings.items() if key.startswith("Edges(")
    ]
    kind = block.kind.title()
    if block.kind.startswith("ESTIMATE") and block.kind != "ESTIMATE0D":
        axes = tuple(Axis(np.array(edges, dtype=np.float64)) for edges in listed)
        shape = tuple(axis.bins + 2 for axis in axes)
        if len(values) == math.prod(shape):
            cubes = [column.reshape(shape[::-1]).T for column in values.T]
            return binned_table(
                name, kind, axes, dict(zip(columns, cubes, strict=True)), title=block.title
            )
        return points_table(name, kind, columns, values, block.title)
    # An axis of words or integers has one more bin, for everything else, before them.
    words = [["other", *map(str, edges)] for edges in listed]
    if math.prod(map(len, words)) != len(values):
        return points_table(name, kind, columns, values, block.title)
    rows = tuple(", ".join(place[::-1]) for place in itertools.product(*words[::-1]))
    return Table(name, rows, tuple(columns), values, class_name=kind, title=block.title)


def _numbers(rows: list[list[str]]) -> Floats:
    return np.array(
        [[float("nan") if cell == "---" else float(cell) for cell in row] for row in rows],
        dtype=np.float64,
    )


def _fault(path: Path, line: int, what: str) -> OutputMissingError:
    return OutputMissingError(
        f"{path.name} is not a readable YODA file: {shortened(what)}", place=f"{path}:{line}"
    )


def _histo1d(one: Histogram) -> str:
    if len(one.axes) != 1 or one.axes[0].labels is not None:
        raise StorageError(f"'{one.name}' cannot be written as YODA: one axis without labels only")
    edges = one.axes[0].edges
    centres = np.concatenate((edges[:1], (edges[1:] + edges[:-1]) / 2, edges[-1:]))
    w, w2 = one.values, one.variances
    fills = np.where(w2 > 0, w * w / np.where(w2 > 0, w2, 1.0), 0.0)
    table = np.array([w, w2, w * centres, w * centres**2, fills]).T

    def line(low: object, high: object, row: Floats) -> str:
        return "\t".join([str(low), str(high), *(repr(float(value)) for value in row)])

    path = "/" + one.name.lstrip("/")
    lines = [
        f"BEGIN YODA_HISTO1D_V2 {path}", f"Path: {path}", f"Title: {one.title}",
        "Type: Histo1D", "---", "# ID\tID\tsumw\tsumw2\tsumwx\tsumwx2\tnumEntries",
        line("Total", "Total", table.sum(axis=0)), line("Underflow", "Underflow", table[0]),
        line("Overflow", "Overflow", table[-1]),
        "# xlow\txhigh\tsumw\tsumw2\tsumwx\tsumwx2\tnumEntries",
    ]  # fmt: skip
    ends = [repr(float(edge)) for edge in edges]
    lines += [line(ends[n], ends[n + 1], table[n + 1]) for n in range(len(edges) - 1)]
    return "\n".join([*lines, "END YODA_HISTO1D_V2", ""])
