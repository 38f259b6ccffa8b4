"""HEPData: submissions and single tables read, submissions written.

The format: hepdata-submission.readthedocs.io; the official hepdata-validator accepts what is
written here, which a test holds.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, TypeVar

import numpy as np
import yaml

from reprun.bounded import limits
from reprun.bounded.parsing import BROKEN_VALUES, compose_yaml, construct_yaml
from reprun.errors import OutputMissingError, StorageError
from reprun.histograms.facts import as_annotations, is_exact, is_number, remember, rest
from reprun.histograms.identity import left_out
from reprun.histograms.model import (
    DataObject,
    Floats,
    Histogram,
    Objects,
    Table,
    Unread,
    number,
    printable,
)
from reprun.wording import shortened

NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
PYTHON_2_TEXT = {f"tag:yaml.org,2002:python/{name}" for name in ("unicode", "str")}
MISSING = math.nan, math.nan
LEFT_OUT = left_out("HEPData")

_Document: TypeAlias = dict[str, Any]
_Sources: TypeAlias = dict[tuple[str, int], dict[int, tuple[float, float]]]
_T = TypeVar("_T")


def read_hepdata(path: Path, name: str, text_of: Callable[[Path], str]) -> Objects:
    """Read a submission.yaml with its tables, or the tables of one file.

    The first table of a file is called by `name` or the name that a submission gives it, a
    further one by its own. A table whose file is missing is named among the unread, so that it
    is never passed over. Raises OutputMissingError that names the file and the fault.
    """
    text = text_of(path)
    found: dict[str, DataObject] = {}
    unread: dict[str, Unread] = {}
    about: dict[str, str] = {}
    tables: list[_Document] = []
    for one in _documents(path, text):
        if "dependent_variables" in one:
            tables.append(one)
        elif "data_file" in one:
            objects = _listed(path, one, text_of)
            _join(path, found, objects.by_name, unread)
            _join(path, unread, objects.unread, found)
        else:
            rest(about, "the submission", one, LEFT_OUT)
    for n, one in enumerate(tables):
        called = name if n == 0 else printable(str(one.get("name", f"{name} ({n + 1})")))
        known = {"name"} if n else set()
        _join(path, found, {called: _table(path, called, one, _most(text), known)}, unread)
    if not (found or unread):
        raise _fault(path, "neither a table nor a submission")
    if about:
        _join(path, found, as_annotations(name, about), unread)
    return Objects(found, unread)


def _listed(path: Path, entry: _Document, text_of: Callable[[Path], str]) -> Objects:
    """Return what the file of an entry of a submission holds."""
    name = printable(str(entry.get("name", entry["data_file"])))
    file = path.parent / str(entry["data_file"])
    if PurePosixPath(str(entry["data_file"])).is_absolute() or ".." in file.parts:
        raise _fault(path, f"the table '{name}' is in a file outside of the submission")
    if not _is_file(file):
        missing = f"HEPData table whose file {shortened(file.name)} is missing"
        return Objects({}, {name: Unread(missing)})
    text = text_of(file)
    found: dict[str, DataObject] = {}
    for n, one in enumerate(_documents(file, text)):
        called = name if n == 0 else f"{name} ({n + 1})"
        found[called] = _table(file, called, one, _most(text), set(), entry)
    return Objects(found)


def _join(
    path: Path, found: dict[str, _T], more: Mapping[str, _T], others: Mapping[str, object]
) -> None:
    for name, one in more.items():
        if name in found or name in others:
            raise _fault(path, f"the table '{name}' is duplicated")
        found[name] = one


def write_hepdata(
    directory: Path, histograms: Iterable[Histogram], *, comment: str, keywords: dict[str, str]
) -> list[Path]:
    """Write a submission: `submission.yaml` and a table for each histogram of one or two axes.

    HEPData has no flow bins: the description of a table says what they hold. Raises
    StorageError for three axes, or for two names that give one file name.
    """
    directory.mkdir(parents=True, exist_ok=True)
    documents: list[dict[str, Any]] = [{"comment": comment}]
    written: dict[Path, str] = {}
    for one in sorted(histograms, key=lambda one: one.name):
        file = directory / f"{NOT_IN_FILE_NAMES.sub('_', one.name)}.yaml"
        if len(one.axes) > 2 or file in written:
            reason = "it has three axes" if len(one.axes) > 2 else f"as '{written[file]}' has"
            raise StorageError(f"'{one.name}' cannot be written to HEPData: {reason}")
        file.write_text(_dumped(_document(one)), encoding="utf-8")
        written[file] = one.name
        inner = one.values[tuple(slice(1, -1) for _ in one.axes)]
        flow = float(one.values.sum() - inner.sum())
        documents.append(
            {
                "name": one.name,
                "description": f"{one.title or one.name}. The flow bins, not listed, hold "
                f"{number(flow)}.",
                "keywords": [{"name": key, "values": [value]} for key, value in keywords.items()],
                "data_file": file.name,
            }
        )
    submission = directory / "submission.yaml"
    submission.write_text(
        "---\n" + "---\n".join(_dumped(one) for one in documents), encoding="utf-8"
    )
    return [submission, *written]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _most(text: str) -> int:
    return limits.FREE_CELLS.value + len(text)


def _documents(path: Path, text: str) -> list[_Document]:
    """Return the documents of a file that are not empty."""
    try:
        nodes = compose_yaml(text, most=len(text))
        _check_nodes(nodes)
        documents = [construct_yaml(node) for node in nodes]
    except (yaml.YAMLError, *BROKEN_VALUES) as error:
        said = str(error).splitlines() or [type(error).__name__]
        raise _fault(path, f"not valid YAML: {said[0]}") from error
    if not documents or not all(one is None or isinstance(one, dict) for one in documents):
        raise _fault(path, "not a HEPData document")
    return [one for one in documents if one]


def _check_nodes(nodes: Iterable[Any]) -> None:
    """Make text of what Python 2 wrote as such, and refuse a key that is there twice.

    PyYAML keeps the last of two and drops the first.
    """
    waiting, seen = [node for node in nodes if node is not None], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if node.tag in PYTHON_2_TEXT:
            node.tag = "tag:yaml.org,2002:str"
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) != len(keys):
                twice = Counter(keys).most_common(1)[0][0]
                line = node.start_mark.line + 1
                raise ValueError(f"the key '{twice}' is duplicated in line {line}")
            waiting += [one for pair in node.value for one in pair]


@dataclass(slots=True)
class _Content:
    """A table while it is read."""

    most: int
    columns: dict[str, list[float]] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, cells: list[float]) -> None:
        """Add a column; a name that is there already gets a number."""
        unique = name if name not in self.columns else f"{name} ({len(self.columns)})"
        self.columns[unique] = cells

    def number(self, value: Any, what: str, *, shown: bool = False) -> float:
        """Return a number, NaN where there is none; text that says more than it is a fact.

        So are words, a percent sign and an integer that float64 does not hold. `shown` says
        that the text is in the name of the row.
        """
        if value is None:
            return math.nan
        text = str(value).strip()
        try:
            found = float(text.removesuffix("%"))
        except ValueError:
            found = math.nan
        told = is_number(text) and is_exact(text)
        if not (told or shown):
            remember(self.facts, what, text)
        return found


def _table(
    path: Path,
    name: str,
    document: _Document,
    most: int,
    known: set[str],
    entry: _Document | None = None,
) -> Table:
    """Return the values of a table with their errors, and the bins of numbers as columns.

    What is not a number is a fact of it, also what `entry` says of it in the submission.
    """
    content = _Content(most)
    try:
        sides = [
            [_mapping(one, "a variable") for one in _list(document.get(key), key)]
            for key in ("independent_variables", "dependent_variables")
        ]
        size = _size([*sides[0], *sides[1]])
        known = {"independent_variables", "dependent_variables", *LEFT_OUT, *known}
        rest(content.facts, "the table", document, known)
        rest(content.facts, "the table", entry or {}, {"name", *LEFT_OUT})
        words = [_independent(content, n, one) for n, one in enumerate(sides[0], start=1)]
        for n, one in enumerate(sides[1], start=1):
            _dependent(content, n, one)
        rows = [", ".join(place) for place in zip(*words, strict=True)] if words else []
        rows = rows or [f"row {n + 1}" for n in range(size)]
        values: Floats = np.array(list(content.columns.values()), dtype=np.float64).T
        return Table(
            name, tuple(rows), tuple(content.columns), values.reshape(size, len(content.columns)),
            class_name="HEPData table", facts=content.facts,
        )  # fmt: skip
    except BROKEN_VALUES as error:
        what = f"no field {error}" if isinstance(error, KeyError) else str(error)
        raise _fault(path, what) from error


def _size(variables: list[_Document]) -> int:
    """Return the number of values that every variable has."""
    if not variables:
        raise ValueError("it has no variables")
    sizes = {_heading(one): len(_list(one.get("values"), "values")) for one in variables}
    lengths = {len(_list(one.get("values"), "values")) for one in variables}
    if len(lengths) > 1:
        counted = ", ".join(f"'{name}' has {size}" for name, size in sizes.items())
        raise ValueError(f"variables of different numbers of values: {counted}")
    return lengths.pop()


def _heading(variable: _Document) -> str:
    header = _mapping(variable.get("header"), "header")
    if header.get("name") is None:
        raise ValueError("a variable has no name in its header")
    return str(header["name"])


def _described(content: _Content, role: str, variable: _Document) -> str:
    """Return the heading of a variable; all that is said of it counts."""
    heading = _heading(variable)
    remember(content.facts, role, heading)
    rest(content.facts, f"'{heading}'", variable["header"], {"name"})
    rest(content.facts, f"'{heading}'", variable, {"header", "values"})
    return heading


def _independent(content: _Content, n: int, variable: _Document) -> list[str]:
    """Add the bins or values of a variable; return the words for each."""
    heading = _described(content, f"independent variable {n}", variable)
    cells = [_mapping(cell, "a value") for cell in _list(variable.get("values"), "values")]
    for part in ("low", "high", "value"):
        numbers = [
            content.number(
                cell.get(part),
                f"{part} of '{heading}', row {row}",
                shown=("low" in cell) == (part != "value"),
            )
            for row, cell in enumerate(cells, start=1)
        ]
        if not np.isnan(numbers).all():
            content.add(f"{heading} {part}", numbers)
    for row, cell in enumerate(cells, start=1):
        rest(content.facts, f"'{heading}', row {row}", cell, {"low", "high", "value"})
        if ", " in _words(cell):  # as between the words of two variables
            remember(content.facts, f"'{heading}', row {row}", _words(cell))
    return [_words(cell) for cell in cells]


def _dependent(content: _Content, n: int, variable: _Document) -> None:
    """Add the values of a variable, and the errors of each source."""
    heading = _described(content, f"dependent variable {n}", variable)
    cells = [_mapping(cell, "a value") for cell in _list(variable.get("values"), "values")]
    numbers = []
    sources: _Sources = {}
    for row, cell in enumerate(cells):
        place = f"'{heading}', row {row + 1}"
        numbers.append(content.number(cell.get("value"), place))
        rest(content.facts, place, cell, {"value", "errors"})
        for source, sides in _errors(content, place, cell):
            sources.setdefault(source, {})[row] = sides
    content.add(heading, numbers)
    if len(sources) * len(cells) > content.most:
        # Errors of other sources in each of many cells are a table that is larger than its file.
        raise ValueError(f"{len(sources):,} sources of errors of {len(cells):,} values")
    if any(again for _, again in sources):
        remember(content.facts, f"sources of errors of '{heading}'", list(sources))
    for (label, again), errors in sources.items():
        called = f"{label} ({again + 1})" if again else label
        for side, at in (("error low", 0), ("error high", 1)):
            column = [errors.get(row, MISSING)[at] for row in range(len(cells))]
            content.add(f"{heading} {called} {side}", column)


def _errors(
    content: _Content, place: str, cell: _Document
) -> Iterator[tuple[tuple[str, int], tuple[float, float]]]:
    """Yield both sides of each error of a value, by label and how often it was there before."""
    seen: Counter[str] = Counter()
    for each in _list(cell.get("errors"), "errors"):
        one = _mapping(each, "an error")
        label = "" if one.get("label") is None else str(one["label"])
        where = f"error '{label}' of {place}"
        kind = "symerror" if one.get("symerror") is not None else "asymerror"
        rest(content.facts, where, one, {"label", kind})
        if kind == "symerror":
            low = high = content.number(one["symerror"], where)
        else:
            sides = _mapping(one.get("asymerror"), "asymerror")
            rest(content.facts, where, sides, {"minus", "plus"})
            low = content.number(sides.get("minus"), f"lower {where}")
            high = content.number(sides.get("plus"), f"upper {where}")
            if low == high:  # as a symmetric one has both
                remember(content.facts, where, "both sides go up, or both down")
        yield (label, seen[label]), (low, high)
        seen[label] += 1


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError(f"{what} is not a list")
    return value


def _mapping(value: Any, what: str) -> _Document:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{what} is not a mapping")
    return value


def _words(cell: _Document) -> str:
    if "low" in cell:
        return f"[{cell['low']}, {cell.get('high')})"
    return str(cell.get("value"))


def _document(one: Histogram) -> dict[str, Any]:
    places = [tuple(place) for place in np.ndindex(*(axis.bins for axis in one.axes))]
    independent = []
    for index, axis in enumerate(one.axes):
        header = {"name": axis.title or "xyz"[index]} | ({"units": axis.unit} if axis.unit else {})
        cells: list[dict[str, Any]] = []
        for place in places:
            n = place[index]
            if axis.labels is not None:
                cells.append({"value": axis.labels[n]})
            else:
                low, high = (number(float(edge)) for edge in axis.edges[n : n + 2])
                cells.append({"low": low, "high": high})
        independent.append({"header": header, "values": cells})
    values = []
    for place in places:
        at = tuple(n + 1 for n in place)
        error = float(np.sqrt(one.variances[at]))
        content: dict[str, Any] = {"value": number(float(one.values[at]))}
        values.append(content | {"errors": [{"label": "stat", "symerror": number(error)}]})
    dependent = {"header": {"name": one.title or one.name}, "values": values}
    return {"independent_variables": independent, "dependent_variables": [dependent]}


def _dumped(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _fault(path: Path, what: str) -> OutputMissingError:
    return OutputMissingError(
        f"{path.name} is not a readable HEPData file: {shortened(what)}", place=str(path)
    )
