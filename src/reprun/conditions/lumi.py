"""Validated runs: a mask of runs and luminosity blocks, and the luminosity it certifies."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.bounded.texts import read_text, text_of
from reprun.errors import SpecificationError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Ranges = Sequence[tuple[int, int]]

PER_INVERSE_PB = {"ub": 1e6, "nb": 1e3, "pb": 1.0, "fb": 1e-3}


@dataclass(frozen=True, slots=True)
class Masked:
    """How many events a mask leaves."""

    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Mask:
    """Certified luminosity blocks by run; both ends of a range are included."""

    runs: Mapping[int, Ranges]

    @property
    def blocks(self) -> int:
        """Number of certified luminosity blocks."""
        return sum(last - first + 1 for ranges in self.runs.values() for first, last in ranges)

    @property
    def ranges(self) -> int:
        """Number of ranges."""
        return sum(map(len, self.runs.values()))

    def has(self, run: int, block: int | None = None) -> bool:
        """Tell whether a run (or one of its luminosity blocks) is certified."""
        ranges = self.runs.get(run, ())
        return bool(ranges) and (
            block is None or any(first <= block <= last for first, last in ranges)
        )

    def select(self, runs: ArrayLike, blocks: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Return for each event whether it is certified.

        Without `blocks` only the runs are looked at, as for event lists that hold no blocks.
        """
        import numpy as np  # noqa: PLC0415 - only where events are masked

        run_numbers = np.asarray(runs)
        chosen = np.zeros(run_numbers.shape, dtype=bool)
        numbers = None if blocks is None else np.asarray(blocks)
        for run in np.unique(run_numbers):
            ranges = self.runs.get(int(run), ())
            here = run_numbers == run
            if numbers is None:
                chosen[here] = bool(ranges)
                continue
            for first, last in ranges:
                chosen |= here & (numbers >= first) & (numbers <= last)
        return chosen

    def count(self, runs: ArrayLike, blocks: ArrayLike | None = None) -> Masked:
        """Return how many events there are before and after the mask."""
        chosen = self.select(runs, blocks)
        return Masked(chosen.size, int(chosen.sum()))


def read_mask(path: Path) -> Mask:
    """Read a golden JSON: `{"run": [[first, last], …], …}`.

    Raises SpecificationError with the line of the first fault.
    """
    try:
        text = read_text(path, limits.JSON_BYTES)
        document = parse_json(text, _pairs)
    except json.JSONDecodeError as error:
        raise SpecificationError(
            f"not a golden JSON: {error.msg}", place=f"{path}:{error.lineno}"
        ) from error
    except (OSError, UnicodeDecodeError, LimitError) as error:
        raise SpecificationError(f"cannot read {path.name}: {error}", place=str(path)) from error
    if not isinstance(document, _Pairs) or not document:
        raise SpecificationError("not a golden JSON: it holds no runs", place=f"{path}:1")
    runs: dict[int, Ranges] = {}
    for name, ranges in document:
        fault = _fault(name, ranges) or ("is duplicated" if int(name) in runs else None)
        if fault:
            at = re.search(rf'"{re.escape(name)}"\s*:', text)
            line = text.count("\n", 0, at.start()) + 1 if at else 1
            raise SpecificationError(
                f"not a golden JSON: run {name} {fault}", place=f"{path}:{line}"
            )
        runs[int(name)] = [(first, last) for first, last in ranges]
    return Mask(runs)


class _Pairs(list[tuple[str, Any]]):
    """The members of a JSON object, also those that stand twice."""


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    return _Pairs(pairs)


def _fault(name: str, ranges: Any) -> str | None:
    if not name.isdigit():
        return "is not a run number"
    if not isinstance(ranges, list) or isinstance(ranges, _Pairs) or not ranges:
        return "has no list of ranges"
    for pair in ranges:
        if not isinstance(pair, list) or len(pair) != 2:
            return f"has the range {json.dumps(pair)}, not [first, last]"
        if not all(type(number) is int for number in pair) or not 0 <= pair[0] <= pair[1]:
            return f"has the range {json.dumps(pair)}: first and last block, in this order"
    ordered = sorted(ranges)
    for (_, last), (first, _) in pairwise(ordered):
        if first <= last:
            return f"has ranges that overlap at luminosity block {first}"
    return None


def count_table(mask: Mask, table: Path, run_column: str, lumi_column: str | None) -> Masked:
    """Count the rows of a CSV table of events before and after the mask."""
    columns = [run_column, *([lumi_column] if lumi_column else [])]
    found: list[list[int]] = [[] for _ in columns]
    text = io.StringIO(text_of(table, limits.TEXT_BYTES), newline="")
    reader = csv.DictReader(text, skipinitialspace=True)
    try:
        for column in columns:
            if column not in (reader.fieldnames or ()):
                raise SpecificationError(
                    f"{table.name} has no column '{column}'"
                    + did_you_mean(column, reader.fieldnames or ()),
                    place=f"{table}:1",
                )
        for row in reader:
            for values, column in zip(found, columns, strict=True):
                values.append(int(row[column]))
    except (ValueError, TypeError, csv.Error) as error:
        raise SpecificationError(
            f"not a table of events: {error}", place=f"{table}:{reader.line_num}"
        ) from error
    return mask.count(*found)


def _rows(table: Path) -> Iterator[list[str]]:
    reader = csv.reader(text_of(table, limits.TEXT_BYTES).splitlines())
    try:
        yield from reader
    except csv.Error as error:
        raise SpecificationError(
            f"not a luminosity table: {error}", place=f"{table}:{reader.line_num}"
        ) from error


def luminosity(mask: Mask, table: Path) -> float:
    """Return the recorded luminosity of the certified blocks in 1/pb.

    The table is a CSV as brilcalc writes it: a header line that begins `#run:fill` and names
    `recorded(/unit)`, one row a luminosity block (`ls`) or one a run.
    """
    total = 0.0
    header: list[str] = []
    for number, row in enumerate(_rows(table), 1):
        if row and row[0].startswith("#"):
            header = [row[0].lstrip("#"), *row[1:]] if "recorded" in ",".join(row) else header
            continue
        if not row:
            continue
        try:
            values = dict(zip(header, row, strict=True))
            run = int(values[header[0]].partition(":")[0])
            block = int(values["ls"].partition(":")[0]) if "ls" in values else None
            column = next(name for name in header if name.startswith("recorded"))
            unit = PER_INVERSE_PB[column.removeprefix("recorded(/").rstrip(")")]
            recorded = float(values[column])
        except (ValueError, KeyError, StopIteration, IndexError) as error:
            raise SpecificationError(
                "not a luminosity table: a line that its header does not explain",
                place=f"{table}:{number}",
            ) from error
        if mask.has(run, block):
            total += recorded / unit
    return total
