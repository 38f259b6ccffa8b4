"""YODA text, the format of Rivet: versions 1 (`_V1`, `_V2`, or none) and 2 (`_V3`).

Histograms become histograms, everything else tables with the numbers of each bin or point.
Annotations count, as facts. Moments of x are
not kept: they follow the fills and YODA writers round them on their own.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from reprun.bounded.parsing import BROKEN_VALUES, parse_json
from reprun.digests import sha256_bytes
from reprun.errors import OutputMissingError, StorageError
from reprun.histograms.composites import GRAPH_COLUMNS, binned_table, points_table
from reprun.histograms.facts import category_labels, is_exact, remember
from reprun.histograms.identity import left_out
from reprun.histograms.model import (
    BYTES,
    Axis,
    DataObject,
    Floats,
    Histogram,
    Objects,
    Table,
    Unread,
)
from reprun.wording import shortened

_LINE = re.compile(r"[^\n]+")
_BEGIN = re.compile(r"^(?:# )?BEGIN YODA_(\w+?)(?:<([\w,]*)>)?(?:_V(\d{1,9}))? +(\S.*)$")
_END = re.compile(r"^(?:# )?END YODA")
_ANNOTATION = re.compile(r"^([^\s:=#-][^:=]*?)\s*[:=](?:\s+|(?<==)|$)(.*)$")
_EDGES = re.compile(r"Edges\(A(\d)\)")
_BINNED = re.compile(r"(BINNED)?(HISTO|PROFILE|ESTIMATE)(?:([0-9])D)?")

ROUNDING = 1e-9
PRINTED = 2e-6
"""How far a sum over bins and the total may be apart, of numbers that are written with 7 digits."""
SCATTERS = {
    "SCATTER1D": ("x", "x error low", "x error high"),
    "SCATTER2D": ("x", "x error low", "x error high", "y", "y error low", "y error high"),
    "SCATTER3D": (
        *("x", "x error low", "x error high", "y", "y error low", "y error high"),
        *("z", "z error low", "z error high"),
    ),
}
OLD_COLUMNS = {"HISTO1D": 5, "PROFILE1D": 7, "HISTO2D": 8, "PROFILE2D": 9}
"""Numbers of a bin of YODA 1 without its edges."""
LEFT_OUT = left_out("YODA")


class _UnsupportedError(Exception):
    """This one object cannot be represented; the message says why."""


@dataclass(slots=True)
class _Block:
    kind: str
    parameters: str
    version: int
    path: str
    line: int
    facts: dict[str, str] = field(default_factory=dict)
    """Annotations, and settings of the body that are not understood."""
    rows: list[list[str]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """All of it as it is written, but empty lines and spaces at the end of one."""

    def take(self, name: str, default: str = "") -> str:
        """Return a fact that is understood, so that it is none any more."""
        return self.facts.pop(name, default)


def read_yoda(path: Path, text: str) -> Objects:
    """Read all objects by their YODA path without the leading slash.

    Raises OutputMissingError that names the line of the first fault.
    """
    found: dict[str, DataObject] = {}
    unread: dict[str, Unread] = {}
    for block in _blocks(path, text):
        name = block.path.lstrip("/")
        if name in found or name in unread:
            raise _fault(path, block.line, f"'{block.path}' is duplicated")
        try:
            found[name] = _described(name, block)
        except _UnsupportedError as reason:
            text = "\n".join([_full_kind(block), str(block.version), *block.lines])
            whole = {BYTES: sha256_bytes(text.encode("utf-8", "replace"))}
            unread[name] = Unread(f"YODA {_class_name(block)}: {reason}", whole)
        except BROKEN_VALUES as error:
            raise _fault(path, block.line, f"'{block.path}': {_said(error)}") from error
    if not (found or unread) and text.strip():
        raise _fault(path, 1, "no BEGIN YODA line")
    return Objects(found, unread)


def yoda_text(histograms: Iterable[Histogram]) -> str:
    """Return histograms of one axis as YODA_HISTO1D_V2, which YODA 1 and 2 read.

    Moments of x are those of bin centres. Raises StorageError for more axes or labels.
    """
    return "\n".join(_histo1d(one) for one in sorted(histograms, key=lambda one: one.name))


def _blocks(path: Path, text: str) -> Iterator[_Block]:
    block: _Block | None = None
    number, before = 1, 0
    # Not all lines at once: a small compressed file may hold very many.
    for found in _LINE.finditer(text):
        line, start = found[0].rstrip(), found.start()
        number, before = number + text.count("\n", before, start), start
        begins = _BEGIN.match(line) if "BEGIN YODA" in line else None
        if block is None:
            if begins:
                kind, parameters, version, name = begins.groups()
                block = _Block(kind, parameters or "", int(version or 1), name, number)
            elif line and line[0] != "#":
                raise _fault(path, number, f"'{line[:40]}' is outside an object")
        elif begins or line.startswith("BEGIN YODA"):
            break
        elif _END.match(line):
            _sort(block)
            yield block
            block = None
        elif line:
            block.lines.append(line)
    if block is not None:
        raise _fault(path, block.line, f"'{block.path}' has no END")


def _sort(block: _Block) -> None:
    """Tell annotations and settings from rows of numbers.

    The oldest files have no `---` between them, and `Key=value` for annotations.
    """
    lines = block.lines
    end = lines.index("---") if "---" in lines else -1
    values: list[tuple[str, list[str]]] = []
    for line in lines[: end + 1][:-1]:
        if line.startswith("#"):
            continue
        if found := _ANNOTATION.match(line):
            values.append((found[1], [found[2]]))
        elif values and line[0] in " \t-":  # a value may be longer than a line
            values[-1][1].append(line.strip())
        else:
            values.append(("text", [line]))
    for line in lines[end + 1 :]:
        if line.startswith("#"):
            continue
        if line[0].isalpha() and (found := _ANNOTATION.match(line)):
            values.append((found[1], [found[2]]))
        else:
            block.rows.append(line.split())
    for key, parts in values:
        remember(block.facts, key, " ".join(parts).strip())


def _described(name: str, block: _Block) -> DataObject:
    """Return an object with what is said of it besides its numbers."""
    title = block.take("Title").strip('"')
    labels = [block.take(f"{letter}Label").strip('"') for letter in "XYZ"]
    if block.facts.get("Path") == block.path:
        block.take("Path")
    if block.facts.get("Type", "").casefold() == _full_kind(block).casefold():
        block.take("Type")
    for key in LEFT_OUT & block.facts.keys():
        block.take(key)
    thing = _object(name, block)
    for row, cells in enumerate(block.rows, start=1):
        for column, cell in enumerate(cells, start=1):
            if not is_exact(cell):
                remember(block.facts, f"row {row}, column {column}", cell)
    axes = tuple(
        replace(axis, title=label) for axis, label in zip(thing.axes, labels, strict=False)
    )
    return replace(thing, title=title, axes=axes, facts={**thing.facts, **block.facts})


def _full_kind(block: _Block) -> str:
    return f"{block.kind}<{block.parameters}>" if block.parameters else block.kind


def _class_name(block: _Block) -> str:
    return block.kind.title()


def _object(name: str, block: _Block) -> DataObject:
    if block.kind in SCATTERS:
        return _scatter(name, block)
    if block.kind == "COUNTER":
        columns = ("sumw", "sumw2", "entries")
        return points_table(name, "Counter", columns, _numbers(block.rows, len(columns), rows=1))
    known = _BINNED.fullmatch(block.kind)
    if known is None:
        raise _UnsupportedError("this class cannot be compared")
    if known[2] == "ESTIMATE":
        return _estimate(name, block)
    if block.version >= 3:
        axes, numbers = _axes(block)
    elif block.kind in OLD_COLUMNS:
        axes, numbers = _old_axes(block)
    else:
        raise _UnsupportedError(f"of version {block.version}")
    return _filled(name, block, axes, numbers)


def _filled(name: str, block: _Block, axes: tuple[Axis, ...], rows: Floats) -> DataObject:
    """Return a histogram, or a profile as a table; columns: sumw, sumw2, moments, entries.

    The bins of YODA 2 stand with x running fastest.
    """
    shape = tuple(axis.bins + 2 for axis in axes)
    if len(rows) != math.prod(shape):
        raise ValueError(f"{len(rows)} rows of numbers for {shape} bins with flow")
    cube = [column.reshape(shape[::-1]).T for column in rows.T]
    entries = float(rows[:, -1].sum())
    if "HISTO" in block.kind:
        if len(axes) > 3:
            raise _UnsupportedError(f"{len(axes)} axes")
        return Histogram(name, axes, cube[0], cube[1], entries=entries)
    at = 2 + 2 * len(axes)
    columns = {
        "sumw": cube[0], "sumw2": cube[1], "sumwy": cube[at], "sumwy2": cube[at + 1],
        "entries": cube[-1],
    }  # fmt: skip
    table = binned_table(name, _class_name(block), axes, columns, entries=entries)
    return _of_parameters(table, block)


def _of_parameters(table: Table, block: _Block) -> Table:
    """Return a table that says whether its axes are numbers, integers or words."""
    return (
        replace(table, facts={"axes": block.parameters.casefold()}) if block.parameters else table
    )


def _listed_edges(block: _Block) -> list[list[Any]]:
    """Return the edges or categories of each axis."""
    found = {key: match[1] for key in block.facts if (match := _EDGES.fullmatch(key))}
    if sorted(found.values()) != [str(n + 1) for n in range(len(found))] or not found:
        raise _UnsupportedError("axes that are not counted")
    texts = [block.take(key) for key in sorted(found)]
    edges = [parse_json(text) for text in texts]
    if not all(isinstance(one, list) for one in edges):
        raise ValueError("edges that are not a list")
    return edges


def _axes(block: _Block) -> tuple[tuple[Axis, ...], Floats]:
    """Return the axes of YODA 2, and the rows with flow bins first and last on each."""
    listed = _listed_edges(block)
    kinds = block.parameters.casefold().split(",") if block.parameters else ["d"] * len(listed)
    if len(kinds) != len(listed):
        raise _UnsupportedError(f"{len(listed)} axes of {len(kinds)} kinds")
    dimensions = len(listed) + ("PROFILE" in block.kind)
    mixed = dimensions * (dimensions - 1) // 2
    plain = 2 + 2 * dimensions + 1
    numbers = _numbers(block.rows, plain, plain + mixed)
    axes, places = [], []
    for kind, edges in zip(kinds, listed, strict=True):
        if kind == "d":
            axes.append(Axis(np.array(edges, dtype=np.float64)))
            places.append(len(edges) + 1)
        else:
            axes.append(Axis.categories(category_labels(edges)))
            places.append(len(edges) + 1)
    if len(numbers) != math.prod(places):
        if block.facts.get("MaskedBins", "[]") != "[]":
            raise _UnsupportedError("masked bins that have no numbers")
        raise ValueError(f"{len(numbers)} rows of numbers for {places} bins with flow")
    cube = numbers.reshape(*places[::-1], numbers.shape[1])
    for n, kind in enumerate(kinds):
        if kind != "d":
            cube = _moved_flow(cube, len(kinds) - 1 - n)
    if block.facts.get("MaskedBins") == "[]":
        block.take("MaskedBins")
    return tuple(axes), cube.reshape(-1, numbers.shape[1])


def _moved_flow(cube: Floats, axis: int) -> Floats:
    """Return numbers with the bin of all other words last: it stands first in YODA.

    Before them comes a place for an underflow, which categories do not have.
    """
    last = np.roll(cube, -1, axis=axis)
    return np.insert(last, 0, 0.0, axis=axis)


def _old_axes(block: _Block) -> tuple[tuple[Axis, ...], Floats]:
    """Return axes and rows with flow of YODA 1; gaps between bins cannot be represented."""
    if block.kind.endswith("2D"):
        return _old_plane(block)
    width = OLD_COLUMNS[block.kind]
    named = [row for row in block.rows if row[0][0].isalpha() and row[0] != "nan"]
    names = [row[0] for row in named]
    if not set(names) <= {"Total", "Underflow", "Overflow"} or len(set(names)) != len(names):
        raise _UnsupportedError(f"rows called {', '.join(names)}")
    if any(row[1:2] != row[:1] for row in named):
        raise _UnsupportedError("a row of two names")
    flow = {row[0]: _numbers([row[2:]], width)[0] for row in named}
    listed = [row for row in block.rows if row not in named]
    table = _numbers(listed, width + 2)
    if not len(table):
        raise _UnsupportedError("no bins")
    low, high = table[:, 0], table[:, 1]
    if not np.array_equal(low[1:], high[:-1]):
        raise _UnsupportedError("gaps between bins")
    if not {"Underflow", "Overflow"} <= flow.keys():
        raise _UnsupportedError("no flow bins")
    axis = Axis(np.append(low, high[-1]))
    rows = np.vstack((flow["Underflow"], table[:, 2:], flow["Overflow"]))
    _check_total(block, rows, flow.get("Total"))
    return (axis,), rows


def _check_total(block: _Block, rows: Floats, total: Floats | None) -> None:
    """Remember a total that is not the sum of the bins, which holds what no bin does."""
    if total is None:
        return
    counted = [0, 1, rows.shape[1] - 1]
    apart = np.abs(rows.sum(axis=0) - total)[counted]
    scale = np.abs(rows).sum(axis=0)[counted] + np.abs(total)[counted]
    if not (apart <= PRINTED * scale).all():
        remember(block.facts, "Total", total[counted].tolist())


def _old_plane(block: _Block) -> tuple[tuple[Axis, ...], Floats]:
    """Return two axes and rows with flow of YODA 1.

    It keeps no flow bins but the totals: what lies outside of the bins goes into the last
    corner, so that it is compared too.
    """
    width = OLD_COLUMNS[block.kind]
    totals = [row for row in block.rows if row[:2] == ["Total", "Total"]]
    if len(totals) > 1:
        raise _UnsupportedError("several totals")
    table = _numbers([row for row in block.rows if row not in totals], 4 + width)
    if not len(table):
        raise _UnsupportedError("no bins")
    axes = []
    for low, high in (table[:, 0:2].T, table[:, 2:4].T):
        lows, highs = np.unique(low), np.unique(high)
        if not np.array_equal(lows[1:], highs[:-1]):
            raise _UnsupportedError("bins that form no grid")
        axes.append(Axis(np.append(lows, highs[-1])))
    shape = axes[0].bins, axes[1].bins
    places = [np.searchsorted(axis.edges, table[:, 2 * n]) + 1 for n, axis in enumerate(axes)]
    whole = len(table) == shape[0] * shape[1] == len(set(zip(*places, strict=True)))
    ends = zip(axes, places, (table[:, 1], table[:, 3]), strict=True)
    if not (whole and all(np.array_equal(axis.edges[at], end) for axis, at, end in ends)):
        raise _UnsupportedError("bins that form no grid")
    cube = np.zeros((shape[0] + 2, shape[1] + 2, table.shape[1] - 4))
    cube[places[0], places[1]] = table[:, 4:]
    if totals:
        total = _numbers([totals[0][2:]], width)[0]
        outside = total - table[:, 4:].sum(axis=0)
        # Sums in another order differ in rounding; that is not an entry.
        outside[np.abs(outside) <= ROUNDING * np.abs(total)] = 0.0
        cube[-1, -1] = outside
    rows = cube.transpose(1, 0, 2).reshape(-1, cube.shape[2])
    return tuple(axes), rows


def _scatter(name: str, block: _Block) -> Table:
    columns = SCATTERS[block.kind]
    values = _numbers(block.rows, len(columns))
    if block.kind == "SCATTER2D":
        values = values[:, [columns.index(column) for column in GRAPH_COLUMNS]]
        columns = GRAPH_COLUMNS
    return points_table(name, _class_name(block), columns, values)


def _estimate(name: str, block: _Block) -> Table:
    """Return values with their errors by source; edges may be numbers, integers or words."""
    labels = parse_json(block.take("ErrorLabels", "[]"))
    if not isinstance(labels, list):
        raise TypeError("labels of errors that are not a list")
    if block.facts.get("MaskedBins") == "[]":
        block.take("MaskedBins")
    columns = ["value"]
    width = len(block.rows[0]) if block.rows else 1
    for source in labels or [""] * ((width - 1) // 2):
        columns += [f"{source} error low".strip(), f"{source} error high".strip()]
    values = _numbers(block.rows, len(columns))
    kind = _class_name(block)
    if block.kind == "ESTIMATE0D":
        return points_table(name, kind, columns, values)
    listed = _listed_edges(block)
    if block.kind.startswith("ESTIMATE"):
        axes = tuple(Axis(np.array(edges, dtype=np.float64)) for edges in listed)
        shape = tuple(axis.bins + 2 for axis in axes)
        _check_rows(values, shape)
        cubes = [column.reshape(shape[::-1]).T for column in values.T]
        return binned_table(name, kind, axes, dict(zip(columns, cubes, strict=True)))
    # An axis of words or integers has one more bin, for everything else, before them.
    words = [["other", *category_labels(edges)] for edges in listed]
    _check_rows(values, [len(one) for one in words])
    rows = tuple(", ".join(place[::-1]) for place in itertools.product(*words[::-1]))
    if any(", " in word for each in words for word in each):  # as between two words of a row
        remember(block.facts, "Edges", words)
    table = Table(name, rows, tuple(columns), values, class_name=kind)
    return _of_parameters(table, block)


def _check_rows(values: Floats, shape: Sequence[int]) -> None:
    if len(values) != math.prod(shape):
        raise _UnsupportedError(f"{len(values)} rows of numbers for {math.prod(shape)} bins")


def _numbers(given: list[list[str]], *widths: int, rows: int | None = None) -> Floats:
    """Return rows of numbers; each has one of the `widths`, and all have the same."""
    found = {len(row) for row in given}
    if not found <= set(widths) or len(found) > 1 or (rows is not None and len(given) != rows):
        counted = " or ".join(map(str, sorted(found)))
        raise _UnsupportedError(f"{len(given)} rows of {counted or 0} numbers")
    return np.array(
        [[float("nan") if cell == "---" else float(cell) for cell in row] for row in given],
        dtype=np.float64,
    ).reshape(len(given), found.pop() if found else widths[0])


def _said(error: BaseException) -> str:
    return f"no field {error}" if isinstance(error, KeyError) else str(error)


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
