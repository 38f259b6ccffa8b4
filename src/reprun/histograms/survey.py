"""What a file of events or histograms holds, as far as a first analysis of it needs to know."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reprun.errors import OutputMissingError, SpecificationError, did_you_mean
from reprun.histograms.model import Floats
from reprun.histograms.parquet.files import opened_parquet
from reprun.histograms.root.files import check_root
from reprun.histograms.root.trees import TREES
from reprun.wording import listed, quoted

SAMPLE = 100_000
"""Events that are read to find the ranges of columns."""
DELIMITERS = ",;\t|"
IDENTIFIER = re.compile(
    r"^((run|event|lumi|lumiblock|luminosityblock|entry|bx|bunchcrossing|(mc)?channel)"
    r"_?(number|num|no|nr|id)?|index.*|id|#)$",
    re.IGNORECASE,
)
"""Columns that number events: no histogram of them means anything."""
MAX_WHOLE = 60
"""Whole numbers over at most so many values get one bin each."""
BINS = 50
LARGEST = 1e300
"""Beyond it are the marks of what is missing, such as DBL_MAX, whose differences overflow."""
FINEST = 1e-13
"""No width is smaller beside its edges: 15 digits, as many as are written, tell them apart."""
FIELD = re.compile(
    r"^(?P<lists>std::(vector|array)<|ROOT::(VecOps::)?RVec<)?"
    r"(std::)?(u?int(8|16|32|64)_t|float|double|bool)(,\d+)?>?$"
)
"""Types of an RNTuple's fields that are numbers or lists of numbers."""
MISSING = ("", "na", "n/a", "nan", "null", "none")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of numbers, with a binning that shows most of it."""

    name: str
    lists: bool
    """Whether each event has a list of numbers rather than one."""
    bins: int
    low: float
    high: float
    path: tuple[str, ...] = ()
    """Where it is in a tree: the branch, then the leaf or member of what the branch holds."""


@dataclass(frozen=True, slots=True)
class Spectrum:
    """A one-dimensional histogram of a file."""

    name: str
    bins: int
    merged: int
    """How many bins may be merged into one so that some hundred stay."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a file holds: events in a tree, a Parquet file or a table of text, or histograms."""

    kind: Literal["histograms", "tree", "parquet", "table"]
    entries: int
    """Events; of a table only those that were read."""
    left_out: Mapping[str, str]
    """What is not used, by name, and why."""
    columns: tuple[Column, ...] = ()
    spectra: tuple[Spectrum, ...] = ()
    tree: str = ""
    delimiter: str = ","


def survey(
    path: Path, *, columns: Sequence[str] = (), tree: str | None = None, most: int = 6
) -> Survey:
    """Look into a file and choose at most `most` columns or histograms of it, or those named.

    The content decides, not the name of the file. Raises SpecificationError for what holds
    neither histograms nor columns of numbers, and says what it does hold.
    """
    if re.match(r"^[a-z]+:/", str(path)):
        raise SpecificationError(
            f"{path} is not a file of this machine: fetch it first", hint="curl -LO URL"
        )
    if not path.exists():
        near = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SpecificationError(
            f"there is no file {path}{did_you_mean(path.name, near)}",
            hint=f"ls {quoted(path.parent)}",
        )
    try:
        if not path.is_file():
            raise SpecificationError(
                f"{path} is not a file; an analysis starts from one file of events or histograms",
                hint=f"ls {quoted(path)}",
            )
        if path.stat().st_size == 0:
            raise SpecificationError(f"{path} is empty", hint=f"ls -l {quoted(path)}")
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise SpecificationError(
            f"cannot read {path}: {error.strerror}", hint=f"ls -l {quoted(path)}"
        ) from error
    if magic.startswith(b"\x1f\x8b"):
        raise SpecificationError(
            f"{path.name} is compressed; unpack it first", hint=f"gunzip --keep {quoted(path)}"
        )
    if magic == b"root":
        return _root_file(path, columns, tree, most)
    if tree is not None:
        raise SpecificationError(
            f"--tree {tree}: {path.name} is not a ROOT file",
            hint=f"reprun new NAME --from {quoted(path)}",
        )
    return (_parquet if magic == b"PAR1" else _table)(path, columns, most)


# -- choosing ---------------------------------------------------------------------------------


def binning(values: Floats) -> tuple[int, float, float]:
    """Return bins, low and high that show the central 99 % of values, on round numbers.

    Whole numbers get bins of width one, centred on them, where that takes at most 60 bins. Values
    too near each other for floats to carry fifty edges get one bin around them.
    """
    values = np.clip(values, -LARGEST, LARGEST)
    low, high = float(values.min()), float(values.max())
    if (
        high - low < MAX_WHOLE
        and max(abs(low), abs(high)) < 2**31
        and bool((values == np.round(values)).all())
    ):
        return int(high - low) + 1, low - 0.5, high + 0.5
    first, last = (float(q) for q in np.quantile(values, [0.005, 0.995]))
    if not last > first:
        first, last = low, high  # more than 99 % of the values are the same
    largest = max(abs(first), abs(last))
    if (last - first) / BINS <= max(largest * FINEST, 1 / LARGEST):
        margin = max(0.5, largest * FINEST)
        return 1, _tidy(first - margin), _tidy(last + margin)
    width = _round_up((last - first) / BINS)
    start, stop = math.floor(first / width), math.ceil(last / width)
    # A quotient of the smallest numbers rounds to zero; and the upper edge, as it will be written,
    # is open.
    start -= _tidy(start * width) > first
    stop += _tidy(stop * width) <= last
    return stop - start, _tidy(start * width), _tidy(stop * width)


def _measured(values: Floats) -> Floats:
    """Return the values that are numbers: neither NaN nor infinite, nor as good as that."""
    return values[np.abs(values) <= LARGEST]


def _round_up(step: float) -> float:
    """Return the next of 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(float(_tidy(n * power)) for n in (1, 2, 2.5, 5, 10) if n * power >= step * 0.999)


def _tidy(value: float) -> float:
    return float(f"{value:.15g}")


def _chosen(
    names: Sequence[str], wanted: Sequence[str], unusable: Mapping[str, str], path: Path
) -> list[str]:
    """Return the names asked for, or all that are usable."""
    for name in wanted:
        if name in unusable:
            raise SpecificationError(
                f"'{name}' cannot be drawn: {unusable[name]}",
                hint=f"reprun new NAME --from {quoted(path)}   # --column {_first(names)}",
            )
        if name not in names:
            near = did_you_mean(name, names) or "."
            raise SpecificationError(
                f"{path.name} has no '{name}'{near} It has: {_some(names)}",
                hint=f"reprun new NAME --from {quoted(path)}   # --column {_first(names)}",
            )
    return list(dict.fromkeys(wanted)) if wanted else list(names)


def _first(names: Sequence[str]) -> str:
    return quoted(names[0]) if names else "is of no use here"


def _some(names: Sequence[str], most: int = 8) -> str:
    return listed(names, most) or "nothing"


def _reasons(left_out: Mapping[str, str], most: int = 6) -> str:
    return listed((f"{name} ({why})" for name, why in left_out.items()), most, separator="; ")


def _why_not(name: str, values: Floats) -> str | None:
    """Tell why a column makes no first histogram; None if it does."""
    if IDENTIFIER.match(name.rpartition(".")[2]):
        return "numbers the events"
    if not len(values):
        return "holds no number in the events that were looked at"
    low, middle, high = (float(q) for q in np.quantile(values, [0.005, 0.5, 0.995]))
    if high - low <= 1e-3 * abs(middle) or low == high:
        everywhere = "everywhere" if values.min() == values.max() else "almost everywhere"
        return f"is {middle:.4g} {everywhere}"
    return None


def _pick(
    read: Iterator[tuple[str, bool, Floats]], wanted: Sequence[str], most: int, left: dict[str, str]
) -> tuple[Column, ...]:
    """Return columns with their binning; what is asked for by name is taken as it is."""
    picked: list[Column] = []
    for name, lists, values in read:
        finite = _measured(values)
        why = _why_not(name, finite)
        if wanted and why is not None and not len(finite):
            raise SpecificationError(f"'{name}' {why}", hint="leave out its --column")
        if not wanted and why is not None:
            left[name] = why
        elif wanted or len(picked) < most:
            picked.append(Column(name, lists, *binning(finite)))
        else:
            left[name] = "not among the first"
    return tuple(picked)


# -- tables -----------------------------------------------------------------------------------


def _table(path: Path, wanted: Sequence[str], most: int) -> Survey:
    header, rows, delimiter = _read_table(path)
    names = [name.strip() for name in header]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SpecificationError(
            f"{path.name} has two columns called '{twice}'; rename one in its first line",
            place=f"{path}:1",
            hint=f"head -1 {quoted(path)}",
        )
    if all(_number(name) is not None for name in names):
        numbered = delimiter.join(f"x{number}" for number in range(len(names)))
        raise SpecificationError(
            f"{path.name} has numbers in its first line, where the names of columns belong",
            place=f"{path}:1",
            hint=f"(echo {quoted(numbered)}; cat {quoted(path)}) > {quoted(f'named-{path.name}')}",
        )
    values: dict[str, Floats] = {}
    left: dict[str, str] = {}
    for index, name in enumerate(names):
        if not name:
            left[f"column {index + 1}"] = "has no name"
            continue
        numbers = [_number(row[index]) for row in rows]
        if None in numbers:
            left[name] = "text"
        else:
            values[name] = np.array(numbers, dtype=float)
    chosen = _chosen(list(values), wanted, left, path)
    columns = _pick(((name, False, values[name]) for name in chosen), wanted, most, left)
    if not columns:
        raise SpecificationError(
            f"{path.name} has no column of numbers that could be drawn: {_reasons(left)}",
            hint=f"head -3 {quoted(path)}",
        )
    return Survey("table", len(rows), left, columns, delimiter=delimiter)


def _read_table(path: Path) -> tuple[list[str], list[list[str]], str]:
    """Return names, the first rows and the delimiter; lines that start with # are comments."""
    at = 0

    def told(file: Iterable[str]) -> Iterator[str]:
        nonlocal at
        for at, line in enumerate(file, 1):  # noqa: B007 - the line that a fault is in
            if not line.startswith("#"):
                yield line

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = told(file)
            first = next(lines, "")
            delimiter = max(DELIMITERS, key=first.count)
            reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
            header = next(reader, [])
            rows = []
            for row in islice((row for row in reader if row), SAMPLE):
                if len(row) != len(header):
                    raise SpecificationError(
                        f"line {at} of {path.name} has {len(row)} fields, its first line "
                        f"names {len(header)} columns",
                        place=f"{path}:{at}",
                        hint=f"sed -n '{at}p' {quoted(path)}",
                    )
                rows.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SpecificationError(
            f"{path.name} is neither a ROOT file nor a table in UTF-8 text: {error}",
            place=str(path),
            hint=f"file {quoted(path)}",
        ) from error
    if not rows:
        raise SpecificationError(
            f"{path.name} has no row below the names of its columns", hint=f"head -3 {quoted(path)}"
        )
    return header, rows, delimiter


def _number(text: str) -> float | None:
    """Return what a cell says: a number, NaN where it is empty, None where it is text."""
    text = text.strip()
    if text.lower() in MISSING:
        return math.nan
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


# -- Parquet files ------------------------------------------------------------------------------


def _parquet(path: Path, wanted: Sequence[str], most: int) -> Survey:
    try:
        with opened_parquet(path) as table:
            left: dict[str, str] = {}
            usable: dict[str, tuple[str, ...]] = {}
            for place, why in table.leaves():
                if why is None:
                    usable[".".join(place)] = place
                else:
                    left[".".join(place)] = why
            columns = _drawn(
                usable, wanted, most, left, path, lambda place: table.first(place, SAMPLE)
            )
            entries = table.entries
    except OutputMissingError as error:
        raise SpecificationError(error.message, place=error.place, hint=error.hint) from error
    if not columns:
        raise SpecificationError(
            f"{path.name} has no column of numbers that could be drawn: {_reasons(left)}"
        )
    return Survey("parquet", entries, left, columns)


# -- ROOT files -------------------------------------------------------------------------------


def _root_file(path: Path, wanted: Sequence[str], tree: str | None, most: int) -> Survey:
    import uproot  # noqa: PLC0415 - half a second, and tables do without

    try:
        check_root(path)
        with uproot.open(path) as file:
            return _opened(path, file, wanted, tree, most)
    except SpecificationError:
        raise
    except OutputMissingError as error:
        raise SpecificationError(
            f"{path.name} cannot be read as a ROOT file: {error.message.partition(': ')[2]}",
            place=error.place,
            hint=f"ls -l {quoted(path)}   # is it complete?",
        ) from error
    except Exception as error:
        said = str(error).strip().splitlines() or ["its bytes are broken"]
        raise SpecificationError(
            f"{path.name} cannot be read as a ROOT file: {said[0]}",
            place=str(path),
            hint=f"ls -l {quoted(path)}   # is it complete?",
        ) from error


def _opened(path: Path, file: Any, wanted: Sequence[str], tree: str | None, most: int) -> Survey:
    """Choose trees where there are any with events, else histograms."""
    classes: dict[str, str] = file.classnames(recursive=True, cycle=False)
    trees = {name: file[name] for name, kind in classes.items() if TREES.match(kind)}
    if tree is not None or any(each.num_entries for each in trees.values()):
        return _tree(path, trees, classes, wanted, tree, most)
    if trees and not any(kind.startswith("TH1") for kind in classes.values()):
        raise SpecificationError(
            f"{path.name} contains no events: its tree {next(iter(trees))} is empty"
        )
    return _histograms(path, file, classes, wanted, most)


def _tree(
    path: Path,
    trees: Mapping[str, Any],
    classes: Mapping[str, str],
    wanted: Sequence[str],
    named: str | None,
    most: int,
) -> Survey:
    if named is not None and named not in trees:
        near = did_you_mean(named, trees) or "."
        raise SpecificationError(
            f"{path.name} has no tree '{named}'{near} It has: {_some(list(trees))}",
            hint=f"reprun new NAME --from {quoted(path)}   # takes the tree with most events",
        )
    name = named or max(trees, key=lambda each: int(trees[each].num_entries))
    tree = trees[name]
    if not tree.num_entries:
        raise SpecificationError(f"tree {name} of {path.name} contains no events")
    left = {
        other: f"a {kind} besides the tree {name}"
        for other, kind in classes.items()
        if other != name and kind != "TDirectory"
    }
    usable: dict[str, tuple[str, ...]] = {}
    for column, why in _columns(tree):
        if why is None:
            usable[".".join(column)] = column
        else:
            left[".".join(column)] = why
    columns = _drawn(usable, wanted, most, left, path, lambda place: _sample(tree, place))
    if not columns:
        raise SpecificationError(
            f"tree {name} of {path.name} has no branch of numbers that could be drawn: "
            f"{_reasons(left)}"
        )
    return Survey("tree", int(tree.num_entries), left, columns, tree=name)


def _drawn(
    usable: Mapping[str, tuple[str, ...]],
    wanted: Sequence[str],
    most: int,
    left: dict[str, str],
    path: Path,
    sample: Callable[[tuple[str, ...]], tuple[bool, NDArray[Any]]],
) -> tuple[Column, ...]:
    """Return the columns to draw of those that are usable; `sample` says if it is lists, and reads.

    No more is read than is needed.
    """
    chosen = _chosen(list(usable), wanted, left, path)

    def read() -> Iterator[tuple[str, bool, Floats]]:
        enough = 0
        for each in chosen:
            if enough >= most and not wanted:
                left[each] = "not among the first"
                continue
            lists, values = sample(usable[each])
            if not wanted and values.dtype == bool:
                left[each] = "true or false"
                continue
            flat = values.astype(float)
            enough += _why_not(each, _measured(flat)) is None
            yield each, lists, flat

    return tuple(
        replace(column, path=usable[column.name]) for column in _pick(read(), wanted, most, left)
    )


def _sample(tree: Any, path: tuple[str, ...]) -> tuple[bool, NDArray[Any]]:
    """Return whether each of the first events has a list in a column, and all values of these."""
    import awkward as ak  # noqa: PLC0415 - comes with uproot, and tables do without

    array = tree[path[0]].array(library="ak", entry_stop=SAMPLE)
    for part in path[1:]:
        array = array[part]
    return array.ndim > 1, np.asarray(ak.to_numpy(ak.flatten(array, axis=None)))


def _columns(tree: Any) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Yield the columns of a tree or RNTuple: path, and why it is of no use."""
    return _branches(tree) if hasattr(tree, "branches") else _fields(tree.fields)


def _fields(fields: Iterable[Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, str | None]]:
    """Yield the fields of an RNTuple; of records, also of lists of these, their members."""
    for field in fields:
        path = (*above, field.name)
        if field.fields and not FIELD.match(field.typename):
            yield from _fields(field.fields, path)
        else:
            yield path, None if FIELD.match(field.typename) else str(field.typename)


def _branches(tree: Any) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Yield the branches of a tree: of one that is split its members, of one with leaves these."""
    ends = [(path, each) for path, each in tree.iteritems(recursive=True) if not each.branches]
    names = Counter(branch.name for _, branch in ends)
    for path, branch in ends:
        if "/" in path and not branch.num_baskets:
            continue  # a base class, or what of a member is in other branches
        name = branch.name if names[branch.name] == 1 else path
        outer = branch.interpretation
        inner = outer.content if outer.__class__.__name__ == "AsJagged" else outer
        if inner.__class__.__name__ != "AsDtype":
            yield (name,), str(branch.typename or "of an unknown type")
            continue
        leaves = inner.to_dtype.base.names
        for leaf in leaves or ():
            yield (name, leaf), _no_number(inner.to_dtype.base[leaf])
        if leaves is None:
            yield (name,), _no_number(inner.to_dtype)


def _no_number(dtype: np.dtype[Any]) -> str | None:
    return None if dtype.base.kind in "biuf" else str(dtype)


def _histograms(
    path: Path, file: Any, classes: Mapping[str, str], wanted: Sequence[str], most: int
) -> Survey:
    left: dict[str, str] = {}
    found: dict[str, tuple[int, bool]] = {}
    for name, kind in classes.items():
        if kind.startswith("TH1"):
            histogram = file[name]
            if histogram.axis().labels() is not None:
                left[name] = "its bins have names"
            else:
                contents = histogram.values()
                found[name] = (len(contents), bool(contents.any()))
        elif kind != "TDirectory":
            left[name] = f"a {kind}"
    names = _chosen(list(found), wanted, left, path)
    if not names:
        holds = _reasons(left) if left else "nothing"
        raise SpecificationError(
            f"{path.name} has neither a tree nor a one-dimensional histogram; it holds {holds}"
        )
    if not wanted:
        left |= {name: "empty" for name in names if not found[name][1]}
        filled = [name for name in names if found[name][1]] or names
        left |= dict.fromkeys(filled[most:], "not among the first")
        names = filled[:most]
    spectra = tuple(Spectrum(name, found[name][0], _merged(found[name][0])) for name in names)
    return Survey("histograms", 0, left, spectra=spectra)


def _merged(bins: int) -> int:
    """Return the smallest number of bins to merge that divides them into at most a hundred."""
    return next((n for n in range(1, bins // 20 + 1) if bins % n == 0 and bins / n <= 100), 1)
